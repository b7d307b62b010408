package serving

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/serving/auth"
)

// PushConfig bounds the pushing of updates.
type PushConfig struct {
	Every  time.Duration // between two looks at a question that is followed; default 250 ms, and longer where the answer takes long
	Beat   time.Duration // after which a stream without news says that it lives; default 15 s
	Linger time.Duration // for which a question is followed after its last client has gone, so that one that comes back misses nothing; default 30 s
}

// Bounds of what is kept for those who follow questions. What one client has not read yet is kept for all of them together, and no longer than this.
const (
	keptUpdates   = 64      // of a question
	keptBytes     = 1 << 20 // of them
	followedMost  = 64      // questions
	watchersMost  = 1000    // clients
	pushedRows    = 1000    // of an answer, where no limit is given
	pushedRowsMax = 10_000
)

// pusher follows questions, each once for all clients that ask it.
type pusher struct {
	server *Server

	mu        sync.Mutex
	questions map[string]*followed
	watchers  int
	closed    bool
	running   sync.WaitGroup
}

// followed is a question whose answer is asked again and again. Clients read its updates at their own pace.
type followed struct {
	key   string
	life  string // random: update numbers are of this life
	query Query
	asks  auth.Caller // on whose behalf it is asked: the view and the rows that all of its clients may see
	stop  context.CancelFunc

	watchers int         // guarded by pusher.mu
	leaving  *time.Timer // ends it when nobody has come back; guarded by pusher.mu

	mu      sync.Mutex
	whole   *Result       // the latest answer; nil before the first
	number  int64         // of the latest update; the first answer is 1
	updates [][]byte      // the latest ones, up to number
	bytes   int           // of updates
	failed  error         // why the last look gave no answer; nil if it did
	ended   bool          // it is not followed any more: failed says why
	news    chan struct{} // closed, and replaced, when any of this changes
}

// join finds the question, or begins to follow it, for clients who may see the same rows: those of own, or all of the view's where it is nil. The
// caller leaves it in the end.
func (p *pusher) join(q Query, own *filter) (*followed, error) {
	key, err := json.Marshal(q)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a query: %v", err))
	}
	asks := auth.Caller{Name: "stream", Grant: auth.Grant{Role: auth.Read, Views: []string{q.View}}}
	if own != nil {
		key = append(append(key, '\n'), own.Text...)
		asks.Where = map[string]string{q.View: own.Text}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.questions[string(key)]
	switch {
	case p.closed:
		return nil, busy("the server stops")
	case p.watchers >= watchersMost:
		return nil, busy(fmt.Sprintf("%d clients follow answers", p.watchers))
	case f == nil && len(p.questions) >= followedMost:
		return nil, busy(fmt.Sprintf("%d questions are followed", len(p.questions)))
	}
	if f == nil {
		ctx, stop := context.WithCancel(context.Background())
		f = &followed{key: string(key), life: rand.Text()[:12], query: q, asks: asks, stop: stop, news: make(chan struct{})}
		p.questions[f.key] = f
		p.running.Go(func() { p.follow(ctx, f) })
	}
	if f.leaving != nil {
		f.leaving.Stop()
		f.leaving = nil
	}
	f.watchers++
	p.watchers++
	return f, nil
}

// leave ends the interest of one client. The question is followed for a while longer, for a client that comes back.
func (p *pusher) leave(f *followed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.watchers--
	p.watchers--
	if f.watchers > 0 {
		return
	}
	f.leaving = time.AfterFunc(p.server.cfg.Push.Linger, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if f.watchers == 0 {
			p.drop(f)
		}
	})
}

// drop forgets a question; p.mu is held.
func (p *pusher) drop(f *followed) {
	f.stop()
	if p.questions[f.key] == f {
		delete(p.questions, f.key)
	}
}

// close ends everything that is followed.
func (p *pusher) close() {
	p.mu.Lock()
	p.closed = true
	for _, f := range p.questions {
		if f.leaving != nil {
			f.leaving.Stop()
		}
		p.drop(f)
	}
	p.mu.Unlock()
	p.running.Wait()
}

// follow asks the question until nobody wants it any more, or it cannot be answered as it stands.
func (p *pusher) follow(ctx context.Context, f *followed) {
	cfg := &p.server.cfg
	for ctx.Err() == nil {
		began := time.Now()
		asking, cancel := context.WithTimeoutCause(ctx, cfg.QueryTimeout, timedOut(cfg.QueryTimeout))
		r, err := p.server.Query(auth.With(asking, f.asks), f.query)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if wrong := (*Problem)(nil); errors.As(err, &wrong) && wrong.Status < 500 && wrong.Status != 408 {
			f.put(nil, err, true) // such as a measure that another definition has not
			p.mu.Lock()
			p.drop(f)
			p.mu.Unlock()
			return
		}
		f.put(r, err, false)
		select {
		case <-ctx.Done():
		case <-time.After(max(cfg.Push.Every, 4*time.Since(began))):
		}
	}
}

