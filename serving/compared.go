package serving

import (
	"fmt"
	"time"
)

// comparedProvenance is the provenance of what rows are compared with, row by row where they have something; nil where nothing is compared.
func comparedProvenance(e *earlier, rows []row, now time.Time) *Provenance {
	if e == nil {
		return nil
	}
	var past []row
	for i := range rows {
		if rows[i].past != nil {
			past = append(past, *rows[i].past)
		}
	}
	p := provenance(e.q, e.m, past, now)
	return &p
}

// compare says of the i-th row what it is compared with. A row is no surer than that.
func (p *Provenance) compare(q *question, r *row, i int) {
	if p.Compared == nil || r.past == nil {
		return
	}
	o := &p.Rows[i]
	then := p.Compared.Rows[0]
	p.Compared.Rows = p.Compared.Rows[1:]
	if q.grain != nil {
		then.Time = formatTime(r.past.time, q.view.Location)
	}
	o.Compared = &then
	o.Exact = o.Exact && then.Exact
	for k, c := range q.changes {
		a := &r.changes[k]
		if a.Overflow {
			p.warn(fmt.Sprintf("%s does not fit its type %s in at least one row and is null there", c.name, c.typ))
		}
		if a.Exact {
			continue
		}
		if o.Bounds == nil {
			o.Bounds = map[string]*float64{}
		}
		o.Bounds[c.name] = nil
		if c.kind == before && a.Bound > 0 {
			o.Bounds[c.name] = &a.Bound
		}
	}
}

// settled says whether the row is what it is for as long as the snapshot stands.
func (o *RowOrigin) settled() bool {
	return o.Source == string(fromBatch) && (o.Compared == nil || o.Compared.settled())
}

// joinCompared says in the whole what is to be said of both periods.
func (p *Provenance) joinCompared(q *question) {
	then := p.Compared
	if then == nil {
		return
	}
	then.Rows = []RowOrigin{}
	p.Exact = p.Exact && then.Exact
	if then.Partial {
		reason := fmt.Sprintf("%s before: %s", q.period.Name, then.Reason)
		if p.Partial && p.Reason != then.Reason {
			reason = p.Reason + "; " + reason
		} else if p.Partial {
			reason = p.Reason
		}
		p.Partial, p.Reason = true, reason
	}
	p.Note += fmt.Sprintf(" %s before: %s", q.period.Name, then.Note)
}

// judged notes that having has judged rows by numbers that are not exact, so that others might stand.
func (p *Provenance) judged(doubtful int) {
	if doubtful == 0 {
		return
	}
	p.Exact = false
	p.warn(fmt.Sprintf("having has judged %s rows by numbers that are not exact", thousands(int64(doubtful))))
}
