package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
)

// ErrGate says that what was computed, or what it would be computed from, does not add up. Nothing was published; the old snapshot stays.
var ErrGate = errors.New("the gate refuses to publish")

// Reason is why the gate refused: one constant per cause.
type Reason string

// The reasons.
const (
	reasonHole    Reason = "offsets are not covered"         // a hole, an overlap or an open chunk below the cut
	reasonCounts  Reason = "counts of a chunk contradict"    // its files, its offsets and its verdicts do not fit together
	reasonSegment Reason = "a segment is missing or altered" // or holds other rows than its chunk says
	reasonTotals  Reason = "totals do not agree"             // the answers' events are not the events that were read
	reasonBack    Reason = "records went away"               // fewer below the cut than the current snapshot had
)

// GateError is the ErrGate that names the cause.
type GateError struct {
	Reason Reason
	Err    error // what exactly was found
}

// Error names the cause and what was found.
func (e *GateError) Error() string { return fmt.Sprintf("%v: %s: %v", ErrGate, e.Reason, e.Err) }

// Unwrap makes errors.Is(err, ErrGate) true, and what was found visible.
func (e *GateError) Unwrap() []error { return []error{ErrGate, e.Err} }

func refuse(reason Reason, format string, args ...any) error {
	return &GateError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// records are counts of the records below a cut.
type records struct {
	events     int64 // rows in segments, duplicates among them
	duplicates int64
	late       int64 // of the events that are no duplicates
	dead       int64
	erased     int64 // events that erasures took of the chunks that lie below the cut, or end beyond it
	erasedDead int64 // and dead letters
}

// covered checks that committed chunks hold every offset up to the cut, each once, and that each chunk's counts fit together.
func (j *job) covered() error {
	for _, p := range slices.Sorted(maps.Keys(j.cuts)) {
		cut, chunks := j.cuts[p].Offset, j.chunks[p]
		began := j.was[p].Offset // what is below it the current snapshot covers, or was there before the lake
		if offsets, ok := j.between[p]; ok {
			began = offsets[0]
		}
		if _, known := j.was[p]; !known && !newest(p) && len(chunks) > 0 {
			began = chunks[0].First // of a life before the first snapshot's nobody has said where it begins
		}
		if len(chunks) == 0 {
			if cut > began {
				return refuse(reasonHole, "%s is cut at offset %d, but the lake holds nothing of it from offset %d on", j.label(p), cut, began)
			}
			continue
		}
		if first := chunks[0].First; first > began {
			return refuse(reasonHole, "%s: the lake begins at offset %d and has to hold the records from %d on", j.label(p), first, began)
		}
		for i := range chunks {
			c := &chunks[i]
			if i > 0 && c.First != chunks[i-1].Next {
				return refuse(reasonHole, "%s: a chunk ends at offset %d and the next begins at %d", j.label(p), chunks[i-1].Next, c.First)
			}
			if !c.Committed {
				return refuse(reasonHole, "%s: the chunk [%d, %d) is not committed", j.label(p), c.First, c.Next)
			}
			if err := fits(c); err != nil {
				return refuse(reasonCounts, "%s, chunk [%d, %d): %w", j.label(p), c.First, c.Next, err)
			}
		}
		if last := chunks[len(chunks)-1].Next; last < cut {
			return refuse(reasonHole, "%s is cut at offset %d, but the lake ends at %d", j.label(p), cut, last)
		}
	}
	return nil
}

// fits checks a chunk's counts against its files and its range.
func fits(c *lake.Chunk) error {
	rows, dead := int64(0), int64(0)
	listed := map[string]bool{}
	for _, f := range c.Files {
		if listed[f.Key] {
			return fmt.Errorf("file %s is listed twice", f.Key)
		}
		listed[f.Key] = true
		if f.Dead {
			dead += f.Rows
		} else {
			rows += f.Rows
		}
		if f.First < c.First || f.Last > c.Last {
			return fmt.Errorf("file %s holds offsets %d to %d", f.Key, f.First, f.Last)
		}
	}
	room := c.Last + 1 - c.First
	for _, gap := range c.Missing {
		room -= min(gap[1], c.Last+1) - min(gap[0], c.Last+1)
	}
	switch {
	case rows != c.Events || dead != c.Dead:
		return fmt.Errorf("its files hold %d events and %d dead letters, its commit says %d and %d", rows, dead, c.Events, c.Dead)
	case c.Duplicates < 0 || c.Late < 0 || c.Duplicates > c.Events || c.Late > c.Events:
		return fmt.Errorf("of %d events, %d are duplicates and %d late", c.Events, c.Duplicates, c.Late)
	case c.Events+c.Dead+c.Erased+c.ErasedDead > room:
		// Fewer is no contradiction: control markers and rolled back records have offsets too.
		return fmt.Errorf("%d events, %d dead letters and %d erased records have only %d offsets", c.Events, c.Dead, c.Erased+c.ErasedDead, room)
	}
	return nil
}

// account counts the records below a job's cuts: whole chunks by their commits, those that a cut divides by reading them.
func (c *computation) account(ctx context.Context, j *job) error {
	j.counts = records{}
	for _, p := range slices.Sorted(maps.Keys(j.chunks)) {
		cut := j.cuts[p].Offset
		for i := range j.chunks[p] {
			chunk := &j.chunks[p][i]
			got := records{events: chunk.Events, duplicates: chunk.Duplicates, late: chunk.Late, dead: chunk.Dead}
			if chunk.Last >= cut {
				var err error
				if got, err = c.below(ctx, chunk, cut); err != nil {
					return fmt.Errorf("count the records of chunk [%d, %d) of %s below %d: %w", chunk.First, chunk.Next, j.label(p), cut, err)
				}
			}
			j.counts.events += got.events
			j.counts.duplicates += got.duplicates
			j.counts.late += got.late
			j.counts.dead += got.dead
			j.counts.erased += chunk.Erased
			j.counts.erasedDead += chunk.ErasedDead
			for _, gap := range chunk.Missing {
				if gap[0] < cut {
					j.missing[p] = append(j.missing[p], [2]int64{gap[0], min(gap[1], cut)})
				}
			}
		}
	}
	if err := c.takeErased(ctx, j); err != nil {
		return err
	}
	if before, now := j.current, j.counts; now.events+now.erased < before.Events+before.Erased || now.dead+now.erasedDead < before.Dead+before.ErasedDead {
		return refuse(reasonBack, "%d events and %d dead letters lie below the cut, with those that were erased; snapshot %s had %d and %d", now.events+now.erased,
			now.dead+now.erasedDead, before.ID, before.Events+before.Erased, before.Dead+before.ErasedDead)
	}
	return nil
}

// below counts the records of a chunk below a cut.
func (c *computation) below(ctx context.Context, chunk *lake.Chunk, cut int64) (records, error) {
	var got records
	var segments []*lake.ChunkFile
	for i := range chunk.Files {
		f := &chunk.Files[i]
		switch {
		case f.First >= cut:
		case f.Dead:
			paths, err := c.fetch(ctx, []*lake.ChunkFile{f})
			if err != nil {
				return got, err
			}
			letters, err := lake.ReadDeadLetters(paths[0])
			if err != nil {
				return got, err
			}
			for _, l := range letters {
				if l.Offset < cut {
					got.dead++
				}
			}
		default:
			segments = append(segments, f)
		}
	}
	if len(segments) == 0 {
		return got, nil
	}
	paths, err := c.fetch(ctx, segments)
	if err != nil {
		return got, err
	}
	sql := fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE _duplicate), count(*) FILTER (WHERE _late AND NOT _duplicate) FROM read_parquet(%s, hive_partitioning = false, union_by_name = true) WHERE _offset < %d",
		lake.PathList(paths), cut)
	err = c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		row := rows.Row(0)
		got.events, got.duplicates, got.late = row.Int64(0), row.Int64(1), row.Int64(2)
		return nil
	})
	return got, err
}

