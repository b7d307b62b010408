package training

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// streamReader feeds a sweep with the rows of a stream.
type streamReader struct {
	sweep    *sweep
	results  *results
	key      view.Type
	last     []byte // the entity's value
	now      []byte
	began    bool
	features []algebra.Value
}

func (r *streamReader) read(c *engine.Chunk) error {
	for i := range c.Len() {
		row := c.Row(i)
		r.now = appendKey(r.now[:0], row, r.key)
		if !r.began || !bytes.Equal(r.now, r.last) {
			r.sweep.reset()
			r.began = true
			r.now, r.last = r.last, r.now
		}
		at, known, number := row.Int64(streamTime), row.Int64(streamKnown), row.Int64(streamRow)
		if number >= 0 {
			r.sweep.row(at, known, r.features)
			r.results.add(number, r.features)
			continue
		}
		for v, into := 0, r.sweep.event(at, known); v < len(into); v++ {
			if !row.Null(streamValues + v) {
				into[v] = row.Value(streamValues + v)
			}
		}
	}
	return nil
}

// appendKey appends an entity's value, of one type: equal bytes are equal values.
func appendKey(dst []byte, row *engine.Row, t view.Type) []byte {
	switch {
	case t.Kind == view.String:
		return append(dst, row.Bytes(streamKey)...)
	case t.Wide():
		x := row.Int128(streamKey)
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, x.Lo), uint64(x.Hi))
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(row.Int64(streamKey)))
}

// results are the features of a stream on their way into a table: _row, and f<i> for each.
type results struct {
	conn   *engine.Conn
	source *view.Source // of a made-up source: its fields are the features
	input  *engine.Input
	rows   *intake.Rows
	table  string
}

func resultsTable(stream int) string { return fmt.Sprintf("features%d", stream) }

func newResults(conn *engine.Conn, features []view.Feature, stream int) (*results, error) {
	r := &results{conn: conn, source: &view.Source{Name: "features"}, table: resultsTable(stream)}
	for i := range features {
		r.source.Fields = append(r.source.Fields, view.Field{Name: fmt.Sprintf("f%d", i), Type: resultType(&features[i].Measure), Nullable: true})
	}
	r.rows = intake.NewRows(r.source)
	var err error
	r.input, err = conn.RegisterRows(r.table+"_rows", r.source)
	return r, err
}

// resultType is the type that a feature is written at: 128-bit integers are decimals without a scale, which every reader of Parquet knows.
func resultType(m *view.Measure) view.Type {
	if m.Type.Kind == view.Int128 {
		return view.Type{Kind: view.Decimal, Precision: 38}
	}
	return m.Type
}

func (r *results) create(ctx context.Context) error {
	columns := []string{"_row BIGINT"}
	for _, f := range r.source.Fields {
		columns = append(columns, f.Name+" "+f.Type.SQL())
	}
	return r.conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", r.table, strings.Join(columns, ", ")))
}

// add takes up the features of a row of the set.
func (r *results) add(row int64, features []algebra.Value) {
	i := r.rows.Extend()
	r.rows.Offset[i] = row
	for c, v := range features {
		if v.IsNull() {
			continue
		}
		switch t := r.source.Fields[c].Type; {
		case t.Kind == view.String:
			r.rows.SetBytes(c, i, []byte(v.Text()))
		case t.Kind == view.Double:
			r.rows.SetWord(c, i, int64(math.Float64bits(v.Float64())))
		case t.Wide():
			r.rows.SetWide(c, i, v.Int128())
		default:
			r.rows.SetWord(c, i, v.Int64())
		}
	}
}

// flush puts what was added into the table.
func (r *results) flush(ctx context.Context) error {
	r.input.Set(r.rows, nil, r.rows.Len())
	err := r.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT _offset, %s FROM %s", r.table, strings.Join(names("f", len(r.source.Fields)), ", "), r.input.From()))
	r.input.Clear()
	r.rows.Reset()
	return err
}
