package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
)

// produceOptions are the flags of `caudal produce`.
type produceOptions struct {
	ids    string
	rate   float64 // events per second; 0: as fast as the broker takes them
	speed  float64 // event time per wall time; 0: event time is not waited for
	faults feed.Faults
}

func produceCommand(a *app) *cobra.Command {
	var o produceOptions
	c := &cobra.Command{
		Use:   "produce SOURCE [FILE|-]",
		Short: "Send the events of a CSV or NDJSON file (gzipped or not) to a source's topic",
		Example: "  caudal produce orders examples/retail/online_retail.csv.gz\n" +
			"  caudal produce orders orders.ndjson --rate 5000 --duplicates 0.01 --disorder 5m --seed 7",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if o.faults.Duplicates < 0 || o.faults.Duplicates > 1 {
				return usageError{fmt.Errorf("--duplicates %v is not a share of 0 to 1", o.faults.Duplicates)}
			}
			if o.ids != string(feed.ByLine) && o.ids != string(feed.ByRow) {
				return usageError{fmt.Errorf("--ids %q is neither line nor row", o.ids)}
			}
			name := "-"
			if len(args) == 2 {
				name = args[1]
			}
			return a.produce(c.Context(), args[0], name, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.ids, "ids", string(feed.ByLine), "how a CSV row without an event id gets one: line (file and line number) or row (its content)")
	f.Float64Var(&o.rate, "rate", 0, "events per second; 0: no limit")
	f.Float64Var(&o.speed, "speed", 0, "replay by event time, so many times faster than it happened; 0: do not wait")
	f.Uint64Var(&o.faults.Seed, "seed", 1, "seed of duplicates and disorder")
	f.Float64Var(&o.faults.Duplicates, "duplicates", 0, "share of events that are sent twice, 0 to 1")
	f.DurationVar(&o.faults.Disorder, "disorder", 0, "events may be overtaken by others that are younger by less than this")
	return c
}

func (a *app) produce(ctx context.Context, source, name string, o produceOptions) (err error) {
	dir, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	src := findSource(project, source)
	if src == nil {
		return usageError{fmt.Errorf("no source %q: there are %s", source, sourceNames(project))}
	}
	s, err := connect(ctx, project, dir, a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
		return err
	}
	var in io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open the events: %w", err)
		}
		defer file.Close() // only read: nothing can be lost
		in = file
	}
	bar := newProgress(a.stderr, "sent to "+src.Topic, "events", 0)
	ctx, end := s.trace.Start(ctx, "produce", "caudal.source", src.Name)
	sent, err := sendFile(ctx, s.stream, src, in, name, o, func(n int64) error {
		bar.at(n, "")
		return nil
	})
	end(err)
	bar.end(sent, "")
	if err != nil {
		return err
	}
	if a.output != "table" {
		return a.print(map[string]any{"source": src.Name, "sent": sent}, []string{"source", "sent"}, [][]string{{src.Name, fmt.Sprint(sent)}})
	}
	return nil
}

func findSource(p *view.Project, name string) *view.Source {
	for _, s := range p.Sources {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func sourceNames(p *view.Project) string {
	names := make([]string, len(p.Sources))
	for i, s := range p.Sources {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// sendFile sends the events of a file and returns how many records the broker has acknowledged.
func sendFile(ctx context.Context, kafka *stream.Client, src *view.Source, in io.Reader, name string, o produceOptions, at func(int64) error) (int64, error) {
	r, err := feed.Open(in, name, src, feed.IDs(o.ids))
	if err != nil {
		return 0, err
	}
	clock, err := newEventClock(src)
	if err != nil {
		return 0, err
	}
	next := feed.Disturb(r.Next, clock.of, o.faults)
	out := kafka.Producer(src.Topic)
	sent, err := send(ctx, out, next, clock, o, at)
	return sent, errors.Join(err, out.Close())
}

// sendBatch is how many messages are acknowledged at once.
const sendBatch = 5000

func send(ctx context.Context, out *stream.Producer, next func() (feed.Message, error), clock *eventClock, o produceOptions, at func(int64) error) (int64, error) {
	batch, parent := sendBatch, trace.Parent(ctx)
	var limit *rate.Limiter
	if o.rate > 0 {
		batch = max(1, min(batch, int(o.rate/10)))
		limit = rate.NewLimiter(rate.Limit(o.rate), batch)
	}
	var sent int64
	var messages []stream.Message
	flush := func() error {
		if len(messages) == 0 {
			return nil
		}
		if limit != nil {
			if err := limit.WaitN(ctx, len(messages)); err != nil {
				return fmt.Errorf("wait for the rate limit: %w", err)
			}
		}
		if err := out.Write(ctx, messages); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		sent += int64(len(messages))
		messages = messages[:0]
		return at(sent)
	}
	pace := pacer{speed: o.speed, began: time.Now()}
	for {
		m, err := next()
		if err == io.EOF {
			return sent, flush()
		}
		if err != nil {
			return sent, errors.Join(err, flush())
		}
		if o.speed > 0 {
			if us, ok := clock.of(m); ok {
				if wait := pace.wait(us); wait > 0 {
					if err := flush(); err != nil {
						return sent, err
					}
					select {
					case <-ctx.Done():
						return sent, ctx.Err()
					case <-time.After(wait):
					}
				}
			}
		}
		record := stream.Message{Key: m.Key, Value: m.Value}
		if len(messages) == 0 {
			record.Trace = parent // one of each batch: a trace is followed by some of its records
		}
		messages = append(messages, record)
		if len(messages) >= batch {
			if err := flush(); err != nil {
				return sent, err
			}
		}
	}
}

// pacer spreads events over wall time as their event times are spread, faster by speed.
type pacer struct {
	speed float64
	began time.Time
	first int64
	any   bool
}

// wait returns how long to wait before the event of time us (µs) is due; below a hundredth of a second is not worth waiting for.
func (p *pacer) wait(us int64) time.Duration {
	if !p.any {
		p.first, p.any = us, true
	}
	due := time.Duration(float64(us-p.first)/p.speed) * time.Microsecond
	if wait := due - time.Since(p.began); wait > 10*time.Millisecond {
		return wait
	}
	return 0
}

// eventClock tells the event times of messages by decoding them as the intake does.
type eventClock struct {
	fold *intake.Fold
	rows *intake.Rows
}

func newEventClock(src *view.Source) (*eventClock, error) {
	undeduplicated := *src // the clock need not remember ids
	undeduplicated.EventID = ""
	schema, err := intake.NewSchema(&undeduplicated)
	if err != nil {
		return nil, fmt.Errorf("read the schema of source %s: %w", src.Name, err)
	}
	return &eventClock{fold: intake.NewFold(schema, intake.Start()), rows: intake.NewRows(src)}, nil
}

func (c *eventClock) of(m feed.Message) (us int64, ok bool) {
	c.rows.Reset()
	v := c.fold.Append(intake.Record{Value: m.Value}, c.rows)
	return v.EventTime, v.Kind != intake.DeadLetter
}
