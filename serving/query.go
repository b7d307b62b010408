package serving

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/suggest"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// Limits of the number of rows of an answer.
const (
	defaultLimit = 10_000
	maxLimit     = 1_000_000
)

// Query asks for measures of a view by dimensions and time.
type Query struct {
	View       string   `json:"view,omitempty"`
	Measures   []string `json:"measures,omitempty"`   // default: all of the view
	Dimensions []string `json:"dimensions,omitempty"` // default: none
	Grain      string   `json:"grain,omitempty"`      // size of the buckets; "": the range is one bucket
	Window     string   `json:"window,omitempty"`     // in place of a grain: a window of the view; rows are its hops or sessions that begin in the range
	From       string   `json:"from,omitempty"`       // inclusive; "": from the first event on
	To         string   `json:"to,omitempty"`         // exclusive; "": to the last event
	Where      string   `json:"where,omitempty"`      // condition over dimensions; see docs/api.md
	Having     string   `json:"having,omitempty"`     // condition over measures, which rows of the answer have to meet
	Compare    string   `json:"compare,omitempty"`    // period such as 1w: each row beside what it was so long before
	Fill       string   `json:"fill,omitempty"`       // what stands in buckets without events: none, null, zero, previous, linear; default: none
	Order      []string `json:"order,omitempty"`      // "time", dimensions and measures, "-" before one for descending; default: time, then the dimensions
	Limit      int      `json:"limit,omitempty"`      // rows at most, 1 to 1,000,000; default 10,000
	Cursor     string   `json:"cursor,omitempty"`     // Statistics.Next of the answer before: the rows after it
	Exact      bool     `json:"exact,omitempty"`      // scan the lake: From and To may be any times, Where may look at any field of the source
	AsOf       string   `json:"as_of,omitempty"`      // id of a kept snapshot: what batch answered then, without the speed layer
}

// question is a query whose every name is resolved.
type question struct {
	view     *view.View
	measures []int        // of the answer, in its order; indexes of View.Measures
	judged   []int        // measures that having looks at beside those of the answer
	stored   []int        // stored measures that are needed, ascending
	composed []int        // shares and running totals that are needed
	dims     []int        // of the answer, in its order
	grain    *view.Grain  // of a window's panes, where one is asked for
	window   *view.Window // nil: rows are tumbling buckets
	paned    *view.Window // the cells are panes of this window's rows, and will be merged: states of all of them are needed
	spans    []span
	from, to int64 // µs UTC, or beginning and forever
	filter   *filter
	period   *view.Period // nil: nothing is compared
	changes  []change     // columns that compare, behind the measures
	fill     string       // what stands in buckets without events; "": there are no rows for them
	having   *having      // nil: every row stands
	order    []orderKey
	limit    int
	page     []byte    // what all pages of the answer have in common
	after    *rowPlace // the last row of the page before; nil: the answer begins at its beginning
	keep     bool      // what the rows are made of, and was read of the speed layer, is looked at once more after the merge
	holding  bool      // of a session window: only rows that hold the instant holds, µs UTC
	holds    int64     //
	exact    bool      // the lake is scanned
	asOf     string    // id of the snapshot asked for; "" = the current one, and the speed layer
	own      *filter   // which rows the caller may see, and is part of filter; nil: all
	limited  bool      // the caller may see less than the source's records
}

// set is the set of dimensions that the stored rows must have: those of the answer and those of the filter.
func (q *question) set() uint32 {
	set := q.filter.dims
	for _, d := range q.dims {
		set |= 1 << d
	}
	return set
}

type orderBy uint8

const (
	byTime orderBy = iota
	byDimension
	byMeasure
	byChange
)

type orderKey struct {
	by         orderBy
	at         int // position in question.dims, question.measures or question.changes
	descending bool
}

// resolve checks a query against the project's views, and narrows it to what a grant's holder may see. Errors are *Problem.
func resolve(p *view.Project, q Query, g auth.Grant) (*question, error) {
	v, err := findView(narrowed(p, g), q.View)
	if err != nil {
		return nil, err
	}
	own, err := rowFilter(g, v)
	if err != nil {
		return nil, err
	}
	if q.Exact && q.AsOf != "" {
		return nil, invalid("as_of", "leave one of the two out", "exact=true scans the lake and looks at no snapshot")
	}
	r := &question{view: v, limit: q.Limit, exact: q.Exact, asOf: q.AsOf, own: own, limited: !g.Unlimited()}
	for _, step := range []func(Query) error{r.resolveMeasures, r.resolveDimensions, r.resolveRange, r.resolveWindowMeasures, r.resolveCompare, r.resolveFill, r.resolveHaving, r.resolveStored, r.resolveFilter, r.resolveOrder, r.resolveCursor} {
		if err := step(q); err != nil {
			return nil, err
		}
	}
	if q.Limit == 0 {
		r.limit = defaultLimit
	}
	if r.limit < 1 || r.limit > maxLimit {
		return nil, invalid("limit", fmt.Sprintf("give 1 to %d", maxLimit), "limit %d is out of range", q.Limit)
	}
	return r, nil
}

