package serving

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
	"github.com/caudal/caudal/serving/ingest"
)

// Log is what the serving layer asks of Kafka: which partitions there are and where they end. A *stream.Client is one.
type Log interface {
	Topic(ctx context.Context, topic string) (stream.Topic, error)
	Bounds(ctx context.Context, topic string, partition int) (first, next int64, err error)
}

// AnswerAge and SpeedAge are what a server that answers many uses for Config's fields of these names: short together beside the half second in which an
// event is to be seen.
const (
	AnswerAge = 100 * time.Millisecond
	SpeedAge  = 50 * time.Millisecond
)

// Config of a Server. Project, Lake, Live and Stream are required.
type Config struct {
	Project *view.Project
	Lake    *lake.Lake
	Live    *live.Redis
	Stream  Log

	Produce func(topic string) ingest.Writer // for events that come over HTTP; nil: none are taken
	Guard   *auth.Guard                      // turns tokens into callers; nil: off, everybody may do everything

	Engine     engine.Options // bounds of the local DuckDB, by default 512 MB; its Path is set to a file in CacheDir
	CacheDir   string         // folder for the local copy of the batch results, which is removed on Close; default: a temporary folder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // default: a registry of the server's own
	Trace      *trace.Tracer         // nil: nobody is told of traces
	Gatherer   prometheus.Gatherer   // what /metrics shows; default: the Registerer if it is a registry
	Clock      func() time.Time      // default time.Now

	Concurrency  int           // queries that read the batch results at once; default 8
	QueryTimeout time.Duration // of one HTTP query; default 30 s
	SpeedTimeout time.Duration // after which a query answers without the speed layer; default 2 s
	AnswerAge    time.Duration // how long an answer also answers others who ask the same; default 0: each is computed
	SpeedAge     time.Duration // how long what was read of the speed layer also answers other queries for the same cells; default 0: each reads
	QueryMemory  int64         // bytes that one query may take for cells; default 256 MiB
	SpeedCache   int64         // bytes of decoded speed chunks that are kept; default 256 MiB
	BatchCache   int64         // bytes of decoded batch rows that are kept; default 64 MiB

	Push PushConfig // of updates to those who follow an answer

	Scans       int           // queries with exact=true that scan the lake at once; default 2
	ScanTimeout time.Duration // of one of them; default 2 min
	ScanRows    int64         // rows of the segments that one of them may read; default 100,000,000
	ScanMemory  int64         // bytes that one of them may take before it spills to CacheDir, and once more for the values of percentiles; default 512 MiB
}

// Validate says what is missing.
func (c Config) Validate() error {
	switch {
	case c.Project == nil:
		return errors.New("serving: no project")
	case c.Lake == nil:
		return errors.New("serving: no lake")
	case c.Live == nil:
		return errors.New("serving: no redis")
	case c.Stream == nil:
		return errors.New("serving: no kafka")
	case c.Concurrency < 0 || c.QueryTimeout < 0 || c.SpeedTimeout < 0 || c.QueryMemory < 0 || c.SpeedCache < 0 || c.SpeedAge < 0 || c.AnswerAge < 0 || c.BatchCache < 0 ||
		c.Scans < 0 || c.ScanTimeout < 0 || c.ScanRows < 0 || c.ScanMemory < 0 || c.Push.Every < 0 || c.Push.Beat < 0 || c.Push.Linger < 0:
		return errors.New("serving: a limit is negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if g, ok := c.Registerer.(prometheus.Gatherer); ok && c.Gatherer == nil {
		c.Gatherer = g
	}
	if c.Gatherer == nil {
		c.Gatherer = prometheus.DefaultGatherer
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Engine.MemoryLimit == "" {
		c.Engine.MemoryLimit = "512MB"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.QueryTimeout == 0 {
		c.QueryTimeout = 30 * time.Second
	}
	if c.SpeedTimeout == 0 {
		c.SpeedTimeout = 2 * time.Second
	}
	if c.QueryMemory == 0 {
		c.QueryMemory = 256 << 20
	}
	if c.SpeedCache == 0 {
		c.SpeedCache = 256 << 20
	}
	if c.BatchCache == 0 {
		c.BatchCache = 64 << 20
	}
	if c.Push.Every == 0 {
		c.Push.Every = 250 * time.Millisecond
	}
	if c.Push.Beat == 0 {
		c.Push.Beat = 15 * time.Second
	}
	if c.Push.Linger == 0 {
		c.Push.Linger = 30 * time.Second
	}
	if c.Scans == 0 {
		c.Scans = 2
	}
	if c.ScanTimeout == 0 {
		c.ScanTimeout = 2 * time.Minute
	}
	if c.ScanRows == 0 {
		c.ScanRows = 100_000_000
	}
	if c.ScanMemory == 0 {
		c.ScanMemory = 512 << 20
	}
	return c
}
