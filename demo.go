package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/view"
)

// retail is the example that the demo runs, so that the binary alone is enough.
//
//go:embed examples/retail
var retail embed.FS

const (
	retailFolder = "examples/retail"
	retailEvents = "online_retail.csv.gz"
	retailLines  = 541_909
)

// demoOptions are the flags of `caudal demo`.
type demoOptions struct {
	once bool
	dir  string
	addresses
	brokers []string
	redis   []string
	lake    string
	s3      string
	faults  feed.Faults
}

func demoCommand(a *app) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:     "demo",
		Short:   "The retail example with everything embedded: real data through the real path",
		Example: "  caudal demo\n  caudal demo --once\n  caudal demo --once --dir /tmp/demo -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.sql.chosen = c.Flags().Changed("sql")
			return a.demo(c.Context(), o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.once, "once", false, "check every answer against the known ones, without the page, and exit")
	f.StringVar(&o.dir, "dir", "", "folder of the demo's project and data (default: .caudal/demo; with --once a temporary one)")
	f.StringVar(&o.sql.listen, "sql", defaultSQL, sqlFlag)
	f.StringVar(&o.http, "http", "127.0.0.1:8080", "where the API and the page listen")
	f.StringSliceVar(&o.brokers, "kafka", nil, "use this Kafka and not the embedded one")
	f.StringSliceVar(&o.redis, "redis", nil, "use this Redis and not the embedded one")
	f.StringVar(&o.lake, "lake", "", "use this lake (a folder or s3://bucket/prefix) and not one in the demo's folder")
	f.StringVar(&o.s3, "s3-endpoint", "", "base URL of the lake's S3 server where it is not AWS")
	f.Uint64Var(&o.faults.Seed, "seed", 1, "seed of duplicates and disorder")
	f.Float64Var(&o.faults.Duplicates, "duplicates", 0.01, "share of events that are sent twice, 0 to 1")
	f.DurationVar(&o.faults.Disorder, "disorder", 8*time.Minute, "events may be overtaken by others that are younger by less than this; the lateness is 10m")
	return c
}

func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	dir := o.dir
	switch {
	case dir == "" && o.once:
		dir, err = os.MkdirTemp("", "caudal-demo-")
		if err != nil {
			return fmt.Errorf("make the demo's folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	case dir == "":
		dir = filepath.Join(".caudal", "demo")
	}
	if err := unpackExample(dir); err != nil {
		return err
	}
	project, err := loadProject(ctx, dir)
	if err != nil {
		return err
	}
	project.Kafka.Brokers, project.Redis.Addrs = o.brokers, o.redis
	if o.lake != "" {
		project.Lake = view.Lake{URL: o.lake, Endpoint: o.s3, PathStyle: o.s3 != "",
			AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), Region: os.Getenv("AWS_REGION")}
	}
	if o.once {
		o.addresses = addresses{}
	}
	return a.whole(ctx, project, dir, o.addresses, func(ctx context.Context, w *whole) error {
		d := &demonstration{app: a, whole: w, options: o}
		if err := d.load(dir); err != nil {
			return err
		}
		w.adopt(ctx, a) // a demo's folder may be of an older release
		if o.once {
			return d.once(ctx)
		}
		return d.show(ctx)
	})
}

// unpackExample writes the definitions of the example into dir; the events stay in the binary.
func unpackExample(dir string) error {
	return fs.WalkDir(retail, retailFolder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(retailFolder, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if filepath.Ext(path) != ".yaml" {
			return nil
		}
		data, err := retail.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}

// demonstration is one run of the demo over its folder. What it has done is kept in the folder, so that a demo that was stopped, or
// killed, goes on where it was.
type demonstration struct {
	*app
	*whole
	options demoOptions
	path    string // of the kept state

	mu    sync.Mutex
	state demoState
}

type demoState struct {
	Sent    map[string]int64 `json:"sent"`    // messages that the broker has acknowledged, by source
	Stage   int              `json:"stage"`   // of --once: how many stages are done
	Checked []checked        `json:"checked"` // of --once: how the questions of those stages came out
}

func (d *demonstration) load(dir string) error {
	d.path = filepath.Join(stateDir(dir), "demo.json")
	d.state = demoState{Sent: map[string]int64{}}
	data, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read how far the demo was: %w", err)
	}
	if err := json.Unmarshal(data, &d.state); err != nil {
		return fmt.Errorf("read %s: %w", d.path, err)
	}
	return nil
}

// keep changes the state and writes it.
func (d *demonstration) keep(change func(*demoState)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.state)
	data, err := json.Marshal(d.state)
	if err != nil {
		return fmt.Errorf("encode how far the demo is: %w", err)
	}
	if err := os.WriteFile(d.path+".new", data, 0o644); err != nil {
		return fmt.Errorf("keep how far the demo is: %w", err)
	}
	if err := os.Rename(d.path+".new", d.path); err != nil {
		return fmt.Errorf("keep how far the demo is: %w", err)
	}
	return nil
}

func (d *demonstration) sent() (total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.state.Sent {
		total += n
	}
	return total
}

// topicsOfRetail are the sources that the events go to, and how each assigns ids.
var topicsOfRetail = []struct {
	source string
	ids    feed.IDs
}{{"orders", feed.ByLine}, {"unique_orders", feed.ByRow}}

// send sends the events of the example to both sources until each has got `until` messages (0: all of them), from where it stopped
// the last time; perSecond limits each of them, 0 is no limit.
func (d *demonstration) send(ctx context.Context, until int64, perSecond float64) error {
	total := int64(len(topicsOfRetail)) * retailLines
	if until > 0 {
		total = int64(len(topicsOfRetail)) * until
	}
	bar := newProgress(d.stderr, "sent", "records", total)
	began := d.sent()
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range topicsOfRetail {
		g.Go(func() error {
			return d.sendSource(ctx, t.source, t.ids, until, perSecond, func() { bar.at(d.sent(), "") })
		})
	}
	err := g.Wait()
	if d.sent() > began {
		bar.end(d.sent(), "")
	}
	return err
}

func (d *demonstration) sendSource(ctx context.Context, source string, ids feed.IDs, until int64, perSecond float64, at func()) (err error) {
	src := findSource(d.project, source)
	file, err := retail.Open(retailFolder + "/" + retailEvents)
	if err != nil {
		return fmt.Errorf("open the example's events: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r, err := feed.Open(file, retailEvents, src, ids)
	if err != nil {
		return err
	}
	clock, err := newEventClock(src)
	if err != nil {
		return err
	}
	next := feed.Disturb(r.Next, clock.of, d.options.faults)
	d.mu.Lock()
	from := d.state.Sent[source]
	d.mu.Unlock()
	if until > 0 && from >= until {
		return nil
	}
	out := d.stream.Producer(src.Topic)
	_, err = send(ctx, out, feed.Slice(next, from, until), clock, produceOptions{rate: perSecond}, func(n int64) error {
		at()
		return d.keep(func(s *demoState) { s.Sent[source] = from + n })
	})
	return errors.Join(err, out.Close())
}
