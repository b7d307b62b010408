package stream

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go/compress"
)

const someTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// sealed is a batch of n records, of which every-th carries a trace; 0: none does.
func sealed(t testing.TB, n, every int) batch {
	o := newOutgoing(context.Background(), nil, 1000)
	for i := range n {
		m := Message{Key: []byte("key"), Value: fmt.Appendf(nil, `{"id": "%d", "some": "value that is as long as that of an event is, more or less"}`, i)}
		if every > 0 && i%every == 0 {
			m.Trace = someTrace
		}
		o.add(&m, 1000+int64(i))
	}
	b := o.pack(nil, compress.None)
	seal(b, 1, 0, 0)
	bt, rest, ok, err := cutBatch(b)
	if err != nil || !ok || len(rest) > 0 {
		t.Fatalf("cut: %v, %v, %d bytes are left", ok, err, len(rest))
	}
	return bt
}

func TestARecordCarriesItsTrace(t *testing.T) {
	bt := sealed(t, 100, 10)
	records, err := bt.read(nil, 100, 5) // the first is below the offset
	if err != nil || len(records) != 95 || records[0].Offset != 5 || string(records[94].Key) != "key" {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if want := slices.Repeat([]string{someTrace}, mostTraces); !slices.Equal(bt.traces, want) {
		t.Errorf("traces %v", bt.traces)
	}
}

func TestHeadersOfOthersAreNoTraceAndNoError(t *testing.T) {
	header := func(pairs ...string) []byte {
		e := encoder{}
		e.varint(int64(len(pairs) / 2))
		for _, s := range pairs {
			e.varbytes([]byte(s))
		}
		return e.b
	}
	for headers, want := range map[string]string{
		string(header("a", "b", "traceparent", someTrace)):        someTrace,
		string(header("a", "b")):                                  "",
		string(header("traceparent", string(make([]byte, 1000)))): "",
		string(header("a", "b")[:3]):                              "",
		"\x04\x06":                                                "",
		"":                                                        "",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": "",
	} {
		if got := traceOf([]byte(headers)); got != want {
			t.Errorf("%q: %q", headers, got)
		}
	}
}

// BenchmarkReadRecords compares batches without traces and with one in each hundred records: ns per record.
func BenchmarkReadRecords(b *testing.B) {
	for name, every := range map[string]int{"plain": 0, "traced": 100} {
		b.Run(name, func(b *testing.B) {
			const n = 10_000
			whole := sealed(b, n, every)
			var records []Record
			for b.Loop() {
				bt := whole
				var err error
				if records, err = bt.read(records[:0], n, 0); err != nil || len(records) != n {
					b.Fatal(len(records), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
		})
	}
}
