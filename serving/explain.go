package serving

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// Explanation says of one bucket where its numbers come from and why they changed.
type Explanation struct {
	View       string                     `json:"view"`
	Definition string                     `json:"definition"`       // hash
	Time       string                     `json:"time"`             // start of the bucket
	End        string                     `json:"end"`              // exclusive
	Grain      string                     `json:"grain"`            //
	Dimensions map[string]json.RawMessage `json:"dimensions"`       // that were given; the others are added up
	Answer     map[string]json.RawMessage `json:"answer,omitempty"` // measures by name; absent where no event matches
	Origin     *RowOrigin                 `json:"origin,omitempty"` // of the answer: batch, speed or merged, and how sure
	Note       string                     `json:"note"`             // all of the origin in a sentence or two, for people
	Batch      BatchShare                 `json:"batch"`
	Speed      SpeedShare                 `json:"speed"`
	Partial    bool                       `json:"partial"`          // records that were written are not in the answer
	Reason     string                     `json:"reason,omitempty"` // why it is partial
	Partitions []Coverage                 `json:"partitions"`       // V, and how far the answer goes
	Changes    []Change                   `json:"changes"`          // latest first
	Unread     []string                   `json:"unread,omitempty"` // snapshots whose ledger could not be read
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

// Change is an answer of the bucket, or of the longer one around it, that a publish changed.
type Change struct {
	Snapshot string `json:"snapshot"`
	Created  string `json:"created"`
	ledger.Entry
}

// explainRoutes explain single numbers.
func explainRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/v1/views/{view}/explain", id: "explain", tag: "explanation", summary: "Where a number comes from, and why it changed",
		description: "One bucket: its answer, what batch and each epoch of the speed layer have in it, and what the ledgers of the kept snapshots list of it.",
		parameters: []parameter{
			viewParameter(),
			{name: "at", in: inQuery, required: true, description: "a time within the bucket, RFC 3339 or a date", example: func(*view.View) any { return "2011-03-04T10:00:00Z" }},
			{name: "grain", in: inQuery, description: "of the bucket; default: the view's day, or its coarsest grain below"},
		},
		open:    "dimensions by their names, each with the one value that is asked for; the others are added up",
		answers: []answerKind{{http.StatusOK, "the explanation", []string{mediaJSON}, Explanation{}}}, problems: aboutProblems(), serve: (*Server).serveExplain,
	}}
}

