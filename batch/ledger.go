package batch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// entriesLimit bounds what a ledger lists, for each class, and again for its totals, so that a flood of estimates that became exact
// leaves room for what nobody expects; the counts go on.
const entriesLimit = 2_000

// book is a ledger in the making.
type book struct {
	ledger.Ledger
	view   *view.View
	job    *job // nil in a book of a switch
	listed map[listing]int
}

type listing struct {
	class ledger.Class
	total bool
}

// newBook is an empty ledger of a view whose answers cover the records below some offsets from now on.
func newBook(v *view.View, run string, to map[int]int64) *book {
	b := &book{view: v, listed: map[listing]int{}}
	b.Ledger = ledger.Ledger{View: v.Name, Definition: v.Hash, Run: run, To: to, Comparable: true, Grains: []string{}, Classes: map[ledger.Class]int{}, Entries: []ledger.Entry{}}
	return b
}

// newBook is the ledger of a job.
func (j *job) newBook() *book {
	b := newBook(j.view, j.options.RunID, offsetsOf(newestOf(j.cuts)))
	b.job, b.Parent, b.From = j, j.current.ID, offsetsOf(newestOf(j.was))
	for _, past := range j.earlierOf(j.cuts, j.allMissing()) {
		end := ledger.Life{Incarnation: past.Incarnation, From: map[int]int64{}, To: map[int]int64{}, Missing: past.Missing}
		for p, cut := range past.Cuts {
			end.From[p], end.To[p] = j.was[j.slot(past.Incarnation, p)].Offset, cut.Offset
		}
		b.Lives = append(b.Lives, end)
	}
	if j.repeats != nil {
		b.Repeats = j.repeats.now
	}
	return b
}

// erase takes back all answers that were noted.
func (b *book) erase() {
	b.Cells, b.Changed, b.Unexplained = 0, 0, 0
	b.Grains, b.Classes, b.Entries, b.listed = []string{}, map[ledger.Class]int{}, []ledger.Entry{}, map[listing]int{}
}

// place is the cell that an answer is of.
type place struct {
	grain  string
	bucket int64
	total  bool
	dims   []algebra.Value // none in a total
}

// step is an answer between two causes of change, beginning with the one before the publish.
type step struct {
	class ledger.Class // what led from the answer before to this one; "" in the first
	value algebra.Value
}

// add notes the answer of a measure that changed in steps, each of which moved it. Where an erasure took events out of the bucket, the values of
// dimensions, and of measures that are those of one event, may be what was to be forgotten: such answers are counted and not listed.
func (b *book) add(at place, m *view.Measure, steps []step, erasing bool) {
	first, last := steps[0].value, steps[len(steps)-1].value
	b.Changed++
	worst := steps[1].class
	for _, s := range steps[1:] {
		b.Classes[s.class]++
		if s.class == ledger.Unexplained {
			b.Unexplained++
			worst = s.class
		}
	}
	if erasing && (len(at.dims) > 0 || !mixes(m)) {
		return
	}
	slot := listing{worst, at.total}
	if b.listed[slot]++; b.listed[slot] > entriesLimit {
		return
	}
	e := ledger.Entry{
		Time: time.UnixMicro(at.bucket).UTC(), Grain: at.grain, Total: at.total, Dimensions: map[string]json.RawMessage{}, Measure: m.Name,
		Before: raw(first), After: raw(last), Difference: raw(difference(m, first, last)),
	}
	for k, d := range at.dims {
		e.Dimensions[b.view.Dimensions[k].Name] = raw(d)
	}
	for _, k := range foldedDims(at.dims) {
		e.Folded = append(e.Folded, b.job.view.Dimensions[k].Name)
	}
	for i, s := range steps[1:] {
		e.Parts = append(e.Parts, ledger.Part{Class: s.class, Amount: raw(difference(m, steps[i].value, s.value))})
	}
	b.Entries = append(b.Entries, e)
}

// mixes says whether a measure's answer is made of all of its events, and is not the value of one of them.
func mixes(m *view.Measure) bool {
	switch m.Agg {
	case view.Count, view.Sum, view.Average, view.CountDistinct, view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop, view.Histogram:
		return true
	}
	return false
}

func raw(v algebra.Value) json.RawMessage { return v.AppendJSON(nil) }

// difference is b less a: exact, but for doubles. No answer of what is counted or added up is 0; otherwise the difference to it is null.
func difference(m *view.Measure, a, b algebra.Value) algebra.Value {
	if m.Agg == view.Count || m.Agg == view.Sum || m.Agg == view.CountDistinct {
		if a.IsNull() {
			a = algebra.Int64Value(0)
		}
		if b.IsNull() {
			b = algebra.Int64Value(0)
		}
	}
	if !numeric(a) || !numeric(b) {
		return algebra.Null()
	}
	if a.Kind() == view.Double || b.Kind() == view.Double {
		return algebra.FloatValue(b.Float64() - a.Float64())
	}
	scale := max(a.Scale(), b.Scale())
	x, okX := a.Int128().Rescale(a.Scale(), scale)
	y, okY := b.Int128().Rescale(b.Scale(), scale)
	sum, ok := y.Add(x.Neg())
	switch small, fits := sum.Int64(); {
	case !okX || !okY || !ok:
		return algebra.Null()
	case a.Kind() == view.Decimal || b.Kind() == view.Decimal:
		return algebra.DecimalValue(sum, scale)
	case fits:
		return algebra.Int64Value(small)
	}
	return algebra.Int128Value(sum)
}

func numeric(v algebra.Value) bool {
	switch v.Kind() {
	case view.Int64, view.Decimal, view.Int128, view.Double:
		return true
	}
	return false
}

// put writes the ledger beside the run's results and tells the report.
func (b *book) put(ctx context.Context) error {
	j := b.job
	data, err := b.Encode()
	if err != nil {
		return err
	}
	l := j.runner.cfg.Lake
	file, err := l.PutFile(ctx, l.RunKey(j.view.Name, j.view.Hash, j.options.RunID, "ledger.json"), data)
	if err != nil {
		return err
	}
	j.ledger = []lake.ViewFile{{Key: file.Key, Unit: "ledger", Rows: int64(len(b.Entries)), Bytes: file.Bytes, SHA256: file.SHA256}}
	j.report.Changed, j.report.Unexplained, j.report.Comparable, j.report.Repeats = b.Changed, b.Unexplained, b.Comparable, b.Repeats
	j.report.Classes = b.Classes
	if !b.Comparable {
		j.report.Note = "not every answer could be compared with the one before: " + b.Reason
	}
	if b.Unexplained > 0 {
		j.runner.cfg.Logger.Error("speed and batch disagree about the same records", "view", j.view.Name, "answers", b.Unexplained, "ledger", file.Key)
	}
	return nil
}
