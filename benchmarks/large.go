package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// limitLargeSQL is limitSQL over so many rows.
func limitLargeSQL(n int) string { return fmt.Sprintf("%d M rows: %s", n/1_000_000, limitSQL) }

// batchOf measures a full run over n rows, which are put into the lake without a broker, beside SQL by hand over the same files.
func batchOf(n int) func(context.Context, int) ([]row, error) {
	return func(ctx context.Context, _ int) (_ []row, err error) {
		s, err := openStage(ctx, rollups, embeddedBroker, embeddedRedis)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		if err := s.fillLake(ctx, n); err != nil {
			return nil, err
		}
		runtime.GC() // what the filling took is not to be in the way of what is measured
		byHand, err := s.aggregateByHand(ctx)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		p, err := s.start(duty{Project: rollups, Batch: true}, 0)
		if err != nil {
			return nil, err
		}
		if <-p.ended; p.err != nil {
			return nil, fmt.Errorf("run the batch: %w", p.err)
		}
		took := time.Since(began)
		name := fmt.Sprintf("%d M rows: ", n/1_000_000)
		limit := float64(n) / byHand.Seconds()
		aim := limit / aimByHand
		if n >= 100_000_000 {
			aim = max(aim, aimLargeBatch)
		}
		return []row{
			{Item: "h", Name: limitLargeSQL(n), Value: limit, Unit: perSecond},
			{Item: "h", Name: name + "batch run, four views, exact answers and states, published", Value: float64(n) / took.Seconds(), Unit: perSecond, Limit: limitLargeSQL(n), Aim: aim},
			{Item: "h", Name: name + "peak memory of the process that runs it", Value: float64(p.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024, Unit: mebibytes, Aim: aimBatchMemory},
		}, nil
	}
}

// How the lake is filled: 50,000 events come in a second of event time, in chunks as the archive's own.
const (
	lakeStep     = int64(time.Second/time.Microsecond) / eventRate
	chunkRecords = 250_000
)

// fillLake archives n events as the archive does, the partitions side by side, but from memory: intents, segments by the archive's writer, commits.
func (s *stage) fillLake(ctx context.Context, n int) error {
	src := s.project.Sources[0]
	if err := s.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
		return err
	}
	if err := s.note(ctx); err != nil {
		return err
	}
	if err := s.lake.PutDefinition(ctx, src.Hash(), src.Canonical()); err != nil {
		return err
	}
	for _, v := range s.project.Views {
		starts := map[int]int64{}
		for p := range s.ends {
			starts[p] = 0
		}
		if _, _, err := s.lake.EnsureFirst(ctx, v.Name, v.Hash, s.topic, starts, time.Now()); err != nil {
			return err
		}
	}
	filling, ctx := errgroup.WithContext(ctx)
	filling.SetLimit(runtime.GOMAXPROCS(0))
	for p := range s.ends {
		filling.Go(func() error {
			if err := s.fillPartition(ctx, src, p, n/len(s.ends)); err != nil {
				return fmt.Errorf("fill partition %d of the lake: %w", p, err)
			}
			return nil
		})
	}
	return filling.Wait()
}

func (s *stage) fillPartition(ctx context.Context, src *view.Source, partition, n int) error {
	schema, err := intake.NewSchema(src)
	if err != nil {
		return err
	}
	source := newEvents(uint64(partition))
	source.ids, source.step = fmt.Sprint("p", partition, "-"), lakeStep*int64(len(s.ends))
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	for first := 0; first < n; first += chunkRecords {
		next := min(first+chunkRecords, n)
		rows.Reset()
		for offset := first; offset < next; {
			for _, m := range source.next(min(microBatch, next-offset)) {
				record := intake.Record{Partition: partition, Offset: int64(offset), Timestamp: source.first + int64(offset)*source.step, Key: m.Key, Value: m.Value}
				if v := fold.Append(record, rows); v.Kind != intake.Event {
					return fmt.Errorf("event %d is none: %+v", offset, v)
				}
				offset++
			}
		}
		if err := s.commitChunk(ctx, src, partition, int64(first), int64(next), rows, fold.Progress()); err != nil {
			return err
		}
	}
	return nil
}

// commitChunk writes the rows of the offsets [first, next) as a committed chunk.
func (s *stage) commitChunk(ctx context.Context, src *view.Source, partition int, first, next int64, rows *intake.Rows, at intake.Progress) error {
	chunk, err := s.lake.PutIntent(ctx, s.topic, partition, lake.Intent{First: first, Last: next - 1, Next: next, Definition: src.Hash(), IngestedAt: rows.Timestamp[0]})
	if err != nil {
		return err
	}
	byDate := map[string][]int32{}
	for i, at := range rows.EventTime {
		date := time.UnixMicro(at).UTC().Format(time.DateOnly)
		byDate[date] = append(byDate[date], int32(i))
	}
	for date, idx := range byDate {
		var buffer bytes.Buffer
		if err := lake.WriteSegment(&buffer, rows, idx, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, chunk.IngestedAt); err != nil {
			return err
		}
		file, err := s.lake.PutFile(ctx, s.lake.SegmentKey(s.topic, date, partition, first), buffer.Bytes())
		if err != nil {
			return err
		}
		chunk.Files = append(chunk.Files, lake.ChunkFile{Key: file.Key, Date: date, Rows: int64(len(idx)), Bytes: file.Bytes, SHA256: file.SHA256,
			First: rows.Offset[idx[0]], Last: rows.Offset[idx[len(idx)-1]]})
	}
	chunk.Events, chunk.Progress = next-first, at
	return s.lake.Commit(ctx, s.topic, partition, chunk)
}