func (s *Server) serveExplain(w http.ResponseWriter, r *http.Request, rt *route) {
	s.serveAbout(w, r, func(ctx context.Context, v *view.View) (any, error) {
		at, err := readBucket(r, rt, v)
		if err != nil {
			return nil, err
		}
		return s.explain(ctx, v, at)
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

// bucketName is the bucket that is to be explained.
type bucketName struct {
	grain      view.Grain
	start, end int64           // µs UTC
	dims       []int           // that were given, ascending
	values     []algebra.Value // of them
}

// readBucket reads at, grain, and dimensions by their names.
func readBucket(r *http.Request, rt *route, v *view.View) (bucketName, error) {
	b := bucketName{grain: explainedGrain(v)}
	a, err := rt.readArguments(r, func(name, text string) error {
		d := v.Dimension(name)
		if d < 0 {
			return unknown(name, "parameter or dimension", name, append(rt.names(), dimensionNames(v)...))
		}
		value, wrong := algebra.ParseValue(text, v.Dimensions[d].Type)
		if wrong != nil {
			return invalid(name, "give a value of that type", "%q is no value of %s, which is %s", text, name, v.Dimensions[d].Type)
		}
		b.dims, b.values = append(b.dims, d), append(b.values, value)
		return nil
	})
	if err != nil {
		return b, err
	}
	if a.has("grain") {
		i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == a.text("grain") })
		if i < 0 {
			return b, unknown("grain", "grain", a.text("grain"), grainNames(v))
		}
		b.grain = v.Grains[i]
	}
	at, err := readInstant("at", a.text("at"), v)
	if err != nil {
		return b, err
	}
	b.start = b.grain.Floor(at, v.Location)
	b.end = b.grain.Next(b.start, v.Location)
	return b, nil
}

// explainedGrain is the grain where none is asked for: the one that a day is looked at by, which is one of those that ledgers compare.
func explainedGrain(v *view.View) view.Grain {
	grain := v.Grains[0]
	for _, g := range v.Grains {
		if g.Unit == view.Fixed || g.Unit == view.Day {
			grain = g
		}
	}
	return grain
}

// question asks for the bucket.
func (b *bucketName) question(v *view.View, g auth.Grant) (*question, error) {
	var where []string
	for i, d := range b.dims {
		name := `"` + strings.ReplaceAll(v.Dimensions[d].Name, `"`, `""`) + `"`
		text := b.values[i].String()
		switch v.Dimensions[d].Type.Kind {
		case view.String, view.Timestamp, view.Date:
			text = sqltext.Text(text)
		}
		where = append(where, name+" = "+text)
	}
	q, err := resolve(&view.Project{Views: []*view.View{v}}, Query{View: v.Name, Grain: b.grain.Name, From: formatTime(b.start, v.Location), To: formatTime(b.end, v.Location), Where: strings.Join(where, " and "), Measures: v.OwnMeasures()}, g)
	if err != nil {
		return nil, err
	}
	q.keep = true
	return q, nil
}

func (s *Server) explain(ctx context.Context, v *view.View, b bucketName) (*Explanation, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	q, err := b.question(v, g)
	if err != nil {
		return nil, err
	}
	vs := s.state(v)
	m, err := s.merge(ctx, vs, q)
	if err != nil {
		return nil, err
	}
	r, err := s.result(ctx, q, m)
	if err != nil {
		return nil, err
	}
	e := &Explanation{
		View: v.Name, Definition: v.Hash, Time: formatTime(b.start, v.Location), End: formatTime(b.end, v.Location), Grain: b.grain.Name,
		Dimensions: map[string]json.RawMessage{}, Note: r.Provenance.Note, Partial: r.Provenance.Partial, Reason: r.Provenance.Reason, Partitions: r.Provenance.Partitions,
		Batch: BatchShare{Snapshot: r.Provenance.Snapshot, Sequence: r.Provenance.Sequence, Created: r.Provenance.Created}, Changes: []Change{},
	}
	for i, d := range b.dims {
		e.Dimensions[v.Dimensions[d].Name] = b.values[i].AppendJSON(nil)
	}
	if len(r.Rows) == 1 {
		e.Answer, e.Origin = map[string]json.RawMessage{}, &r.Provenance.Rows[0]
		for i, c := range r.Meta.Columns {
			if c.Role == "measure" {
				e.Answer[c.Name] = r.Rows[0][i].AppendJSON(nil)
			}
		}
	}
	e.Speed = speedShare(q, m)
	e.Batch.Events = r.Statistics.Events - e.Speed.Events
	return e, s.history(ctx, q, b, e)
}

// speedShare counts the events of each epoch that fell into the answer.
func speedShare(q *question, m *merged) SpeedShare {
	share := SpeedShare{Epochs: []EpochShare{}}
	for i := range m.partitions {
		p := &m.partitions[i]
		byStart := map[int64]int64{}
		for _, chunk := range p.read.chunks {
			for k := range chunk.cells {
				if c := &chunk.cells[k]; inSpans(p.read.spans, chunk.key.id.Grain, c.bucket) && q.filter.Passes(c.dims) {
					byStart[chunk.key.id.Start] += c.state.Events()
				}
			}
		}
		for start, events := range byStart {
			if events > 0 {
				share.Epochs = append(share.Epochs, EpochShare{p.number, start, events})
				share.Events += events
			}
		}
	}
	slices.SortFunc(share.Epochs, func(a, b EpochShare) int {
		if a.Partition != b.Partition {
			return a.Partition - b.Partition
		}
		return int(max(-1, min(1, a.Start-b.Start)))
	})
	return share
}

// ledgersAtMost bounds the ledgers that one explanation reads.
const ledgersAtMost = 100

// history fills in what the ledgers of the kept snapshots list of the bucket, and of the longer ones around it.
func (s *Server) history(ctx context.Context, q *question, b bucketName, e *Explanation) error {
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
	if a := s.active(v); a.Switched != nil {
		turns = append(turns, answeredSince{a.Switched.Snapshot, a.Switched.At, a.Switched.Ledger})
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
			if b.concerns(v, &l.Entries[i]) && q.own.shows(v, &l.Entries[i]) {
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

// concerns says whether an entry is of the bucket, or of a longer one around it, and of exactly the dimension values that were given:
// the total where none were, every cell below them where only some were.
func (b *bucketName) concerns(v *view.View, e *ledger.Entry) bool {
	i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == e.Grain })
	at := e.Time.UnixMicro()
	if i < 0 || at > b.start || v.Grains[i].Next(at, v.Location) < b.end {
		return false
	}
	if len(b.dims) == 0 {
		return e.Total || len(v.Dimensions) == 0
	}
	if e.Total {
		return false
	}
	for k, d := range b.dims {
		// As the ledger was written: the encoder escapes what pages could take for markup.
		if text, err := json.Marshal(b.values[k]); err != nil || string(e.Dimensions[v.Dimensions[d].Name]) != string(text) {
			return false
		}
	}
	return true
}
