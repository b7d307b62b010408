package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// earlier is the current snapshot of the definition that is compared with, and as much of that definition as its files need to be read.
type earlier struct {
	manifest   *lake.Manifest
	Zone       string           `json:"zone"`
	Dimensions []earlierColumn  `json:"dimensions"`
	Grains     []string         `json:"grains"`
	Measures   []earlierMeasure `json:"measures"` // the stored ones, in the order of their columns
}

type earlierColumn struct {
	Name string    `json:"name"`
	Type view.Type `json:"type"`
}

type earlierMeasure struct {
	earlierColumn
	Agg view.Agg `json:"agg"`
}

// earlierDefinition reads the current snapshot of a view under a definition, which need not be one that this release can compute.
func (r *Runner) earlierDefinition(ctx context.Context, name, hash string) (*earlier, error) {
	m, _, err := r.cfg.Lake.Current(ctx, name, hash)
	if err != nil {
		return nil, err
	}
	e := &earlier{manifest: m}
	body, err := r.cfg.Lake.Definition(ctx, hash)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: definition %s: %w", lake.ErrCorrupt, hash, err)
	}
	return e, nil
}

// definitions is the comparison of the exact answers of two definitions, in the periods that no record between the two snapshots falls into:
// there the definition alone makes the difference.
type definitions struct {
	runner   *Runner
	conn     *engine.Conn
	before   *earlier
	view     *view.View // of after
	plan     *algebra.Plan
	after    *lake.Manifest
	book     *book
	measures []commonMeasure
}

// compare fills the book. only is the grain to compare; nil: those that a ledger looks at.
func (d *definitions) compare(ctx context.Context, only *view.Grain) error {
	e, b := d.before, d.book
	b.Parent, b.ParentDefinition, b.From = e.manifest.ID, e.manifest.Definition, e.manifest.Offsets()
	d.measures = e.common(d.view)
	refuse := func(format string, args ...any) error {
		b.Comparable, b.Reason = false, fmt.Sprintf(format, args...)
		return nil
	}
	switch {
	case e.manifest.Topic != d.after.Topic:
		return refuse("snapshot %s of the earlier definition is of topic %s", e.manifest.ID, e.manifest.Topic)
	case e.Zone != d.view.Timezone:
		return refuse("the days of the earlier definition are those of %s", e.Zone)
	case len(d.measures) == 0:
		return refuse("no measure of the earlier definition has the name and the type of one of this")
	}
	touched, err := d.touched(ctx)
	if err != nil {
		return err
	}
	if len(touched) > 0 {
		b.Comparable = false
		b.Reason = fmt.Sprintf("%d periods have records between snapshot %s of the earlier definition and this one, and were not compared", len(touched), e.manifest.ID)
	}
	for _, g := range comparedGrains(d.view) {
		if only != nil {
			g = comparedGrain{unitOf(*only), *only}
		}
		if slices.Contains(e.Grains, g.grain.Name) && !slices.Contains(b.Grains, g.grain.Name) {
			b.Grains = append(b.Grains, g.grain.Name)
			if err := d.compareGrain(ctx, g, touched); err != nil {
				return fmt.Errorf("compare with definition %s: %w", e.manifest.Definition, err)
			}
		}
	}
	return nil
}

// unitOf is the unit of the files that hold a grain.
func unitOf(g view.Grain) string {
	for _, u := range units {
		if u.holds(g) {
			return u.name
		}
	}
	panic(fmt.Sprintf("BUG: no file holds grain %s", g.Name))
}

// touched lists the periods with records that one of the snapshots covers and the other does not.
func (d *definitions) touched(ctx context.Context) ([]period, error) {
	low, high := map[int]int64{}, map[int]lake.Cut{}
	chunks := map[int][]lake.Chunk{}
	newest := d.after.Topic
	before := slotsIn(newest, d.before.manifest.Topic, d.before.manifest.Cuts, d.before.manifest.Earlier)
	after := slotsIn(newest, d.after.Topic, d.after.Cuts, d.after.Earlier)
	for _, cuts := range []map[int]lake.Cut{before, after} {
		for slot := range cuts {
			a, b := before[slot], after[slot]
			if a.Offset > b.Offset {
				a, b = b, a
			}
			low[slot], high[slot] = a.Offset, b
			if a.Offset == b.Offset || chunks[slot] != nil {
				continue
			}
			of, p := unslotIn(newest, slot)
			var err error
			if chunks[slot], err = d.runner.cfg.Lake.Chunks(ctx, of, p, a.Offset); err != nil {
				return nil, err
			}
		}
	}
	return planPeriods(d.view, chunks, func(p int) int64 { return low[p] }, high)
}

