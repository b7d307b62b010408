package serving

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
	"github.com/caudal/caudal/serving/ingest"
)

const projectYAML = `
project: shop
sources:
  orders:
    topic: orders
    partitions: 2
    event_time: {field: placed_at, format: rfc3339}
    lateness: 10m
    idle: 1d
    fields:
      placed_at: timestamp
      country: string?
      product: string
      order_no: string
      amount: decimal(12,2)
`

const viewYAML = `
view: sales
source: orders
description: Sales of a shop
dimensions: [country, product]
grains: [1h, 1d, 1mo]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)", unit: GBP}
  - {name: orders, agg: count_distinct, expr: order_no}
  - {name: median, agg: percentile, expr: amount, p: 0.5}
  - {name: lines, agg: count}
  - {name: per_line, expr: "revenue / nullif(lines, 0)"}
`

// event is one record of the world.
type event struct {
	partition int
	offset    int64
	at        time.Time
	country   string // "" = null
	product   string
	order     string
	pence     int64
}

// fakeLog is the log that Kafka would hold.
type fakeLog struct {
	mu   sync.Mutex
	ends map[int]int64
	err  error
}

func (f *fakeLog) Topic(context.Context, string) (stream.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return stream.Topic{Name: "orders", ClusterID: "c", ID: "t", Partitions: []int{0, 1}}, f.err
}

func (f *fakeLog) Bounds(_ context.Context, _ string, p int) (first, next int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 0, f.ends[p], f.err
}

// world is a lake and a Redis filled without the batch and speed layers, by the same SQL.
type world struct {
	t       testing.TB
	project *view.Project
	view    *view.View
	plan    *algebra.Plan
	db      *engine.DB
	conn    *engine.Conn
	lake    *lake.Lake
	lakeDir string
	redis   *embedded.Redis
	live    *live.Redis
	log     *fakeLog
	events  []event
	tag     lake.Tag
	run     int
	server  *Server
	now     time.Time
	mu      sync.Mutex // guards now
	sent    *broker    // of events that come over HTTP
	guard   *auth.Guard
	logger  *slog.Logger
	push    PushConfig
	shares  time.Duration // Config.AnswerAge
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets time go by, so that what is known of CURRENT and of the log is read again.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld makes a world of one view, whose results it can publish; views beside it answer nothing.
func newWorld(t testing.TB, viewText string, beside ...view.File) *world {
	t.Helper()
	w := &world{t: t, sent: &broker{}, log: &fakeLog{ends: map[int]int64{0: 0, 1: 0}}, now: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)}
	var err error
	w.db, err = engine.Open(engine.Options{Threads: 1})
	must(t, err)
	t.Cleanup(func() { w.db.Close() })
	w.conn, err = w.db.Connect()
	must(t, err)
	checker, err := engine.NewChecker(context.Background(), w.db)
	must(t, err)
	t.Cleanup(checker.Close)
	project, problems := view.Parse(append([]view.File{{Path: "caudal.yaml", Data: []byte(projectYAML)}, {Path: "views/sales.yaml", Data: []byte(viewText)}}, beside...),
		func(string) (string, bool) { return "", false }, checker)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w.project, w.view = project, project.Views[0]
	w.plan, err = algebra.Compile(w.view)
	must(t, err)
	w.lakeDir = t.TempDir()
	store, err := lake.Open(context.Background(), w.lakeDir, lake.Options{NoSync: true})
	must(t, err)
	w.lake = lake.New(store)
	w.redis, err = embedded.StartRedis("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { w.redis.Close() })
	w.live, err = live.Connect(live.Config{Addrs: []string{w.redis.Addr()}})
	must(t, err)
	t.Cleanup(func() { w.live.Close() })
	must(t, w.conn.Exec(context.Background(), `CREATE TABLE events (placed_at TIMESTAMP, country VARCHAR, product VARCHAR, order_no VARCHAR, amount DECIMAL(12,2),
		_partition BIGINT, _offset BIGINT, _timestamp BIGINT, _event_time_us BIGINT, _slot BIGINT, _incarnation BIGINT, _duplicate BOOLEAN, _late BOOLEAN)`))
	topic, err := w.lake.Incarnation(context.Background(), "orders", lake.Identity{Cluster: "c", TopicID: "t", Partitions: 1})
	must(t, err)
	_, w.tag, err = w.lake.EnsureFirst(context.Background(), w.view.Name, w.view.Hash, topic, map[int]int64{0: 0, 1: 0}, w.now)
	must(t, err)
	return w
}

// add appends events to the log.
func (w *world) add(events ...event) {
	w.t.Helper()
	var rows []string
	for _, e := range events {
		e.offset = w.log.ends[e.partition]
		w.log.ends[e.partition]++
		country := "NULL"
		if e.country != "" {
			country = algebra.StringValue(e.country).SQL()
		}
		us := e.at.UnixMicro()
		rows = append(rows, fmt.Sprintf("(make_timestamp(%d), %s, '%s', '%s', %d.%02d, %d, %d, %d, %d, %d, 1, false, false)",
			us, country, e.product, e.order, e.pence/100, e.pence%100, e.partition, e.offset, us, us, view.FloorTo(us, w.view.Base().Size.Microseconds())))
		w.events = append(w.events, e)
	}
	must(w.t, w.conn.Exec(context.Background(), "INSERT INTO events VALUES "+strings.Join(rows, ", ")))
}

// random are n events of a few months, countries and products, from a seed.
func random(seed uint64, n int) []event {
	r := rand.New(rand.NewPCG(seed, 1))
	countries := []string{"France", "Germany", "Spain", "O'Land", ""}
	events := make([]event, n)
	for i := range events {
		events[i] = event{
			partition: r.IntN(2), country: countries[r.IntN(len(countries))], product: fmt.Sprintf("P%d", r.IntN(4)),
			order: fmt.Sprintf("o%d", r.IntN(n/3+1)), pence: r.Int64N(100_000),
			at: time.Date(2024, 1, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(60 * 24 * time.Hour)))),
		}
	}
	return events
}

