package batch

import (
	"testing"
	"time"

	events "github.com/caudal/caudal/internal/feed"
)

// BenchmarkRetail archives the retail lines of the source `orders` and runs the batch over all of its views.
func BenchmarkRetail(b *testing.B) {
	for range b.N {
		b.StopTimer()
		p := example(b, "retail")
		w := newWorldOf(b, p)
		src := p.Sources[0]
		sendFile(b, w.stream, src, events.ByLine, retailLines)
		w.measure(src)
		began := time.Now()
		b.StartTimer()
		w.archiveAll(nil)
		archived := time.Since(began)
		began = time.Now()
		var views []string
		for _, v := range p.Views {
			if v.Source == src {
				views = append(views, v.Name)
			}
		}
		report := w.run(RunOptions{Views: views})
		b.ReportMetric(float64(w.sent[0]+w.sent[1]+w.sent[2]+w.sent[3])/archived.Seconds(), "archived/s")
		b.ReportMetric(time.Since(began).Seconds(), "batch-s")
		b.Log(report)
	}
}
