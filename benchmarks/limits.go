package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// The names of the limits, as ratios refer to them.
const (
	limitDecode  = "decoding and deduplicating alone, one core"
	limitSpeed   = "decoding, appending and the four compiled queries alone"
	limitArchive = "decoding and encoding segments alone"
)

// microBatch is how many events are decoded at once, as in the speed layer.
const microBatch = 50_000

// limits measures what the paths cannot beat: the same work without Kafka, Redis, merging or storage.
func limits(ctx context.Context, n int) (_ []row, err error) {
	project, err := loadProject(ctx, rollups)
	if err != nil {
		return nil, err
	}
	src := project.Sources[0]
	values := make([][]byte, 0, n)
	for _, m := range newEvents(1).next(n) {
		values = append(values, m.Value)
	}
	nothing := func(*intake.Rows) error { return nil }
	decode, err := decoded(src, values, nothing)
	if err != nil {
		return nil, err
	}
	queries, err := newQueries(project)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, queries.close()) }()
	appended, err := decoded(src, values, func(rows *intake.Rows) error { return queries.run(ctx, rows) })
	if err != nil {
		return nil, err
	}
	encoded, err := decoded(src, values, func(rows *intake.Rows) error {
		all := make([]int32, rows.Len())
		for i := range all {
			all[i] = int32(i)
		}
		return lake.WriteSegment(io.Discard, rows, all, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, 0)
	})
	if err != nil {
		return nil, err
	}
	return []row{
		{Item: "a", Name: limitDecode, Value: decode, Unit: perSecond},
		{Item: "b", Name: limitSpeed, Value: appended, Unit: perSecond, Limit: limitDecode},
		{Item: "e", Name: limitArchive, Value: encoded, Unit: perSecond, Limit: limitDecode},
	}, nil
}

// decoded folds all values and calls use for each micro-batch; it returns events per second.
func decoded(src *view.Source, values [][]byte, use func(*intake.Rows) error) (float64, error) {
	schema, err := intake.NewSchema(src)
	if err != nil {
		return 0, err
	}
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	began := time.Now()
	for i, value := range values {
		if v := fold.Append(intake.Record{Offset: int64(i), Value: value}, rows); v.Kind != intake.Event {
			return 0, fmt.Errorf("event %d is none: %+v", i, v)
		}
		if rows.Len() == microBatch || i == len(values)-1 {
			if err := use(rows); err != nil {
				return 0, err
			}
			rows.Reset()
		}
	}
	return float64(len(values)) / time.Since(began).Seconds(), nil
}

// queries are the compiled queries of all views over one micro-batch.
type queries struct {
	db         *engine.DB
	conn       *engine.Conn
	input      *engine.Input
	statements []*engine.Stmt
	slots      []int64
}

func newQueries(project *view.Project) (_ *queries, err error) {
	q := &queries{slots: make([]int64, microBatch)}
	if q.db, err = engine.Open(engine.Options{Threads: 1, MemoryLimit: "512MB"}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.close())
		}
	}()
	if q.conn, err = q.db.Connect(); err != nil {
		return nil, err
	}
	if q.input, err = q.conn.RegisterRows("events", project.Sources[0]); err != nil {
		return nil, err
	}
	for _, v := range project.Views {
		plan, err := algebra.Compile(v)
		if err != nil {
			return nil, err
		}
		s, err := q.conn.Prepare(plan.PartialSQL(q.input.From()))
		if err != nil {
			return nil, err
		}
		q.statements = append(q.statements, s)
	}
	return q, nil
}

func (q *queries) run(ctx context.Context, rows *intake.Rows) error {
	q.input.Set(rows, q.slots, rows.Len())
	defer q.input.Clear()
	for _, s := range q.statements {
		if err := s.Run(ctx, func(*engine.Chunk) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (q *queries) close() error {
	for _, s := range q.statements {
		s.Close()
	}
	if q.conn != nil {
		q.conn.Close()
	}
	return q.db.Close()
}