func findView(p *view.Project, name string) (*view.View, error) {
	names := make([]string, 0, len(p.Views))
	for _, v := range p.Views {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	if name == "" {
		return nil, invalid("view", suggest.Names(nil, names), "no view is named")
	}
	return nil, unknown("view", "view", name, names)
}

func (r *question) resolveMeasures(q Query) error {
	names := measureNames(r.view)
	asked := q.Measures
	if len(asked) == 0 {
		asked = names
	}
	for _, name := range asked {
		m := r.view.Measure(name)
		if m < 0 {
			p := unknown("measures", "measure", name, names)
			if r.view.Dimension(name) >= 0 {
				p = invalid("measures", "name it in dimensions", "%q is a dimension", name)
			}
			return p
		}
		if slices.Contains(r.measures, m) {
			return invalid("measures", "name each once", "measure %q is named twice", name)
		}
		r.measures = append(r.measures, m)
	}
	return nil
}

// resolveStored lists the stored measures that all that is needed is made of.
func (r *question) resolveStored(Query) error {
	stored := make([]bool, len(r.view.Measures))
	for _, m := range r.needed() {
		for _, p := range parts(r.view, m) {
			if of := r.view.Measure(r.view.Measures[p].Of); of >= 0 {
				if !slices.Contains(r.composed, p) {
					r.composed = append(r.composed, p)
				}
				p = of
			}
			stored[p] = true
		}
	}
	for m, is := range stored {
		if is {
			r.stored = append(r.stored, m)
		}
	}
	return nil
}

// words are the runs of letters, digits and underscores of an expression, and what stands in double quotes.
func words(expr string) []string {
	found := strings.FieldsFunc(expr, func(r rune) bool { return r < 0x80 && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, part := range strings.Split(expr, `"`) {
		if i%2 == 1 {
			found = append(found, part)
		}
	}
	return found
}

func (r *question) resolveDimensions(q Query) error {
	names := dimensionNames(r.view)
	for _, name := range q.Dimensions {
		d := r.view.Dimension(name)
		switch {
		case name == "time" && d < 0:
			return invalid("dimensions", "give a grain; each row then has its time", "time is no dimension")
		case d < 0 && r.view.Measure(name) >= 0:
			return invalid("dimensions", "name it in measures", "%q is a measure", name)
		case d < 0:
			return unknown("dimensions", "dimension", name, names)
		case slices.Contains(r.dims, d):
			return invalid("dimensions", "name each once", "dimension %q is named twice", name)
		}
		r.dims = append(r.dims, d)
	}
	return nil
}

func (r *question) resolveFilter(q Query) error {
	parse := parseFilter
	switch {
	case r.exact && r.limited:
		parse = parseOwnFilter
	case r.exact:
		parse = parseRowFilter
	}
	f, err := readWhere(q.Where, r.view, parse)
	if err == nil {
		r.filter = f.and(r.own)
	}
	return err
}

func (r *question) resolveRange(q Query) error {
	if q.Window != "" {
		if err := r.resolveWindow(q); err != nil || r.from < r.to {
			return err
		}
		return emptyRange(q)
	}
	v := r.view
	if q.Grain != "" {
		i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == q.Grain })
		if i < 0 {
			return unknown("grain", "grain", q.Grain, grainNames(v))
		}
		r.grain = &v.Grains[i]
	}
	var err error
	if r.from, err = r.instant("from", q.From, beginning); err != nil {
		return err
	}
	if r.to, err = r.instant("to", q.To, forever); err != nil {
		return err
	}
	if r.from >= r.to {
		return emptyRange(q)
	}
	r.setSpans()
	return nil
}

// setSpans says in which buckets the range is read.
func (r *question) setSpans() {
	v := r.view
	switch {
	case r.grain != nil:
		r.spans = []span{{*r.grain, r.from, r.to}}
	case r.exact:
		r.spans = []span{{v.Grains[len(v.Grains)-1], r.from, r.to}}
	default:
		r.spans = tile(v.Grains, r.from, r.to, v.Location)
	}
}

func emptyRange(q Query) error {
	return invalid("to", "the range is half-open, [from, to): give a later to", "the range from %s to %s is empty", q.From, q.To)
}

// instant reads an end of the range, which has to be on the grain of the answer, or on the view's finest one where there is none; any
// time will do where the lake is scanned.
func (r *question) instant(field, text string, open int64) (int64, error) {
	if text == "" {
		return open, nil
	}
	us, ok := condition.ParseInstant(text, r.view.Location)
	if !ok || us < minInstant || us >= maxInstant {
		return 0, invalid(field, "write 2011-03-04T10:00:00Z, or 2011-03-04 in the view's time zone", "%q is no time", text)
	}
	g := &r.view.Grains[0]
	if r.grain != nil {
		g = r.grain
	}
	start := g.Floor(us, r.view.Location)
	if start == us || r.exact {
		return us, nil
	}
	near := []string{formatTime(start, r.view.Location), formatTime(g.Next(start, r.view.Location), r.view.Location)}
	p := invalid(field, fmt.Sprintf("the nearest that work are %s", strings.Join(near, " and ")), "%s is not the start of a bucket of %s", text, g.Name)
	if r.grain != nil && r.view.Grains[0].Floor(us, r.view.Location) == us {
		p.Suggestion += fmt.Sprintf("; or leave out the grain, or take %s", r.view.Grains[0].Name)
	}
	p.Suggestion += "; or add exact=true, which scans the lake"
	p.Detail = p.Reason + ": " + p.Suggestion
	p.Nearest = near
	return 0, p
}

// Bounds of times, so that arithmetic on them cannot overflow: the years 1 to 9999.
var (
	minInstant = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxInstant = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

func (r *question) resolveOrder(q Query) error {
	for _, name := range q.Order {
		key := orderKey{}
		bare, descending := strings.CutPrefix(name, "-")
		key.descending = descending
		d := slices.IndexFunc(r.dims, func(d int) bool { return r.view.Dimensions[d].Name == bare })
		m := slices.IndexFunc(r.measures, func(m int) bool { return r.view.Measures[m].Name == bare })
		c := slices.IndexFunc(r.changes, func(c change) bool { return c.name == bare })
		switch {
		case d >= 0:
			key.by, key.at = byDimension, d
		case m >= 0 && r.view.Measures[r.measures[m]].Type.Kind == view.Array, c >= 0 && r.changes[c].typ.Kind == view.Array:
			return invalid("order", "order by a single value", "%q is a list", bare)
		case m >= 0:
			key.by, key.at = byMeasure, m
		case c >= 0:
			key.by, key.at = byChange, c
		case bare == "time":
		default:
			return unknown("order", "column of the answer", bare, r.columns())
		}
		r.order = append(r.order, key)
	}
	return nil
}

// columns are the names of the answer's columns.
func (r *question) columns() []string {
	names := []string{"time"}
	for _, d := range r.dims {
		names = append(names, r.view.Dimensions[d].Name)
	}
	for _, m := range r.measures {
		names = append(names, r.view.Measures[m].Name)
	}
	for _, c := range r.changes {
		names = append(names, c.name)
	}
	return names
}

// smallestSet returns the stored set with the fewest dimensions that has all of those wanted.
func smallestSet(stored []uint32, wanted uint32) (uint32, bool) {
	best, found := uint32(0), false
	for _, s := range stored {
		if s&wanted == wanted && (!found || bits.OnesCount32(s) < bits.OnesCount32(best)) {
			best, found = s, true
		}
	}
	return best, found
}

func measureNames(v *view.View) []string {
	names := make([]string, len(v.Measures))
	for i := range names {
		names[i] = v.Measures[i].Name
	}
	return names
}

func dimensionNames(v *view.View) []string {
	names := make([]string, len(v.Dimensions))
	for i := range names {
		names[i] = v.Dimensions[i].Name
	}
	return names
}

func grainNames(v *view.View) []string {
	names := make([]string, len(v.Grains))
	for i := range names {
		names[i] = v.Grains[i].Name
	}
	return names
}

// formatTime is an instant (µs UTC) in RFC 3339, in the zone of the view.
func formatTime(us int64, loc *time.Location) string {
	return time.UnixMicro(us).In(loc).Format(time.RFC3339Nano)
}
