package pgwire

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// wireType is a type as PostgreSQL knows it.
type wireType struct {
	oid  uint32
	size int16 // bytes; -1: any number
}

// wireTypes are PostgreSQL's types of DuckDB's, and of lists of them.
var wireTypes = map[string]struct{ plain, list wireType }{
	"BOOLEAN": {wireType{16, 1}, wireType{1000, -1}}, "TINYINT": {wireType{21, 2}, wireType{1005, -1}}, "SMALLINT": {wireType{21, 2}, wireType{1005, -1}}, "UTINYINT": {wireType{21, 2}, wireType{1005, -1}},
	"INTEGER": {wireType{23, 4}, wireType{1007, -1}}, "USMALLINT": {wireType{23, 4}, wireType{1007, -1}}, "BIGINT": {wireType{20, 8}, wireType{1016, -1}}, "UINTEGER": {wireType{20, 8}, wireType{1016, -1}},
	"HUGEINT": {wireType{1700, -1}, wireType{1231, -1}}, "UBIGINT": {wireType{1700, -1}, wireType{1231, -1}}, "DECIMAL": {wireType{1700, -1}, wireType{1231, -1}},
	"FLOAT": {wireType{700, 4}, wireType{1021, -1}}, "DOUBLE": {wireType{701, 8}, wireType{1022, -1}}, "VARCHAR": {wireType{25, -1}, wireType{1009, -1}}, "NULL": {wireType{25, -1}, wireType{1009, -1}},
	"BLOB": {wireType{17, -1}, wireType{}}, "DATE": {wireType{1082, 4}, wireType{1182, -1}}, "TIME": {wireType{1083, 8}, wireType{}}, "TIMESTAMP": {wireType{1114, 8}, wireType{1115, -1}},
	"LIST": {wireType{1009, -1}, wireType{}}, "TIMESTAMP WITH TIME ZONE": {wireType{1184, 8}, wireType{1185, -1}}, "INTERVAL": {wireType{1186, 16}, wireType{}}, "UUID": {wireType{2950, 16}, wireType{}},
}

// typeOf is PostgreSQL's type; its oid is 0 where it has none.
func typeOf(sql string, isList bool) wireType {
	if isList {
		return wireTypes[sql].list
	}
	return wireTypes[sql].plain
}

// parameterSQL is the type that a parameter of PostgreSQL's is cast to; "" for what the statement has to say.
func parameterSQL(oid uint32) string {
	switch oid {
	case 0, 705:
		return ""
	case 25, 1043, 1042, 19, 18:
		return "VARCHAR"
	case 1015:
		return "VARCHAR[]"
	case 26:
		return "BIGINT"
	case 1700:
		return "DECIMAL"
	}
	for _, name := range []string{"VARCHAR", "BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "UUID", "BLOB"} {
		if wireTypes[name].plain.oid == oid {
			return name
		}
		if wireTypes[name].list.oid == oid && oid != 0 {
			return name + "[]"
		}
	}
	return ""
}

// columnSQL is the type that a column of a relation has: its times are instants.
func columnSQL(t view.Type) string {
	switch t.Kind {
	case view.Timestamp:
		return "TIMESTAMP WITH TIME ZONE"
	case view.Decimal:
		return "DECIMAL"
	case view.List:
		if t.Item == view.Timestamp {
			return columnSQL(t.Element()) + "[]"
		}
	}
	return t.SQL()
}

// encoder writes the values of a column.
type encoder struct {
	column engine.ColumnInfo
	to     wireType
	binary bool
	types  *pgtype.Map
}

// newEncoder refuses what PostgreSQL has no word for.
func newEncoder(c engine.ColumnInfo, binary bool, types *pgtype.Map) (encoder, error) {
	e := encoder{column: c, to: typeOf(c.SQL, c.List), binary: binary, types: types}
	if e.to.oid == 0 {
		return e, fail(stateNotSupported, "cast it to text", "column %q is of a type that is not sent", c.Name)
	}
	return e, nil
}

// append writes column col of a row; nil is null.
func (e *encoder) append(row *engine.Row, col int) ([]byte, error) {
	if row.Null(col) {
		return nil, nil
	}
	if e.binary {
		value, err := e.value(row, col)
		if err != nil {
			return nil, err
		}
		return e.types.Encode(e.to.oid, pgtype.BinaryFormatCode, value, make([]byte, 0, 16))
	}
	switch {
	case e.column.List:
		return []byte(arrayText(row.Items(col), e.column.SQL)), nil
	case e.column.SQL == "INTERVAL":
		return []byte(intervalText(row.Interval(col))), nil
	case e.column.SQL == "TIME":
		return []byte(timeOfDay(row.Micros(col))), nil
	case e.column.SQL == "UUID":
		return []byte(uuidText(row.UUID(col))), nil
	case e.column.SQL == "BLOB":
		return []byte(`\x` + hex.EncodeToString(row.Bytes(col))), nil
	case e.column.SQL == "VARCHAR":
		return append([]byte{}, row.Bytes(col)...), nil
	}
	return []byte(plainText(row.Value(col), e.column.SQL)), nil
}