// countRows checks that each file holds as many rows as its chunk says.
func (c *computation) countRows(ctx context.Context, files []*lake.ChunkFile, paths []string) error {
	want := map[string]*lake.ChunkFile{}
	for i, path := range paths {
		want[path] = files[i]
	}
	seen := 0
	err := c.conn.Query(ctx, "SELECT file_name, num_rows FROM parquet_file_metadata("+lake.PathList(paths)+")", func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			row := rows.Row(i)
			f := want[string(row.Bytes(0))]
			if f == nil {
				return fmt.Errorf("the engine read %s, which nobody asked for", row.Bytes(0))
			}
			if n := row.Int64(1); n != f.Rows {
				return refuse(reasonSegment, "segment %s holds %d rows, its chunk says %d", f.Key, n, f.Rows)
			}
			seen++
		}
		return nil
	})
	if err == nil && seen != len(paths) {
		err = refuse(reasonSegment, "%d of %d segments could be read", seen, len(paths))
	}
	return err
}

// checkUnit checks that in each grain and each grouping set of a unit's answers the events are those that were read, counted another way.
func (c *computation) checkUnit(ctx context.Context, j *job, spans [][2]int64, unit string) error {
	want, err := c.engine.events(ctx, j, spans)
	if err != nil {
		return err
	}
	groups := 0
	err = c.conn.Query(ctx, "SELECT _grain, _set, CAST(sum(_events) AS BIGINT) FROM "+resultTable+" GROUP BY ALL ORDER BY ALL", func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			row := rows.Row(i)
			if got := row.Int64(2); got != want {
				return refuse(reasonTotals, "the %s grain of %s files, grouping set %d, holds %d events of %d", row.Bytes(0), unit, row.Int64(1), got, want)
			}
			groups++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if expected := len(grainsOf(j.view, unit)) * len(j.plan.Sets()); want > 0 && groups != expected {
		return refuse(reasonTotals, "%d of %d combinations of grain and grouping set have answers in the %s files", groups, expected, unit)
	}
	return nil
}
