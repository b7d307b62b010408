package speed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
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
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const shopYAML = `
project: shop
speed: {coarse_flush: 0s}
sources:
  orders:
    topic: TOPIC
    partitions: 2
    format: json
    key: user
    event_time: {field: at, format: unix_ms}
    event_id: id
    dedup_horizon: 24h
    lateness: 10m
    max_ahead: 5m
    fields:
      id: string
      at: timestamp
      user: string
      country: string?
      amount: decimal(12,2)
      product: string?
`

var shopViews = map[string]string{
	"sales": `
view: sales
source: orders
where: "amount > 0"
dimensions: [country]
grains: [1m, 1h, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
  - {name: top, agg: max, expr: amount}
`,
	"people": `
view: people
source: orders
timezone: Asia/Kolkata
dimensions: []
grains: [1d, 1mo]
measures:
  - {name: people, agg: count_distinct, expr: user}
  - {name: lines, agg: count}
`,
	"users": `
view: users
source: orders
dimensions: [user]
grains: [15m]
measures:
  - {name: spent, agg: sum, expr: amount, type: "decimal(18,2)"}
`,
}

// benchViews are the four rollups of the benchmark.
var benchViews = map[string]string{
	"per_country": `
view: per_country
source: orders
dimensions: [country]
grains: [1m]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
  - {name: people, agg: count_distinct, expr: user}
`,
	"per_product": `
view: per_product
source: orders
dimensions: [product]
grains: [1h]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
`,
	"per_user": `
view: per_user
source: orders
dimensions: [user]
grains: [1m]
measures:
  - {name: spent, agg: sum, expr: amount, type: "decimal(18,2)"}
`,
	"sketches": `
view: sketches
source: orders
dimensions: [product]
grains: [1m, 1h, 1d]
measures:
  - {name: people, agg: count_distinct, expr: user}
  - {name: p95, agg: percentile, expr: amount, p: 0.95}
`,
	"per_day": `
view: per_day
source: orders
dimensions: [country]
grains: [1d]
measures:
  - {name: p95, agg: percentile, expr: amount, p: 0.95}
`,
}

// world is a project with its services, in the process.
type world struct {
	t       testing.TB
	topic   string
	project *view.Project
	redis   *embedded.Redis
	stream  *stream.Client
	live    *live.Redis
	lake    *lake.Lake
	sent    map[int][]stream.Message // by partition, as the log holds them
	plans   map[string]*algebra.Plan
	counts  live.Counts // of what intake has folded
	lags    bool        // coarser grains are flushed too seldom to be waited for
}

// intake folds a partition's log and adds to counts.
func (w *world) intake(p int) *intake.Fold {
	schema, err := intake.NewSchema(w.project.Sources[0])
	w.check(err)
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(w.project.Sources[0])
	for off, m := range w.sent[p] {
		v := fold.Append(intake.Record{Partition: p, Offset: int64(off), Timestamp: m.Timestamp, Key: m.Key, Value: m.Value}, rows)
		switch {
		case v.Kind == intake.DeadLetter:
			w.counts.Dead++
		case v.Kind == intake.Duplicate:
			w.counts.Duplicates++
		default:
			w.counts.Events++
			if v.Late {
				w.counts.Late++
			}
		}
	}
	return fold
}

