package seamtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// errWrong is what a comparison fails with: an answer that is not that of the naive fold.
var errWrong = errors.New("wrong answer")

// ask queries a view and compares every number of the answer with the naive fold up to the offsets that the answer says it holds. That
// holds for partial answers too: they say less, and of that the truth. Fresh: the serving layer looks at CURRENT before it answers.
func (w *World) ask(q serving.Query, fresh bool) (*serving.Result, error) {
	if fresh {
		w.skew.Add(int64(3 * time.Second))
	}
	losses := w.losses.Load()
	r, err := w.server.Query(w.ctx, q)
	if err != nil {
		return nil, err
	}
	return r, w.compare(w.defined(q.View, r.Meta.Definition), q, r, losses)
}

// compare compares an answer that was asked for after Redis had lost what it held so many times.
func (w *World) compare(v *view.View, q serving.Query, r *serving.Result, losses int64) error {
	if err := w.accounted(v.Name, q, r, losses); err != nil {
		return err
	}
	below := map[logOf]int64{}
	for _, c := range r.Provenance.Partitions {
		below[logOf{c.Incarnation, c.Partition}] = c.Served
		if c.Served < c.Batch {
			return fmt.Errorf("%w: partition %d is served up to %d, below the snapshot's %d", errWrong, c.Partition, c.Served, c.Batch)
		}
	}
	logs, err := w.folds(below)
	if err != nil {
		return err
	}
	if logs, err = w.withoutGone(r, logs); err != nil {
		return err
	}
	if logs, err = w.answered(v, r, logs); err != nil {
		return err
	}
	if err := compareAnswer(v, q, r, logs, below, &w.estimates); err != nil {
		return fmt.Errorf("%w; snapshot %s, partial %q, partitions %+v", err, r.Provenance.Snapshot, r.Provenance.Reason, r.Provenance.Partitions)
	}
	return nil
}

// compareAnswer compares an answer with the naive fold of the records below the offsets.
func compareAnswer(v *view.View, q serving.Query, r *serving.Result, logs map[logOf]*naive, below map[logOf]int64, seen *estimates) error {
	if q.Window != "" {
		return compareWindow(v, q, r, logs, below, seen)
	}
	asked, err := asked(q, r)
	if err != nil {
		return err
	}
	keep := func(c verdict) bool { return passes(v, c) && asked(c) }
	i := slices.IndexFunc(v.Grains, func(g view.Grain) bool { return g.Name == q.Grain })
	bucket := func(at time.Time) time.Time { return time.UnixMicro(v.Grains[i].Floor(at.UnixMicro(), v.Location)) }
	switch q.Grain {
	case "1m":
		bucket = func(at time.Time) time.Time { return at.Truncate(time.Minute) }
	case "1h":
		bucket = func(at time.Time) time.Time { return at.Truncate(time.Hour) }
	case "1d":
		bucket = func(at time.Time) time.Time {
			y, m, d := at.In(v.Location).Date()
			return time.Date(y, m, d, 0, 0, 0, 0, v.Location)
		}
	case "":
		bucket = func(time.Time) time.Time { return time.Time{} }
	}
	want := fold(logs, below, keep, bucket, slices.Contains(q.Dimensions, "country"))
	if r.Provenance.Other > 0 || len(r.Provenance.Incomplete) > 0 {
		limited := limitedAnswer{view: v, q: q, r: r, want: want, seen: seen}
		return limited.compare()
	}
	return compareRows(q, r, want, seen)
}

// compareRows compares an answer with the cells of the naive fold, both ways.
func compareRows(q serving.Query, r *serving.Result, want map[cellKey]*cell, seen *estimates) error {
	if err := compareCells(q, r, want, seen); err != nil {
		return err
	}
	var events, late, surelyLate int64
	for _, c := range want {
		events, late, surelyLate = events+c.events, late+c.late, surelyLate+c.surelyLate
	}
	if r.Statistics.Events != events || r.Statistics.Late > late || r.Statistics.Late < surelyLate {
		return fmt.Errorf("%w: %s says %d events, %d late; the naive fold %d, and %d to %d", errWrong, q.View, r.Statistics.Events, r.Statistics.Late, events, surelyLate, late)
	}
	return nil
}

