package serving

import (
	"encoding/json"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// shows says whether a ledger's entry is of a row that the condition lets its caller see. Totals are of all rows; and so is what cannot be told, such as an
// entry without one of the condition's dimensions. A nil filter shows everything.
func (f *filter) shows(v *view.View, e *ledger.Entry) bool {
	if f == nil || f.Root == nil {
		return true
	}
	if e.Total {
		return false
	}
	dims := make([]algebra.Value, len(v.Dimensions))
	for d := range v.Dimensions {
		if f.dims&(1<<d) == 0 {
			continue
		}
		value, ok := entryValue(v.Dimensions[d], e)
		if !ok {
			return false
		}
		dims[d] = value
	}
	return f.Passes(dims)
}

// entryValue is the value of a dimension in a ledger's entry; false where it has none that could be read.
func entryValue(d view.Dimension, e *ledger.Entry) (algebra.Value, bool) {
	raw, ok := e.Dimensions[d.Name]
	switch {
	case !ok:
		return algebra.Value{}, false
	case slices.Contains(e.Folded, d.Name):
		return algebra.Other(), true
	case string(raw) == "null":
		return algebra.Null(), true
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return algebra.Value{}, false
		}
	}
	value, err := algebra.ParseValue(text, d.Type)
	return value, err == nil
}

// limit leaves of a ledger what the condition shows, and counts that anew: what was compared, and the repeats, are of the whole view and not said. A
// nil filter leaves everything.
func (f *filter) limit(v *view.View, l *ledger.Ledger) {
	if f == nil || f.Root == nil {
		return
	}
	l.Entries = slices.DeleteFunc(l.Entries, func(e ledger.Entry) bool { return !f.shows(v, &e) })
	l.Cells, l.Repeats, l.Changed, l.Unexplained, l.Classes = 0, 0, len(l.Entries), 0, map[ledger.Class]int{}
	for _, e := range l.Entries {
		var seen []ledger.Class
		for _, p := range e.Parts {
			if slices.Contains(seen, p.Class) {
				continue
			}
			seen = append(seen, p.Class)
			l.Classes[p.Class]++
			if p.Class == ledger.Unexplained {
				l.Unexplained++
			}
		}
	}
}
