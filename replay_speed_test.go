package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/caudal/caudal/serving"
)

// answersAt sends two hours of visits at a speed and returns what is answered of each minute, how much of it was late, and the watermark.
func answersAt(t *testing.T, speed float64) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(starterFolder)); err != nil {
		t.Fatal(err)
	}
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Rows                  []map[string]json.RawMessage
		Events, Late, Records int64
		Watermark             string
	}
	a := &app{projectDir: dir, output: "json", stdout: os.Stdout, stderr: os.Stderr}
	err = a.whole(t.Context(), project, dir, addresses{}, func(ctx context.Context, w *whole) error {
		file, err := os.Open(filepath.Join(dir, "visits.csv"))
		if err != nil {
			return err
		}
		defer file.Close()
		if all.Records, err = sendFile(ctx, w.stream, project.Sources[0], file, "visits.csv", produceOptions{ids: "line", speed: speed}, func(int64) error { return nil }); err != nil {
			return err
		}
		if err := heldBy(ctx, w.parts.server, "pages", all.Records); err != nil {
			return err
		}
		result, err := w.parts.server.Query(ctx, serving.Query{View: "pages", Dimensions: []string{"page"}, Grain: "1m"})
		if err != nil {
			return err
		}
		all.Events, all.Late, all.Watermark = result.Statistics.Events, result.Statistics.Late, result.Provenance.Watermark
		text, err := json.Marshal(result)
		if err != nil {
			return err
		}
		var body struct{ Data []map[string]json.RawMessage }
		err = json.Unmarshal(text, &body)
		all.Rows = body.Data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if all.Records != 122 || all.Events != 120 || all.Late == 0 || all.Watermark == "" {
		t.Fatalf("at speed %v: %s", speed, text)
	}
	return string(text)
}

func TestAReplayAnswersTheSameAtEverySpeed(t *testing.T) {
	t.Parallel()
	atOnce := answersAt(t, 0)
	for _, speed := range []float64{5_000, 20_000} {
		if got := answersAt(t, speed); got != atOnce {
			t.Errorf("at %v times the speed:\n%s\nat once:\n%s", speed, got, atOnce)
		}
	}
}
