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
	chunk := ChunkWrite{ID: minute(0, 1), New: true}
	for i := range cells {
		chunk.Fields = append(chunk.Fields, AppendField(nil, int64(i%60)*60_000_000, binary.BigEndian.AppendUint64(nil, uint64(i))))
		chunk.Values = append(chunk.Values, make([]byte, 48))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range chunk.Values {
			binary.LittleEndian.PutUint64(chunk.Values[i], uint64(m.Off))
		}
		f := step(m, m.Off+1, chunk)
		if result := r.Flush(b.Context(), []Flush{f})[0]; !result.Applied {
			b.Fatalf("the flush at %d was not applied: %+v", m.Off, result)
		}
		m.Off, m.Coarse, chunk.New = f.To, f.CoarseTo, false
	}
	b.ReportMetric(float64(cells*b.N)/b.Elapsed().Seconds(), "cells/s")
}