func newWorld(t testing.TB, views ...string) *world {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	redis, err := embedded.StartRedis("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	w := newWorldOn(t, broker.Addrs(), redis.Addr(), "orders", views...)
	w.redis = redis
	return w
}

// newWorldOn is a world on services that may be shared; the topic is its own.
func newWorldOn(t testing.TB, brokers []string, redis, topic string, views ...string) *world {
	t.Helper()
	w := &world{t: t, topic: topic, plans: map[string]*algebra.Plan{}}
	var err error
	w.stream, err = stream.Connect(stream.Config{Brokers: brokers, HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: time.Second})
	w.check(err)
	t.Cleanup(func() { w.stream.Close() })
	w.live, err = live.Connect(live.Config{Addrs: []string{redis}})
	w.check(err)
	t.Cleanup(func() { w.live.Close() })
	store, err := lake.Open(context.Background(), t.TempDir(), lake.Options{NoSync: true})
	w.check(err)
	w.lake = lake.New(store)
	w.project = parseShop(t, topic, views...)
	for _, v := range w.project.Views {
		w.plans[v.Name], err = algebra.Compile(v)
		w.check(err)
	}
	for _, s := range w.project.Sources {
		w.check(w.stream.EnsureTopic(context.Background(), s.Topic, s.Partitions))
	}
	return w
}

func parseShop(t testing.TB, topic string, views ...string) *view.Project {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checker, err := engine.NewChecker(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	files := []view.File{{Path: "caudal.yaml", Data: []byte(strings.Replace(shopYAML, "TOPIC", topic, 1))}}
	if len(views) == 0 {
		views = slices.Sorted(maps.Keys(shopViews))
	}
	for _, v := range views {
		files = append(files, view.File{Path: "views/" + v + ".yaml", Data: []byte(shopViews[v] + benchViews[v])})
	}
	p, problems := view.Parse(files, func(string) (string, bool) { return "", false }, checker)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) config() Config {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("CAUDAL_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return Config{Project: w.project, ConsumerGroup: w.topic + "-speed", Stream: w.stream, Live: w.live, Lake: w.lake, Logger: log,
		BatchRecords: 400, BatchWait: 5 * time.Millisecond, FlushCells: 100, Poll: 50 * time.Millisecond, Backoff: time.Millisecond}
}

// start runs a worker until the returned function is called, which returns its error.
func (w *world) start(cfg Config) (worker *Worker, stop func() error) {
	w.t.Helper()
	worker, err := New(cfg)
	w.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	w.t.Cleanup(func() { stop() })
	return worker, stop
}

// produce appends n random events: some late, early, twice, or unreadable.
func (w *world) produce(rnd *rand.Rand, n int) {
	w.t.Helper()
	w.produceOnly(rnd, n)
	w.readLog()
}

func (w *world) produceOnly(rnd *rand.Rand, n int) {
	p := w.stream.Producer(w.topic)
	defer p.Close()
	var msgs []stream.Message
	base := time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC).UnixMilli()
	sent := 0
	for _, m := range w.sent {
		sent += len(m)
	}
	for i := range n {
		now := base + int64(sent+i)*500
		at := now
		switch rnd.IntN(20) {
		case 0:
			at -= int64(rnd.IntN(3 * 3600e3)) // late
		case 1:
			at += int64(rnd.IntN(3600e3)) // early
		}
		user := fmt.Sprintf("u%03d", rnd.IntN(200))
		id := fmt.Sprintf("%s-%d", user, rnd.IntN(200)) // repeats, on the user's partition
		body := fmt.Sprintf(`{"id":%q,"at":%d,"user":%q,"country":%q,"amount":%.2f}`, id, at, user, []string{"FR", "DE", "ES"}[rnd.IntN(3)], float64(rnd.IntN(20000)-1000)/100)
		switch rnd.IntN(50) {
		case 0:
			body = "{broken"
		case 1:
			body = strings.Replace(body, `"country":`, `"land":`, 1)
		}
		msgs = append(msgs, stream.Message{Key: []byte(user), Value: []byte(body), Timestamp: now * 1000})
	}
	w.check(p.Write(context.Background(), msgs))
}

// readLog reads back what stands in the topic.
func (w *world) readLog() {
	ctx := context.Background()
	w.sent = map[int][]stream.Message{}
	for p := range 2 {
		_, next, err := w.stream.Bounds(ctx, w.topic, p)
		w.check(err)
		r := w.stream.Reader(w.topic, p, 0)
		for r.Offset() < next {
			records, err := r.Fetch(ctx, 1000, 10*time.Millisecond, nil)
			w.check(err)
			for _, rec := range records {
				w.sent[p] = append(w.sent[p], stream.Message{Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value), Timestamp: rec.Timestamp})
			}
		}
		r.Close()
	}
}

// event is an order as the naive fold sees it.
type event struct {
	ID      string  `json:"id"`
	At      int64   `json:"at"`
	User    string  `json:"user"`
	Country *string `json:"country"`
	Amount  json.Number
}

