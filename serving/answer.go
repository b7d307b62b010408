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
	end      int64           // of a window's row, as cell.end
	dims     []algebra.Value // as question.dims
	measures []algebra.Answer
	source   source
	counts   counts

	unsettled bool // as of cells
}

// rows finishes the cells: reads the answers off, computes the derived measures, and orders.
func (s *Server) rows(ctx context.Context, q *question, cs *cells) ([]row, error) {
	found := make([]row, 0, len(cs.byKey))
	stored := make([][]algebra.Answer, 0, len(cs.byKey)) // as question.stored
	for _, c := range cs.byKey {
		if c.counts.events == 0 {
			continue // nothing but events on which the view's filter failed
		}
		from := c.source()
		if q.exact {
			from = fromLake
		}
		found = append(found, row{time: c.bucket, end: c.end, dims: c.dims, source: from, counts: c.counts, unsettled: c.unsettled})
		stored = append(stored, c.answer(cs.plan, q.stored))
	}
	derived, err := s.derive(ctx, q, stored)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].measures = make([]algebra.Answer, len(q.measures))
		for k, m := range q.measures {
			if at := slices.Index(q.stored, m); at >= 0 {
				found[i].measures[k] = stored[i][at]
			} else {
				found[i].measures[k] = derived.answer(i, m, q, stored[i])
			}
		}
	}
	slices.SortFunc(found, q.compare)
	return found, nil
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
		}
		if order != 0 {
			return order
		}
	}
	if order := cmp.Compare(a.time, b.time); order != 0 {
		return order
	}
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
