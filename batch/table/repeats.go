package table

import (
	"context"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
)

// repeatsTable holds the rows that a version leaves out as repeats beyond the horizon, for a source with batch_dedup: full.
const repeatsTable = "repeats"

// findRepeats fills repeatsTable and returns the places whose standing files hold some of its rows.
//
// Of all events of one id the first by record timestamp is kept, then by partition and offset, those of the newest life before others: as the
// views do (batch/repeats.go). What the parent left out stays out, as what it kept came before; what it kept may have to go for a record that
// was archived later, of another partition, with an earlier timestamp. So a version is a function of the records that it covers, however
// often it was compacted on the way.
func (w *work) findRepeats(ctx context.Context) (map[place]bool, error) {
	again := map[place]bool{}
	src := w.in.source
	if !src.FullDedup || src.EventID == "" {
		return again, nil
	}
	w.options.Progress(Step{Phase: "repeats", Source: src.Name})
	ids := []string{fmt.Sprintf("SELECT *, CAST(0 AS INTEGER) AS inc, FALSE AS standing FROM (%s)", lake.ReadIDs(src, src, nil, nil))}
	add := func(incarnation int, definition string, paths []string, open []lake.OpenErasure, standing bool) error {
		of, err := w.compactor.cfg.Lake.Source(ctx, definition)
		if err != nil {
			return err
		}
		t := lake.Topic{Name: w.in.topic.Name, Incarnation: incarnation}
		read := lake.Kept(lake.ReadIDs(src, of, paths, w.below(incarnation)), reaching(open, incarnation), t, of, paths, "p", "o")
		ids = append(ids, fmt.Sprintf("SELECT *, CAST(%d AS INTEGER) AS inc, %t AS standing FROM (%s)", incarnation, standing, read))
		return nil
	}
	groups, of := groupSegments(w.in.segments)
	for _, g := range groups {
		paths, err := fetch(ctx, w.compactor.cfg.Lake, of[g], func(s *segment) (string, string) { return s.Key, s.SHA256 })
		if err == nil {
			err = add(g.incarnation, g.definition, paths, w.in.open, false)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, g := range groupFiles(w.in.files) {
		paths, err := fetch(ctx, w.compactor.cfg.Lake, g.files, func(f *lake.TableFile) (string, string) { return f.Key, f.SHA256 })
		if err == nil {
			err = add(g.incarnation, g.definition, paths, w.in.open, true)
		}
		if err != nil {
			return nil, err
		}
	}
	sql := fmt.Sprintf(`CREATE OR REPLACE TEMP TABLE %s AS SELECT inc AS _incarnation, p AS _partition, o AS _offset, strftime(make_timestamp(event_us), '%%Y-%%m-%%d') AS date, standing
		FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY ts, inc DESC, p, o) AS nth FROM (%s)) WHERE nth > 1`, repeatsTable, strings.Join(ids, " UNION ALL "))
	if err := w.conn.Exec(ctx, sql); err != nil {
		return nil, fmt.Errorf("look for repeats in the whole table: %w", err)
	}
	err := w.conn.Query(ctx, "SELECT date, _incarnation, standing, count(*) FROM "+repeatsTable+" GROUP BY ALL", func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			if row.Int64(2) != 0 {
				again[place{string(row.Bytes(0)), int(row.Int64(1))}] = true
			}
			w.left += row.Int64(3)
		}
		return nil
	})
	return again, err
}

// below is where what the new version covers of a life ends, by partition.
func (w *work) below(incarnation int) map[int]int64 {
	below := map[int]int64{}
	for _, life := range w.in.lives {
		if life.Incarnation == incarnation {
			for p, span := range life.Offsets {
				below[p] = span[1]
			}
		}
	}
	return below
}