// put notes what the question was answered.
func (f *followed) put(r *Result, err error, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.failed != nil && !ended {
			return
		}
		f.failed, f.ended = err, ended
		f.announce()
		return
	}
	recovered := f.failed != nil
	f.failed = nil
	if f.whole == nil {
		f.whole, f.number = r, 1
		f.announce()
		return
	}
	if f.whole.Meta.Definition != r.Meta.Definition {
		// The columns may be others: whoever follows gets everything anew.
		f.whole, f.updates, f.bytes = r, nil, 0
		f.number++
		f.announce()
		return
	}
	text := updateOf(f.whole, r)
	f.whole = r
	if text != nil {
		f.number++
		f.updates, f.bytes = append(f.updates, text), f.bytes+len(text)
		for len(f.updates) > keptUpdates || f.bytes > keptBytes {
			f.bytes -= len(f.updates[0])
			f.updates[0] = nil
			f.updates = f.updates[1:]
		}
	}
	if text != nil || recovered {
		f.announce()
	}
}

func (f *followed) announce() {
	close(f.news)
	f.news = make(chan struct{})
}

// step is what a client that has read up to a number gets next.
type step struct {
	whole   *Result  // the client has missed updates that are not kept any more: everything anew; nil: updates are enough
	updates [][]byte // after the number
	number  int64    // after this step
	failed  error
	ended   bool
	news    <-chan struct{} // closed when there is more
}

// after returns what came after a number; of another life, or of none, it is 0.
func (f *followed) after(number int64) step {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := step{number: f.number, failed: f.failed, ended: f.ended, news: f.news}
	first := f.number - int64(len(f.updates)) // what the oldest update that is kept goes on from
	switch {
	case f.whole == nil:
	case number < first || number > f.number || number == 0:
		s.whole = f.whole
	default:
		s.updates = f.updates[len(f.updates)-int(f.number-number):]
	}
	return s
}

// updateOf is what changed between two answers, as JSON: rows that are new or other than before, with where they come from, and rows that are gone. Nil: nothing
// that is worth a message.
func updateOf(before, after *Result) []byte {
	type known struct{ values, origin string }
	dims := len(after.Meta.Columns)
	for i, c := range after.Meta.Columns {
		if c.Role == "measure" {
			dims = i
			break
		}
	}
	table := after.table()
	describe := func(r *Result, i int) (string, known) {
		origin, err := json.Marshal(r.Provenance.Rows[i])
		if err != nil {
			panic(fmt.Sprintf("BUG: encode the origin of a row: %v", err))
		}
		return string(algebra.AppendKey(nil, r.identity(i, dims))), known{string(r.table().AppendRow(nil, i)), string(origin)}
	}
	old, gone, keys := make(map[string]known, len(before.Rows)), make(map[string]bool, len(before.Rows)), make([]string, len(before.Rows))
	for i := range before.Rows {
		key, k := describe(before, i)
		old[key], gone[key], keys[i] = k, true, key
	}
	var rows, origins []json.RawMessage
	for i := range after.Rows {
		key, k := describe(after, i)
		delete(gone, key)
		if old[key] != k {
			rows, origins = append(rows, json.RawMessage(k.values)), append(origins, json.RawMessage(k.origin))
		}
	}
	p, q := &before.Provenance, &after.Provenance
	if len(rows) == 0 && len(gone) == 0 && p.Snapshot == q.Snapshot && p.Exact == q.Exact && p.Partial == q.Partial && p.Reason == q.Reason && p.ExactUntil == q.ExactUntil {
		return nil
	}
	removed := []json.RawMessage{}
	for i := range before.Rows {
		if gone[keys[i]] {
			part := *table
			part.Columns, part.Rows = table.Columns[:dims], [][]algebra.Value{before.Rows[i][:dims]}
			removed = append(removed, part.AppendRow(nil, 0))
		}
	}
	provenance := *q
	provenance.Rows = []RowOrigin{}
	text, err := json.Marshal(Update{append([]json.RawMessage{}, rows...), append([]json.RawMessage{}, origins...), removed, after.Statistics, provenance})
	if err != nil {
		panic(fmt.Sprintf("BUG: encode an update: %v", err))
	}
	return bytes.TrimSpace(text)
}

// identity are the values of the first columns that make a row this one and no other: not where a session ends, which grows.
func (r *Result) identity(i, columns int) []algebra.Value {
	var values []algebra.Value
	for k, c := range r.Meta.Columns[:columns] {
		if c.Role != "end" {
			values = append(values, r.Rows[i][k])
		}
	}
	return values
}

// Update is what changed of an answer that is followed.
type Update struct {
	Rows       []json.RawMessage `json:"rows"`    // that are new or other than before, as in data of an answer
	Origins    []json.RawMessage `json:"origins"` // of them, as in provenance.rows of an answer
	Removed    []json.RawMessage `json:"removed"` // time and dimensions of rows that are gone
	Statistics Statistics        `json:"statistics"`
	Provenance Provenance        `json:"provenance"` // without rows
}