// keyOf names the cell that a row is about.
func keyOf(q serving.Query, r *serving.Result, row []algebra.Value) (k cellKey) {
	k.bucket = time.Time{}.UnixMicro()
	if q.Grain != "" || q.Window != "" {
		k.bucket = row[0].Int64()
	}
	for c, col := range r.Meta.Columns {
		if col.Name == "country" {
			if k.country = "null"; !row[c].IsNull() {
				k.country = row[c].Text()
			}
		}
	}
	return k
}

// compareCells compares the rows alone.
func compareCells(q serving.Query, r *serving.Result, want map[cellKey]*cell, seen *estimates) error {
	found := map[cellKey]bool{}
	for i, row := range r.Rows {
		k := keyOf(q, r, row)
		c := want[k]
		if c == nil {
			return fmt.Errorf("%w: %s has the row %v, which the naive fold has not", errWrong, q.View, row)
		}
		if found[k] {
			return fmt.Errorf("%w: %s has the row %v twice", errWrong, q.View, row)
		}
		found[k] = true
		if q.Window != "" && row[1].Int64() != c.end {
			return fmt.Errorf("%w: %s %s has the row %v, which ends at %d for the naive fold", errWrong, q.View, q.Window, row, c.end)
		}
		for m, col := range r.Meta.Columns {
			if col.Role != "measure" {
				continue
			}
			if err := compareValue(col.Name, row[m], r.Provenance.Rows[i], c, seen); err != nil {
				return fmt.Errorf("%w: %s %s at %s %s: %w", errWrong, q.View, q.Grain+q.Window, time.UnixMicro(k.bucket).UTC().Format(time.RFC3339), k.country, err)
			}
		}
	}
	for k, c := range want {
		if !found[k] {
			return fmt.Errorf("%w: %s %s lacks the bucket %s %s of %d events", errWrong, q.View, q.Grain+q.Window, time.UnixMicro(k.bucket).UTC().Format(time.RFC3339), k.country, c.events)
		}
	}
	return nil
}

// estimates counts the distinct counts that were estimates. The bound of one is three standard errors, so that a few lie outside it; none
// may lie outside twice the bound and one, and not one in a hundred outside the bound.
type estimates struct{ all, outside atomic.Int64 }

func (e *estimates) check() error {
	if all, outside := e.all.Load(), e.outside.Load(); outside*100 > all {
		return fmt.Errorf("%w: %d of %d estimates lie outside their bounds", errWrong, outside, all)
	}
	return nil
}

// accepts says whether an estimate may stand.
func (e *estimates) accepts(have, want, bound float64) bool {
	e.all.Add(1)
	off := math.Abs(have - want)
	if off > bound*want {
		e.outside.Add(1)
	}
	return off <= 2*bound*want+1
}

// compareValue compares one number. Scalars are equal; sketches are exact where the answer says so, else inside the bound it states.
func compareValue(measure string, have algebra.Value, origin serving.RowOrigin, c *cell, seen *estimates) error {
	bound, estimated := origin.Bounds[measure]
	var want string
	switch measure {
	case "lines":
		want = fmt.Sprint(c.events)
	case "late":
		if have.IsNull() || estimated || have.Int64() < c.surelyLate || have.Int64() > c.late {
			return fmt.Errorf("late is %s, the naive fold says %d to %d", have, c.surelyLate, c.late)
		}
		return nil
	case "revenue", "spent":
		want = money(c.cents)
	case "low":
		want = money(c.amounts[0])
	case "top":
		want = money(c.amounts[len(c.amounts)-1])
	case "users", "people":
		want = fmt.Sprint(len(c.users))
		if estimated && bound != nil && seen.accepts(have.Float64(), float64(len(c.users)), *bound) {
			return nil
		}
		estimated = false
	case "opener":
		want = c.first.user
	case "closing":
		want = money(c.last.cents)
	case "spread":
		want = variance(c.amounts)
	case "sizes":
		want = sizes(c.amounts)
	case "loyal":
		if estimated {
			return compareFrequent(have.String(), c.users, bound)
		}
		want = mostFrequent(c.users)
	case "p90":
		return comparePercentile(have.Float64(), 0.9, c.amounts, bound)
	default:
		return fmt.Errorf("BUG: the naive fold does not know measure %s", measure)
	}
	if estimated {
		return fmt.Errorf("%s is said to be an estimate", measure)
	}
	if have.String() != want {
		return fmt.Errorf("%s is %s, the naive fold says %s (bound %s)", measure, have, want, boundText(bound))
	}
	return nil
}

