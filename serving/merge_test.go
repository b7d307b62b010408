package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
)

// truthOfCell is what one naive fold over the events says.
type truthOfCell struct {
	pence, lines int64
	orders       map[string]bool
	amounts      []int64
}

// fold groups the events that pass by a key.
func fold(events []event, key func(event) string, pass func(event) bool) map[string]*truthOfCell {
	cells := map[string]*truthOfCell{}
	for _, e := range events {
		if pass != nil && !pass(e) {
			continue
		}
		k := key(e)
		if cells[k] == nil {
			cells[k] = &truthOfCell{orders: map[string]bool{}}
		}
		c := cells[k]
		c.pence += e.pence
		c.lines++
		c.orders[e.order] = true
		c.amounts = append(c.amounts, e.pence)
	}
	return cells
}

func (c *truthOfCell) median() int64 {
	slices.Sort(c.amounts)
	return c.amounts[int(math.Ceil(0.5*float64(len(c.amounts))))-1]
}

// key of a row of an answer, as fold's.
func rowKey(r *Result, i int, withTime bool) string {
	var parts []string
	for k, c := range r.Meta.Columns {
		if c.Role == "time" && withTime {
			parts = append(parts, time.UnixMicro(r.Rows[i][k].Int64()).UTC().Format(time.RFC3339))
		}
		if c.Role == "dimension" {
			parts = append(parts, r.Rows[i][k].Text())
		}
	}
	return strings.Join(parts, "|")
}

func value(t testing.TB, r *Result, i int, name string) algebra.Value {
	t.Helper()
	for k, c := range r.Meta.Columns {
		if c.Name == name {
			return r.Rows[i][k]
		}
	}
	t.Fatalf("no column %s", name)
	return algebra.Value{}
}

// check compares an answer with the fold: scalars to the last digit, sketches within their bound, and what says exact exactly.
func check(t *testing.T, what string, r *Result, want map[string]*truthOfCell, withTime bool) {
	t.Helper()
	if len(r.Rows) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(r.Rows), len(want))
	}
	for i := range r.Rows {
		key := rowKey(r, i, withTime)
		c := want[key]
		if c == nil {
			t.Fatalf("%s: row %q is not among the expected", what, key)
		}
		checkRow(t, fmt.Sprintf("%s: %q", what, key), r, i, c)
	}
}

// checkRow compares one row.
func checkRow(t *testing.T, what string, r *Result, i int, c *truthOfCell) {
	t.Helper()
	if got := value(t, r, i, "revenue").Int128(); got != algebra.Int128Of(c.pence) {
		t.Errorf("%s: revenue %v, want %d pence", what, value(t, r, i, "revenue"), c.pence)
	}
	if got := value(t, r, i, "lines").Int64(); got != c.lines {
		t.Errorf("%s: lines %d, want %d", what, got, c.lines)
	}
	o := r.Provenance.Rows[i]
	within := func(name string, got, want, slack float64) {
		bound, off := 0.0, math.Abs(got-want)
		if b := o.Bounds[name]; b != nil {
			bound = *b
		}
		if off > bound*want+slack || bound == 0 && off != 0 {
			t.Errorf("%s: %s %v, want %v within %v (%s)", what, name, got, want, bound, o.Source)
		}
	}
	within("orders", float64(value(t, r, i, "orders").Int64()), float64(len(c.orders)), 0.5) // an estimate is rounded to a whole number
	within("median", value(t, r, i, "median").Float64(), float64(c.median())/100, 1e-9)
	if got, want := value(t, r, i, "per_line").Float64(), float64(c.pence)/100/float64(c.lines); math.Abs(got-want) > 1e-6*want+0.005 {
		t.Errorf("%s: per_line %v, want %v", what, got, want)
	}
	if o.Exact != (len(o.Bounds) == 0) {
		t.Errorf("%s: says exact %t with bounds %v", what, o.Exact, o.Bounds)
	}
}

func hour(e event) string  { return e.at.Truncate(time.Hour).Format(time.RFC3339) }
func day(e event) string   { return e.at.Truncate(24 * time.Hour).Format(time.RFC3339) }
func month(e event) string { return e.at.Format("2006-01") + "-01T00:00:00Z" }

