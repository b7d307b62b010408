package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/view"
)

const mediaEvents = "text/event-stream"

// streamRoutes push updates.
func streamRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/v1/stream", id: "stream", tag: "query", summary: "Follow the answer to a query",
		description: "Server-sent events. `reset` holds the whole answer, as a query has it; `update` the rows that changed since, and those that are gone; `failure` a problem, " +
			"after which updates go on once it is over. A client that comes back with Last-Event-ID gets what it has missed, or a reset where that is not kept any more; so does one that reads too slowly.",
		parameters: append(append([]parameter{{
			name: "view", in: inQuery, required: true, description: "name of the view", example: func(v *view.View) any { return v.Name },
		}}, cellParameters()...),
			parameter{name: "limit", in: inQuery, kind: isWhole, least: 1, most: pushedRowsMax, description: "rows that are followed at most; default 1,000"}),
		answers:  []answerKind{{http.StatusOK, "events, until the client goes", []string{mediaEvents}, nil}},
		problems: []int{http.StatusNotFound, http.StatusRequestTimeout, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		serve:    (*Server).serveStream,
	}}
}

func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, rt *route) {
	a, err := rt.readArguments(r, nil)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	q := queryOf(a.text("view"), a)
	q.Limit = a.whole("limit", pushedRows)
	asked, err := s.ask(r.Context(), q)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	f, err := s.pusher.join(q, asked.own)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	defer s.pusher.leave(f)
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	if err := f.begun(r.Context()); err != nil {
		s.writeError(w, r, err)
		return
	}
	c := &streamClient{out: w, control: http.NewResponseController(w), life: f.life, number: f.seen(r.Header.Get("Last-Event-ID"))}
	w.Header().Set("Content-Type", mediaEvents)
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that waits for more would hold updates back
	c.serve(r.Context(), f, s.cfg.Push.Beat, func() bool { return s.stillMay(r) })
}

// begun waits for the first answer.
func (f *followed) begun(ctx context.Context) error {
	for {
		next := f.after(0)
		switch {
		case next.whole != nil:
			return nil
		case next.failed != nil:
			return next.failed
		}
		select {
		case <-next.news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// seen is the number of the update that a client has read last; 0 if it is of another life, or of none.
func (f *followed) seen(id string) int64 {
	life, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if life != f.life || err != nil {
		return 0
	}
	return n
}

// streamClient writes events to one client.
type streamClient struct {
	out     http.ResponseWriter
	control *http.ResponseController
	life    string
	number  int64 // of the last update that was written
	failing bool  // the last that was written is a failure
}

// writeTime is how long a client may take to read what is sent at once; one that takes longer is let go, and comes back if it lives.
const writeTime = 20 * time.Second

// serve writes until the client goes, or may no longer follow, which is looked at with every beat.
func (c *streamClient) serve(ctx context.Context, f *followed, beat time.Duration, may func() bool) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	text := []byte("retry: 1000\n\n")
	for {
		next := f.after(c.number)
		text = c.append(text, next)
		if len(text) > 0 && c.write(text) != nil {
			return
		}
		if next.ended || ctx.Err() != nil {
			return
		}
		text = text[:0]
		select {
		case <-ctx.Done():
			return
		case <-next.news:
		case <-ticker.C:
			if !may() {
				return
			}
			text = append(text, ": beat\n\n"...)
		}
	}
}

// append appends what a step has as events.
func (c *streamClient) append(dst []byte, next step) []byte {
	event := func(kind string, number int64, data []byte) {
		dst = fmt.Appendf(dst, "event: %s\nid: %s-%d\ndata: %s\n\n", kind, c.life, number, bytes.TrimSpace(data))
	}
	if next.whole != nil {
		whole, err := next.whole.MarshalJSON()
		if err != nil {
			panic(fmt.Sprintf("BUG: encode an answer: %v", err))
		}
		event("reset", next.number, whole)
	}
	for i, update := range next.updates {
		event("update", next.number-int64(len(next.updates)-1-i), update)
	}
	c.number = next.number
	if next.failed == nil {
		c.failing = false
	} else if !c.failing {
		c.failing = true
		p := unavailable("the answer cannot be brought up to date", "updates go on once it can")
		errors.As(next.failed, &p)
		text, err := json.Marshal(p)
		if err != nil {
			panic(fmt.Sprintf("BUG: encode a problem: %v", err))
		}
		event("failure", next.number, text)
	}
	return dst
}

func (c *streamClient) write(text []byte) error {
	if err := c.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound a write: %w", err)
	}
	if _, err := c.out.Write(text); err != nil {
		return fmt.Errorf("write to a stream: %w", err)
	}
	if err := c.control.Flush(); err != nil {
		return fmt.Errorf("write to a stream: %w", err)
	}
	return nil
}
