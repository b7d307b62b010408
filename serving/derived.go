package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// derivedValues are the derived measures of all rows.
type derivedValues struct {
	measures []int
	parts    [][]int // of each of them: positions in question.inputs
	values   [][]algebra.Value
}

// answer is exact if everything that it is made of is. How errors of parts add up is not known, so no bound is given.
func (d derivedValues) answer(row, measure int, inputs []algebra.Answer) algebra.Answer {
	k := slices.Index(d.measures, measure)
	a := algebra.Answer{Value: d.values[row][k], Exact: true}
	for _, p := range d.parts[k] {
		part := inputs[p]
		a.Exact = a.Exact && part.Exact
		a.Overflow = a.Overflow || part.Overflow
	}
	return a
}

// derive computes the derived measures of a sheet's rows from the others, after the merge.
func (s *Server) derive(ctx context.Context, sh *sheet) (derivedValues, error) {
	q := sh.q
	var d derivedValues
	var exprs []string
	inputs := q.inputs()
	for _, m := range q.needed() {
		if q.view.Measures[m].Agg != view.Derived {
			continue
		}
		var at []int
		for _, p := range parts(q.view, m) {
			at = append(at, slices.Index(inputs, p))
		}
		d.measures, d.parts = append(d.measures, m), append(d.parts, at)
		exprs = append(exprs, q.view.Measures[m].Expr)
	}
	if len(exprs) == 0 || len(sh.rows) == 0 {
		return d, nil
	}
	columns := make([]view.Column, len(inputs))
	for i, m := range inputs {
		columns[i] = view.Column{Name: q.view.Measures[m].Name, Type: q.view.Measures[m].Type}
	}
	input := make([][]algebra.Value, len(sh.rows))
	for i := range sh.rows {
		input[i] = make([]algebra.Value, len(columns))
		for k := range columns {
			input[i][k] = sh.rows[i].inputs[k].Value
		}
	}
	key := deriveKey(columns, exprs, input)
	if d.values = s.derived.get(key); d.values != nil {
		return d, nil
	}
	conn, put, err := s.store.reader(ctx)
	if err != nil {
		return d, err
	}
	defer put()
	if d.values, err = conn.Derive(ctx, columns, input, exprs); err != nil {
		return d, s.batchProblem(ctx, fmt.Errorf("compute the derived measures of %s: %w", q.view.Name, err))
	}
	s.derived.keep(key, d.values)
	return d, nil
}

// Bounds of what is kept of derived measures: how many answers, and how many bytes of input one may have.
const (
	derivedKept  = 512
	derivedBytes = 8 << 10
)

// derivedAnswers keeps the derived measures of small inputs, which are a function of them: DuckDB takes a millisecond to divide two numbers.
// The oldest go first.
type derivedAnswers struct {
	mu    sync.Mutex
	kept  map[string][][]algebra.Value
	order []string // the oldest first
}

func newDerivedAnswers() *derivedAnswers {
	return &derivedAnswers{kept: map[string][][]algebra.Value{}}
}

// deriveKey is everything that the derived values depend on; "" where that is too large to be kept, or has lists, which make no key.
func deriveKey(columns []view.Column, exprs []string, input [][]algebra.Value) string {
	var key []byte
	for _, c := range columns {
		if c.Type.Kind == view.Array {
			return ""
		}
		key = fmt.Appendf(key, "%s %s\n", c.Name, c.Type)
	}
	key = append(key, strings.Join(exprs, "\n")...)
	for _, row := range input {
		key = algebra.AppendKey(append(key, '\n'), row)
		if len(key) > derivedBytes {
			return ""
		}
	}
	return string(key)
}

// get returns the values of each row, not to be changed; nil where they are not kept.
func (d *derivedAnswers) get(key string) [][]algebra.Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[key]
}

func (d *derivedAnswers) keep(key string, values [][]algebra.Value) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key == "" || d.kept[key] != nil {
		return
	}
	if len(d.order) == derivedKept {
		delete(d.kept, d.order[0])
		d.order = slices.Delete(d.order, 0, 1)
	}
	d.kept[key] = values
	d.order = append(d.order, key)
}
