package seamtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// limit sets how many values of a text dimension, and how many cells of a group, the speed layer knows; 0: as the shop has it. No worker
// may run yet.
func (w *World) limit(maxValues, liveCells int) {
	for _, v := range w.project().Views {
		if maxValues > 0 {
			v.MaxValues = maxValues
		}
	}
	if liveCells > 0 {
		w.project().Speed.LiveCells = liveCells
	}
}

// limitsOf reads a script's lines "# max_values: 2" and "# live_cells: 8".
func limitsOf(text string) (maxValues, liveCells int) {
	for line := range strings.Lines(text) {
		for prefix, into := range map[string]*int{"# max_values: ": &maxValues, "# live_cells: ": &liveCells} {
			if number, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
				*into, _ = strconv.Atoi(number) // 0, and so no limit, where it is none
			}
		}
	}
	return maxValues, liveCells
}

// bucketSum is what the rows of one bucket of an answer add up to.
type bucketSum struct {
	events, cents int64
	other         int64 // events of the row that stands for many
	incomplete    bool
}

func (s *bucketSum) add(events, cents int64) { s.events, s.cents = s.events+events, s.cents+cents }

// limitedAnswer compares an answer of which the speed layer's limits kept something. What is not said to lack anything is exact; the rows of a
// bucket add up to its records, those under `__other__` among them; and as many are missing as the answer says.
type limitedAnswer struct {
	view *view.View
	q    serving.Query
	r    *serving.Result
	want map[cellKey]*cell
	seen *estimates

	sums  map[int64]*bucketSum
	found map[cellKey]bool
}

func (a *limitedAnswer) compare() error {
	a.sums, a.found = map[int64]*bucketSum{}, map[cellKey]bool{}
	for i, row := range a.r.Rows {
		if err := a.row(row, a.r.Provenance.Rows[i]); err != nil {
			return fmt.Errorf("%w: %s %s: the row %v: %w", errWrong, a.q.View, a.q.Grain, row, err)
		}
	}
	for i, row := range a.r.Rows {
		if have, want := a.r.Provenance.Rows[i].Other, a.sum(a.key(row).bucket).other; have != want {
			return fmt.Errorf("%w: %s %s: the row %v may lack %d events, there are %d under __other__", errWrong, a.q.View, a.q.Grain, row, have, want)
		}
	}
	return a.whole()
}

// key is where a row belongs in the naive fold; a row that stands for many countries belongs nowhere.
func (a *limitedAnswer) key(row []algebra.Value) cellKey {
	k := cellKey{bucket: time.Time{}.UnixMicro()}
	if a.q.Grain != "" {
		k.bucket = row[0].Int64()
	}
	if len(a.q.Dimensions) > 0 {
		if k.country = "null"; !row[1].IsNull() {
			k.country = row[1].Text()
		}
	}
	return k
}

func (a *limitedAnswer) sum(bucket int64) *bucketSum {
	if a.sums[bucket] == nil {
		a.sums[bucket] = &bucketSum{incomplete: a.isIncomplete(bucket)}
	}
	return a.sums[bucket]
}

// isIncomplete says whether the ranges of the answer have a part in a bucket. The last of a long list may reach over some that lack nothing.
func (a *limitedAnswer) isIncomplete(bucket int64) bool {
	return slices.ContainsFunc(a.r.Provenance.Incomplete, func(r serving.IncompleteRange) bool {
		if a.q.Grain == "" {
			return true
		}
		from, errFrom := time.Parse(time.RFC3339Nano, r.From)
		to, errTo := time.Parse(time.RFC3339Nano, r.To)
		i := slices.IndexFunc(a.view.Grains, func(g view.Grain) bool { return g.Name == a.q.Grain })
		return errFrom == nil && errTo == nil && from.UnixMicro() < a.view.Grains[i].Next(bucket, a.view.Location) && to.UnixMicro() > bucket
	})
}

func (a *limitedAnswer) row(row []algebra.Value, origin serving.RowOrigin) error {
	k := a.key(row)
	sum := a.sum(k.bucket)
	if origin.Incomplete && !sum.incomplete {
		return errors.New("it is said to be incomplete, and no range has it")
	}
	var events, cents int64
	for m, col := range a.r.Meta.Columns {
		switch col.Name {
		case "lines":
			events = row[m].Int64()
		case "revenue", "spent":
			cents, _ = row[m].Int128().Int64()
		}
	}
	sum.add(events, cents)
	if len(origin.Folded) > 0 {
		sum.other += events
		return nil
	}
	c := a.want[k]
	if c == nil || a.found[k] {
		return errors.New("the naive fold has it not, or the answer has it twice")
	}
	a.found[k] = true
	if origin.Other > 0 || origin.Incomplete {
		if origin.Exact || events > c.events || events < c.events-origin.Other && !origin.Incomplete {
			return fmt.Errorf("exact is %v; it has %d events and may lack %d under __other__, the naive fold has %d", origin.Exact, events, origin.Other, c.events)
		}
		return nil
	}
	for m, col := range a.r.Meta.Columns {
		if col.Role == "measure" {
			if err := compareValue(col.Name, row[m], origin, c, a.seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// whole compares what buckets add up to, and how much is missing in all.
func (a *limitedAnswer) whole() error {
	wanted, all := map[int64]*bucketSum{}, int64(0)
	for k, c := range a.want {
		if wanted[k.bucket] == nil {
			wanted[k.bucket] = &bucketSum{}
		}
		wanted[k.bucket].add(c.events, c.cents)
		all += c.events
		if sum := a.sum(k.bucket); !a.found[k] && sum.other == 0 && !sum.incomplete {
			return fmt.Errorf("%w: %s %s lacks the bucket %d %s of %d events", errWrong, a.q.View, a.q.Grain, k.bucket, k.country, c.events)
		}
	}
	for bucket, want := range wanted {
		if have := a.sums[bucket]; !have.incomplete && (have.events != want.events || have.cents != want.cents) || have.events > want.events {
			return fmt.Errorf("%w: %s %s at %d adds up to %+v, the naive fold to %+v", errWrong, a.q.View, a.q.Grain, bucket, *have, *want)
		}
	}
	missing := int64(0)
	for _, r := range a.r.Provenance.Incomplete {
		missing += r.Events
	}
	if a.r.Statistics.Events+missing != all {
		return fmt.Errorf("%w: %s says %d events and %d missing; the naive fold has %d", errWrong, a.q.View, a.r.Statistics.Events, missing, all)
	}
	if missing > 0 && !a.r.Provenance.Partial || a.r.Provenance.Exact {
		return fmt.Errorf("%w: %s lacks events, and says partial %v, exact %v", errWrong, a.q.View, a.r.Provenance.Partial, a.r.Provenance.Exact)
	}
	return nil
}

// limitsText says of a row what the limits did.
func limitsText(o serving.RowOrigin) (text string) {
	if o.Other > 0 && len(o.Folded) == 0 {
		text += fmt.Sprintf(", may lack %d", o.Other)
	}
	if o.Incomplete {
		text += ", incomplete"
	}
	return text
}

// dimensionText is a dimension's value of a row. A text that looks like the value that stands for many is quoted.
func dimensionText(v algebra.Value) string {
	if v.Text() == algebra.OtherText {
		return strconv.Quote(v.Text())
	}
	return v.String()
}

// limitsCount says what the limits did to a group.
func limitsCount(c live.Counts) (text string) {
	if c.Other > 0 {
		text += fmt.Sprintf(", %d under __other__", c.Other)
	}
	if c.Deferred > 0 {
		text += fmt.Sprintf(", %d left to the batch", c.Deferred)
	}
	return text
}