func boundText(b *float64) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprintf("%.4f", *b)
}

// comparePercentile accepts what lies between the two events around the rank, widened by the bound.
func comparePercentile(have, p float64, cents []int64, bound *float64) error {
	rank := p * float64(len(cents)-1)
	low, high := float64(cents[int(math.Floor(rank))])/100, float64(cents[int(math.Ceil(rank))])/100
	width := 1e-9
	if bound != nil {
		width += *bound
	}
	if have < low-width*math.Abs(low)-1e-9 || have > high+width*math.Abs(high)+1e-9 {
		return fmt.Errorf("p90 is %v, the naive fold has %v to %v (bound %s)", have, low, high, boundText(bound))
	}
	return nil
}

func money(cents int64) string {
	return algebra.DecimalValue(algebra.Int128Of(cents), 2).String()
}

// incarnation is the life of the topic as the lake holds it.
func (w *World) incarnation() (lake.Topic, error) {
	seen, err := w.stream.Topic(w.ctx, topic)
	if err != nil {
		return lake.Topic{}, err
	}
	return w.lake.Incarnation(w.ctx, topic, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions)})
}

// compareLake checks that every record of the log below the archive's end is in exactly one segment or file of dead letters, by the
// offsets that the files hold.
func (w *World) compareLake() error {
	t, err := w.incarnation()
	if err != nil {
		return err
	}
	_, err = compareChunks(w.ctx, w.lake, t, w.partitions(), w.isGone, w.withoutErased)
	return err
}

// compareChunks does so for the chunks of a topic, and says up to where they go, by partition. isGone fails where a chunk may not state a gap.
func compareChunks(ctx context.Context, l *lake.Lake, t lake.Topic, partitions int, isGone func(logOf, [2]int64) error, folds func(below map[int]int64) (map[int]*naive, error)) (map[int]int64, error) {
	below, gaps := map[int]int64{}, map[int][][2]int64{}
	var have tally
	for p := range partitions {
		chunks, err := l.Chunks(ctx, t, p, 0)
		if err != nil {
			return nil, err
		}
		for _, c := range chunks {
			if !c.Committed {
				return nil, fmt.Errorf("the chunk [%d, %d) of partition %d is open", c.First, c.Next, p)
			}
			if c.First != below[p] {
				return nil, fmt.Errorf("%w: the chunks of partition %d go from %d to %d", errWrong, p, below[p], c.First)
			}
			below[p] = c.Next
			have.events += c.Events - c.Duplicates
			have.duplicates += c.Duplicates
			have.late += c.Late
			have.dead += c.Dead
			n := c.Events + c.Dead + c.Erased + c.ErasedDead
			for _, gap := range c.Missing {
				if err := isGone(logOf{t.Incarnation, p}, gap); err != nil {
					return nil, err
				}
				n += gap[1] - gap[0]
				gaps[p] = append(gaps[p], gap)
			}
			if n != c.Next-c.First {
				return nil, fmt.Errorf("%w: chunk [%d, %d) of partition %d holds, or held, %d records", errWrong, c.First, c.Next, p, n)
			}
		}
	}
	logs, err := folds(below)
	if err != nil {
		return nil, err
	}
	want := count(without(logs, gaps), below)
	if have.late >= want.surelyLate && have.late <= want.late { // an archive for which retention took records knows no better
		want.late = have.late
	}
	if want.surelyLate = 0; have != want {
		return nil, fmt.Errorf("%w: the lake holds %+v, the naive fold %+v", errWrong, have, want)
	}
	return below, nil
}

// times writes offsets by partition, ascending.
func offsetsText(offsets map[int]int64) string {
	var parts []string
	for p := range len(offsets) {
		parts = append(parts, fmt.Sprint(offsets[p]))
	}
	return "[" + strings.Join(parts, " ") + "]"
}
