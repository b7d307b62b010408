package intake

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// clicks is the source of the figures in DEPENDENCIES: 8 columns, about 190 bytes.
func clicks(format string) *view.Source {
	str := view.Type{Kind: view.String}
	return &view.Source{
		Name: "clicks", Topic: "clicks", Format: "json",
		EventTime: view.EventTime{Field: "at", Format: format, Timezone: "Europe/London"},
		EventID:   "event_id", DedupHorizon: 5 * time.Second, DedupRecords: 4000000, Lateness: 10 * time.Minute, MaxAhead: 5 * time.Minute,
		Fields: []view.Field{
			{Name: "event_id", Type: str}, {Name: "at", Type: view.Type{Kind: view.Timestamp}}, {Name: "user_id", Type: str},
			{Name: "country", Type: str}, {Name: "product", Type: str}, {Name: "quantity", Type: view.Type{Kind: view.Int64}},
			{Name: "unit_price", Type: decimal(12, 2)}, {Name: "channel", Type: str, Nullable: true},
		},
	}
}

func clickLog(n int, at func(time.Time) string) []Record {
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	log := make([]Record, n)
	for i := range log {
		t := start.Add(time.Duration(i) * 20 * time.Microsecond)
		value := fmt.Sprintf(`{"event_id":"%016x-%04x","at":%s,"user_id":"user-%06d","country":"United Kingdom","product":"P%05d","quantity":%d,"unit_price":%d.%02d,"channel":"web"}`,
			rnd.Uint64(), i&0xffff, at(t), rnd.IntN(100000), rnd.IntN(20000), rnd.IntN(50), rnd.IntN(500), rnd.IntN(100))
		log[i] = Record{Offset: int64(i), Timestamp: t.UnixMicro(), Value: []byte(value)}
	}
	return log
}

// The aim is 500 ns per event, with 250,000 ids in memory. The log is read round and round, each time later by its own length.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		format string
		at     func(time.Time) string
	}{
		{"unix_ms", func(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }},
		{"rfc3339", func(t time.Time) string { return t.Format(`"2006-01-02T15:04:05.000Z"`) }},
		{"2006-01-02 15:04:05", func(t time.Time) string { return t.Format(`"2006-01-02 15:04:05"`) }},
	} {
		b.Run(c.format, func(b *testing.B) {
			const batch = 50000
			log := clickLog(10*batch, c.at)
			src := clicks(c.format)
			schema, rows := mustSchema(b, src), NewRows(src)
			b.SetBytes(int64(len(log[0].Value)))
			b.ReportAllocs()
			b.ResetTimer()
			fold := NewFold(schema, Start())
			for i := 0; i < b.N; i++ {
				if i%batch == 0 {
					rows.Reset()
				}
				rec, round := log[i%len(log)], int64(i/len(log))
				rec.Offset += round * int64(len(log))
				rec.Timestamp += round * 10000000
				if v := fold.Append(rec, rows); v.Kind != Event {
					b.Fatalf("record %d: %+v", i, v)
				}
			}
		})
	}
}
