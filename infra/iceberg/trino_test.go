package main

import (
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/readers"
	"github.com/caudal/caudal/internal/testservices"
)

// Trino reads both versions through Iceberg, by the statements of docs/lake.md, finds every row, and goes on to a version that is published later.
func TestTrinoReadsTheVersionsThroughIceberg(t *testing.T) {
	s := testservices.Trino(t)
	w := readers.New(t)
	first, one := w.Version.ID, w.Want()
	w.Grow(t)
	two := w.Want()
	publish(t, w)
	blocks, err := readers.Lines("Iceberg")
	if err != nil || len(blocks) != 3 {
		t.Fatalf("docs/lake.md: %d blocks, %v", len(blocks), err)
	}
	lines := strings.NewReplacer("s3://bucket/prefix", "file://"+w.Dir, "000003-4be1c9d20a7f", first)
	found := w.Trino(t, s.URL, lines.Replace(blocks[1]), logPartition)
	w.Grow(t)
	publish(t, w)
	found = append(found, w.Trino(t, s.URL, lines.Replace(blocks[2]), logPartition)...)
	wanted := []readers.Found{two, one, w.Want()}
	if len(found) != len(wanted) {
		t.Fatalf("%d answers", len(found))
	}
	for i, want := range wanted {
		if wrong := want.Compare(found[i]); wrong != "" {
			t.Errorf("answer %d: %s", i, wrong)
		}
		t.Logf("Trino by Iceberg %d rows, sum of n %s, of wide %s, %d nulls of maybe, sha256 %.12s", found[i].Rows, found[i].Sums["n"], found[i].Sums["wide"], found[i].Nulls["maybe"], found[i].SHA256)
	}
}
