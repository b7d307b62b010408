package batch

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
)

// segmentFile is the path of one segment in the folder of the lake.
func (w *world) segmentFile() string {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(strings.TrimPrefix(w.store.URL(), "file://"), "lake/*/*/dt=*/p=*/*.parquet"))
	if err != nil || len(paths) == 0 {
		w.t.Fatalf("%d segments: %v", len(paths), err)
	}
	return paths[len(paths)/2]
}

func TestTheGateRefusesWhatWasDamagedAndTheOldSnapshotStays(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string, data []byte) error{
		"one byte altered": func(path string, data []byte) error {
			data[len(data)/3] ^= 1
			return os.WriteFile(path, data, 0o644)
		},
		"truncated": func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)-100], 0o644) },
		"missing":   func(path string, data []byte) error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).withRuns()
			w.produce(300, 40, 3)
			w.archiveAll(nil)
			before := w.current()
			path := w.segmentFile()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			intact := append([]byte{}, data...)
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := damage(path, data); err != nil {
				t.Fatal(err)
			}
			_, err = w.runner(nil).Run(t.Context(), RunOptions{})
			var gate *GateError
			if !errors.As(err, &gate) || gate.Reason != reasonSegment {
				t.Fatalf("got %v", err)
			}
			if m := w.current(); m.ID != before.ID {
				t.Fatalf("published %s", m.ID)
			}
			if err := os.WriteFile(path, intact, 0o644); err != nil {
				t.Fatal(err)
			}
			w.run(RunOptions{}) // mended, it goes through
			w.sameAsNaive(w.current())
		})
	}
}

func TestTheGateRefusesOffsetsThatAreNotCovered(t *testing.T) {
	w := newWorld(t).withRuns()
	committed := func(first, next int64, events int64) lake.Chunk {
		c := lake.Chunk{Intent: lake.Intent{First: first, Last: next - 1, Next: next, Definition: "d"}, Committed: true, Events: events}
		c.Files = []lake.ChunkFile{{Key: "k", Date: "2026-03-01", Rows: events, SHA256: "s", First: first, Last: next - 1}}
		return c
	}
	open := committed(10, 20, 10)
	open.Committed = false
	crowded := committed(10, 20, 11)
	uncounted := committed(10, 20, 10)
	uncounted.Events = 9
	twice := committed(10, 20, 3) // where the log has gaps there is room for more rows
	twice.Files, twice.Events = append(twice.Files, twice.Files[0]), 6
	lost := committed(10, 20, 10)
	lost.Missing = [][2]int64{{10, 12}}
	for name, c := range map[string]struct {
		chunks []lake.Chunk
		reason Reason
	}{
		"a hole":                        {[]lake.Chunk{committed(0, 9, 9), committed(10, 20, 10)}, reasonHole},
		"an overlap":                    {[]lake.Chunk{committed(0, 11, 11), committed(10, 20, 10)}, reasonHole},
		"an end before the cut":         {[]lake.Chunk{committed(0, 10, 10), committed(10, 19, 9)}, reasonHole},
		"nothing at all":                {nil, reasonHole},
		"a hole at the front":           {[]lake.Chunk{committed(10, 20, 10)}, reasonHole},
		"an open chunk":                 {[]lake.Chunk{committed(0, 10, 10), open}, reasonHole},
		"more rows than offsets":        {[]lake.Chunk{committed(0, 10, 10), crowded}, reasonCounts},
		"a file listed twice":           {[]lake.Chunk{committed(0, 10, 10), twice}, reasonCounts},
		"files unlike the commit":       {[]lake.Chunk{committed(0, 10, 10), uncounted}, reasonCounts},
		"rows where records are missed": {[]lake.Chunk{committed(0, 10, 10), lost}, reasonCounts},
		"all as it should be":           {[]lake.Chunk{committed(0, 10, 10), committed(10, 20, 7)}, ""},
	} {
		j := &job{view: w.project.Views[0], current: &lake.Manifest{}, starts: map[int]int64{0: 0}, cuts: map[int]lake.Cut{0: {Offset: 20}}, chunks: map[int][]lake.Chunk{0: c.chunks}}
		err := j.covered()
		var gate *GateError
		if c.reason == "" && err != nil || c.reason != "" && (!errors.As(err, &gate) || gate.Reason != c.reason || !errors.Is(err, ErrGate)) {
			t.Errorf("%s: got %v, want %q", name, err, c.reason)
		}
	}
}

