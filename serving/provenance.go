package serving

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// provenance says where the numbers of an answer come from.
func provenance(q *question, m *merged, rows []row, now time.Time) Provenance {
	manifest := m.snap.manifest
	p := Provenance{Snapshot: manifest.ID, Sequence: m.snap.sequence, Exact: true, AsOf: q.asOf, Scan: m.scan, Rows: make([]RowOrigin, len(rows))}
	if !manifest.Created.IsZero() {
		p.Created = manifest.Created.UTC().Format(time.RFC3339)
	}
	if at, ok := m.watermark(q.view.Source); ok {
		p.Watermark = formatTime(at, q.view.Location)
	}
	p.coverage(m)
	exactUntil := int64(forever)
	worst := make([]uncertainty, len(q.measures))
	lacking := m.incomplete(q)
	states := statesOf(q, m)
	p.Compared = comparedProvenance(m.earlier, rows, now)
	for i := range rows {
		p.Rows[i] = origin(q, &rows[i], worst)
		p.Rows[i].limits(q, m, lacking, &rows[i])
		p.compare(q, &rows[i], i)
		p.Rows[i].State = states.of(q, &rows[i])
		if !p.Rows[i].Exact {
			exactUntil = min(exactUntil, rows[i].time)
		}
		for k := range rows[i].measures {
			if a := &rows[i].measures[k]; a.Overflow {
				p.warn(fmt.Sprintf("%s does not fit its type %s in at least one row and is null there", q.view.Measures[q.measures[k]].Name, q.view.Measures[q.measures[k]].Type))
			}
		}
	}
	exactUntil = p.limits(q, m, lacking, exactUntil)
	p.Exact = exactUntil == forever && !p.Partial
	if q.grain != nil && exactUntil != forever && slices.ContainsFunc(rows, func(r row) bool { return r.time < exactUntil }) {
		p.ExactUntil = formatTime(exactUntil, q.view.Location)
	}
	p.Live, p.Approximate = liveShare(q, m, rows, now), approximations(q, rows, worst)
	p.Note = p.note(q, m, rows, exactUntil)
	p.joinCompared(q)
	return p
}

func (p *Provenance) warn(text string) {
	if !slices.Contains(p.Warnings, text) {
		p.Warnings = append(p.Warnings, text)
	}
}

// uncomputedReason is why an answer is partial that rests on the first snapshot of a view which came to a lake with records.
const uncomputedReason = "the records from before the view was added are not in the answer until a batch has run"

// coverage fills in the partitions, and whether and why the answer is partial.
func (p *Provenance) coverage(m *merged) {
	var behind int64
	known := true
	var reasons []string
	if m.reason != "" {
		reasons = append(reasons, m.reason)
	}
	byReason := map[string][]string{}
	p.Partitions = make([]Coverage, len(m.partitions))
	for i, part := range m.partitions {
		var uncomputed [][2]int64
		if part.between != [2]int64{} {
			part.reason = strings.TrimSuffix(uncomputedReason+"; "+part.reason, "; ")
			uncomputed = append(uncomputed, part.between)
		}
		c := Coverage{Incarnation: part.life, Partition: part.number, Batch: part.batch, Served: part.served, Partial: part.reason != "", Reason: part.reason,
			Missing: slices.Concat(m.snap.manifest.MissingOf(part.life)[part.number], part.read.missing), Uncomputed: uncomputed}
		if part.end >= 0 {
			c.End = &m.partitions[i].end
			behind += max(0, part.end-part.served)
		} else {
			known = false
		}
		if part.reason != "" {
			if byReason[part.reason] == nil {
				reasons = append(reasons, part.reason)
			}
			byReason[part.reason] = append(byReason[part.reason], part.label())
		}
		for _, gap := range c.Missing {
			cause := "taken by the log's retention before they were archived"
			if part.covered && gap[0] >= part.batch {
				cause = "gone with the topic before they were archived"
			}
			p.warn(fmt.Sprintf("offsets %d to %d of partition %s were %s", gap[0], gap[1]-1, part.label(), cause))
		}
		p.Partitions[i] = c
	}
	if known {
		p.Behind = &behind
	}
	for i, r := range reasons {
		if numbers := byReason[r]; len(numbers) > 0 && len(numbers) < len(m.partitions) {
			reasons[i] = fmt.Sprintf("partition %s: %s", strings.Join(numbers, ", "), r)
		}
	}
	p.Partial = len(reasons) > 0
	p.Reason = strings.Join(reasons, "; ")
}

