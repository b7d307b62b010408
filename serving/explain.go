package serving

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// Explanation says of one row, of a grain or a window, where its numbers come from and why they changed.
type Explanation struct {
	View       string                     `json:"view"`
	Definition string                     `json:"definition"`       // hash
	Time       string                     `json:"time"`             // start of the bucket or hop, or the first event of the session
	End        string                     `json:"end"`              // exclusive; of a session the time of its last event. Both are the time that was asked for where there is no session
	Grain      string                     `json:"grain,omitempty"`  // of a bucket
	Window     string                     `json:"window,omitempty"` // of a hop or a session
	Dimensions map[string]json.RawMessage `json:"dimensions"`       // that were given, and those of a session; the others are added up
	Answer     map[string]json.RawMessage `json:"answer,omitempty"` // measures by name; absent where no event matches
	Origin     *RowOrigin                 `json:"origin,omitempty"` // of the answer: batch, speed or merged, and how sure
	Note       string                     `json:"note"`             // all of the origin in a sentence or two, for people
	Batch      BatchShare                 `json:"batch"`
	Speed      SpeedShare                 `json:"speed"`
	Panes      []PaneShare                `json:"panes,omitempty"`          // of a hop or a session: the buckets that it is composed of, at most 2,000
	MorePanes  int                        `json:"panes_left_off,omitempty"` // later ones
	Partial    bool                       `json:"partial"`                  // records that were written are not in the answer
	Reason     string                     `json:"reason,omitempty"`         // why it is partial
	Partitions []Coverage                 `json:"partitions"`               // V, and how far the answer goes
	Changes    []Change                   `json:"changes"`                  // latest first
	Unread     []string                   `json:"unread,omitempty"`         // snapshots whose ledger could not be read
}

// BatchShare is what batch has in an answer.
type BatchShare struct {
	Snapshot string `json:"snapshot"` // id
	Sequence int64  `json:"sequence"`
	Created  string `json:"created,omitempty"`
	Events   int64  `json:"events"`
}

// SpeedShare is what the speed layer has in an answer.
type SpeedShare struct {
	Events int64        `json:"events"`
	Epochs []EpochShare `json:"epochs"` // those with events
}

// EpochShare is what one epoch of a partition has in an answer: events with offsets from Start on.
type EpochShare struct {
	Partition int   `json:"partition"`
	Start     int64 `json:"start"`
	Events    int64 `json:"events"`
}

// PaneShare is what one bucket has in a row of a window.
type PaneShare struct {
	Time   string `json:"time"`            // start of the bucket
	End    string `json:"end"`             // exclusive
	First  string `json:"first,omitempty"` // of a session: when the first event in it was
	Last   string `json:"last,omitempty"`  // and the last
	Source string `json:"source"`          // batch, speed or merged
	Events int64  `json:"events"`
	Live   int64  `json:"live"` // of them: events of the speed layer
}

// Change is an answer that a publish changed: of the bucket, or of the longer one around it; of a window's row, of a bucket that shares some of its time.
type Change struct {
	Snapshot string `json:"snapshot"`
	Created  string `json:"created"`
	ledger.Entry
}

// explainRoutes explain single numbers.
func explainRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/v1/views/{view}/explain", id: "explain", tag: "explanation", summary: "Where a number comes from, and why it changed",
		description: "One bucket, hop or session: its answer, what batch and each epoch of the speed layer have in it, the panes that it is composed of, and what the ledgers of the kept snapshots list of it.",
		parameters: []parameter{
			viewParameter(),
			{name: "at", in: inQuery, required: true, description: "a time within the bucket or session, RFC 3339 or a date; of hops the one that began last", example: func(*view.View) any { return "2011-03-04T10:00:00Z" }},
			{name: "grain", in: inQuery, description: "of the bucket; default: the view's day, or its coarsest grain below"},
			{name: "window", in: inQuery, description: "in place of grain: one of the view's windows; the row is a hop or a session of it"},
			{name: "where", in: inQuery, description: "condition over dimensions that events have to meet, as in a query"},
		},
		open:    "dimensions by their names, each with the one value that is asked for; the others are added up",
		answers: []answerKind{{http.StatusOK, "the explanation", []string{mediaJSON}, Explanation{}}}, problems: aboutProblems(), serve: (*Server).serveExplain,
	}}
}

func (s *Server) serveExplain(w http.ResponseWriter, r *http.Request, rt *route) {
	s.serveAbout(w, r, func(ctx context.Context, v *view.View) (any, error) {
		a, err := readAddress(r, rt, v)
		if err != nil {
			return nil, err
		}
		return s.explain(ctx, v, a)
	})
}