// checkAll asks every shape of question and compares with the fold.
func checkAll(t *testing.T, w *world, stage string) {
	t.Helper()
	grains := map[string]func(event) string{"1h": hour, "1d": day, "1mo": month}
	for grain, bucket := range grains {
		check(t, stage+" by "+grain, w.query(Query{Grain: grain}), fold(w.events, bucket, nil), true)
		check(t, stage+" by country and "+grain, w.query(Query{Grain: grain, Dimensions: []string{"country"}}),
			fold(w.events, func(e event) string { return bucket(e) + "|" + e.country }, nil), true)
		check(t, stage+" of one product by "+grain, w.query(Query{Grain: grain, Where: "product = 'P1'"}),
			fold(w.events, bucket, func(e event) bool { return e.product == "P1" }), true)
		check(t, stage+" filtered by "+grain, w.query(Query{Grain: grain, Dimensions: []string{"country"}, Where: "product in ('P1', 'P3') and (country is null or country != 'Spain')"}),
			fold(w.events, func(e event) string { return bucket(e) + "|" + e.country }, func(e event) bool {
				return (e.product == "P1" || e.product == "P3") && e.country != "Spain"
			}), true)
	}
	check(t, stage+" in all", w.query(Query{}), fold(w.events, func(event) string { return "" }, nil), false)
	check(t, stage+" by product and country", w.query(Query{Dimensions: []string{"product", "country"}}),
		fold(w.events, func(e event) string { return e.product + "|" + e.country }, nil), false)
	from, to := "2024-01-25T05:00:00Z", "2024-03-03T07:00:00Z"
	a, _ := time.Parse(time.RFC3339, from)
	b, _ := time.Parse(time.RFC3339, to)
	inside := func(e event) bool { return !e.at.Before(a) && e.at.Before(b) }
	check(t, stage+" of a range off the months", w.query(Query{From: from, To: to, Dimensions: []string{"country"}}),
		fold(w.events, func(e event) string { return e.country }, inside), false)
	check(t, stage+" of a range by hour", w.query(Query{From: from, To: to, Grain: "1h"}), fold(w.events, hour, inside), true)
	check(t, stage+" of an open range", w.query(Query{From: from}), fold(w.events, func(event) string { return "" }, func(e event) bool { return !e.at.Before(a) }), false)
}

func TestMergedAnswersEqualOneFoldWhereverTheCutIs(t *testing.T) {
	for _, batched := range []float64{0, 0.5, 1} {
		t.Run(fmt.Sprintf("%.0f%% batched", 100*batched), func(t *testing.T) {
			w := newWorld(t, viewYAML)
			events := random(7, 1500)
			n := int(batched * float64(len(events)))
			cuts := w.cuts()
			if n > 0 {
				w.add(events[:n]...)
				cuts = w.cuts()
				w.publish(cuts)
			}
			if n < len(events) {
				w.add(events[n:]...)
			}
			w.speed(cuts)
			w.serve()
			checkAll(t, w, "")
			r := w.query(Query{Grain: "1d"})
			sources := map[string]bool{}
			for _, o := range r.Provenance.Rows {
				sources[o.Source] = true
			}
			want := map[float64]string{0: "speed", 0.5: "merged", 1: "batch"}[batched]
			if len(sources) != 1 || !sources[want] {
				t.Errorf("sources are %v, want %s only", sources, want)
			}
			if r.Provenance.Exact != (batched == 1) || r.Provenance.Partial {
				t.Errorf("provenance says exact %t, partial %t", r.Provenance.Exact, r.Provenance.Partial)
			}
		})
	}
}

func TestAnswersStayRightWhenASnapshotIsSwappedIn(t *testing.T) {
	w := newWorld(t, viewYAML)
	events := random(3, 900)
	w.add(events[:300]...)
	first := w.cuts()
	w.publish(first)
	w.add(events[300:600]...)
	w.speed(first)
	w.serve()
	checkAll(t, w, "first snapshot:")
	before := w.query(Query{})
	w.publish(w.cuts())
	second := w.cuts()
	w.add(events[600:]...)
	w.speed(second) // a new life of the state, whose only epoch begins at the second snapshot: the first no longer has its continuation
	after := w.query(Query{})
	if after.Provenance.Snapshot == before.Provenance.Snapshot || after.Provenance.Partial {
		t.Fatalf("a query whose snapshot has no continuation is served from %s, partial %t (%s)", after.Provenance.Snapshot, after.Provenance.Partial, after.Provenance.Reason)
	}
	w.pass(3 * time.Second)
	checkAll(t, w, "second snapshot:")
}

