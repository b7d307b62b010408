// Package serving answers queries: it merges the batch layer's snapshot with what the speed layer holds from the snapshot's offsets on,
// and says of every number where it comes from and how sure it is (SEAM Reader 16-17).
package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/ingest"
)

// Server answers queries of one project. Its methods may be called from many goroutines.
type Server struct {
	cfg         Config
	store       *store
	derived     *derivedAnswers
	answers     *answers
	speed       *speedReader
	topics      *topics
	definitions *definitions
	metrics     *metrics
	batches     *batchMetrics
	routes      []route      // of the API
	gate        *ingest.Gate // where events come in; nil: none are taken
	pusher      *pusher
	intake      chan struct{}           // holds one for each request with events that is under way
	scans       chan struct{}           // holds one for each scan of the lake that is under way
	sql         atomic.Pointer[SQLDoor] // nil: the process answers no SQL
	leaving     atomic.Bool             // see TakeLeave
}

// intakes bounds the requests with events that are under way, and so their memory.
const intakes = 16

// New prepares a server. Nothing is read before the first query, or Run.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, derived: newDerivedAnswers(), answers: newAnswers(cfg.AnswerAge, cfg.QueryTimeout, cfg.Clock), speed: &speedReader{cfg.Live, newSpeedCache(cfg.SpeedCache), newReadings(cfg.SpeedAge, cfg.SpeedTimeout, cfg.Clock)}, routes: routes(), scans: make(chan struct{}, cfg.Scans), intake: make(chan struct{}, intakes)}
	s.pusher = &pusher{server: s, questions: map[string]*followed{}}
	if cfg.Produce != nil {
		s.gate = ingest.New(cfg.Project.Sources, cfg.Produce)
	}
	s.topics = newTopics(cfg.Stream, s.livesOf, cfg.Clock)
	var err error
	if s.definitions, err = newDefinitions(cfg.Project); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("serve: register metrics: %w", err)
	}
	for _, v := range cfg.Project.Views {
		s.metrics.partial.WithLabelValues(v.Name) // from zero on: the first one is not seen to rise otherwise
	}
	if s.batches, err = newBatchMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("serve: register metrics: %w", err)
	}
	if s.store, err = openStore(cfg.Lake, cfg.CacheDir, cfg.Engine, cfg.Concurrency, cfg.BatchCache); err != nil {
		return nil, err
	}
	return s, nil
}

// Close removes the local copy of the batch results and ends the connections that events go by. No query may be running, nor Run.
func (s *Server) Close() error {
	s.pusher.close()
	s.answers.close()
	s.speed.young.close()
	var err error
	if s.gate != nil {
		err = s.gate.Close()
	}
	return errors.Join(err, s.store.close())
}

// Run keeps the snapshots current until ctx ends: a new one is loaded beside the one that is served and then swapped in. Failures are
// logged and tried again; they are no reason to end.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	names := map[string]bool{}
	for _, v := range s.cfg.Project.Views {
		wg.Go(func() { s.follow(ctx, v.Name) })
		names[v.Source.Topic] = true
	}
	for name := range names {
		wg.Go(func() { s.topics.follow(ctx, name) })
	}
	wg.Go(func() { s.followBatch(ctx) })
	wg.Wait()
	return ctx.Err()
}

// cleanEvery is the time between two looks for results that nobody reads any more.
const cleanEvery = time.Minute

