package serving

import (
	"cmp"
	"context"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// row is one finished row of the answer.
type row struct {
	time     int64
	end      int64            // of a window's row, as cell.end
	dims     []algebra.Value  // as question.dims
	inputs   []algebra.Answer // as question.inputs
	measures []algebra.Answer // as question.needed, and in the end as question.measures
	changes  []algebra.Answer // as question.changes
	past     *row             // what it is compared with; nil: nothing
	source   source
	counts   counts

	unsettled bool // as of cells
}

func (r *row) hasEvents() bool { return r.source != fromNothing && r.source != fromFill }

// rows finishes the cells: reads the answers off, fills gaps, computes what is made of others, compares, and puts in order what having leaves. It says how
// many rows having has judged by numbers that are not exact.
func (s *Server) rows(ctx context.Context, q *question, m *merged) (rows []row, doubtful int, err error) {
	now := sheetOf(q, m)
	sheets := []*sheet{now}
	if m.earlier != nil {
		sheets = append(sheets, sheetOf(m.earlier.q, m.earlier.m))
		if err := now.meet(sheets[1]); err != nil {
			return nil, 0, err
		}
	}
	for _, sh := range sheets {
		if err := sh.gaps(); err != nil {
			return nil, 0, err
		}
		sh.compose()
		sh.fill()
		if err := s.finish(ctx, sh); err != nil {
			return nil, 0, err
		}
	}
	if m.earlier != nil {
		now.compare(sheets[1])
	}
	doubtful = now.keep()
	for i := range now.rows {
		now.rows[i].measures = now.rows[i].measures[:len(q.measures)]
	}
	slices.SortFunc(now.rows, q.compare)
	return now.rows, doubtful, nil
}

// finish computes the derived measures of a sheet's rows, and puts all that are needed into their order.
func (s *Server) finish(ctx context.Context, sh *sheet) error {
	derived, err := s.derive(ctx, sh)
	if err != nil {
		return err
	}
	inputs, needed := sh.q.inputs(), sh.q.needed()
	for i := range sh.rows {
		r := &sh.rows[i]
		r.measures = make([]algebra.Answer, len(needed))
		for k, m := range needed {
			if at := slices.Index(inputs, m); at >= 0 {
				r.measures[k] = r.inputs[at]
			} else {
				r.measures[k] = derived.answer(i, m, r.inputs)
			}
		}
	}
	return nil
}

// compare orders rows as asked, null last whatever the direction, and then by time and dimensions, so that equal questions have equal answers.
func (q *question) compare(a, b row) int {
	for _, key := range q.order {
		var order int
		switch key.by {
		case byTime:
			order = cmp.Compare(a.time, b.time)
			if key.descending {
				order = -order
			}
		case byDimension:
			order = compareNullLast(a.dims[key.at], b.dims[key.at], key.descending)
		case byMeasure:
			order = compareNullLast(a.measures[key.at].Value, b.measures[key.at].Value, key.descending)
		case byChange:
			order = compareNullLast(a.changes[key.at].Value, b.changes[key.at].Value, key.descending)
		}
		if order != 0 {
			return order
		}
	}
	if order := cmp.Compare(a.time, b.time); order != 0 {
		return order
	}
	return compareDimensions(&a, &b)
}

func compareDimensions(a, b *row) int {
	for i := range a.dims {
		if order := compareNullLast(a.dims[i], b.dims[i], false); order != 0 {
			return order
		}
	}
	return 0
}

func compareNullLast(a, b algebra.Value, descending bool) int {
	switch {
	case a.IsNull() && b.IsNull():
		return 0
	case a.IsNull():
		return 1
	case b.IsNull():
		return -1
	case descending:
		return algebra.Compare(b, a)
	}
	return algebra.Compare(a, b)
}
