package speed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
)

// replay hands over the records that Kafka has lost as the lake holds them: rows that were typed and judged before.
type replay struct {
	f     *feed
	lake  *lake.Lake
	topic lake.Topic
	conn  *engine.Conn
	to    chan<- fetched
	most  int // rows in one hand-over

	at     intake.Progress
	out    stored
	others []mark // dead letters and gaps of the chunk in hand that have not been handed over; at holds a dead letter's own timestamp only
}

// stored is a run of records that the lake holds. The loop copies it.
type stored struct {
	rows  *intake.Rows
	marks []mark
}

// run goes from offset to the end of what is committed and returns where Kafka takes over. Kafka takes over as late as can be, so that
// it still holds as much of the dedup horizon as possible.
func (r *replay) run(ctx context.Context, offset, first int64) (next int64, at intake.Progress, err error) {
	src := r.f.p.lane.src
	chunks, err := r.lake.Chunks(ctx, r.topic, r.f.p.number, offset)
	if err != nil {
		return 0, r.at, err
	}
	r.out.rows = intake.NewRows(src)
	for _, c := range chunks {
		if !c.Committed || c.First > offset {
			break
		}
		if err := r.one(ctx, c, offset); err != nil {
			return 0, r.at, fmt.Errorf("replay offsets [%d, %d) of %s partition %d from the lake: %w", offset, c.Next, r.topic, r.f.p.number, err)
		}
		offset = c.Next
	}
	if offset < first {
		return 0, r.at, fmt.Errorf("offsets [%d, %d) of %s partition %d are neither in Kafka nor in the lake", offset, first, r.topic, r.f.p.number)
	}
	return offset, r.at, nil
}

// one hands over what a chunk holds from an offset on.
func (r *replay) one(ctx context.Context, c lake.Chunk, from int64) error {
	r.others = r.others[:0]
	var paths []string
	for _, f := range c.Files {
		path, err := r.lake.Fetch(ctx, f.Key, f.SHA256)
		if err != nil {
			return err
		}
		if !f.Dead {
			paths = append(paths, path)
			continue
		}
		letters, err := lake.ReadDeadLetters(path)
		if err != nil {
			return err
		}
		for _, l := range letters {
			r.others = append(r.others, mark{offset: l.Offset, at: intake.Progress{MaxTimestamp: l.Timestamp}, kind: intake.DeadLetter})
		}
	}
	for _, gap := range c.Missing {
		r.others = append(r.others, mark{offset: gap[1] - 1, at: intake.Start(), gone: gap[1] - gap[0]})
	}
	slices.SortFunc(r.others, func(a, b mark) int { return cmp.Compare(a.offset, b.offset) })
	if len(paths) > 0 {
		sql, err := r.query(ctx, c, paths)
		if err != nil {
			return err
		}
		err = r.conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
			for i := range chunk.Len() {
				if err := r.row(ctx, chunk.Row(i), from); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := r.othersBefore(ctx, c.Next, from); err != nil {
		return err
	}
	// The chunk may end in control markers, and its commit is the authority on the progress at its end.
	r.at = c.Progress
	if n := len(r.out.marks); n > 0 {
		r.out.marks[n-1].at = r.at
	}
	return r.flush(ctx)
}

// query reads the rows of a chunk in the order of the log, in the source's columns; see lake.Columns.
func (r *replay) query(ctx context.Context, c lake.Chunk, paths []string) (string, error) {
	src := r.f.p.lane.src
	of := src
	if c.Definition != src.Hash() {
		var err error
		if of, err = r.lake.Source(ctx, c.Definition); err != nil {
			return "", err
		}
	}
	fields, fits := lake.Columns(src, of)
	cols := append([]string{lake.ColumnOffset, "epoch_us(" + lake.ColumnTimestamp + ")", "epoch_us(" + lake.ColumnEventTime + ")", lake.ColumnDuplicate, lake.ColumnLate, fits}, fields...)
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false) ORDER BY %s", strings.Join(cols, ", "), lake.PathList(paths), lake.ColumnOffset), nil
}

// row takes in one result row of query.
func (r *replay) row(ctx context.Context, row *engine.Row, from int64) error {
	offset, timestamp, eventTime := row.Int64(0), row.Int64(1), row.Int64(2)
	if err := r.othersBefore(ctx, offset, from); err != nil {
		return err
	}
	ahead := r.f.p.lane.src.MaxAhead.Microseconds()
	r.at.MaxTimestamp = max(r.at.MaxTimestamp, timestamp)
	r.at.MaxEventTime = max(r.at.MaxEventTime, min(eventTime, timestamp+ahead))
	if offset < from {
		return nil
	}
	if row.Int64(5) == 0 { // our definition does not take it, as that of the chunk did
		r.out.marks = append(r.out.marks, mark{offset: offset, at: r.at, kind: intake.DeadLetter})
		return r.full(ctx)
	}
	m := mark{offset: offset, at: r.at, kind: intake.Event, late: row.Int64(4) != 0}
	rows := r.out.rows
	i := rows.Extend()
	rows.Partition[i], rows.Offset[i], rows.Timestamp[i], rows.EventTime[i] = int64(r.f.p.number), offset, timestamp, eventTime
	if row.Int64(3) != 0 {
		rows.Duplicate[i], m.kind = 1, intake.Duplicate
	}
	rows.Late[i] = row.Int64(4)
	for c := range rows.Columns {
		row.CopyTo(rows, c, i, 6+c)
	}
	r.out.marks = append(r.out.marks, m)
	return r.full(ctx)
}

// othersBefore takes in the dead letters and gaps below an offset.
func (r *replay) othersBefore(ctx context.Context, offset, from int64) error {
	for len(r.others) > 0 && r.others[0].offset < offset {
		m := r.others[0]
		r.others = r.others[1:]
		r.at.MaxTimestamp = max(r.at.MaxTimestamp, m.at.MaxTimestamp)
		if m.offset < from {
			continue
		}
		m.at = r.at
		r.out.marks = append(r.out.marks, m)
		if err := r.full(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) full(ctx context.Context) error {
	if len(r.out.marks) < r.most {
		return nil
	}
	return r.flush(ctx)
}

// flush hands over what there is and waits until the loop has it.
func (r *replay) flush(ctx context.Context) error {
	if len(r.out.marks) == 0 {
		return nil
	}
	if err := r.f.hand(ctx, r.to, fetched{feed: r.f, stored: &r.out}); err != nil {
		return err // the loop may be copying it still
	}
	r.out.rows.Reset()
	r.out.marks = r.out.marks[:0]
	return nil
}

// addStored copies a run of the lake's records into the batch.
func (b *microBatch) addStored(p *partition, run *stored, m *sourceMetrics) {
	share := b.of(p)
	share.marks = append(share.marks, run.marks...)
	b.records += len(run.marks)
	m.tally(share.counts(span{len(share.marks) - len(run.marks), len(share.marks)}))
	from := run.rows
	for i := range from.Len() {
		j := b.rows.Extend()
		b.rows.Partition[j], b.rows.Offset[j], b.rows.Timestamp[j] = from.Partition[i], from.Offset[i], from.Timestamp[i]
		b.rows.EventTime[j], b.rows.Duplicate[j], b.rows.Late[j] = from.EventTime[i], from.Duplicate[i], from.Late[i]
		for c := range from.Columns {
			b.rows.Copy(j, c, from, i)
		}
	}
}
