package batch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	events "github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// retail parses the retail example.
func retail(t testing.TB) *view.Project {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checker, err := engine.NewChecker(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	root := "../examples/retail"
	var files []view.File
	for _, pattern := range []string{"caudal.yaml", "views/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, view.File{Path: rel, Data: data})
		}
	}
	p, problems := view.Parse(files, func(string) (string, bool) { return "", false }, checker)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// sendRetail produces the retail lines to a source's topic.
func sendRetail(t testing.TB, client *stream.Client, src *view.Source, ids events.IDs) {
	t.Helper()
	sendFile(t, client, src, ids, "../examples/retail/online_retail.csv.gz")
}

// sendFile is sendRetail of any file.
func sendFile(t testing.TB, client *stream.Client, src *view.Source, ids events.IDs, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in, err := events.Open(file, filepath.Base(path), src, ids)
	if err != nil {
		t.Fatal(err)
	}
	producer := client.Producer(src.Topic)
	defer producer.Close()
	var batch []stream.Message
	for {
		m, err := in.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if err == nil {
			batch = append(batch, stream.Message{Key: m.Key, Value: m.Value})
		}
		if len(batch) == 20_000 || err != nil {
			if err := producer.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
		if err != nil {
			return
		}
	}
}

// BenchmarkRetail archives the retail lines of the source `orders` and runs the batch over all of its views.
func BenchmarkRetail(b *testing.B) {
	for range b.N {
		b.StopTimer()
		p := retail(b)
		w := newWorldOf(b, p)
		src := p.Sources[0]
		sendRetail(b, w.stream, src, events.ByLine)
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
