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

// What issue 8 aims at: rows a second, so that 100 million take a minute; and MiB.
const (
	aimBatch       = 100e6 / 60
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
	return []row{
		{Name: limitSQL, Value: float64(n) / byHand.Seconds(), Unit: perSecond},
		{Name: "batch run, four views, exact answers and states, published", Value: float64(n) / took.Seconds(), Unit: perSecond, Limit: limitSQL, Aim: aimBatch},
		{Name: "peak memory of that process (filling the lake included)", Value: memory, Unit: mebibytes, Aim: aimBatchMemory},
	}, err
}

// aggregateByHand computes the views of the project as a person would who has the segments and needs an answer once.
func (s *stage) aggregateByHand(ctx context.Context) (took time.Duration, err error) {
	var segments []string
	for p := range s.ends {
		chunks, err := s.lake.Chunks(ctx, s.topic, p, 0)
		if err != nil {
			return 0, err
		}
		for _, c := range chunks {
			for _, f := range c.Files {
				path, err := s.lake.Fetch(ctx, f.Key, f.SHA256)
				if err != nil {
					return 0, err
				}
				segments = append(segments, path)
			}
		}
	}
	db, err := engine.Open(engine.Options{MemoryLimit: batchMemory, TempDir: s.dir})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	for i, columns := range []string{
		"date_trunc('minute', ts) AS t, country, count(*), sum(quantity * unit_price), count(DISTINCT user_id)",
		"date_trunc('hour', ts) AS t, product, count(*), sum(quantity * unit_price)",
		"date_trunc('minute', ts) AS t, user_id, count(*), sum(quantity * unit_price)",
		"date_trunc('day', ts) AS t, country, quantile_cont(quantity * unit_price, 0.95)",
	} {
		sql := fmt.Sprintf("COPY (SELECT %s FROM read_parquet(%s) WHERE NOT _duplicate GROUP BY 1, 2 ORDER BY 1, 2) TO %s (FORMAT parquet)", columns, lake.PathList(segments),
			sqltext.Text(filepath.Join(s.dir, fmt.Sprintf("by_hand_%d.parquet", i))))
		if err := conn.Exec(ctx, sql); err != nil {
			return 0, fmt.Errorf("aggregate by hand: %w", err)
		}
	}
	return time.Since(began), nil
}
