package serving

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// cursor is the place of an answer's last row: the next page begins after it. It names the row by what makes it that row, its time and its
// dimensions, and not by a count of rows, so that rows that come or go meanwhile make nothing skip or repeat (docs/adr/0020). That holds
// in an order by time and dimensions; an order by measures, which move, has pages only as of a snapshot.
type cursor struct {
	Definition string `json:"d"` // hash
	Question   []byte `json:"q"` // what all pages have in common
	Time       int64  `json:"t"` // µs UTC
	Key        []byte `json:"k"` // the dimensions, as algebra.AppendKey writes them
}

// rowPlace is a cursor that was read.
type rowPlace struct {
	time int64
	dims []algebra.Value
}

// maxCursor bounds the text of a cursor, in bytes: the values of dimensions stand in it.
const maxCursor = 64 << 10

// resolveCursor reads the cursor that a query goes on from.
func (r *question) resolveCursor(q Query) error {
	r.page = pageOf(r, q)
	if q.Cursor == "" {
		return nil
	}
	bad := invalid("cursor", "give next of the answer before as it is, with everything else the same", "it is no cursor of this API")
	var c cursor
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(q.Cursor) > maxCursor || json.Unmarshal(text, &c) != nil {
		return bad
	}
	dims, err := algebra.DecodeKey(c.Key)
	switch {
	case c.Definition != r.view.Hash:
		return newProblem(http.StatusGone, "gone", "The cursor has expired", "cursor", "answers come from another definition of the view by now", "begin again without a cursor")
	case !slices.Equal(c.Question, r.page):
		return invalid("cursor", "leave everything but limit as it was, or begin again without a cursor", "it belongs to another question")
	case err != nil || len(dims) != len(r.dims):
		return bad
	}
	for i, d := range r.dims {
		if t := r.view.Dimensions[d].Type; dims[i].Kind() != t.Kind && !dims[i].IsNull() && !(dims[i].IsOther() && t.Kind == view.String) {
			return bad
		}
	}
	if !r.hasPages() {
		return invalid("order", "order by time and dimensions, or add as_of with a snapshot's id", "measures change while data flows, so that pages in their order would skip rows")
	}
	r.after = &rowPlace{c.Time, dims}
	return nil
}

// pageOf is a hash of what all pages of an answer have in common.
func pageOf(r *question, q Query) []byte {
	q.Cursor, q.Limit = "", 0
	text, err := json.Marshal(q)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a query: %v", err))
	}
	text = append(text, r.view.Hash...)
	if r.own != nil { // the pages of one caller are none of another's who sees other rows
		text = append(text, r.own.Text...)
	}
	sum := sha256.Sum256(text)
	return sum[:12]
}

// hasPages says whether the order of the rows stays what it is while data flows.
func (r *question) hasPages() bool {
	return r.asOf != "" || !slices.ContainsFunc(r.order, func(k orderKey) bool { return k.by == byMeasure || k.by == byChange })
}

// rest returns the rows after the cursor's. Rows are in the order of the question.
func (q *question) rest(rows []row) []row {
	if q.after == nil {
		return rows
	}
	last := row{time: q.after.time, dims: q.after.dims}
	if q.grain == nil {
		for i := range rows {
			last.time = rows[i].time // there is but one
		}
	}
	if q.asOf != "" { // the row itself is there, and has the measures that it is ordered by
		at := slices.IndexFunc(rows, func(r row) bool { return r.time == last.time && slices.Equal(r.dims, last.dims) })
		return rows[at+1:]
	}
	at := slices.IndexFunc(rows, func(r row) bool { return q.compare(r, last) > 0 })
	if at < 0 {
		return nil
	}
	return rows[at:]
}

// next is the cursor after a row.
func (q *question) next(r row) string {
	if !q.hasPages() {
		return ""
	}
	text, err := json.Marshal(cursor{q.view.Hash, q.page, r.time, algebra.AppendKey(nil, r.dims)})
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a cursor: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