// plainText is a value as PostgreSQL writes it.
func plainText(v algebra.Value, sql string) string {
	switch v.Kind() {
	case view.Bool:
		if v.Bool() {
			return "t"
		}
		return "f"
	case view.Double:
		return floatText(v.Float64(), sql)
	case view.Timestamp:
		text := yearText(micros(v.Int64()), "2006-01-02 15:04:05.999999")
		if sql == "TIMESTAMP WITH TIME ZONE" {
			era := ""
			if strings.HasSuffix(text, " BC") {
				text, era = strings.TrimSuffix(text, " BC"), " BC"
			}
			return text + "+00" + era
		}
		return text
	case view.Date:
		return yearText(time.Unix(v.Int64()*86400, 0).UTC(), time.DateOnly)
	}
	return v.String()
}

// yearText writes years before the first one as PostgreSQL does.
func yearText(t time.Time, layout string) string {
	if t.Year() > 0 {
		return t.Format(layout)
	}
	return time.Date(1-t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC).Format(layout) + " BC"
}

func floatText(x float64, sql string) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case math.IsInf(x, 1):
		return "Infinity"
	case math.IsInf(x, -1):
		return "-Infinity"
	case sql == "FLOAT":
		return strconv.FormatFloat(x, 'g', -1, 32)
	}
	if magnitude := math.Abs(x); magnitude >= 1e-4 && magnitude < 1e15 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

func timeOfDay(us int64) string {
	return micros(us).Format("15:04:05.999999")
}

func intervalText(i engine.Interval) string {
	var parts []string
	for _, p := range []struct {
		n    int32
		name string
	}{{i.Months / 12, "year"}, {i.Months % 12, "mon"}, {i.Days, "day"}} {
		if p.n != 0 {
			plural := "s"
			if p.n == 1 {
				plural = ""
			}
			parts = append(parts, fmt.Sprintf("%d %s%s", p.n, p.name, plural))
		}
	}
	if i.Micros != 0 || len(parts) == 0 {
		sign, us := "", i.Micros
		if us < 0 {
			sign, us = "-", -us
		}
		text := fmt.Sprintf("%s%02d:%02d:%02d", sign, us/3_600_000_000, us/60_000_000%60, us/1_000_000%60)
		if rest := us % 1_000_000; rest != 0 {
			text += strings.TrimRight(fmt.Sprintf(".%06d", rest), "0")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func uuidText(x algebra.Int128) string {
	h := fmt.Sprintf("%016x%016x", uint64(x.Hi), x.Lo)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// arrayText is a list as PostgreSQL writes it: {a,"b c",NULL}.
func arrayText(items []algebra.Value, sql string) string {
	parts := make([]string, len(items))
	for i, v := range items {
		switch {
		case v.IsNull():
			parts[i] = "NULL"
		case v.Kind() == view.String:
			parts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.Text()) + `"`
		case v.Kind() == view.Timestamp:
			parts[i] = `"` + plainText(v, sql) + `"`
		default:
			parts[i] = plainText(v, sql)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// value is column col of a row, which is not null, as pgtype takes it.
func (e *encoder) value(row *engine.Row, col int) (any, error) {
	switch {
	case e.column.List:
		items := make([]any, 0)
		for _, v := range row.Items(col) {
			items = append(items, e.plain(v))
		}
		return items, nil
	case e.column.SQL == "INTERVAL":
		i := row.Interval(col)
		return pgtype.Interval{Months: i.Months, Days: i.Days, Microseconds: i.Micros, Valid: true}, nil
	case e.column.SQL == "TIME":
		return pgtype.Time{Microseconds: row.Micros(col), Valid: true}, nil
	case e.column.SQL == "UUID":
		return uuidText(row.UUID(col)), nil
	case e.column.SQL == "BLOB":
		return append([]byte{}, row.Bytes(col)...), nil
	}
	return e.plain(row.Value(col)), nil
}

func (e *encoder) plain(v algebra.Value) any {
	switch v.Kind() {
	case view.Invalid:
		return nil
	case view.Bool:
		return v.Bool()
	case view.Int64:
		if strings.HasPrefix(e.column.SQL, "HUGE") || e.column.SQL == "UBIGINT" {
			break
		}
		return v.Int64()
	case view.Double:
		return v.Float64()
	case view.Timestamp:
		return micros(v.Int64())
	case view.Date:
		return time.Unix(v.Int64()*86400, 0).UTC()
	case view.String, view.Array:
		return v.Text()
	}
	x := v.Int128()
	whole := new(big.Int).Lsh(big.NewInt(x.Hi), 64)
	whole.Add(whole, new(big.Int).SetUint64(x.Lo))
	return pgtype.Numeric{Int: whole, Exp: -int32(v.Scale()), Valid: true}
}
