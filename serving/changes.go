package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// Limits of the number of changes of an answer.
const (
	defaultChanges = 1_000
	maxChanges     = 10_000
)

// Changes is what the publish of one snapshot changed, or the switch to its definition: the ledger, as far as it was asked for.
type Changes struct {
	View             string               `json:"view"`
	Definition       string               `json:"definition"`                  // hash
	Snapshot         string               `json:"snapshot"`                    // id
	Created          string               `json:"created,omitempty"`           // when it was computed, or switched to
	Switched         *Switch              `json:"switched,omitempty"`          // where these are the changes of a switch of definitions
	Parent           string               `json:"parent"`                      // the snapshot before
	ParentDefinition string               `json:"parent_definition,omitempty"` // where the snapshot before is of another definition: its hash
	Grains           []string             `json:"grains"`                      // that were compared
	Comparable       bool                 `json:"comparable"`                  // every answer before could be set beside the one after
	Reason           string               `json:"reason,omitempty"`            // why not
	Repeats          int64                `json:"repeats"`                     // events that batch_dedup: full leaves out beside the duplicates
	Compared         int                  `json:"compared"`                    // cells
	Changed          int                  `json:"changed"`                     // answers, in the whole ledger
	Unexplained      int                  `json:"unexplained"`                 // of them
	Classes          map[ledger.Class]int `json:"classes"`                     // changed answers by cause
	Listed           int                  `json:"listed"`                      // of those changed, in the ledger and in the range
	Truncated        bool                 `json:"truncated"`                   // by the limit
	Changes          []ledger.Entry       `json:"changes"`
}

// changesQuery is what is asked of a ledger.
type changesQuery struct {
	from, to int64 // of the buckets' starts, µs UTC
	snapshot string
	switched bool // the latest switch of definitions, whatever was published since
	limit    int
}

// changesRoutes serve the ledger.
func changesRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/v1/views/{view}/changes", id: "changes", tag: "explanation", summary: "What the publish of a snapshot changed, and why",
		description: "The ledger of a snapshot, or of the latest switch of definitions: each answer before and after, and the parts of the difference by cause.",
		parameters: []parameter{
			viewParameter(),
			{name: "from", in: inQuery, description: "buckets that start at this time or later; any time, RFC 3339 or a date", example: func(*view.View) any { return "2011-03-01" }},
			{name: "to", in: inQuery, description: "buckets that start before this time", example: func(*view.View) any { return "2025-04-01" }},
			{name: "snapshot", in: inQuery, description: "id of a kept snapshot; default: the current one"},
			{name: "switch", in: inQuery, values: []string{"latest"}, description: "the changes of the latest switch of definitions, whatever was published since; not with snapshot"},
			{name: "limit", in: inQuery, kind: isWhole, least: 1, most: maxChanges, description: "changes at most; default 1,000"},
		},
		answers: []answerKind{{http.StatusOK, "the ledger, as far as it was asked for", []string{mediaJSON}, Changes{}}}, problems: aboutProblems(), serve: (*Server).serveChanges,
	}}
}

func (s *Server) serveChanges(w http.ResponseWriter, r *http.Request, rt *route) {
	s.serveAbout(w, r, func(ctx context.Context, v *view.View) (any, error) {
		a, err := rt.readArguments(r, nil)
		if err != nil {
			return nil, err
		}
		q, err := changesQueryOf(a, v)
		if err != nil {
			return nil, err
		}
		return s.changes(ctx, v, q)
	})
}

func changesQueryOf(a arguments, v *view.View) (q changesQuery, err error) {
	q = changesQuery{from: beginning, to: forever, snapshot: a.text("snapshot"), switched: a.has("switch"), limit: a.whole("limit", defaultChanges)}
	if q.switched && a.has("snapshot") {
		return q, invalid("switch", "leave one of the two out", "switch and snapshot name two ledgers")
	}
	if a.has("from") {
		if q.from, err = readInstant("from", a.text("from"), v); err != nil {
			return q, err
		}
	}
	if a.has("to") {
		if q.to, err = readInstant("to", a.text("to"), v); err != nil {
			return q, err
		}
	}
	if q.from >= q.to {
		return q, invalid("to", "the range is half-open, [from, to): give a later to", "the range from %s to %s is empty", a.text("from"), a.text("to"))
	}
	return q, nil
}