// fold is the naive fold over the deduplicated logs: offsets [from[p], to[p]) of each partition, into what each cell should answer.
func (w *world) fold(from, to map[int]int64) map[string]string {
	type cell struct {
		events, late, cents, top int64
		users                    map[string]bool
		topSet                   bool
	}
	cells := map[string]*cell{}
	kolkata, _ := time.LoadLocation("Asia/Kolkata")
	for p, msgs := range w.sent {
		seen := map[string]bool{}
		watermark := int64(-1 << 62)
		for off, m := range msgs {
			var e event
			if json.Unmarshal(m.Value, &e) != nil || e.ID == "" {
				continue
			}
			us := e.At * 1000
			late := us < watermark-10*60e6
			watermark = max(watermark, min(us, m.Timestamp+5*60e6))
			if seen[e.ID] {
				continue
			}
			seen[e.ID] = true
			if int64(off) < from[p] || int64(off) >= to[p] {
				continue
			}
			cents, err := strconv.ParseInt(strings.Replace(e.Amount.String(), ".", "", 1), 10, 64)
			w.check(err)
			country := "null"
			if e.Country != nil {
				country = *e.Country
			}
			put := func(v, grain string, bucket time.Time, dims string) {
				k := fmt.Sprintf("%s %s %s [%s]", v, grain, bucket.UTC().Format(time.RFC3339), dims)
				c := cells[k]
				if c == nil {
					c = &cell{users: map[string]bool{}}
					cells[k] = c
				}
				c.events++
				if late {
					c.late++
				}
				c.cents += cents
				if !c.topSet || cents > c.top {
					c.top, c.topSet = cents, true
				}
				c.users[e.User] = true
			}
			at := time.UnixMicro(us).UTC()
			if cents > 0 {
				put("sales", "1m", at.Truncate(time.Minute), country)
				put("sales", "1h", at.Truncate(time.Hour), country)
				put("sales", "1d", at.Truncate(24*time.Hour), country)
			}
			put("users", "15m", at.Truncate(15*time.Minute), e.User)
			y, mo, d := at.In(kolkata).Date()
			put("people", "1d", time.Date(y, mo, d, 0, 0, 0, 0, kolkata), "")
			put("people", "1mo", time.Date(y, mo, 1, 0, 0, 0, 0, kolkata), "")
		}
	}
	out := map[string]string{}
	for k, c := range cells {
		v, _, _ := strings.Cut(k, " ")
		if w.plans[v] == nil {
			continue
		}
		s := fmt.Sprintf("events=%d late=%d", c.events, c.late)
		switch v {
		case "sales":
			s += fmt.Sprintf(" revenue=%s lines=%d top=%s", money(c.cents), c.events, money(c.top))
		case "users":
			s += fmt.Sprintf(" spent=%s", money(c.cents))
		case "people":
			s += fmt.Sprintf(" people≈%d lines=%d", len(c.users), c.events)
		}
		out[k] = s
	}
	return out
}

func money(cents int64) string {
	return algebra.DecimalValue(algebra.Int128Of(cents), 2).String()
}

// offsets are up to where the finest grain of a view and the others are served.
type offsets struct{ finest, coarse map[int]int64 }

// served reads every cell of a view from its boundaries on, and the offsets up to which they are served.
func (w *world) served(v *view.View, from map[int]int64) (cells map[string]string, to offsets, err error) {
	plan := w.plans[v.Name]
	states := map[string]*algebra.State{}
	to = offsets{map[int]int64{}, map[int]int64{}}
	for p := range 2 {
		for _, grain := range v.Grains {
			got, err := w.live.Read(context.Background(), w.group(v, p), live.ReadRequest{V: from[p], Grain: grain.Name, MinChunk: -1 << 40, MaxChunk: 1 << 40})
			if err != nil {
				return nil, to, err
			}
			if got.Served != live.ServedWhole {
				return nil, to, fmt.Errorf("%s of %s is not served: %s", grain.Name, w.group(v, p), got.Served)
			}
			coarse := max(got.Meta.Coarse, from[p])
			if old, ok := to.finest[p]; ok && (old != got.Meta.Off || to.coarse[p] != coarse) {
				return nil, to, errors.New("moved on while it was read")
			}
			to.finest[p], to.coarse[p] = got.Meta.Off, coarse
			for _, c := range got.Chunks {
				for i := range c.Cells.Fields {
					bucket, key, err := live.SplitField(c.Cells.Fields[i])
					w.check(err)
					dims, err := algebra.DecodeKey(key)
					w.check(err)
					var names []string
					for _, d := range dims {
						if d.IsNull() {
							names = append(names, "null")
						} else {
							names = append(names, d.Text())
						}
					}
					k := fmt.Sprintf("%s %s %s [%s]", v.Name, grain.Name, time.UnixMicro(bucket).UTC().Format(time.RFC3339), strings.Join(names, ","))
					s := plan.New()
					w.check(plan.Decode(c.Cells.Values[i], s))
					if states[k] == nil {
						states[k] = plan.New()
					}
					plan.Merge(states[k], s)
				}
			}
		}
	}
	cells = map[string]string{}
	for k, s := range states {
		if s.Events() == 0 {
			continue
		}
		text := fmt.Sprintf("events=%d late=%d", s.Events(), s.Late())
		for i, m := range v.Measures {
			sign := "="
			if m.Agg == view.CountDistinct {
				sign = "≈"
			}
			text += fmt.Sprintf(" %s%s%s", m.Name, sign, plan.Final(s, i).Value)
		}
		cells[k] = text
	}
	return cells, to, nil
}

