package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving"
)

// replayExample sends all of an example's file to its only source, with a batch behind the first half of it, and asks once the speed layer has the rest.
func replayExample(t *testing.T, name, file string, rows int64, ask func(ctx context.Context, w *whole, server *serving.Server) error) {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{".", "views", "alerts"} {
		paths, err := filepath.Glob(filepath.Join("examples", name, folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, folder, filepath.Base(path)), string(text))
		}
	}
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{projectDir: dir, output: "json", stdout: os.Stdout, stderr: os.Stderr}
	err = a.whole(t.Context(), project, dir, addresses{}, func(ctx context.Context, w *whole) error {
		text, err := os.Open(filepath.Join("examples", name, file))
		if err != nil {
			return err
		}
		defer text.Close()
		halved := false
		sent, err := sendFile(ctx, w.stream, project.Sources[0], text, file, produceOptions{ids: "line"}, func(n int64) error {
			if halved || n < rows/2 {
				return nil
			}
			halved = true
			runner, err := w.runner(0)
			if err != nil {
				return err
			}
			_, err = runner.Run(ctx, batch.RunOptions{})
			return err
		})
		if err != nil {
			return err
		}
		if sent != rows {
			t.Errorf("sent %d rows, want %d", sent, rows)
		}
		if err := heldBy(ctx, w.parts.server, project.Views[0].Name, rows); err != nil {
			return err
		}
		return ask(ctx, w, w.parts.server)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// heldBy waits until an answer holds so many records.
func heldBy(ctx context.Context, server *serving.Server, view string, records int64) error {
	for {
		result, err := server.Query(ctx, serving.Query{View: view})
		if err != nil {
			return err
		}
		served := int64(0)
		for _, p := range result.Provenance.Partitions {
			served += p.Served
		}
		if served == records && !result.Provenance.Partial {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records are served: %w", served, records, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// heldTo fails where a page does not have the lines that the code has computed.
func heldTo(t *testing.T, page string, lines []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		t.Log(line)
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("%s does not have the line %s", page, line)
		}
	}
}
