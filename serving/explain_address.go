package serving

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// address names the row that is to be explained: by a time, and by values of dimensions.
type address struct {
	grain      *view.Grain  // one of the two is not nil
	window     *view.Window //
	at         int64        // a time within the row, µs UTC
	start, end int64        // of the row, as Explanation has them; of a session known once it is found, and at until then
	dims       []int        // that were given, ascending, or of the session that was found
	values     []algebra.Value
	where      *filter // that was given beside them; nil, or without a condition: none
}

// readAddress reads at, grain or window, where, and dimensions by their names.
func readAddress(r *http.Request, rt *route, v *view.View) (*address, error) {
	a := &address{}
	given, err := rt.readArguments(r, func(name, text string) error {
		d := v.Dimension(name)
		if d < 0 {
			return unknown(name, "parameter or dimension", name, append(rt.names(), dimensionNames(v)...))
		}
		value, wrong := algebra.ParseValue(text, v.Dimensions[d].Type)
		if wrong != nil {
			return invalid(name, "give a value of that type", "%q is no value of %s, which is %s", text, name, v.Dimensions[d].Type)
		}
		a.dims, a.values = append(a.dims, d), append(a.values, value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.readRow(given, v); err != nil {
		return nil, err
	}
	if a.where, err = readWhere(given.text("where"), v, parseFilter); err != nil {
		return nil, err
	}
	if a.at, err = readInstant("at", given.text("at"), v); err != nil {
		return nil, err
	}
	switch {
	case a.grain != nil:
		a.start = a.grain.Floor(a.at, v.Location)
		a.end = a.grain.Next(a.start, v.Location)
	case a.window.Hop != nil:
		a.start = a.window.Hop.Floor(a.at, v.Location)
		a.end = a.window.Hop.End(a.start, v.Location)
	default:
		a.start, a.end = a.at, a.at
	}
	return a, nil
}

// readRow reads of which grain or window the row is.
func (a *address) readRow(given arguments, v *view.View) error {
	name := given.text("window")
	switch {
	case name != "" && given.has("grain"):
		return invalid("window", "leave one of the two out", "grain and window are both given")
	case name != "":
		if a.window = v.Window(name); a.window == nil {
			return unknown("window", "window", name, windowNames(v))
		}
		return a.checkSession(v)
	case given.has("grain"):
		i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == given.text("grain") })
		if i < 0 {
			return unknown("grain", "grain", given.text("grain"), grainNames(v))
		}
		a.grain = &v.Grains[i]
	default:
		a.grain = explainedGrain(v)
	}
	return nil
}

// checkSession refuses dimensions that sessions are not of: a session of some of a key's events is another one, which where can ask for.
func (a *address) checkSession(v *view.View) error {
	if a.window.Session == nil {
		return nil
	}
	for _, d := range a.dims {
		if name := v.Dimensions[d].Name; !slices.Contains(a.window.Session.By, d) {
			return invalid(name, "leave it out, or write it into where: the row is then a session of such events alone", "a row of window %q is a session of one value of %s", a.window.Name, byNames(v, a.window.Session))
		}
	}
	return nil
}

// explainedGrain is the grain where none is asked for: the one that a day is looked at by, which is one of those that ledgers compare.
func explainedGrain(v *view.View) *view.Grain {
	grain := &v.Grains[0]
	for i, g := range v.Grains {
		if g.Unit == view.Fixed || g.Unit == view.Day {
			grain = &v.Grains[i]
		}
	}
	return grain
}

// question asks for the row, and of sessions for those of every key that hold the time.
func (a *address) question(v *view.View, g auth.Grant) (*question, error) {
	var where []string
	for i, d := range a.dims {
		name := `"` + strings.ReplaceAll(v.Dimensions[d].Name, `"`, `""`) + `"`
		text := a.values[i].String()
		switch v.Dimensions[d].Type.Kind {
		case view.String, view.Timestamp, view.Date:
			text = sqltext.Text(text)
		}
		where = append(where, name+" = "+text)
	}
	asked := Query{View: v.Name, Where: strings.Join(where, " and "), Measures: v.OwnMeasures()}
	if a.window != nil {
		asked.Window = a.window.Name
	} else {
		asked.Grain, asked.From, asked.To = a.grain.Name, formatTime(a.start, v.Location), formatTime(a.end, v.Location)
	}
	q, err := resolve(&view.Project{Views: []*view.View{v}}, asked, g)
	if err != nil {
		return nil, err
	}
	q.keep, q.filter = true, q.filter.and(a.where)
	if a.window != nil {
		q.from, q.to = a.start, a.start+1
	}
	if a.window != nil && a.window.Session != nil {
		q.from, q.holding, q.holds = a.at-a.window.Session.Max.Microseconds(), true, a.at
	}
	return q, nil
}

// found is the cell of the row, and notes of a session when it begins and ends, and of which values it is. It is nil where no event is in the row.
func (a *address) found(q *question, m *merged) (*cell, error) {
	cells := m.cells.byKey
	if len(cells) > 1 {
		return nil, invalid("at", "give each of "+byNames(q.view, a.window.Session)+" as a parameter, or write it into where", "%d sessions of window %q hold that time", len(cells), a.window.Name)
	}
	for _, c := range cells {
		if a.window != nil && a.window.Session != nil {
			a.start, a.end, a.dims, a.values = c.bucket, c.end, q.dims, c.dims
		}
		return c, nil
	}
	return nil, nil
}

// concerns says whether an entry is of exactly the dimension values of the row, the total where it has none, every cell below them where they are only
// some, and of its time: of the bucket, or of a longer one around it; of a window's row, of a bucket that shares some time with it.
func (a *address) concerns(v *view.View, e *ledger.Entry) bool {
	i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == e.Grain })
	if i < 0 || !a.meets(e.Time.UnixMicro(), v.Grains[i].Next(e.Time.UnixMicro(), v.Location)) {
		return false
	}
	if len(a.dims) == 0 && (a.where == nil || a.where.Root == nil) {
		return e.Total || len(v.Dimensions) == 0
	}
	if e.Total || !a.where.shows(v, e) {
		return false
	}
	for k, d := range a.dims {
		// As the ledger was written: the encoder escapes what pages could take for markup.
		if text, err := json.Marshal(a.values[k]); err != nil || string(e.Dimensions[v.Dimensions[d].Name]) != string(text) {
			return false
		}
	}
	return true
}

// meets says whether a bucket of the time [from, to) is such a one.
func (a *address) meets(from, to int64) bool {
	switch {
	case a.grain != nil:
		return from <= a.start && a.end <= to
	case a.window.Session != nil:
		return from <= a.end && a.start < to
	}
	return from < a.end && a.start < to
}
