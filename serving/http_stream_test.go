package serving

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
)

// pushed is one server-sent event.
type pushed struct{ kind, id, data string }

// follower is a client of a stream: it keeps the rows as a page would.
type follower struct {
	t      *testing.T
	cancel context.CancelFunc
	body   *bufio.Scanner
	close  func() error
	rows   map[string]string // by time and country
	last   string
	kinds  []string
}

const followPath = "/v1/stream?view=sales&measures=revenue,lines&dimensions=country&grain=1d"

func follow(t *testing.T, url string, before *follower) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", url+followPath, nil)
	must(t, err)
	f := &follower{t: t, cancel: cancel, rows: map[string]string{}}
	if before != nil {
		request.Header.Set("Last-Event-ID", before.last)
		f.rows = before.rows
	}
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != mediaEvents {
		t.Fatalf("status %d, %v", response.StatusCode, response.Header)
	}
	f.body, f.close = bufio.NewScanner(response.Body), response.Body.Close
	f.body.Buffer(nil, 10<<20)
	return f
}

// next reads the next event that is no comment, or a comment as an event of the kind ":".
func (f *follower) next() pushed {
	f.t.Helper()
	var e pushed
	for f.body.Scan() {
		name, value, _ := strings.Cut(f.body.Text(), ": ")
		switch name {
		case "":
			if value != "" {
				e.kind = ":"
			}
			if e.kind != "" {
				f.kinds = append(f.kinds, e.kind)
				f.apply(e)
				return e
			}
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		}
	}
	f.t.Fatal("the stream ended: ", f.body.Err())
	return e
}

func (f *follower) apply(e pushed) {
	f.t.Helper()
	type row struct {
		Time    string  `json:"time"`
		Country *string `json:"country"`
	}
	key := func(text []byte) string {
		var r row
		must(f.t, json.Unmarshal(text, &r))
		if r.Country == nil {
			return r.Time
		}
		return r.Time + *r.Country
	}
	switch e.kind {
	case "reset":
		clear(f.rows)
		var whole struct{ Data []json.RawMessage }
		must(f.t, json.Unmarshal([]byte(e.data), &whole))
		for _, text := range whole.Data {
			f.rows[key(text)] = string(text)
		}
	case "update":
		var u Update
		must(f.t, json.Unmarshal([]byte(e.data), &u))
		for _, text := range u.Removed {
			delete(f.rows, key(text))
		}
		for _, text := range u.Rows {
			f.rows[key(text)] = string(text)
		}
	}
	if e.id != "" {
		f.last = e.id
	}
}

// goAway closes the connection.
func (f *follower) goAway() {
	f.cancel()
	f.close() // what it says of a cancelled request is of no interest
}

// rowsNow are the rows that a query answers.
func (w *world) rowsNow() map[string]string {
	r := w.query(Query{Measures: []string{"revenue", "lines"}, Dimensions: []string{"country"}, Grain: "1d"})
	rows := map[string]string{}
	for i := range r.Rows {
		key := formatTime(r.Rows[i][0].Int64(), r.location)
		if !r.Rows[i][1].IsNull() {
			key += r.Rows[i][1].Text()
		}
		rows[key] = string(r.table().AppendRow(nil, i))
	}
	return rows
}

// streamed is a world with a server whose streams are quick.
func streamed(t *testing.T) (w *world, url string) {
	t.Helper()
	w = small(t)
	w.server.cfg.Push = PushConfig{Every: time.Millisecond, Beat: time.Hour, Linger: time.Hour}
	server := httptest.NewServer(w.server.Handler())
	t.Cleanup(server.Close)
	return w, server.URL
}

// sell adds an order of a day to partition 0 and has the speed layer count it.
func (w *world) sell(day int, country string) {
	w.t.Helper()
	before := w.log.ends[0]
	w.add(event{partition: 0, at: time.Date(2024, 3, day, 12, 0, 0, 0, time.UTC), country: country, product: "P1", order: fmt.Sprint("s", before), pence: before})
	w.flush(0, 2, before, w.log.ends[0])
}

func TestAStreamResumesWithoutAGap(t *testing.T) {
	w, url := streamed(t)
	f := follow(t, url, nil)
	if e := f.next(); e.kind != "reset" || !maps.Equal(f.rows, w.rowsNow()) {
		t.Fatalf("begins with %+v", e)
	}
	w.sell(2, "France")
	w.sell(9, "Spain")
	for !maps.Equal(f.rows, w.rowsNow()) {
		f.next()
	}
	f.goAway()
	for day := range 5 {
		w.sell(10+day, "Malta")
	}
	w.publish(w.cuts()) // the rows are the same, from batch now
	w.pass(time.Hour)
	f = follow(t, url, f)
	defer f.goAway()
	for !maps.Equal(f.rows, w.rowsNow()) {
		f.next()
	}
	for _, kind := range f.kinds {
		if kind != "update" {
			t.Errorf("came back, and got %v", f.kinds)
		}
	}
	// Of another life nothing is known: everything anew.
	g := follow(t, url, &follower{last: "ZZZ-3", rows: map[string]string{"gone": "x"}})
	defer g.goAway()
	if e := g.next(); e.kind != "reset" || !maps.Equal(g.rows, w.rowsNow()) {
		t.Errorf("with an id of another life: %+v", e)
	}
}

