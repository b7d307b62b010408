package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// earlier is the latest snapshot of a view under another definition, and as much of that definition as its files need to be read.
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

// earlierDefinition finds what the first snapshot of a definition has to be compared with; nil where there is nothing.
func (j *job) earlierDefinition(ctx context.Context) (*earlier, error) {
	if j.current.Run != firstRun {
		return nil, nil
	}
	l := j.runner.cfg.Lake
	folder := path.Dir(path.Dir(path.Dir(l.RunKey(j.view.Name, j.view.Hash, "run", "file")))) // of the view under any definition
	var latest *lake.Manifest
	for after := folder + "/"; ; {
		// The first key of each definition's folder names the folder; the rest of it is skipped.
		next := ""
		for object, err := range l.Store().ListFrom(ctx, folder+"/", after) {
			if err != nil {
				return nil, fmt.Errorf("look for earlier definitions of %s: %w", j.view.Name, err)
			}
			next, _, _ = strings.Cut(strings.TrimPrefix(object.Key, folder+"/"), "/")
			break
		}
		if next == "" {
			break
		}
		after = folder + "/" + next + "/~"
		m, err := j.currentOf(ctx, folder+"/"+next)
		if err != nil {
			return nil, err
		}
		if m != nil && m.Definition != j.view.Hash && m.Run != firstRun && (latest == nil || m.Created.After(latest.Created)) {
			latest = m
		}
	}
	if latest == nil {
		return nil, nil
	}
	e := &earlier{manifest: latest}
	body, err := l.Definition(ctx, latest.Definition)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: definition %s: %w", lake.ErrCorrupt, latest.Definition, err)
	}
	return e, nil
}

// currentOf is the current snapshot in a definition's folder, whose name is only the beginning of its hash; nil if there is none.
func (j *job) currentOf(ctx context.Context, folder string) (*lake.Manifest, error) {
	store := j.runner.cfg.Lake.Store()
	var current lake.Current
	var m lake.Manifest
	for _, read := range []struct {
		key  func() string
		into any
	}{
		{func() string { return folder + "/CURRENT" }, &current},
		{func() string { return folder + "/snapshots/" + current.Snapshot + ".json" }, &m},
	} {
		data, _, err := store.Get(ctx, read.key())
		if errors.Is(err, lake.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for earlier definitions of %s: %w", j.view.Name, err)
		}
		if err := json.Unmarshal(data, read.into); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", lake.ErrCorrupt, read.key(), err)
		}
	}
	return &m, nil
}

// compareDefinitions compares the exact answers of the definition before with those of this one, in the periods that got no records
// between the two snapshots: there the definition alone can have changed them.
func (c *computation) compareDefinitions(ctx context.Context, j *job, e *earlier, b *book) error {
	b.Parent, b.ParentDefinition, b.From = e.manifest.ID, e.manifest.Definition, e.manifest.Offsets()
	measures := e.common(j.view)
	refuse := func(format string, args ...any) error {
		b.Comparable, b.Reason = false, fmt.Sprintf(format, args...)
		return nil
	}
	switch {
	case e.manifest.Topic != j.topic:
		return refuse("snapshot %s of the earlier definition is of topic %s", e.manifest.ID, e.manifest.Topic)
	case e.Zone != j.view.Timezone:
		return refuse("the days of the earlier definition are those of %s", e.Zone)
	case len(measures) == 0:
		return refuse("no measure of the earlier definition has the name and the type of one of this")
	}
	before := j.slots(e.manifest.Topic, e.manifest.Cuts, e.manifest.Earlier)
	for p, cut := range before {
		if cut.Offset > j.cuts[p].Offset {
			return refuse("snapshot %s of the earlier definition covers %s up to offset %d, this one up to %d", e.manifest.ID, j.label(p), cut.Offset, j.cuts[p].Offset)
		}
	}
	touched, err := planPeriods(j.view, j.chunks, func(p int) int64 { return before[p].Offset }, j.cuts)
	if err != nil {
		return err
	}
	if len(touched) > 0 {
		b.Comparable = false
		b.Reason = fmt.Sprintf("%d periods got records after snapshot %s of the earlier definition and were not compared with it", len(touched), e.manifest.ID)
	}
	for _, g := range comparedGrains(j.view) {
		if !slices.Contains(e.Grains, g.grain.Name) {
			continue
		}
		b.Grains = append(b.Grains, g.grain.Name)
		d := &definitions{computation: c, job: j, earlier: e, book: b, measures: measures, of: g}
		if err := d.compare(ctx, touched); err != nil {
			return fmt.Errorf("compare with definition %s: %w", e.manifest.Definition, err)
		}
	}
	return nil
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

// definitions is the comparison of two definitions at one grain.
type definitions struct {
	computation *computation
	job         *job
	earlier     *earlier
	book        *book
	measures    []commonMeasure
	of          comparedGrain
}

func (d *definitions) compare(ctx context.Context, touched []period) error {
	skip := map[string]bool{}
	for _, p := range touched {
		if p.unit == d.of.unit {
			skip[p.name] = true
		}
	}
	before, err := d.paths(ctx, d.earlier.manifest.Files, skip)
	if err != nil {
		return err
	}
	after, err := d.paths(ctx, d.job.files, skip)
	if err != nil || len(before) == 0 || len(after) == 0 {
		return err
	}
	columns, err := d.exactColumns(ctx, before[0])
	if err != nil {
		return err
	}
	if d.earlier.sameDimensions(d.job.view) {
		if err := d.join(ctx, before, after, columns, d.measures, len(d.earlier.Dimensions), false); err != nil {
			return err
		}
		if len(d.earlier.Dimensions) == 0 {
			return nil
		}
	}
	var additive []commonMeasure
	for _, m := range d.measures {
		if agg := d.job.view.Measures[m.after].Agg; agg == d.earlier.Measures[m.before].Agg && (agg == view.Count || agg == view.Sum) {
			additive = append(additive, m)
		}
	}
	return d.join(ctx, before, after, columns, additive, 0, true)
}

func (d *definitions) paths(ctx context.Context, files []lake.ViewFile, skip map[string]bool) ([]string, error) {
	var paths []string
	for _, f := range files {
		if f.Unit == d.of.unit && !skip[f.Period] {
			local, err := d.job.runner.cfg.Lake.Fetch(ctx, f.Key, f.SHA256)
			if err != nil {
				return nil, err
			}
			paths = append(paths, local)
		}
	}
	return paths, nil
}

// exactColumns are the columns of the exact answers in a file of the earlier definition, as its measures; "" of those that have none.
func (d *definitions) exactColumns(ctx context.Context, file string) ([]string, error) {
	var names []string
	err := d.computation.conn.Query(ctx, "SELECT name FROM parquet_schema("+quoteText(file)+") WHERE regexp_full_match(name, 'x[0-9]+')", func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			names = append(names, string(rows.Row(i).Bytes(0)))
		}
		return nil
	})
	columns, next := make([]string, len(d.earlier.Measures)), 0
	for i := range d.earlier.Measures {
		if algebra.HasExactColumn(d.earlier.Measures[i].Agg) {
			if next < len(names) {
				columns[i] = names[next]
			}
			next++
		}
	}
	if err == nil && len(names) != next {
		err = fmt.Errorf("%w: %s has %d exact answers, its definition %d measures that have one", lake.ErrCorrupt, file, len(names), next)
	}
	return columns, err
}

