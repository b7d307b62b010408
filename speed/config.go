// Package speed is the speed layer: it folds the partitions that a consumer group gives it into windowed aggregates in Redis, within
// a second of each event, as SEAM "Worker" says.
//
// Memory holds the cells of each group as of its offset; a flush writes the absolute states of those that changed and moves the
// offset, in one step. What a micro-batch added is kept until that step is acknowledged.
package speed

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Worker needs, and its limits. Zero limits are replaced by their defaults.
type Config struct {
	Project *view.Project
	Stream  *stream.Client
	Live    *live.Redis
	Lake    *lake.Lake
	Logger  *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: not exported
	Trace   *trace.Tracer         // nil: nobody is told of traces

	ConsumerGroup string // default: caudal-<project>-speed

	Loops        int           // that share the partitions of a source: one computes while another waits for Redis; default: two for each processor, at most 8; never more than the source has partitions
	BatchRecords int           // a micro-batch closes at so many records; default 50,000
	BatchWait    time.Duration // or so long after its first one; default 50 ms
	FlushCells   int           // cells that one call to Redis may write; default 2,000, so that Redis is never blocked for long
	Memory       int64         // bytes of cells that are kept in memory; default 512 MiB. One micro-batch may exceed it until it is flushed.
	Poll         time.Duration // how often CURRENT and Redis are looked at; default 900 ms, at most 1 s
	MemoryPoll   time.Duration // how often the memory of Redis is looked at; default 5 s
	RestAfter    time.Duration // how long there have to be no records before the memory of micro-batches is given back; default 2 s
	StopWithin   time.Duration // how long the flush in hand may take after Run's context has ended; default 10 s
	Backoff      time.Duration // first pause before a partition is taken again; doubles up to 64 times, with jitter; default 50 ms

	EngineMemory string // DuckDB's memory limit, per source; default "512MB"
	EngineTemp   string // where DuckDB spills; default: the system's folder for temporary files

	// Steps, if set, is called between every two steps, for tests of crashes: take (after each group), poll, read, query, before flush,
	// after flush, before and after coarse flush. An error ends the worker there and then, with nothing
	// finished, as a crash would.
	Steps func(step string) error
}

// Group is the consumer group of a project's speed layer. Its offsets are a gauge of lag, nothing more.
func Group(project string) string { return "caudal-" + project + "-speed" }

func (c Config) withDefaults() Config {
	if c.ConsumerGroup == "" && c.Project != nil {
		c.ConsumerGroup = Group(c.Project.Name)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Loops = orDefault(c.Loops, min(2*runtime.GOMAXPROCS(0), 8))
	c.BatchRecords = orDefault(c.BatchRecords, 50_000)
	c.BatchWait = orDefault(c.BatchWait, 50*time.Millisecond)
	c.FlushCells = orDefault(c.FlushCells, 2_000)
	c.Memory = orDefault(c.Memory, 512<<20)
	c.Poll = orDefault(c.Poll, 900*time.Millisecond)
	c.MemoryPoll = orDefault(c.MemoryPoll, 5*time.Second)
	c.RestAfter = orDefault(c.RestAfter, 2*time.Second)
	c.StopWithin = orDefault(c.StopWithin, 10*time.Second)
	c.Backoff = orDefault(c.Backoff, 50*time.Millisecond)
	c.EngineMemory = orDefault(c.EngineMemory, "512MB")
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Validate says what is missing or out of range.
func (c Config) Validate() error {
	switch {
	case c.Project == nil:
		return errors.New("speed: no project")
	case c.Stream == nil || c.Live == nil || c.Lake == nil:
		return errors.New("speed: Kafka, Redis and the lake are all needed")
	case c.BatchRecords < 0 || c.FlushCells < 0 || c.Memory < 0 || c.BatchWait < 0 || c.MemoryPoll < 0 || c.RestAfter < 0 || c.StopWithin < 0 || c.Backoff < 0:
		return errors.New("speed: a limit is negative")
	case c.Poll < 0 || c.Poll > time.Second:
		return fmt.Errorf("speed: polling every %v is not at least once a second", c.Poll)
	}
	return nil
}