// cuts are the ends of the log.
func (w *world) cuts() map[int]int64 { return map[int]int64{0: w.log.ends[0], 1: w.log.ends[1]} }

func below(cuts map[int]int64) string {
	return fmt.Sprintf("(SELECT * FROM events WHERE _partition = 0 AND _offset < %d OR _partition = 1 AND _offset < %d)", cuts[0], cuts[1])
}

// publish computes a snapshot of the records below the cuts.
func (w *world) publish(cuts map[int]int64) *lake.Manifest {
	w.t.Helper()
	return w.publishWith(cuts, intake.Start())
}

// publishAt is publish of records of which the latest event in each partition was at a time.
func (w *world) publishAt(cuts map[int]int64, seen time.Time) *lake.Manifest {
	w.t.Helper()
	at := intake.Start()
	at.MaxEventTime = seen.UnixMicro()
	return w.publishWith(cuts, at)
}

func (w *world) publishWith(cuts map[int]int64, at intake.Progress) *lake.Manifest {
	w.t.Helper()
	w.run++
	run := fmt.Sprintf("run%d", w.run)
	dir := w.t.TempDir()
	starts := func(g view.Grain) (starts []int64) {
		end := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		for at := g.Floor(time.Date(2023, 12, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), w.view.Location); at < end; at = g.Next(at, w.view.Location) {
			starts = append(starts, at)
		}
		return starts
	}
	var list []string
	for _, g := range w.view.Grains {
		list = append(list, fmt.Sprintf("SELECT '%s' AS _grain, * FROM (%s)", g.Name, w.plan.BatchSQL(algebra.BatchOptions{From: below(cuts), Grain: g, Starts: starts(g)})))
	}
	must(w.t, w.conn.Exec(context.Background(), "CREATE OR REPLACE TEMP TABLE results AS "+strings.Join(list, " UNION ALL ")))
	var files []lake.ViewFile
	months := map[string]bool{}
	for _, e := range w.events {
		months[e.at.Format("2006-01")] = true
	}
	for month := range months {
		path := filepath.Join(dir, month+".parquet")
		from, err := time.Parse("2006-01", month)
		must(w.t, err)
		must(w.t, w.conn.Exec(context.Background(), fmt.Sprintf("COPY (SELECT * FROM results WHERE _bucket >= %d AND _bucket < %d ORDER BY _grain, _set, _bucket) TO '%s' (FORMAT parquet)",
			from.UnixMicro(), from.AddDate(0, 1, 0).UnixMicro(), path)))
		data, err := os.ReadFile(path)
		must(w.t, err)
		f, err := w.lake.PutFile(context.Background(), w.lake.ViewKey(w.view.Name, w.view.Hash, run, month+"-01", "month"), data)
		must(w.t, err)
		files = append(files, lake.ViewFile{Key: f.Key, Unit: "month", Period: month + "-01", Bytes: f.Bytes, SHA256: f.SHA256})
	}
	topic := lake.Topic{Name: "orders", Incarnation: 1}
	m := lake.Manifest{View: w.view.Name, Definition: w.view.Hash, Run: run, Created: w.now, Topic: topic, Files: files,
		Cuts:   map[int]lake.Cut{0: {Offset: cuts[0], Progress: at}, 1: {Offset: cuts[1], Progress: at}},
		Events: cuts[0] + cuts[1]}
	published, tag, err := w.lake.Publish(context.Background(), m, w.tag)
	must(w.t, err)
	w.tag = tag
	return published
}

