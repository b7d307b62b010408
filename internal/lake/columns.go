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
	Type    func(t view.Type) string                // a type
	Plain   func(t view.Type, column string) string // a column of times, or of arrays of them, as plain timestamps, in UTC
	Instant func(micros int64) string               // a plain timestamp, µs since the epoch
	Full    func(column string) string              // whether no element of an array is null
}

// PlainTime is a time of a segment, which says UTC, as expressions see it: a plain timestamp.
func PlainTime(name string) string { return "make_timestamp(epoch_us(" + name + "))" }

// MomentTime is a plain timestamp, which means UTC, as files have it: one that says so.
func MomentTime(name string) string { return "make_timestamptz(epoch_us(" + name + "))" }

// duckSyntax is DuckDB's: segments say UTC, expressions see plain timestamps.
func duckSyntax() Syntax {
	return Syntax{
		Type:    view.Type.SQL,
		Plain:   func(t view.Type, column string) string { return t.Times(column, PlainTime) },
		Instant: func(micros int64) string { return fmt.Sprintf("make_timestamp(%d)", micros) },
		Full:    func(column string) string { return "len(" + column + ") = list_count(" + column + ")" },
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
		read := s.Plain(f.Type, name)
		if g.Type.Holes && !f.Type.Holes {
			conditions = append(conditions, fmt.Sprintf("(%s IS NULL OR %s)", name, s.Full(name)))
		}
		switch {
		case read != name, f.Type == g.Type:
		case !f.Type.Widens(g.Type) && g.Type.Widens(f.Type):
			read = "TRY_CAST(" + name + " AS " + s.Type(f.Type) + ")"
			same := fmt.Sprintf("coalesce(%s = %s, FALSE)", read, name)
			if f.Type.Kind == view.List {
				same = read + " IS NOT DISTINCT FROM " + name // their elements may be null
			}
			conditions = append(conditions, fmt.Sprintf("(%s IS NULL OR %s)", name, same))
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
