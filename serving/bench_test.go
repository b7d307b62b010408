package serving

import (
	"context"
	"testing"
)

// BenchmarkQuery asks a dashboard's mix over 60 days by 5 countries and 4 products, half of it in batch.
func BenchmarkQuery(b *testing.B) {
	w := newWorld(b, viewYAML)
	events := random(1, 20_000)
	w.add(events[:10_000]...)
	cuts := w.cuts()
	w.publish(cuts)
	merged := func() { w.add(events[10_000:]...); w.speed(cuts) }
	queries := map[string]Query{
		"by day":             {View: "sales", Measures: []string{"revenue"}, Grain: "1d"},
		"distinct by day":    {View: "sales", Measures: []string{"orders"}, Grain: "1d"},
		"derived by country": {View: "sales", Measures: []string{"per_line"}, Dimensions: []string{"country"}},
		"one country":        {View: "sales", Measures: []string{"revenue", "orders"}, Grain: "1d", Where: "country = 'France'"},
	}
	run := func(layer string) {
		for name, q := range queries {
			b.Run(layer+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := w.server.Query(context.Background(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	w.speed(cuts)
	w.serve()
	run("batch")
	merged()
	run("merged")
}