func sortedNames(values map[string][]string) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readInstant reads any instant, which need not be the start of a bucket.
func readInstant(field, text string, v *view.View) (int64, error) {
	us, ok := condition.ParseInstant(text, v.Location)
	if !ok || us < minInstant || us >= maxInstant {
		return 0, invalid(field, "write 2011-03-04T10:00:00Z, or 2011-03-04 in the view's time zone", "%q is no time", text)
	}
	return us, nil
}

// changes reads the ledger of a snapshot, of the current one where none is named: that of the switch, where answers began with it.
func (s *Server) changes(ctx context.Context, v *view.View, q changesQuery) (*Changes, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	own, err := rowFilter(g, v)
	if err != nil {
		return nil, err
	}
	kept, current, err := s.cfg.Lake.Snapshots(ctx, v.Name, v.Hash)
	if err != nil && !errors.Is(err, lake.ErrNotFound) {
		return nil, unavailable(err.Error(), "try again; see /v1/status")
	}
	id := q.snapshot
	if id == "" {
		id = current.Snapshot
	}
	i := slices.IndexFunc(kept, func(m *lake.Manifest) bool { return m.ID == id })
	if i < 0 && q.snapshot != "" {
		ids := make([]string, len(kept))
		for k, m := range kept {
			ids[len(kept)-1-k] = m.ID // the latest first
		}
		return nil, unknown("snapshot", "snapshot", id, ids)
	}
	a := &Changes{View: v.Name, Definition: v.Hash, Snapshot: id, Grains: []string{}, Classes: map[ledger.Class]int{}, Changes: []ledger.Entry{}}
	file, reason := lake.ViewFile{}, "no snapshot of this definition was published yet"
	if i >= 0 {
		a.Created, a.Parent = formatTime(kept[i].Created.UnixMicro(), v.Location), kept[i].Parent
		file, reason = ledgerOf(kept[i]), "the snapshot has no ledger: it is the empty one that a view begins with"
	}
	active := s.active(v)
	if q.switched || q.snapshot == "" && active.Switched != nil && active.Switched.Snapshot == id {
		file, reason = lake.ViewFile{}, "answers have come from no other definition of the view"
		if a.Switched = switchOf(active); a.Switched != nil {
			file, reason = active.Switched.Ledger, "the ledger of the switch is not kept, or batch had answered nothing before"
			a.Snapshot, a.Created = active.Switched.Snapshot, formatTime(active.Switched.At.UnixMicro(), v.Location)
		}
	}
	if file.Key == "" {
		a.Reason = reason
		return a, nil
	}
	l, err := s.readLedger(ctx, file)
	if err != nil {
		return nil, unavailable(err.Error(), "try again; see /v1/status")
	}
	own.limit(v, l)
	a.Parent, a.ParentDefinition, a.Grains, a.Comparable, a.Reason = l.Parent, l.ParentDefinition, l.Grains, l.Comparable, l.Reason
	a.Repeats, a.Compared, a.Changed, a.Unexplained, a.Classes = l.Repeats, l.Cells, l.Changed, l.Unexplained, l.Classes
	for _, e := range l.Entries {
		if at := e.Time.UnixMicro(); at >= q.from && at < q.to {
			a.Changes = append(a.Changes, e)
		}
	}
	if a.Listed = len(a.Changes); a.Listed > q.limit {
		a.Changes, a.Truncated = a.Changes[:q.limit], true
	}
	return a, nil
}

// ledgerOf is the file of a snapshot's ledger; the zero one if it has none.
func ledgerOf(m *lake.Manifest) lake.ViewFile {
	if len(m.Ledger) == 0 {
		return lake.ViewFile{}
	}
	return m.Ledger[0]
}

// readLedger reads a ledger.
func (s *Server) readLedger(ctx context.Context, file lake.ViewFile) (*ledger.Ledger, error) {
	path, err := s.cfg.Lake.Fetch(ctx, file.Key, file.SHA256)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", file.Key, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", file.Key, err)
	}
	l, err := ledger.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", file.Key, err)
	}
	return l, nil
}