// uncertainty is how far off a measure may be in the rows where it is not exact: in its own unit, beside the largest of those values. A
// count of two that may be three is not worth a "±50 %" to somebody who looks at thousands.
type uncertainty struct {
	inexact      bool
	off, largest float64
}

// origin describes one row, and notes in worst how uncertain each measure that is not exact is, as question.measures.
func origin(q *question, r *row, worst []uncertainty) RowOrigin {
	o := RowOrigin{Source: string(r.source), Exact: true}
	for k := range r.measures {
		a := &r.measures[k]
		if a.Exact {
			continue
		}
		o.Exact = false
		if o.Bounds == nil {
			o.Bounds = map[string]*float64{}
		}
		var bound *float64
		if a.Bound > 0 {
			bound = &a.Bound
		}
		o.Bounds[q.view.Measures[q.measures[k]].Name] = bound
		size := math.Abs(a.Value.Float64())
		if a.Value.Kind() == view.Array {
			size = 1 // its bound is a share of everything that was counted
		}
		worst[k] = uncertainty{inexact: true, off: max(worst[k].off, a.Bound*size), largest: max(worst[k].largest, size)}
	}
	return o
}

// note is the sentence that every dashboard needs.
func (p *Provenance) note(q *question, m *merged, rows []row, exactUntil int64) string {
	var covered, live int64
	for _, part := range m.partitions {
		live += part.served - part.batch
	}
	covered = m.snap.manifest.Events
	var text []string
	if p.Partial {
		text = append(text, "Partial: "+p.Reason+".")
	}
	sources := map[source]int{}
	for i := range rows {
		sources[rows[i].source]++
	}
	eventful := len(rows) - sources[fromNothing] - sources[fromFill] // that have events
	certainty := p.certainty(len(q.measures))
	switch {
	case eventful == 0:
		text = append(text, "No event matches.")
	case q.exact:
		text = append(text, "All scanned from the lake.")
	case q.asOf != "":
		text = append(text, fmt.Sprintf("What batch answered with snapshot %s; nothing later is in it.", p.Snapshot))
	case sources[fromBatch] == eventful:
		text = append(text, fmt.Sprintf("All from batch snapshot %s.", p.Snapshot))
	case sources[fromSpeed] == eventful:
		text = append(text, "All live: no batch result holds any of it yet.")
	case q.grain != nil:
		text, certainty = append(text, p.tail(q, m, rows, exactUntil)), ""
	default:
		text = append(text, fmt.Sprintf("Batch snapshot %s holds %s events; up to %s later ones are live.", p.Snapshot, thousands(covered), thousands(live)))
	}
	if eventful > 0 && certainty != "" {
		text = append(text, certainty)
	}
	if p.Other > 0 {
		text = append(text, p.otherNote(q))
	}
	if q.asOf != "" {
		return strings.Join(text, " ")
	}
	if p.Scan != nil && p.Scan.Newer != nil && *p.Scan.Newer > 0 {
		text = append(text, fmt.Sprintf("%s later records are live and not in the lake yet: without exact they are in the answer.", thousands(*p.Scan.Newer)))
		return strings.Join(text, " ")
	}
	if p.Behind != nil && *p.Behind > 0 {
		text = append(text, fmt.Sprintf("%s more records are in the log and not in the answer yet.", thousands(*p.Behind)))
	}
	return strings.Join(text, " ")
}

// certainty says what is exact and what within which bound; "" where nothing but limits of the speed layer makes numbers uncertain.
func (p *Provenance) certainty(measures int) string {
	switch {
	case len(p.Approximate) == 0 && (p.Other > 0 || len(p.Incomplete) > 0):
		return ""
	case len(p.Approximate) == 0:
		return "Every number is exact."
	case len(p.Approximate) < measures:
		return "Approximate: " + p.doubt() + ", the rest exact."
	}
	return "Approximate: " + p.doubt() + "."
}

// thousands writes a count, which is not negative, with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
