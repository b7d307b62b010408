package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// compared is what one system made of one piece of work.
type compared struct {
	System     string  `json:"system"`
	Version    string  `json:"version"`
	Work       string  `json:"work"`
	Rate       float64 `json:"events_per_second"`
	Answers    string  `json:"answers"`    // how they compare with plain SQL over the same events
	Guarantees string  `json:"guarantees"` // what they are worth when something breaks
}

// What caudal promises, beside what the peers do.
const (
	speedGuarantees = "every cell in Redis and the offset in one step after each micro-batch, repeats left out by event id, every window answers at any moment"
	batchGuarantees = "checksums of every file, exact answers and states that merge with what came after, published in one step"
)

// everyRepeat: so many events apart, one comes twice.
const everyRepeat = 100

// The pieces of work.
const (
	byCountry      = "count, sum and distinct users by country and minute"
	severalRollups = "rollups" // their number is part of the name that people see: not everybody has a percentile
	batchRollups   = "batch: four rollups over the same segments"
)

// streamed is a piece of work over the events.
type streamed struct {
	name  string
	views []string
	dedup bool
}

// comparePeers measures caudal and what people would use instead over the same n events on Apache Kafka, one after the other, compares all of
// their answers with plain SQL, and prints a table and the same as JSON.
func comparePeers(ctx context.Context, n int) (err error) {
	tools, err := findPeers()
	if errors.Is(err, testservices.ErrNotInstalled) {
		fmt.Fprintf(os.Stderr, "nothing is compared: %v (benchmarks/peers/install.sh installs it)\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	s, err := realStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	source := newEvents(1)
	source.again = everyRepeat
	if err := s.fill(ctx, source, n); err != nil {
		return err
	}
	if _, err := s.archive(ctx); err != nil {
		return err
	}
	c := &contest{stage: s, events: n, tools: tools}
	if err := c.measure(ctx); err != nil {
		return err
	}
	return c.print()
}

// contest is a comparison on its way.
type contest struct {
	stage  *stage
	events int
	tools  *peerTools
	truth  *truth
	rows   []compared
}

func (c *contest) measure(ctx context.Context) (err error) {
	segments, err := c.stage.segments(ctx)
	if err != nil {
		return err
	}
	db, conn, err := openEngine(engine.Options{MemoryLimit: batchMemory, TempDir: c.stage.dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if c.truth, err = newTruth(ctx, conn, segments); err != nil {
		return err
	}
	one, four := []string{"by_country"}, []string{"by_country", "by_product", "by_user", "spread"}
	if err := c.ours(ctx, streamed{byCountry, one, true}, country); err != nil {
		return err
	}
	if err := c.ours(ctx, streamed{severalRollups, four, true}, rollups); err != nil {
		return err
	}
	if err := c.ourBatch(ctx, four); err != nil {
		return err
	}
	if err := c.stage.closeWindows(ctx); err != nil {
		return err
	}
	for _, p := range c.tools.streams {
		for _, work := range []streamed{{byCountry, one, false}, {byCountry, one, true}, {severalRollups, four, false}} {
			if err := c.peer(ctx, p, work, nil); err != nil {
				return err
			}
		}
	}
	for _, p := range c.tools.batches {
		if err := c.peer(ctx, p, streamed{batchRollups, four, true}, segments); err != nil {
			return err
		}
	}
	return nil
}

// closeWindows sends events of a later day to every partition, for those who answer of a window when it is over.
func (s *stage) closeWindows(ctx context.Context) error {
	var messages []stream.Message
	for i := range 16 * len(s.ends) {
		user := fmt.Sprint("u", i)
		messages = append(messages, stream.Message{Key: []byte(user), Value: fmt.Appendf(nil, `{"id":"closing%d","ts":%d,"user_id":%q,"country":"closing","product":"p","quantity":1,"unit_price":1.00,"channel":"web"}`,
			i, s.lastEvent()+(48*time.Hour).Microseconds(), user)})
	}
	out := s.stream.Producer(s.topic.Name)
	return errors.Join(out.Write(ctx, messages), out.Close())
}

// ours measures the speed layer over an embedded project, and compares what a query answers then.
func (c *contest) ours(ctx context.Context, work streamed, project string) (err error) {
	s := &stage{services: c.stage.services}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.connect(ctx, project); err != nil {
		return err
	}
	if err := s.note(ctx); err != nil {
		return err
	}
	var rate float64
	_, err = s.beside(duty{Project: project, Speed: true}, func(p *process) (err error) {
		rate, err = s.speedRate(ctx, p)
		return err
	})
	if err != nil {
		return err
	}
	return c.ourAnswers(ctx, s, work, rate, speedGuarantees, approximate)
}

// ourBatch measures a full run over the archived events.
func (c *contest) ourBatch(ctx context.Context, views []string) error {
	s := c.stage
	runner, err := batch.NewRunner(batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, TempDir: s.dir, Engine: engine.Options{MemoryLimit: batchMemory}})
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := runner.Run(ctx, batch.RunOptions{Full: true}); err != nil {
		return fmt.Errorf("run the batch: %w", err)
	}
	rate := float64(c.events) / time.Since(began).Seconds()
	return c.ourAnswers(ctx, s, streamed{batchRollups, views, true}, rate, batchGuarantees, exact)
}

func (c *contest) ourAnswers(ctx context.Context, s *stage, work streamed, rate float64, guarantees string, how precision) error {
	out, err := os.MkdirTemp(c.stage.dir, "answers-")
	if err != nil {
		return err
	}
	if err := s.writeAnswers(ctx, work.views, out); err != nil {
		return err
	}
	found, err := c.truth.compare(ctx, work.views, work.dedup, out, how)
	if err != nil {
		return fmt.Errorf("caudal, %s: %w", work.name, err)
	}
	c.add(compared{"caudal", "this commit", describe(work), rate, found, guarantees})
	return nil
}

// peer measures another system, where it can do the work.
func (c *contest) peer(ctx context.Context, p peer, work streamed, files []string) error {
	views := p.able(work)
	if len(views) == 0 {
		return nil
	}
	out, err := os.MkdirTemp(c.stage.dir, "answers-")
	if err != nil {
		return err
	}
	task := peerTask{Brokers: strings.Join(c.stage.Brokers, ","), Topic: c.stage.topic.Name, Ends: c.stage.ends, Views: views, Dedup: work.dedup, Files: files,
		Dir: filepath.Join(out, "work"), Out: filepath.Join(out, "out"), Jars: filepath.Join(c.tools.home, p.name)}
	for _, end := range c.stage.ends {
		task.Warm = append(task.Warm, end/20)
	}
	fmt.Fprintf(os.Stderr, "measuring %s: %s\n", p.name, describe(streamed{work.name, views, work.dedup}))
	result, err := c.tools.run(ctx, p, task)
	if err != nil {
		return err
	}
	found, err := c.truth.compare(ctx, views, work.dedup, task.Out, p.precision)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", p.name, work.name, err)
	}
	c.add(compared{p.title, result.Version, describe(streamed{work.name, views, work.dedup}), float64(c.events) / result.Seconds, found, result.Guarantees})
	return os.RemoveAll(out)
}

// describe names a piece of work as the table has it.
func describe(w streamed) string {
	text := w.name
	if w.name == severalRollups {
		text = fmt.Sprintf("%d rollups", len(w.views))
	}
	if w.dedup {
		text += ", once per event id"
	}
	return text
}

// add notes a result, and says it for those who wait.
func (c *contest) add(r compared) {
	fmt.Fprintf(os.Stderr, "%s %s: %.0f events/s (%s)\n", r.System, r.Work, r.Rate, r.Answers)
	c.rows = append(c.rows, r)
}

func (c *contest) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "work\tsystem\tversion\tevents/s\tanswers\tguarantees")
	for _, r := range c.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%s\t%s\n", r.Work, r.System, r.Version, r.Rate, r.Answers, r.Guarantees)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"events": c.events, "peers": c.rows})
}
