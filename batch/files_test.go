package batch

import (
	"strconv"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
)

// queryRows runs a query whose result is one column, and returns it as text.
func queryRows(t testing.TB, sql string) []string {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var rows []string
	err = conn.Query(t.Context(), "SELECT CAST(x AS VARCHAR) FROM ("+sql+") AS q(x)", func(c *engine.Chunk) error {
		for i := range c.Len() {
			rows = append(rows, string(c.Row(i).Bytes(0)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// offsets reads the offsets in a file of the lake.
func (w *world) offsets(f lake.ChunkFile) []int64 {
	w.t.Helper()
	data, _, err := w.store.Get(w.t.Context(), f.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	path, err := w.lake.Fetch(w.t.Context(), f.Key, lake.Sum(data))
	if err != nil {
		w.t.Fatal(err)
	}
	var offsets []int64
	if f.Dead {
		letters, err := lake.ReadDeadLetters(path)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, l := range letters {
			offsets = append(offsets, l.Offset)
		}
		return offsets
	}
	return segmentOffsets(w.t, path)
}

// segmentOffsets reads the column _offset of a segment.
func segmentOffsets(t testing.TB, path string) []int64 {
	t.Helper()
	var offsets []int64
	for _, row := range queryRows(t, "SELECT _offset FROM read_parquet("+sqltext.Text(path)+", hive_partitioning = false)") {
		offset, err := strconv.ParseInt(row, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, offset)
	}
	return offsets
}