func TestSpeedMissingAnswersBatchAndSaysSo(t *testing.T) {
	w := newWorld(t, viewYAML)
	events := random(5, 400)
	w.add(events[:200]...)
	cuts := w.cuts()
	w.publish(cuts)
	batched := w.events
	w.add(events[200:]...)
	w.serve()
	r := w.query(Query{Grain: "1d"})
	if !r.Provenance.Partial || !strings.Contains(r.Provenance.Reason, "no state") || r.Provenance.Exact {
		t.Fatalf("without speed state: %+v", r.Provenance)
	}
	check(t, "without speed state", r, fold(batched, day, nil), true)
	for _, c := range r.Provenance.Partitions {
		if c.Served != cuts[c.Partition] || c.Batch != cuts[c.Partition] || !c.Partial {
			t.Errorf("coverage %+v, want %d", c, cuts[c.Partition])
		}
	}
	must(t, w.redis.Close())
	r = w.query(Query{Grain: "1d"})
	if !r.Provenance.Partial || !strings.Contains(r.Provenance.Reason, "could not be read") {
		t.Fatalf("with Redis down: %+v", r.Provenance)
	}
	check(t, "with Redis down", r, fold(batched, day, nil), true)
}

func TestOnePartitionWithoutStateIsNamed(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 300)...)
	w.flush(0, 0, 0, w.log.ends[0])
	w.serve()
	r := w.query(Query{Grain: "1mo"})
	if !r.Provenance.Partial || !strings.Contains(r.Provenance.Reason, "partition 1") {
		t.Fatalf("%+v", r.Provenance)
	}
	var of0 []event
	for _, e := range w.events {
		if e.partition == 0 {
			of0 = append(of0, e)
		}
	}
	check(t, "partition 0", r, fold(of0, month, nil), true)
}

func TestNothingBeyondBatchIsNotPartial(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 300)...)
	w.publish(w.cuts())
	w.serve()
	if r := w.query(Query{Grain: "1d"}); r.Provenance.Partial || !r.Provenance.Exact || *r.Provenance.Behind != 0 {
		t.Fatalf("batch covers the whole log: %+v", r.Provenance)
	}
}

func TestAMissingLakeFailsTheQuery(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 50)...)
	m := w.publish(w.cuts())
	must(t, w.lake.Store().Delete(context.Background(), m.Files[0].Key))
	w.serve()
	_, err := w.server.Query(context.Background(), Query{View: "sales"})
	if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 503 {
		t.Fatalf("got %v, want a problem of status 503", err)
	}
}

func TestSecondReadSendsOnlyWhatChanged(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 500)...)
	w.speed(map[int]int64{})
	s := w.serve()
	w.query(Query{Grain: "1d"})
	kept := map[chunkKey]*speedChunk{}
	for k, c := range s.speed.cache.chunks {
		kept[k] = c
	}
	if len(kept) == 0 {
		t.Fatal("nothing was kept")
	}
	w.query(Query{Grain: "1d"})
	for k, c := range kept {
		if s.speed.cache.chunks[k] != c {
			t.Errorf("chunk %v was decoded again though its version did not move", k.id)
		}
	}
}

func TestSpeedCacheStaysUnderItsLimit(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 800)...)
	w.speed(map[int]int64{})
	s := w.serve()
	s.speed.cache.limit = 100_000
	checkAll(t, w, "small cache:")
	if c := s.speed.cache; c.bytes > c.limit || len(c.chunks) != c.byUse.Len() {
		t.Fatalf("%d bytes are kept, %d chunks, %d in the list", c.bytes, len(c.chunks), c.byUse.Len())
	}
}

func TestQueryThatIsTooLargeIsRefused(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 500)...)
	w.publish(w.cuts())
	s := w.serve()
	s.cfg.QueryMemory = 10_000
	_, err := s.Query(context.Background(), Query{View: "sales", Grain: "1h", Dimensions: []string{"country", "product"}})
	if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 422 || p.Suggestion == "" {
		t.Fatalf("got %v, want a problem of status 422 with a suggestion", err)
	}
}

func TestOrderAndLimit(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(9, 600)...)
	w.publish(w.cuts())
	w.serve()
	r := w.query(Query{Dimensions: []string{"country"}, Order: []string{"-revenue"}, Limit: 3})
	if len(r.Rows) != 3 || !r.Statistics.Truncated || r.Statistics.TotalRows != 5 || r.Statistics.Events != 600 {
		t.Fatalf("%+v", r.Statistics)
	}
	if !sort.SliceIsSorted(r.Rows, func(i, j int) bool {
		return algebra.Compare(value(t, r, i, "revenue"), value(t, r, j, "revenue")) > 0
	}) {
		t.Error("rows are not in descending order of revenue")
	}
	r = w.query(Query{Dimensions: []string{"country"}, Order: []string{"-country"}})
	var names []string
	for i := range r.Rows {
		names = append(names, value(t, r, i, "country").String())
	}
	if got := strings.Join(names, ","); got != "Spain,O'Land,Germany,France,null" {
		t.Errorf("countries descending are %s: null stands last", got)
	}
}
