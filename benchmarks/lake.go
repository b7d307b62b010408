package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
)

// The limits of the lake's rows: its bytes read, hashed and written again with fsync, and what a person would do with the same events.
const (
	limitCopy = "copying the same segments, with SHA-256 and fsync"
	limitGzip = "gzip of the same JSON"
)

const (
	megabytes     = "MB/s"
	bytesPerEvent = "B/event"
)

// lakePath measures a compaction of archived segments, and how many bytes an event takes.
func lakePath(ctx context.Context, n int) (_ []row, err error) {
	s, err := newStage(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.archive(ctx); err != nil {
		return nil, err
	}
	zipped, err := gzipped(n)
	if err != nil {
		return nil, err
	}
	copied, segments, err := s.copySegments(ctx)
	if err != nil {
		return nil, err
	}
	c, err := table.New(table.Config{Project: s.project, Lake: s.lake})
	if err != nil {
		return nil, err
	}
	before, err := cpu()
	if err != nil {
		return nil, err
	}
	reports, err := c.Compact(ctx, table.Options{Full: true})
	if err != nil {
		return nil, err
	}
	after, err := cpu()
	if err != nil {
		return nil, err
	}
	r := reports[0]
	if r.Rows+r.Repeats != int64(n) {
		return nil, fmt.Errorf("the table has %d rows and leaves %d repeats out, of %d events", r.Rows, r.Repeats, n)
	}
	memory, err := peak()
	each := func(bytes int64) float64 { return float64(bytes) / float64(n) }
	return []row{
		{Name: limitCopy, Value: float64(segments) / 1e6 / copied.Seconds(), Unit: megabytes},
		{Name: "compaction, bytes of segments to a table", Value: float64(r.ReadBytes) / 1e6 / r.Seconds, Unit: megabytes, Limit: limitCopy},
		{Name: "compaction, events", Value: float64(n) / r.Seconds, Unit: perSecond},
		{Name: "compaction, processor time", Value: float64((after - before).Nanoseconds()) / float64(n), Unit: "ns/event"},
		{Name: limitGzip, Value: each(zipped), Unit: bytesPerEvent},
		{Name: "an event in segments", Value: each(segments), Unit: bytesPerEvent, Limit: limitGzip},
		{Name: "an event in a table", Value: each(r.Bytes), Unit: bytesPerEvent, Limit: limitGzip},
		{Name: "peak memory of that process (broker in it)", Value: memory, Unit: mebibytes},
	}, err
}

// gzipped is how many bytes gzip makes of the events as lines of JSON.
func gzipped(n int) (int64, error) {
	var counted counter
	z := gzip.NewWriter(&counted)
	events := newEvents(1)
	for done := 0; done < n; done += microBatch {
		for _, m := range events.next(min(microBatch, n-done)) {
			if _, err := z.Write(append(m.Value, '\n')); err != nil {
				return 0, err
			}
		}
	}
	err := z.Close()
	return int64(counted), err
}

// counter counts the bytes that are written to it.
type counter int64

// Write counts.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// copySegments reads, hashes and writes again every segment, and says how long that took and how many bytes they are.
func (s *stage) copySegments(ctx context.Context) (took time.Duration, size int64, err error) {
	began := time.Now()
	for p := range s.ends {
		chunks, err := s.lake.Committed(ctx, s.topic, p)
		if err != nil {
			return 0, 0, err
		}
		for i := range chunks {
			for _, f := range chunks[i].Files {
				data, _, err := s.lake.Store().Get(ctx, f.Key)
				if err != nil {
					return 0, 0, err
				}
				if lake.Sum(data) != f.SHA256 {
					return 0, 0, fmt.Errorf("copy %s: %w", f.Key, lake.ErrChecksum)
				}
				if _, err := s.lake.PutFile(ctx, "copy/"+f.Key, data); err != nil {
					return 0, 0, err
				}
				size += f.Bytes
			}
		}
	}
	return time.Since(began), size, nil
}

// cpu is the processor time that this process has used.
func cpu() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
