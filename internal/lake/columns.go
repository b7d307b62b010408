package lake

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// Syntax is what engines say differently about columns of segments.
type Syntax struct {
	Type    func(t view.Type) string   // a type
	Plain   func(column string) string // a column of times as a plain timestamp, in UTC
	Instant func(micros int64) string  // a plain timestamp, µs since the epoch
}

// duckSyntax is DuckDB's: segments say UTC, expressions see plain timestamps.
func duckSyntax() Syntax {
	return Syntax{
		Type:    view.Type.SQL,
		Plain:   func(column string) string { return "make_timestamp(epoch_us(" + column + "))" },
		Instant: func(micros int64) string { return fmt.Sprintf("make_timestamp(%d)", micros) },
	}
}

// Columns says how rows that were written with the definition of are read as rows of src, older or newer than it: an SQL expression for each field
// of src over the columns of the segments, and the condition that src would have taken the record as an event. A column that has another name
// by now is found under the one that it had; one that is new has its default, or is null; a type that was widened is cast. A row that was
// written with a wider definition and is none by src, because of a value that src refuses, is to be left out: so the speed layer has it that
// decodes with src.
func Columns(src, of *view.Source) (fields []string, fits string) {
	return ColumnsIn(duckSyntax(), src, of)
}

// ColumnsIn is Columns in the SQL of another engine.
func ColumnsIn(s Syntax, src, of *view.Source) (fields []string, fits string) {
	var conditions []string
	for i := range src.Fields {
		f := &src.Fields[i]
		held := of.Holder(f)
		if held < 0 {
			fields = append(fields, "CAST("+s.defaultOf(f)+" AS "+s.Type(f.Type)+")")
			continue
		}
		g := &of.Fields[held]
		name := sqltext.Name(g.Name)
		read := name
		switch {
		case f.Type.Kind == view.Timestamp:
			read = s.Plain(name)
		case f.Type == g.Type:
		case !f.Type.Widens(g.Type) && g.Type.Widens(f.Type):
			read = "TRY_CAST(" + name + " AS " + s.Type(f.Type) + ")"
			conditions = append(conditions, fmt.Sprintf("(%s IS NULL OR coalesce(%s = %s, FALSE))", name, read, name))
		default:
			read = "CAST(" + name + " AS " + s.Type(f.Type) + ")"
		}
		if g.Nullable && !f.Nullable {
			if f.Default != nil {
				read = "coalesce(" + read + ", CAST(" + s.defaultOf(f) + " AS " + s.Type(f.Type) + "))"
			} else {
				conditions = append(conditions, name+" IS NOT NULL")
			}
		}
		fields = append(fields, read)
	}
	if conditions == nil {
		return fields, "TRUE"
	}
	return fields, strings.Join(conditions, " AND ")
}

// defaultOf is a field's default as an SQL value, NULL where it has none.
func (s Syntax) defaultOf(f *view.Field) string {
	if f.Default == nil {
		return "NULL"
	}
	text := *f.Default
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal([]byte(text), &text); err != nil {
			panic(fmt.Sprintf("BUG: default %s of field %s was checked: %v", *f.Default, f.Name, err))
		}
	}
	switch f.Type.Kind {
	case view.Timestamp:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			panic(fmt.Sprintf("BUG: default %s of field %s was checked: %v", *f.Default, f.Name, err))
		}
		return s.Instant(at.UnixMicro())
	case view.Double:
		if v, err := strconv.ParseFloat(text, 64); err == nil && v == 0 {
			text = "0" // never -0, as the intake has it
		}
	}
	return sqltext.Text(text)
}