func TestAStreamThatHasNoNewsSaysThatItLives(t *testing.T) {
	w, url := streamed(t)
	w.server.cfg.Push.Beat = 5 * time.Millisecond
	f := follow(t, url, nil)
	defer f.goAway()
	f.next()
	if e := f.next(); e.kind != ":" {
		t.Errorf("%+v", e)
	}
}

func TestAClientThatGoesFreesItsStream(t *testing.T) {
	w, url := streamed(t)
	w.server.cfg.Push.Linger = time.Millisecond
	w.rowsNow() // whatever a query starts once is there
	before, _ := goroutines()
	var clients []*follower
	for range 20 {
		f := follow(t, url, nil)
		f.next()
		clients = append(clients, f)
	}
	if n := len(w.server.pusher.questions); n != 1 {
		t.Errorf("one question is followed %d times", n)
	}
	for _, f := range clients {
		f.goAway()
	}
	deadline := time.After(10 * time.Second)
	for {
		w.server.pusher.mu.Lock()
		watchers, questions := w.server.pusher.watchers, len(w.server.pusher.questions)
		w.server.pusher.mu.Unlock()
		ours, stacks := goroutines()
		if watchers == 0 && questions == 0 && ours <= before {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%d clients, %d questions, %d goroutines of %d before:\n%s", watchers, questions, ours, before, stacks)
		case <-time.After(time.Millisecond):
		}
	}
}

// goroutines counts those that run code of this package, beside those of the services that a test has made itself, which come and go.
func goroutines() (ours int, stacks string) {
	all := make([]byte, 4<<20)
	stacks = string(all[:runtime.Stack(all, true)])
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, "caudal/serving.(") {
			ours++
		}
	}
	return ours, stacks
}

func TestAClientThatReadsTooSlowlyIsSentEverythingAnew(t *testing.T) {
	w := small(t)
	f := &followed{life: "L", news: make(chan struct{})}
	r := w.query(Query{Measures: []string{"lines"}, Grain: "1d"})
	f.put(r, nil, false)
	kept := 0
	for i := range 10 * keptUpdates {
		next := *r
		next.Rows = [][]algebra.Value{append([]algebra.Value(nil), r.Rows[0]...)}
		next.Rows[0][1] = algebra.Int64Value(int64(i))
		next.Provenance.Rows = r.Provenance.Rows[:1]
		f.put(&next, nil, false)
		kept = max(kept, len(f.updates))
	}
	if kept > keptUpdates || f.number != 10*keptUpdates+1 {
		t.Fatalf("%d updates were kept, the number is %d", kept, f.number)
	}
	if s := f.after(5); s.whole == nil || s.updates != nil || s.number != f.number {
		t.Errorf("far behind: %d updates", len(s.updates))
	}
	if s := f.after(f.number - 3); s.whole != nil || len(s.updates) != 3 {
		t.Errorf("three behind: %d updates", len(s.updates))
	}
	switched := *r
	switched.Meta.Definition = "another"
	f.put(&switched, nil, false)
	if s := f.after(f.number - 1); s.whole == nil || s.whole.Meta.Definition != "another" {
		t.Error("a switch of definitions came as an update")
	}
	f.put(r, nil, false)
	big := *r
	big.Rows = [][]algebra.Value{{r.Rows[0][0], algebra.StringValue(strings.Repeat("x", keptBytes+1))}}
	big.Provenance.Rows = r.Provenance.Rows[:1]
	f.put(&big, nil, false)
	if len(f.updates) != 0 || f.bytes != 0 || f.after(f.number-1).whole == nil {
		t.Errorf("%d bytes of updates are kept", f.bytes)
	}
}

func TestStreamsAreBoundedAndRefuseWhatIsNoQuestion(t *testing.T) {
	w, _ := streamed(t)
	for path, want := range map[string]int{
		"/v1/stream": 400, "/v1/stream?view=sals": 404, "/v1/stream?view=sales&grain=1w": 400, "/v1/stream?view=sales&limit=10001": 400, "/v1/stream?view=sales&exact=true": 400,
	} {
		if got := w.get(path); got.Code != want {
			t.Errorf("%s: status %d: %s", path, got.Code, got.Body)
		}
	}
	w.server.pusher.watchers = watchersMost
	if got := w.get(followPath); got.Code != 503 || !strings.Contains(got.Body.String(), ":busy") {
		t.Errorf("beyond the clients: status %d: %s", got.Code, got.Body)
	}
	w.server.pusher.watchers = 0
}
