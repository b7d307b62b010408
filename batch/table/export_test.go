package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
)

// content is what a folder holds, by name.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func (w *world) export(o ExportOptions) *Journal {
	w.t.Helper()
	o.Source = "sales"
	j, err := w.compactor(nil).Export(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func TestAnExportThatIsStoppedAnywhereHasTheBytesOfOneThatIsNot(t *testing.T) {
	for _, format := range Formats() {
		w := newWorld(t, 11)
		w.archive(0, 200, 0, 4)
		w.compact(Options{})
		w.archive(1, 100, 0, 4)
		first := w.compact(Options{})
		o := ExportOptions{Source: "sales", Format: format, Where: "country <> 'FR'", Columns: []string{"id", "at", "country", "wide", "_offset", "_late", "_ingested_at"}}
		o.Out = filepath.Join(t.TempDir(), "whole")
		if j := w.export(o); !j.Done || len(j.Parts) != 4 || j.Rows == 0 {
			t.Fatalf("%+v", j)
		}
		whole := content(t, o.Out)
		o.Out = filepath.Join(t.TempDir(), "stopped")
		stops, furthest := 0, int64(0)
		for ; ; stops++ {
			ctx, cancel := contextThatCancels(t)
			o.Progress = func(s Step) {
				if s.Done > furthest { // the first date that it writes
					furthest = s.Done
					cancel()
				}
			}
			_, err := w.compactor(nil).Export(ctx, o)
			if err == nil {
				break
			}
			if stops > 10 || !errors.Is(err, errStopped) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if refs, err := w.lake.TableRefs(t.Context(), "sales", first.ID); err != nil || len(refs) != 1 || refs[0].Kind != "export" {
				t.Errorf("references while it is stopped: %+v (%v)", refs, err)
			}
			w.archive(0, 10, 0, 4) // others go on
			w.compact(Options{})
			if stops == 1 { // a disk that lost the end of a file
				name := filepath.Join(o.Out, "sales-2026-03-01."+format)
				if err := os.Truncate(name, 10); err != nil {
					t.Fatal(err)
				}
			}
		}
		if stops < 2 {
			t.Errorf("it was stopped %d times", stops)
		}
		got := content(t, o.Out)
		for name := range whole {
			if got[name] != whole[name] {
				t.Errorf("%s: %s differs", format, name)
			}
		}
		if len(got) != len(whole) {
			t.Errorf("%s: %d files, not %d", format, len(got), len(whole))
		}
		if refs, err := w.lake.TableRefs(t.Context(), "sales", first.ID); err != nil || len(refs) != 0 {
			t.Errorf("references afterwards: %+v (%v)", refs, err)
		}
	}
}

func TestAnExportHoldsWhatWasAskedForInEveryFormat(t *testing.T) {
	w := newWorld(t, 12)
	w.archive(0, 300, 0, 3)
	w.archive(1, 200, 1, 3)
	w.compact(Options{})
	from, to := day.Add(7*time.Hour), day.Add(50*time.Hour)
	want := 0
	for i := range w.log {
		if r := &w.log[i]; !r.duplicate && r.at >= from.UnixMicro() && r.at < to.UnixMicro() && r.price > 100 && r.country != "" {
			want++
		}
	}
	for _, format := range Formats() {
		o := ExportOptions{Format: format, From: from, To: to, Where: "price > 1.00 AND country IN ('DE', 'GB', 'FR') AND contains(tags, country) AND len(moments) = 2", Out: filepath.Join(t.TempDir(), "x")}
		j := w.export(o)
		if j.Rows != int64(want) || want == 0 {
			t.Errorf("%s: %d rows, and the log has %d", format, j.Rows, want)
		}
		if format == "arrow" {
			continue // what an Arrow file holds the tests of internal/tabular read back
		}
		counted, read, options := int64(0), "read_parquet", ""
		if format == "csv" {
			read, options = "read_csv", ", all_varchar = true, delim = ',', quote = '\"', header = true"
		}
		for _, p := range j.Parts {
			n := queryTexts(t, fmt.Sprintf("SELECT count_if(tags::VARCHAR = '[' || country || ', NULL, ' || id || ']' AND starts_with(moments::VARCHAR, '[''2026-03-0'))::VARCHAR FROM %s('%s'%s)", read, filepath.Join(o.Out, p.File), options))
			var rows int64
			fmt.Sscan(n[0], &rows)
			counted += rows
		}
		if counted != j.Rows {
			t.Errorf("%s: the files have %d rows, the journal says %d", format, counted, j.Rows)
		}
	}
}

func TestAnExportInArrowKnowsTheTypesOfArrays(t *testing.T) {
	db, conn, err := openEngine(engine.Options{Threads: 1}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	columns, err := columnsOfQuery(t.Context(), conn, "SELECT ['a'] AS texts, [1.5::DECIMAL(9,2)] AS prices, [make_timestamptz(0)] AS moments, 'a' AS text")
	if err != nil || fmt.Sprint(columns) != "[{texts array<string> false} {prices array<decimal(9,2)> false} {moments array<timestamp> false} {text string false}]" {
		t.Errorf("%v, %v", columns, err)
	}
}

func TestAnExportThatCannotBeIsRefusedWithTheMend(t *testing.T) {
	w := newWorld(t, 13)
	w.archive(0, 20, 0, 2)
	w.compact(Options{})
	out := filepath.Join(t.TempDir(), "x")
	for want, change := range map[string]func(*ExportOptions){
		"there are parquet":     func(o *ExportOptions) { o.Format = "xlsx" },
		"there are id, at":      func(o *ExportOptions) { o.Columns = []string{"idd"} },
		"named twice":           func(o *ExportOptions) { o.Columns = []string{"id", "id"} },
		"subquery":              func(o *ExportOptions) { o.Where = "id IN (SELECT 1)" },
		"syntax error":          func(o *ExportOptions) { o.Where = "true) UNION ALL SELECT 1 FROM read_csv('/etc/passwd')" },
		"read_text":             func(o *ExportOptions) { o.Where = "read_text('/etc/passwd') = 'x'" },
		"no folder":             func(o *ExportOptions) { o.Out = "" },
		"is no span":            func(o *ExportOptions) { o.From, o.To = day, day },
		"lake versions":         func(o *ExportOptions) { o.Version = "99" },
		"holds another export":  func(o *ExportOptions) { o.Out, o.Format = out+"1", "csv" },
		"function of the event": func(o *ExportOptions) { o.Where = `"at" < now()` },
	} {
		w.export(ExportOptions{Format: "parquet", Out: out + "1"})
		o := ExportOptions{Source: "sales", Format: "parquet", Out: out}
		change(&o)
		if _, err := w.compactor(nil).Export(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

func TestAnExportAcrossAnErasureIsNotCarriedOn(t *testing.T) {
	w := newWorld(t, 14)
	w.archive(0, 100, 0, 3)
	w.compact(Options{})
	o := ExportOptions{Source: "sales", Format: "csv", Out: filepath.Join(t.TempDir(), "x")}
	ctx, cancel := contextThatCancels(t)
	o.Progress = func(Step) { cancel() }
	if _, err := w.compactor(nil).Export(ctx, o); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	w.tombstone("country = 'DE'")
	if _, err := w.compactor(nil).Export(t.Context(), o); !errors.Is(err, ErrExport) || !strings.Contains(err.Error(), "erased") {
		t.Errorf("%v", err)
	}
	o.Out += "2"
	w.export(o)
	for name, data := range content(t, o.Out) {
		if strings.Contains(data, ",DE,") {
			t.Errorf("%s has what is to be forgotten", name)
		}
	}
}

// tombstone asks for an erasure of all that is archived, as caudal erase does first of all.
func (w *world) tombstone(where string) *lake.Erasure {
	w.t.Helper()
	below := map[int]int64{}
	for p, next := range w.next {
		below[p] = next
	}
	e, err := w.lake.PutErasure(w.t.Context(), lake.Erasure{Source: "sales", Definition: w.source.Hash(), Topic: w.topic, Below: below, Where: where, Asked: day})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}
