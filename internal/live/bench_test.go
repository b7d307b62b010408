package live

import (
	"encoding/binary"
	"testing"
)

// BenchmarkFlush writes 2,000 cells of 48 bytes in one call to a real Redis, the same ones again and again, as a micro-batch of a busy minute does.
func BenchmarkFlush(b *testing.B) {
	const cells = 2_000
	r := realRedis(b)
	m, _, err := r.Take(b.Context(), group, 0, at(0), "t1", "i1")
	if err != nil {
		b.Fatal(err)
	}
	var written Cells
	for i := range cells {
		written.Fields = append(written.Fields, AppendField(nil, int64(i%60)*60_000_000, binary.BigEndian.AppendUint64(nil, uint64(i))))
		written.Values = append(written.Values, make([]byte, 48))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range written.Values {
			binary.LittleEndian.PutUint64(written.Values[i], uint64(m.Off))
		}
		chunk := CellsWrite(minute(0, 1), m.Off == 0, uint32(m.Off+1), written)
		if m.Off > 0 {
			chunk.Gone = [][]byte{SegmentName(uint32(m.Off))}
		}
		f := step(m, m.Off+1, chunk)
		if result := r.Flush(b.Context(), []Flush{f})[0]; !result.Applied {
			b.Fatalf("the flush at %d was not applied: %+v", m.Off, result)
		}
		m.Off, m.Coarse = f.To, f.CoarseTo
	}
	b.ReportMetric(float64(cells*b.N)/b.Elapsed().Seconds(), "cells/s")
}