// join compares the measures cell by cell: of all dimensions, or the totals as sums of these.
func (d *definitions) join(ctx context.Context, before, after, columns []string, measures []commonMeasure, dims int, total bool) error {
	if len(measures) == 0 {
		return nil
	}
	side := func(paths []string, full uint32, column func(commonMeasure) (string, view.Type)) string {
		list := []string{"_bucket", "TRUE AS there"}
		for i := range dims {
			list = append(list, fmt.Sprintf("d%d", i))
		}
		group := ""
		for i, m := range measures {
			name, t := column(m)
			if total {
				name, group = fmt.Sprintf("CAST(sum(%s) AS %s)", name, totalType(t).SQL()), " GROUP BY _bucket"
			}
			list = append(list, fmt.Sprintf("%s AS m%d", name, i))
		}
		return fmt.Sprintf("(SELECT %s FROM read_parquet(%s, hive_partitioning = false) WHERE _grain = %s AND _set = %d%s)",
			strings.Join(list, ", "), lake.PathList(paths), quoteText(d.of.grain.Name), full, group)
	}
	old := side(before, 1<<len(d.earlier.Dimensions)-1, func(m commonMeasure) (string, view.Type) { return columns[m.before], d.earlier.Measures[m.before].Type })
	now := side(after, 1<<len(d.job.view.Dimensions)-1, func(m commonMeasure) (string, view.Type) {
		return d.job.plan.ExactColumns(m.after)[0], d.job.view.Measures[m.after].Type
	})
	list, on, order := []string{"coalesce(a._bucket, b._bucket) AS bucket"}, []string{"a._bucket = b._bucket"}, []string{"1"}
	for i := range dims {
		list = append(list, fmt.Sprintf("CASE WHEN a.there THEN a.d%d ELSE b.d%d END", i, i))
		on = append(on, fmt.Sprintf("a.d%d IS NOT DISTINCT FROM b.d%d", i, i))
		order = append(order, fmt.Sprint(i+2))
	}
	for i := range measures {
		list = append(list, fmt.Sprintf("a.m%d, b.m%d", i, i))
	}
	sql := fmt.Sprintf("SELECT %s FROM %s AS a FULL JOIN %s AS b ON %s ORDER BY %s", strings.Join(list, ", "), old, now, strings.Join(on, " AND "), strings.Join(order, ", "))
	return d.computation.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			d.judge(rows.Row(i), measures, dims, total)
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

func (d *definitions) judge(row algebra.Row, measures []commonMeasure, dims int, total bool) {
	d.book.Cells++
	at := place{grain: d.of.grain.Name, bucket: row.Int64(0), total: total}
	for i := range dims {
		at.dims = append(at.dims, algebra.ReadValue(row, 1+i, d.job.view.Dimensions[i].Type))
	}
	for i, m := range measures {
		measure := &d.job.view.Measures[m.after]
		read := func(col int, t view.Type) algebra.Value {
			stored := t
			switch {
			case total:
				stored = totalType(t)
			case t.Kind == view.Int128:
				stored = view.Type{Kind: view.Decimal, Precision: 38}
			}
			v := algebra.ReadValue(row, col, stored)
			if stored.Kind == view.Decimal && t.Kind != view.Decimal && !v.IsNull() {
				v = algebra.Int128Value(v.Int128())
			}
			return v
		}
		was, now := read(1+dims+2*i, d.earlier.Measures[m.before].Type), read(2+dims+2*i, measure.Type)
		if same(algebra.Answer{Value: was, Exact: measure.Type.Kind != view.Double}, now) {
			continue
		}
		d.book.add(at, measure, []step{{value: was}, {ledger.DefinitionChange, now}}, false)
	}
}
