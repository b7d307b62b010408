package batch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	events "github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// example parses a project of the examples.
func example(t testing.TB, name string) *view.Project {
	t.Helper()
	root := filepath.Join("../examples", name)
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
	p, err := engine.Parse(t.Context(), files, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The data of the examples.
const (
	retailLines = "../examples/retail/online_retail.csv.gz"
	flightLines = "../examples/flights/flights.csv.gz"
)

// sendFile produces the lines of a file to a source's topic.
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