// commonMeasure is a measure of both definitions.
type commonMeasure struct{ before, after int } // positions in earlier.Measures and View.Measures

func (e *earlier) common(v *view.View) []commonMeasure {
	var list []commonMeasure
	for i := range e.Measures {
		k := v.Measure(e.Measures[i].Name)
		if k >= 0 && algebra.HasExactColumn(e.Measures[i].Agg) && algebra.HasExactColumn(v.Measures[k].Agg) && v.Measures[k].Type.Kind == e.Measures[i].Type.Kind {
			list = append(list, commonMeasure{i, k})
		}
	}
	return list
}

// sameDimensions says whether the combinations of dimension values can be compared, and not only their totals.
func (e *earlier) sameDimensions(v *view.View) bool {
	return slices.EqualFunc(e.Dimensions, v.Dimensions, func(a earlierColumn, b view.Dimension) bool { return a.Name == b.Name && a.Type == b.Type })
}

func (d *definitions) compareGrain(ctx context.Context, of comparedGrain, touched []period) error {
	skip := map[string]bool{}
	for _, p := range touched {
		if p.unit == of.unit {
			skip[p.name] = true
		}
	}
	before, err := d.paths(ctx, d.before.manifest.Files, of.unit, skip)
	if err != nil {
		return err
	}
	after, err := d.paths(ctx, d.after.Files, of.unit, skip)
	if err != nil || len(before) == 0 && len(after) == 0 {
		return err
	}
	j := joined{definitions: d, grain: of.grain.Name, before: before, after: after}
	if d.before.sameDimensions(d.view) {
		if err := j.join(ctx, d.measures, len(d.before.Dimensions), false); err != nil {
			return err
		}
		if len(d.before.Dimensions) == 0 {
			return nil
		}
	}
	var additive []commonMeasure
	for _, m := range d.measures {
		if agg := d.view.Measures[m.after].Agg; agg == d.before.Measures[m.before].Agg && (agg == view.Count || agg == view.Sum) {
			additive = append(additive, m)
		}
	}
	return j.join(ctx, additive, 0, true)
}

func (d *definitions) paths(ctx context.Context, files []lake.ViewFile, unit string, skip map[string]bool) ([]string, error) {
	var paths []string
	for _, f := range files {
		if f.Unit == unit && !skip[f.Period] {
			local, err := d.runner.cfg.Lake.Fetch(ctx, f.Key, f.SHA256)
			if err != nil {
				return nil, err
			}
			paths = append(paths, local)
		}
	}
	return paths, nil
}

// joined sets the files of two definitions side by side, at one grain.
type joined struct {
	*definitions
	grain         string
	before, after []string // paths; one of them may be empty
}

// column is what one side's files say of a measure.
type column struct {
	name string
	of   view.Type
}

// side is the relation of one definition's answers: of all dimensions, or the totals as sums of these. full is its set of all dimensions.
func (j *joined) side(paths []string, full uint32, columns []column, dims []view.Type, total bool) string {
	list, group := []string{"_bucket", "TRUE AS there"}, ""
	for i := range dims {
		list = append(list, fmt.Sprintf("d%d", i))
	}
	for i, c := range columns {
		expr := c.name
		if total {
			expr, group = fmt.Sprintf("CAST(sum(%s) AS %s)", c.name, totalType(c.of).SQL()), " GROUP BY _bucket"
		}
		list = append(list, fmt.Sprintf("%s AS m%d", expr, i))
	}
	if len(paths) > 0 {
		return fmt.Sprintf("(SELECT %s FROM read_parquet(%s, hive_partitioning = false) WHERE _grain = %s AND _set = %d%s)",
			strings.Join(list, ", "), lake.PathList(paths), sqltext.Text(j.grain), full, group)
	}
	// A definition that lets nothing pass has no files.
	list = []string{"CAST(NULL AS BIGINT) AS _bucket", "FALSE AS there"}
	for i, t := range dims {
		list = append(list, fmt.Sprintf("CAST(NULL AS %s) AS d%d", t.SQL(), i))
	}
	for i, c := range columns {
		t := storedAs(c.of)
		if total {
			t = totalType(c.of)
		}
		list = append(list, fmt.Sprintf("CAST(NULL AS %s) AS m%d", t.SQL(), i))
	}
	return "(SELECT " + strings.Join(list, ", ") + " WHERE FALSE)"
}