func (w *world) group(v *view.View, p int) live.Group {
	return live.Group{Project: w.project.Name, Topic: w.topic, Incarnation: 1, Partition: p, View: v.Name, Hash: v.Hash}
}

func (w *world) groups() (all []live.Group) {
	for _, v := range w.project.Views {
		for p := range 2 {
			all = append(all, w.group(v, p))
		}
	}
	return all
}

// sum adds up all values of a metric.
func sum(c prometheus.Collector) (total float64) {
	for _, m := range collect(c) {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}

func collect(c prometheus.Collector) (all []*dto.Metric) {
	ch := make(chan prometheus.Metric, 1000)
	c.Collect(ch)
	close(ch)
	for m := range ch {
		v := &dto.Metric{}
		if m.Write(v) == nil {
			all = append(all, v)
		}
	}
	return all
}

// boundaries is V of CURRENT.
func (w *world) boundaries(v *view.View) map[int]int64 {
	m, _, err := w.lake.Current(context.Background(), v.Name, v.Hash)
	w.check(err)
	return m.Offsets()
}

// publish makes a snapshot that ends at the cuts.
func (w *world) publish(v *view.View, run string, cuts map[int]lake.Cut) {
	w.t.Helper()
	m, tag, err := w.lake.Current(context.Background(), v.Name, v.Hash)
	w.check(err)
	next := lake.Manifest{View: v.Name, Definition: v.Hash, Run: run, Created: time.Now(), Topic: m.Topic, Cuts: maps.Clone(m.Cuts), Parent: m.ID}
	maps.Copy(next.Cuts, cuts)
	_, _, err = w.lake.Publish(context.Background(), next, tag)
	w.check(err)
}

// await waits until every view serves the whole log from its boundary on, and compares each cell with the naive fold.
func (w *world) await() {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	var problem string
	for time.Now().Before(deadline) {
		if problem = w.compare(); problem == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal(problem)
}

func (w *world) compare() string {
	for _, v := range w.project.Views {
		if _, _, err := w.lake.Current(context.Background(), v.Name, v.Hash); err != nil {
			return err.Error()
		}
		from := w.boundaries(v)
		got, to, err := w.served(v, from)
		if err != nil {
			return err.Error()
		}
		if d := w.difference(v, from, to, got); d != "" {
			w.t.Fatalf("served up to %v: %s", to, d) // wrong at any offset is wrong
		}
		for p := range 2 {
			n := int64(len(w.sent[p]))
			if to.finest[p] != n || to.coarse[p] != n && !w.lags {
				return fmt.Sprintf("%s of partition %d is served up to %d and %d of %d", v.Name, p, to.finest[p], to.coarse[p], n)
			}
		}
	}
	return ""
}

// difference compares what is served with the naive fold of the same offsets.
func (w *world) difference(v *view.View, from map[int]int64, to offsets, got map[string]string) string {
	want := map[string]string{}
	finest := v.Name + " " + v.Grains[0].Name + " "
	for k, c := range w.fold(from, to.finest) {
		if strings.HasPrefix(k, finest) {
			want[k] = c
		}
	}
	for k, c := range w.fold(from, to.coarse) {
		if strings.HasPrefix(k, v.Name+" ") && !strings.HasPrefix(k, finest) {
			want[k] = c
		}
	}
	var lines []string
	for k := range want {
		if !alike(got[k], want[k]) {
			lines = append(lines, fmt.Sprintf("%s: have %q, want %q", k, got[k], want[k]))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			lines = append(lines, fmt.Sprintf("%s: have %q, want nothing", k, got[k]))
		}
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d cells of %s differ from offset %v on:\n%s", len(lines), len(want), v.Name, from, strings.Join(lines[:min(len(lines), 10)], "\n"))
}

// alike compares two cells; what is marked ≈ may differ by 6 %.
func alike(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		nx, vx, ok := strings.Cut(x[i], "≈")
		ny, vy, _ := strings.Cut(y[i], "≈")
		if !ok {
			if x[i] != y[i] {
				return false
			}
			continue
		}
		var fx, fy float64
		fmt.Sscan(vx, &fx)
		fmt.Sscan(vy, &fy)
		if nx != ny || fx < fy*0.94-1 || fx > fy*1.06+1 {
			return false
		}
	}
	return true
}