// aboutProblems are what serveAbout may answer beside what every route may.
func aboutProblems() []int {
	return []int{http.StatusNotFound, http.StatusRequestTimeout, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}
}

// serveAbout answers a question about the view that the path names, within the time that a query may take.
func (s *Server) serveAbout(w http.ResponseWriter, r *http.Request, answer func(context.Context, *view.View) (any, error)) {
	v, err := s.find(r.Context(), r.PathValue("view"))
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.cfg.QueryTimeout, errTimeout)
	defer cancel()
	found, err := answer(ctx, v)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeValue(w, r, found)
}

func (s *Server) explain(ctx context.Context, v *view.View, a *address) (*Explanation, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	q, err := a.question(v, g)
	if err != nil {
		return nil, err
	}
	gather := func(q *question) (*merged, error) { return s.merge(ctx, s.state(v), q) }
	m, err := s.whole(ctx, q, gather)
	if err != nil {
		return nil, err
	}
	row, err := a.found(q, m)
	if err != nil {
		return nil, err
	}
	r, err := s.result(ctx, q, m)
	if err != nil {
		return nil, err
	}
	e := &Explanation{
		View: v.Name, Definition: v.Hash, Time: formatTime(a.start, v.Location), End: formatTime(a.end, v.Location),
		Dimensions: map[string]json.RawMessage{}, Note: r.Provenance.Note, Partial: r.Provenance.Partial, Reason: r.Provenance.Reason, Partitions: r.Provenance.Partitions,
		Batch: BatchShare{Snapshot: r.Provenance.Snapshot, Sequence: r.Provenance.Sequence, Created: r.Provenance.Created}, Changes: []Change{},
	}
	if a.window != nil {
		e.Window = a.window.Name
	} else {
		e.Grain = a.grain.Name
	}
	for i, d := range a.dims {
		e.Dimensions[v.Dimensions[d].Name] = a.values[i].AppendJSON(nil)
	}
	if len(r.Rows) == 1 {
		e.Answer, e.Origin = map[string]json.RawMessage{}, &r.Provenance.Rows[0]
		for i, c := range r.Meta.Columns {
			if c.Role == "measure" {
				e.Answer[c.Name] = r.Rows[0][i].AppendJSON(nil)
			}
		}
	}
	e.Speed = speedShare(q, m, row)
	e.Batch.Events = r.Statistics.Events - e.Speed.Events
	e.Panes, e.MorePanes = paneShares(q, m.cells.plan, row)
	return e, s.history(ctx, q, a, e)
}

// ledgersAtMost bounds the ledgers that one explanation reads.
const ledgersAtMost = 100

// history fills in what the ledgers of the kept snapshots list of what was asked for.
func (s *Server) history(ctx context.Context, q *question, a *address, e *Explanation) error {
	v := q.view
	kept, _, err := s.cfg.Lake.Snapshots(ctx, v.Name, v.Hash)
	if errors.Is(err, lake.ErrNotFound) {
		return nil
	}
	if err != nil {
		return unavailable(err.Error(), "try again; see /v1/status")
	}
	slices.Reverse(kept)
	var turns []answeredSince
	for _, m := range kept[:min(len(kept), ledgersAtMost)] {
		turns = append(turns, answeredSince{m.ID, m.Created, ledgerOf(m)})
	}
	if switched := s.active(v).Switched; switched != nil {
		turns = append(turns, answeredSince{switched.Snapshot, switched.At, switched.Ledger})
		slices.SortStableFunc(turns, func(a, b answeredSince) int { return b.at.Compare(a.at) })
	}
	for _, c := range turns {
		if c.ledger.Key == "" {
			continue
		}
		l, err := s.readLedger(ctx, c.ledger)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.cfg.Logger.Warn("cannot read a ledger", "view", v.Name, "snapshot", c.snapshot, "error", err)
			e.Unread = append(e.Unread, c.snapshot)
			continue
		}
		for i := range l.Entries {
			if a.concerns(v, &l.Entries[i]) && q.own.shows(v, &l.Entries[i]) {
				e.Changes = append(e.Changes, Change{c.snapshot, formatTime(c.at.UnixMicro(), v.Location), l.Entries[i]})
			}
		}
	}
	return nil
}

// answeredSince is a publish, or a switch to another definition, that may have changed answers.
type answeredSince struct {
	snapshot string // that answers came from then on
	at       time.Time
	ledger   lake.ViewFile
}