// follow keeps one view current: the definition that answers come from, and its snapshot.
func (s *Server) follow(ctx context.Context, name string) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	var failure string
	cleaned := s.cfg.Clock()
	for {
		err := s.redefine(ctx, name, s.cfg.Clock())
		vs := s.state(s.definitions.answering(name))
		err = errors.Join(err, s.refresh(ctx, vs, s.cfg.Clock()))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != failure:
			failure = err.Error()
			s.cfg.Logger.Warn("cannot bring the snapshot up to date; trying again", "view", name, "error", err)
		case err == nil:
			failure = ""
		}
		if now := s.cfg.Clock(); err == nil && now.Sub(cleaned) > cleanEvery {
			cleaned = now
			if err := errors.Join(s.cleanUp(ctx, vs), s.forget(ctx, name, now)); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("cannot drop old results; trying again", "view", name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// cleanUp keeps refreshes out meanwhile: a snapshot that is on its way in is named by nobody yet.
func (s *Server) cleanUp(ctx context.Context, vs *viewState) error {
	vs.refreshing.Lock()
	defer vs.refreshing.Unlock()
	vs.mu.Lock()
	current := vs.current
	vs.mu.Unlock()
	return s.store.clean(ctx, current, s.cfg.Clock())
}

// Ready says why queries cannot be answered yet; nil: they can.
func (s *Server) Ready() error {
	var errs []error
	for _, v := range s.definitions.now.Load().Views {
		vs := s.state(v)
		vs.mu.Lock()
		if vs.current == nil {
			errs = append(errs, fmt.Errorf("view %s: %w", v.Name, cmp.Or(vs.failed, errors.New("its snapshot is not loaded yet"))))
		}
		vs.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Query answers a query from one pinned snapshot and what the speed layer holds from its offsets on. What is wrong with the query, and
// a batch layer that cannot be read, is a *Problem; a speed layer that cannot be read makes the answer partial.
func (s *Server) Query(ctx context.Context, query Query) (*Result, error) {
	start := time.Now()
	q, err := s.ask(ctx, query)
	if err != nil {
		s.metrics.observe("", err, time.Since(start))
		return nil, err
	}
	r, err := s.recent(ctx, q, query)
	s.metrics.observe(q.view.Name, err, time.Since(start))
	if err != nil {
		return nil, err
	}
	if r.Provenance.Partial {
		s.metrics.partial.WithLabelValues(q.view.Name).Inc()
	}
	return r, nil
}

// ask resolves a query of ctx's caller.
func (s *Server) ask(ctx context.Context, query Query) (*question, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.project(ctx, query.View)
	if err != nil {
		return nil, err
	}
	return resolve(p, query, g)
}

// recent is answer, or what somebody was answered to the same question less than Config.AnswerAge ago, not to be changed.
func (s *Server) recent(ctx context.Context, q *question, asked Query) (*Result, error) {
	if !q.isShared() {
		return s.answer(ctx, q)
	}
	return s.answers.get(ctx, answerKeyOf(q, asked), func(ctx context.Context) (*Result, error) { return s.answer(ctx, q) })
}

func (s *Server) answer(ctx context.Context, q *question) (r *Result, err error) {
	start := time.Now()
	defer func() {
		if err == nil {
			r.Statistics.ElapsedMS = float64(time.Since(start).Microseconds()) / 1000
		}
	}()
	vs := s.state(q.view)
	gather := func(q *question) (*merged, error) {
		switch {
		case q.exact:
			return s.scan(ctx, vs, q)
		case q.asOf != "":
			return s.past(ctx, vs, q)
		}
		return s.merge(ctx, vs, q)
	}
	m, err := comparing(q, func(q *question) (*merged, error) { return s.whole(ctx, q, gather) })
	if err != nil {
		return nil, err
	}
	return s.result(ctx, q, m)
}

// whole gathers the cells of the answer's rows; those of a window are composed of what is gathered, unless a scan has found them itself.
func (s *Server) whole(ctx context.Context, q *question, gather func(*question) (*merged, error)) (*merged, error) {
	if q.window == nil || q.exact {
		return gather(q)
	}
	return s.composed(ctx, q, gather)
}

// result finishes what was merged.
func (s *Server) result(ctx context.Context, q *question, m *merged) (*Result, error) {
	rows, doubtful, err := s.rows(ctx, q, m)
	if err != nil {
		return nil, err
	}
	r := &Result{Meta: meta(q, m.cells), location: q.view.Location}
	r.Meta.compare(q, m.earlier)
	r.Statistics = Statistics{TotalRows: len(rows), Scanned: m.cells.looked}
	for i := range rows {
		r.Statistics.Events += rows[i].counts.events
		r.Statistics.Late += rows[i].counts.late
		r.Statistics.Errors += rows[i].counts.errors
		if rows[i].source == fromFill {
			r.Statistics.Filled++
		}
	}
	if q.grain == nil {
		for i := range rows {
			rows[i].time = q.start(m.cells)
		}
	}
	if rows = q.rest(rows); len(rows) > q.limit {
		rows, r.Statistics.Truncated, r.Statistics.Next = rows[:q.limit], true, q.next(rows[q.limit-1])
	}
	r.Statistics.Rows = len(rows)
	r.Rows = make([][]algebra.Value, len(rows))
	for i := range rows {
		values := make([]algebra.Value, 0, 2+len(q.dims)+len(q.measures)+len(q.changes))
		values = append(values, algebra.TimestampValue(rows[i].time))
		if q.window != nil {
			values = append(values, algebra.TimestampValue(rows[i].end))
		}
		values = append(values, rows[i].dims...)
		for k := range rows[i].measures {
			values = append(values, rows[i].measures[k].Value)
		}
		for k := range rows[i].changes {
			values = append(values, rows[i].changes[k].Value)
		}
		r.Rows[i] = values
	}
	r.Provenance = provenance(q, m, rows, s.cfg.Clock())
	r.Provenance.judged(doubtful)
	return r, nil
}

// start is where the range begins: as asked, or with the first bucket that has events.
func (q *question) start(cs *cells) int64 {
	if q.from != beginning {
		return q.from
	}
	return cs.first
}

// meta describes the answer and its columns.
func meta(q *question, cs *cells) Meta {
	v := q.view
	m := Meta{View: v.Name, Definition: v.Hash, Timezone: v.Location.String()}
	switch {
	case q.window != nil:
		m.Window = q.window.Name
		m.Columns = windowTimes(q.window)
	case q.grain != nil:
		m.Grain = q.grain.Name
	}
	if m.Columns == nil {
		m.Columns = []Column{column("time", "time", view.Type{Kind: view.Timestamp}, "", "start of the bucket")}
	}
	if from := q.start(cs); from != forever {
		m.From = formatTime(from, v.Location)
	}
	switch {
	case q.to != forever:
		m.To = formatTime(q.to, v.Location)
	case cs.last == beginning:
	case q.window != nil:
		m.To = formatTime(cs.last, v.Location)
	default:
		m.To = formatTime(q.spans[len(q.spans)-1].grain.Next(cs.last, v.Location), v.Location)
	}
	for _, d := range q.dims {
		m.Columns = append(m.Columns, column(v.Dimensions[d].Name, "dimension", v.Dimensions[d].Type, "", v.Dimensions[d].Description))
	}
	for _, i := range q.measures {
		m.Columns = append(m.Columns, column(v.Measures[i].Name, "measure", v.Measures[i].Type, v.Measures[i].Unit, v.Measures[i].Description))
	}
	m.Fill = q.fill
	return m
}

func column(name, role string, t view.Type, unit, description string) Column {
	return Column{Name: name, Role: role, Type: t.String(), Unit: unit, Description: description, Kind: t}
}