func (w *world) group(p int) live.Group {
	return live.Group{Project: "shop", Topic: "orders", Incarnation: 1, Partition: p, View: w.view.Name, Hash: w.view.Hash}
}

// speed fills Redis with the records from the cuts to the log's end, as one epoch.
func (w *world) speed(from map[int]int64) {
	w.t.Helper()
	for p := range 2 {
		w.flush(p, from[p], from[p], w.log.ends[p])
	}
}

// flush brings the epoch of a partition that begins at start from one offset to another.
func (w *world) flush(p int, start, from, to int64) {
	w.t.Helper()
	ctx := context.Background()
	inst := fmt.Sprintf("inst%d-%d", p, start)
	held, _, err := w.live.Take(ctx, w.group(p), start, intake.Start(), "me", inst)
	must(w.t, err)
	type place struct {
		id    live.ChunkID
		field string
	}
	states := map[place]*algebra.State{}
	sql := w.plan.PartialSQL(fmt.Sprintf("(SELECT * FROM events WHERE _partition = %d AND _offset >= %d AND _offset < %d)", p, start, to))
	must(w.t, w.conn.Query(ctx, sql, func(c *engine.Chunk) error {
		for i := range c.Len() {
			row := c.Row(i)
			dims := w.plan.ReadKey(row, 1, nil)
			for _, g := range w.view.Grains {
				bucket := g.Floor(row.Int64(0), w.view.Location)
				at := place{live.ChunkID{Start: start, Grain: g.Name, Chunk: g.Chunk(bucket)}, string(live.AppendField(nil, bucket, algebra.AppendKey(nil, dims)))}
				if states[at] == nil {
					states[at] = w.plan.New()
				}
				w.plan.MergeRow(states[at], row, 1+len(dims))
			}
		}
		return nil
	}))
	chunks := map[live.ChunkID]live.Cells{}
	for at, s := range states {
		c := chunks[at.id]
		chunks[at.id] = live.Cells{Fields: append(c.Fields, []byte(at.field)), Values: append(c.Values, w.plan.Append(nil, s))}
	}
	progress := intake.Start()
	for _, e := range w.events {
		if e.partition == p && e.offset < to {
			progress.MaxEventTime = max(progress.MaxEventTime, e.at.UnixMicro())
			progress.MaxTimestamp = progress.MaxEventTime
		}
	}
	f := live.Flush{Group: w.group(p), Inst: held.Inst, Token: "me", Start: start, From: from, To: to, Progress: progress, Counts: live.Counts{Events: to - from},
		Coarse: from, CoarseTo: to, CoarseAt: progress}
	for id, c := range chunks {
		_, exists := held.Chunks[id]
		f.Chunks = append(f.Chunks, live.CellsWrite(id, !exists, uint32(to), c))
	}
	result := w.live.Flush(ctx, []live.Flush{f})[0]
	if result.Err != nil || !result.Applied {
		w.t.Fatalf("flush: %+v", result)
	}
}

// serve starts a server over the world.
func (w *world) serve() *Server {
	w.t.Helper()
	s, err := New(Config{Project: w.project, Lake: w.lake, Live: w.live, Stream: w.log, CacheDir: w.t.TempDir(), Clock: w.clock, Produce: func(string) ingest.Writer { return w.sent }, Engine: engine.Options{Threads: 1}, Guard: w.guard, Logger: w.logger, Push: w.push, AnswerAge: w.shares})
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, s.Close()) })
	w.server = s
	return s
}

func (w *world) query(q Query) *Result {
	w.t.Helper()
	if q.View == "" {
		q.View = "sales"
	}
	r, err := w.server.Query(context.Background(), q)
	must(w.t, err)
	return r
}
