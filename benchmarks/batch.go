package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
)

// limitSQL is what a person would write for the same answers, without states that merge, totals over the dimensions, or files that are checked.
const limitSQL = "the same four aggregates by hand in DuckDB over the same segments, written as Parquet"

// What issue 8 aims at: rows a second, so that 100 million take a minute; how much longer than SQL by hand a run may take; and MiB.
const (
	aimLargeBatch  = 100e6 / 60
	aimByHand      = 1.1
	aimBatchMemory = 4096
	batchMemory    = "3GB" // of DuckDB, for both
)

// batchPath measures a full run over an archived lake, from its first step to the published snapshots.
func batchPath(ctx context.Context, n int) (_ []row, err error) {
	s, err := newStage(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.archive(ctx); err != nil {
		return nil, err
	}
	byHand, err := s.aggregateByHand(ctx)
	if err != nil {
		return nil, err
	}
	runner, err := batch.NewRunner(batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, TempDir: s.dir, Engine: engine.Options{MemoryLimit: batchMemory}})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := runner.Run(ctx, batch.RunOptions{Full: true}); err != nil {
		return nil, fmt.Errorf("run the batch: %w", err)
	}
	took := time.Since(began)
	memory, err := peak()
	limit := float64(n) / byHand.Seconds()
	return []row{
		{Item: "h", Name: limitSQL, Value: limit, Unit: perSecond},
		{Item: "h", Name: "batch run, four views, exact answers and states, published", Value: float64(n) / took.Seconds(), Unit: perSecond, Limit: limitSQL, Aim: limit / aimByHand},
		{Item: "h", Name: "peak memory of that process (filling the lake included)", Value: memory, Unit: mebibytes, Aim: aimBatchMemory},
	}, err
}

// aggregateByHand computes the views of the project as a person would who has the segments and needs an answer once.
func (s *stage) aggregateByHand(ctx context.Context) (took time.Duration, err error) {
	segments, err := s.segments(ctx)
	if err != nil {
		return 0, err
	}
	db, conn, err := openEngine(engine.Options{MemoryLimit: batchMemory, TempDir: s.dir})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	began := time.Now()
	for i, columns := range []string{
		"date_trunc('minute', ts) AS t, country, count(*), sum(quantity * unit_price), count(DISTINCT user_id)",
		"date_trunc('hour', ts) AS t, product, count(*), sum(quantity * unit_price)",
		"date_trunc('minute', ts) AS t, user_id, count(*), sum(quantity * unit_price)",
		"date_trunc('day', ts) AS t, country, quantile_disc(quantity * unit_price, 0.95)",
	} {
		sql := fmt.Sprintf("COPY (SELECT %s FROM read_parquet(%s) WHERE NOT _duplicate GROUP BY 1, 2 ORDER BY 1, 2) TO %s (FORMAT parquet)", columns, lake.PathList(segments),
			sqltext.Text(filepath.Join(s.dir, fmt.Sprintf("by_hand_%d.parquet", i))))
		if err := conn.Exec(ctx, sql); err != nil {
			return 0, fmt.Errorf("aggregate by hand: %w", err)
		}
	}
	return time.Since(began), nil
}

// segments fetches the files of committed events, and returns where they are.
func (s *stage) segments(ctx context.Context) (paths []string, err error) {
	for p := range s.ends {
		chunks, err := s.lake.Committed(ctx, s.topic, p)
		if err != nil {
			return nil, err
		}
		for i := range chunks {
			for _, f := range chunks[i].Files {
				if f.Dead {
					continue
				}
				path, err := s.lake.Fetch(ctx, f.Key, f.SHA256)
				if err != nil {
					return nil, err
				}
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}

// openEngine opens a DuckDB with one connection, which ends with it.
func openEngine(o engine.Options) (*engine.DB, *engine.Conn, error) {
	db, err := engine.Open(o)
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Connect()
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}