// The same for what the lake says of its files: no damage of a commit leads to a snapshot.
func TestCommitsThatWereDamagedAreRefusedAndTheOldSnapshotStays(t *testing.T) {
	t.Parallel()
	type commit = map[string]any
	for name, c := range map[string]struct {
		damage func(c commit)
		why    string
	}{
		"a segment listed twice": {func(c commit) {
			files := c["files"].([]any)
			c["files"], c["events"] = append(files, files[0]), c["events"].(float64)+files[0].(commit)["rows"].(float64)
		}, "twice"},
		"an overlap":   {func(c commit) { c["next"], c["last"] = c["next"].(float64)+5, c["last"].(float64)+5 }, "begins at"},
		"a hole":       {func(c commit) { c["next"], c["last"] = c["next"].(float64)-5, c["last"].(float64)-5 }, "begins at"},
		"none at all":  {nil, "begins at"},
		"fewer events": {func(c commit) { c["events"] = c["events"].(float64) - 1 }, "its commit says"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).withRuns()
			w.produce(300, 40, 3)
			w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 50 })
			before := w.current()
			paths, err := filepath.Glob(filepath.Join(strings.TrimPrefix(w.store.URL(), "file://"), "lake/*/*/_chunks/p=000/*.json"))
			if err != nil || len(paths) < 3 {
				t.Fatalf("%d commits: %v", len(paths), err)
			}
			path := paths[1]
			intact, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content := commit{}
			if err := json.Unmarshal(intact, &content); err != nil {
				t.Fatal(err)
			}
			if c.damage == nil {
				err = os.Remove(path)
			} else {
				c.damage(content)
				damaged, _ := json.Marshal(content)
				err = errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, damaged, 0o644))
			}
			if err != nil {
				t.Fatal(err)
			}
			anew := func(c *Config) { c.Lake = lake.New(w.store) } // commits are remembered
			_, err = w.runner(anew).Run(t.Context(), RunOptions{})
			if !errors.Is(err, ErrGate) && !errors.Is(err, lake.ErrCorrupt) || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("got %v", err)
			}
			if m := w.current(); m.ID != before.ID {
				t.Fatalf("published %s", m.ID)
			}
			if err := os.WriteFile(path, intact, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := w.runner(anew).Run(t.Context(), RunOptions{}); err != nil {
				t.Fatal(err)
			}
			w.sameAsNaive(w.current())
		})
	}
}

func TestTheGateRefusesTotalsThatDoNotAgree(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(300, 41, 2)
	w.archiveAll(nil)
	j := &job{runner: w.runner(nil), options: &RunOptions{RunID: "r"}, view: w.project.Views[0]}
	r := j.runner
	for _, step := range []func() error{
		func() error { return j.begin(t.Context()) },
		func() error { return j.cut(t.Context()) },
		func() error { return j.readChunks(t.Context()) },
		func() error { return j.prepare(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := r.newComputation([]*job{j})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	days := byUnit(j.periods)[0]
	if err := c.load(t.Context(), &planLoads(days, c.rowsBetween, 1<<40)[0]); err != nil {
		t.Fatal(err)
	}
	if err := c.unit(t.Context(), j, days); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"a cell is gone":        "DELETE FROM result_rows WHERE rowid = (SELECT max(rowid) FROM result_rows WHERE _events > 0)",
		"a cell counts twice":   "INSERT INTO result_rows SELECT * FROM result_rows WHERE _events > 0 LIMIT 1",
		"a grain has no answer": "DELETE FROM result_rows WHERE _grain = '1d'",
	} {
		if err := c.conn.Exec(t.Context(), "CREATE OR REPLACE TEMP TABLE whole AS FROM result_rows; "+sql); err != nil {
			t.Fatal(err)
		}
		err := c.checkUnit(t.Context(), j, ranges(days), "day")
		var gate *GateError
		if !errors.As(err, &gate) || gate.Reason != reasonTotals {
			t.Errorf("%s: got %v", name, err)
		}
		if err := c.conn.Exec(t.Context(), "CREATE OR REPLACE TEMP TABLE result_rows AS FROM whole"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.checkUnit(t.Context(), j, ranges(days), "day"); err != nil {
		t.Fatal(err)
	}
}