// join compares the measures cell by cell.
func (j *joined) join(ctx context.Context, measures []commonMeasure, dims int, total bool) error {
	if len(measures) == 0 {
		return nil
	}
	var old, now []column
	for _, m := range measures {
		old = append(old, column{fmt.Sprintf("x%d", m.before), j.definitions.before.Measures[m.before].Type})
		now = append(now, column{j.plan.ExactColumns(m.after)[0], j.view.Measures[m.after].Type})
	}
	var types []view.Type
	for _, d := range j.view.Dimensions[:dims] {
		types = append(types, d.Type)
	}
	list, on, order := []string{"coalesce(a._bucket, b._bucket) AS bucket"}, []string{"a._bucket = b._bucket"}, []string{"1"}
	for i := range dims {
		list = append(list, fmt.Sprintf("CASE WHEN a.there THEN a.d%d ELSE b.d%d END", i, i))
		on = append(on, fmt.Sprintf("a.d%d IS NOT DISTINCT FROM b.d%d", i, i))
		order = append(order, fmt.Sprint(i+2))
	}
	for i := range measures {
		list = append(list, fmt.Sprintf("a.m%d, b.m%d", i, i))
	}
	sql := fmt.Sprintf("SELECT %s FROM %s AS a FULL JOIN %s AS b ON %s ORDER BY %s", strings.Join(list, ", "),
		j.side(j.before, 1<<len(j.definitions.before.Dimensions)-1, old, types, total), j.side(j.after, 1<<len(j.view.Dimensions)-1, now, types, total),
		strings.Join(on, " AND "), strings.Join(order, ", "))
	return j.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			j.judge(rows.Row(i), measures, dims, total)
		}
		return nil
	})
}

// totalType holds sums of what t holds.
func totalType(t view.Type) view.Type {
	switch t.Kind {
	case view.Decimal:
		return view.Type{Kind: view.Decimal, Precision: 38, Scale: t.Scale}
	case view.Double:
		return t
	}
	return view.Type{Kind: view.Decimal, Precision: 38}
}

// storedAs is the type that files keep t at.
func storedAs(t view.Type) view.Type {
	if t.Kind == view.Int128 {
		return view.Type{Kind: view.Decimal, Precision: 38}
	}
	return t
}

func (j *joined) judge(row algebra.Row, measures []commonMeasure, dims int, total bool) {
	j.book.Cells++
	at := place{grain: j.grain, bucket: row.Int64(0), total: total}
	for i := range dims {
		at.dims = append(at.dims, algebra.ReadValue(row, 1+i, j.view.Dimensions[i].Type))
	}
	for i, m := range measures {
		measure := &j.view.Measures[m.after]
		read := func(col int, t view.Type) algebra.Value {
			stored := storedAs(t)
			if total {
				stored = totalType(t)
			}
			v := algebra.ReadValue(row, col, stored)
			if stored.Kind == view.Decimal && t.Kind != view.Decimal && !v.IsNull() {
				v = algebra.Int128Value(v.Int128())
			}
			return v
		}
		was, now := read(1+dims+2*i, j.definitions.before.Measures[m.before].Type), read(2+dims+2*i, measure.Type)
		if same(algebra.Answer{Value: was, Exact: measure.Type.Kind != view.Double}, now) {
			continue
		}
		j.book.add(at, measure, []step{{value: was}, {ledger.DefinitionChange, now}}, false)
	}
}
