package training

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func newTestLake(t testing.TB) *lake.Lake {
	t.Helper()
	store, err := lake.Open(t.Context(), t.TempDir(), lake.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return lake.New(store)
}

// publish makes the records of a source a version of its table, after the one that is current, and returns its id.
func publish(t testing.TB, l *lake.Lake, src *view.Source, records []record) string {
	t.Helper()
	if err := l.PutDefinition(t.Context(), src.Hash(), src.Canonical()); err != nil {
		t.Fatal(err)
	}
	rows := intake.NewRows(src)
	offsets := map[int][2]int64{}
	first, last := int64(1<<62), int64(-1<<62)
	for _, r := range records {
		if r.source != src.Name {
			continue
		}
		i := rows.Extend()
		rows.Partition[i], rows.Offset[i], rows.Timestamp[i], rows.EventTime[i] = int64(r.partition), r.offset, r.known, r.at
		first, last = min(first, r.at), max(last, r.at)
		span, ok := offsets[r.partition]
		if !ok {
			span[0] = r.offset
		}
		offsets[r.partition] = [2]int64{min(span[0], r.offset), max(span[1], r.offset)}
		for c, f := range src.Fields {
			setField(t, rows, c, i, f, r)
		}
	}
	idx := make([]int32, rows.Len())
	for i := range idx {
		idx[i] = int32(i)
	}
	var file bytes.Buffer
	if err := lake.WriteSegment(&file, rows, idx, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, epoch); err != nil {
		t.Fatal(err)
	}
	topic := lake.Topic{Name: src.Topic, Incarnation: 1}
	key := l.TableFileKey(topic, "2026-03-01", lake.Sum(file.Bytes()))
	put, err := l.PutFile(t.Context(), key, file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	covers := map[int][2]int64{}
	for p, span := range offsets {
		covers[p] = [2]int64{0, span[1] + 1}
	}
	_, tag, err := l.CurrentTable(t.Context(), src.Name)
	if err != nil && !errors.Is(err, lake.ErrNotFound) {
		t.Fatal(err)
	}
	v, _, err := l.PublishTable(t.Context(), lake.TableVersion{
		Source: src.Name, Topic: topic, Definition: src.Hash(), Created: time.UnixMicro(epoch), Dedup: "horizon", Lives: []lake.TableLife{{Incarnation: 1, Offsets: covers}},
		Files: []lake.TableFile{{Key: key, Incarnation: 1, Date: "2026-03-01", Rows: int64(rows.Len()), Bytes: put.Bytes, SHA256: put.SHA256, Definition: src.Hash(), First: first, Last: last, Offsets: offsets}},
		Rows:  int64(rows.Len()), Bytes: put.Bytes,
	}, tag)
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func setField(t testing.TB, rows *intake.Rows, c, i int, f view.Field, r record) {
	t.Helper()
	switch x := r.fields[f.Name].(type) {
	case nil:
		if f.Name == "stamp" {
			rows.SetWord(c, i, r.at)
		}
	case bool:
		rows.SetWord(c, i, algebra.BoolValue(x).Int64())
	case int64:
		rows.SetWord(c, i, x)
	case float64:
		rows.SetWord(c, i, int64(math.Float64bits(x)))
	case string:
		if f.Type.Kind == view.String {
			rows.SetBytes(c, i, []byte(x))
			return
		}
		rows.SetWord(c, i, amount(r.fields))
	}
}

// publishAll publishes the records of all sources of a project.
func publishAll(t testing.TB, l *lake.Lake, p *view.Project, records []record) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, src := range p.Sources {
		ids[src.Name] = publish(t, l, src, records)
	}
	return ids
}

func exportTo(t testing.TB, l *lake.Lake, p *view.Project, dir string, versions map[string]string) Report {
	t.Helper()
	r, err := Export(t.Context(), Config{Lake: l, Training: p.Trainings[0], Versions: versions, Out: dir, Engine: engine.Options{MemoryLimit: "256MB", Threads: 2}, Code: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// folder is what a folder holds, by name.
func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func TestAnExportOfAVersionIsTheSameForEver(t *testing.T) {
	p, l := testProject(t, testTraining), newTestLake(t)
	records := drawRecords(3, 400)
	ids := publishAll(t, l, p, records[:300])
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	first := exportTo(t, l, p, dirs[0], nil)
	if first.Rows < 100 || first.Standing || len(first.Files) != 1 || first.Sources[1].Version != ids["payments"] {
		t.Errorf("exported %+v", first)
	}
	if again := exportTo(t, l, p, dirs[0], nil); !again.Standing || again.ID != first.ID {
		t.Errorf("again: %+v", again)
	}
	publishAll(t, l, p, records)
	exportTo(t, l, p, dirs[1], map[string]string{"payments": "1", "logins": ids["logins"]})
	if a, b := folder(t, dirs[0]), folder(t, dirs[1]); len(a) != 2 || !maps.Equal(a, b) {
		t.Errorf("the same versions gave %d and %d files that are not the same", len(a), len(b))
	}
	newer := exportTo(t, l, p, dirs[2], nil)
	if newer.ID == first.ID || newer.Rows <= first.Rows {
		t.Errorf("of the newer versions: %d rows after %d, set %s after %s", newer.Rows, first.Rows, newer.ID, first.ID)
	}
	_, err := Export(t.Context(), Config{Lake: l, Training: p.Trainings[0], Out: dirs[0]})
	if err == nil || !strings.Contains(err.Error(), "holds set "+first.ID) {
		t.Errorf("another set went into the same folder: %v", err)
	}
	// A file that was damaged is made again, with the same bytes.
	whole := folder(t, dirs[0])
	if err := os.WriteFile(filepath.Join(dirs[0], first.Files[0].Name), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	exportTo(t, l, p, dirs[0], map[string]string{"payments": "1", "logins": "1"})
	if !maps.Equal(whole, folder(t, dirs[0])) {
		t.Error("what was made again differs")
	}
}

func TestAVersionStaysWhileATrainingSetRefersToIt(t *testing.T) {
	p, l := testProject(t, testTraining), newTestLake(t)
	ids := publishAll(t, l, p, drawRecords(4, 60))
	dir := t.TempDir()
	r := exportTo(t, l, p, dir, nil)
	publishAll(t, l, p, drawRecords(4, 80))
	for source, id := range ids {
		refs, err := l.TableRefs(t.Context(), source, id)
		if err != nil || len(refs) != 1 || refs[0].Kind != "training" || !strings.Contains(refs[0].Name, r.ID) {
			t.Fatalf("references to %s of %s: %+v, %v", id, source, refs, err)
		}
		if gone, err := l.ExpireTable(t.Context(), source, id); gone || err != nil {
			t.Errorf("version %s of %s expired: %t, %v", id, source, gone, err)
		}
	}
	if _, err := Drop(t.Context(), l, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a set that was dropped: %v", err)
	}
	for source, id := range ids {
		if gone, err := l.ExpireTable(t.Context(), source, id); !gone || err != nil {
			t.Errorf("version %s of %s stays: %v", id, source, err)
		}
	}
}

func TestATrainingSetAfterAnErasureHoldsNothingOfWhatWasErased(t *testing.T) {
	p, l := testProject(t, testTraining), newTestLake(t)
	records := drawRecords(5, 300)
	publishAll(t, l, p, records)
	dirs := []string{t.TempDir(), t.TempDir()}
	before := exportTo(t, l, p, dirs[0], nil)
	for source, where := range map[string]string{"payments": "customer = 'c1'", "logins": "who = 'c1'"} {
		src := sourceOf(t, p, source)
		_, err := l.PutErasure(t.Context(), lake.Erasure{Source: source, Definition: src.Hash(), Topic: lake.Topic{Name: src.Topic, Incarnation: 1},
			Below: map[int]int64{0: 1 << 40, 1: 1 << 40}, Where: where, Asked: time.UnixMicro(epoch)})
		if err != nil {
			t.Fatal(err)
		}
	}
	after := exportTo(t, l, p, dirs[1], nil)
	if after.ID == before.ID || after.Sources[0].Erasures != 1 || after.Sources[0].Version != before.Sources[0].Version {
		t.Errorf("after the erasure set %s of %+v, before it %s of %+v", after.ID, after.Sources, before.ID, before.Sources)
	}
	kept := slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r.fields["customer"] == "c1" || r.fields["who"] == "c1" })
	names := columnNames(p.Trainings[0])
	got, want := readRows(t, dirs[1], []string{after.Files[0].Name}, names), byHand(p.Trainings[0], Happened, kept)
	if len(got) != len(want) || int64(len(got)) >= before.Rows {
		t.Fatalf("%d rows, by hand %d, before the erasure %d", len(got), len(want), before.Rows)
	}
	for i := range want {
		for name := range want[i] {
			if got[i][name] != want[i][name] {
				t.Fatalf("row %d: %s is %s, by hand %s", i, name, got[i][name], want[i][name])
			}
		}
	}
}

func TestAnExportThatIsStoppedLeavesNoSetAndIsSimplyRunAgain(t *testing.T) {
	p, l := testProject(t, testTraining), newTestLake(t)
	publishAll(t, l, p, drawRecords(6, 200))
	dir := t.TempDir()
	phases := 0
	cfg := Config{Lake: l, Training: p.Trainings[0], Out: dir, Engine: engine.Options{MemoryLimit: "256MB", Threads: 2}, Code: "test",
		Progress: func(string, int64, int64) { phases++ }}
	if _, err := Export(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	want, steps := folder(t, dir), phases
	if steps < 6 {
		t.Fatalf("only %d steps were told of", steps)
	}
	if _, err := Drop(t.Context(), l, dir); err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= steps; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		at := 0
		cfg.Progress = func(string, int64, int64) {
			if at++; at == stop {
				cancel()
			}
		}
		_, err := Export(ctx, cfg)
		cancel()
		left := folder(t, dir)
		if err != nil && len(left) > 0 {
			t.Errorf("stopped at step %d it leaves %d files", stop, len(left))
		}
		if err == nil && stop < steps-1 {
			t.Errorf("stopped at step %d of %d it went on", stop, steps)
		}
	}
	cfg.Progress = nil
	if _, err := Export(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(want, folder(t, dir)) {
		t.Error("the set that was made after the stops differs")
	}
}
