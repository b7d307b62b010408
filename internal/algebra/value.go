package algebra

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// Value is one typed value of a dimension or an answer. The zero Value is null. Values of one type are equal exactly when == says so,
// so that they may be keys of a map.
type Value struct {
	kind  view.Kind // Invalid: null
	scale uint8     // of Decimal
	lo    uint64    // the value, or the low half of a Decimal or Int128, or the bits of a Double
	hi    int64     // the high half of a Decimal or Int128
	text  string    // of String, and the JSON of an Array
}

// Null is the null value.
func Null() Value { return Value{} }

// StringValue is a string.
func StringValue(s string) Value { return Value{kind: view.String, text: s} }

// Int64Value is a 64-bit integer.
func Int64Value(x int64) Value { return Value{kind: view.Int64, lo: uint64(x)} }

// Int128Value is a 128-bit integer.
func Int128Value(x Int128) Value { return Value{kind: view.Int128, lo: x.Lo, hi: x.Hi} }

// DecimalValue is unscaled/10^scale.
func DecimalValue(unscaled Int128, scale uint8) Value {
	return Value{kind: view.Decimal, scale: scale, lo: unscaled.Lo, hi: unscaled.Hi}
}

// FloatValue is a double. The two zeros are one value, and so are all NaNs.
func FloatValue(x float64) Value { return Value{kind: view.Double, lo: floatBits(x)} }

// BoolValue is a truth value.
func BoolValue(x bool) Value {
	if x {
		return Value{kind: view.Bool, lo: 1}
	}
	return Value{kind: view.Bool}
}

// TimestampValue is an instant, µs since the epoch.
func TimestampValue(us int64) Value { return Value{kind: view.Timestamp, lo: uint64(us)} }

// DateValue is a day, counted from 1970-01-01.
func DateValue(days int64) Value { return Value{kind: view.Date, lo: uint64(days)} }

// arrayValue is a list, as JSON.
func arrayValue(json []byte) Value { return Value{kind: view.Array, text: string(json)} }

// floatBits is the canonical bit pattern of a double: one zero, one NaN.
func floatBits(x float64) uint64 {
	switch {
	case x == 0:
		return 0
	case x != x:
		return 0x7ff8000000000000
	}
	return math.Float64bits(x)
}

// Kind is the kind of the value; Invalid for null.
func (v Value) Kind() view.Kind { return v.kind }

// IsNull says whether the value is null.
func (v Value) IsNull() bool { return v.kind == view.Invalid }

// Scale is the number of digits behind the point of a decimal.
func (v Value) Scale() uint8 { return v.scale }

// Text is the text of a String, and the JSON of an Array.
func (v Value) Text() string { return v.text }

// Int64 is the value of an Int64, Bool (0 or 1), Timestamp (µs) or Date (days).
func (v Value) Int64() int64 { return int64(v.lo) }

// Bool is the value of a Bool.
func (v Value) Bool() bool { return v.lo != 0 }

// Int128 is the value of an Int64 or Int128, or the unscaled value of a Decimal.
func (v Value) Int128() Int128 {
	if v.kind == view.Int128 || v.kind == view.Decimal {
		return Int128{Lo: v.lo, Hi: v.hi}
	}
	return Int128Of(int64(v.lo))
}

// Float64 is the value of a number as the nearest double; 0 for what is no number.
func (v Value) Float64() float64 {
	switch v.kind {
	case view.Double:
		return math.Float64frombits(v.lo)
	case view.Decimal:
		return decimalFloat(v.Int128(), v.scale)
	case view.Int64, view.Int128:
		return v.Int128().Float64()
	}
	return 0
}

// decimalFloat is x/10^scale.
func decimalFloat(x Int128, scale uint8) float64 { return x.Float64() / math.Pow10(int(scale)) }

// Compare orders values: null first, numbers by their size whatever their type, NaN last among them, and else by kind and content.
func Compare(a, b Value) int {
	an, bn := a.numeric(), b.numeric()
	switch {
	case a.IsNull() || b.IsNull():
		return cmp.Compare(min(1, int(a.kind)), min(1, int(b.kind)))
	case an && bn:
		return compareNumbers(a, b)
	case a.kind != b.kind:
		return cmp.Compare(a.kind, b.kind)
	case a.kind == view.String || a.kind == view.Array:
		return strings.Compare(a.text, b.text)
	}
	return cmp.Compare(int64(a.lo), int64(b.lo))
}

func (v Value) numeric() bool {
	return v.kind == view.Int64 || v.kind == view.Int128 || v.kind == view.Decimal || v.kind == view.Double
}

func compareNumbers(a, b Value) int {
	if a.kind != view.Double && b.kind != view.Double {
		scale := max(a.scale, b.scale)
		x, okX := a.Int128().Rescale(a.scale, scale)
		y, okY := b.Int128().Rescale(b.scale, scale)
		if okX && okY {
			return x.Cmp(y)
		}
	}
	return compareFloats(a.Float64(), b.Float64())
}

// compareFloats orders doubles as DuckDB does: NaN is the greatest.
func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b || a != a && b != b:
		return 0
	case a != a:
		return 1
	}
	return -1
}

// AppendText appends the value as a person reads it: decimals with their scale, times in RFC 3339, null as nothing.
func (v Value) AppendText(dst []byte) []byte {
	switch v.kind {
	case view.String, view.Array:
		return append(dst, v.text...)
	case other:
		return append(dst, OtherText...)
	case view.Int64:
		return strconv.AppendInt(dst, int64(v.lo), 10)
	case view.Int128:
		return v.Int128().AppendText(dst)
	case view.Decimal:
		return v.Int128().AppendScaled(dst, v.scale)
	case view.Double:
		return strconv.AppendFloat(dst, v.Float64(), 'g', -1, 64)
	case view.Bool:
		return strconv.AppendBool(dst, v.lo != 0)
	case view.Timestamp:
		return time.UnixMicro(int64(v.lo)).UTC().AppendFormat(dst, time.RFC3339Nano)
	case view.Date:
		return time.Unix(int64(v.lo)*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
	}
	return dst
}

// String is the text of AppendText; null is "null".
func (v Value) String() string {
	if v.IsNull() {
		return "null"
	}
	return string(v.AppendText(nil))
}

// safeInteger bounds the integers that every JSON reader keeps exactly.
const safeInteger = 1 << 53

// AppendJSON appends the value as JSON: decimals, integers beyond 2^53 and doubles that are no numbers as strings, times in RFC 3339.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case view.Invalid:
		return append(dst, "null"...)
	case view.String:
		return appendJSONString(dst, v.text)
	case view.Array:
		return append(dst, v.text...)
	case view.Bool:
		return v.AppendText(dst)
	case view.Int64, view.Int128:
		if x, ok := v.Int128().Int64(); ok && x <= safeInteger && x >= -safeInteger {
			return strconv.AppendInt(dst, x, 10)
		}
	case view.Double:
		if x := v.Float64(); !math.IsNaN(x) && !math.IsInf(x, 0) {
			return strconv.AppendFloat(dst, x, 'g', -1, 64)
		}
	}
	dst = append(dst, '"')
	dst = v.AppendText(dst)
	return append(dst, '"')
}

// MarshalJSON is AppendJSON for encoding/json.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// appendJSONString quotes a string; bytes that are no UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < 0x20 || r == 0x7f || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// SQL is the value as a literal of DuckDB and Trino alike.
func (v Value) SQL() string {
	switch v.kind {
	case view.Invalid:
		return "NULL"
	case view.String:
		return TextSQL(v.text)
	case view.Decimal:
		return fmt.Sprintf("CAST('%s' AS DECIMAL(38,%d))", v, v.scale)
	case view.Int128:
		return fmt.Sprintf("CAST('%s' AS DECIMAL(38,0))", v)
	case view.Int64:
		return fmt.Sprintf("CAST('%s' AS BIGINT)", v)
	case view.Double:
		return fmt.Sprintf("CAST('%s' AS DOUBLE)", v)
	case view.Timestamp:
		return "TIMESTAMP '" + time.UnixMicro(int64(v.lo)).UTC().Format("2006-01-02 15:04:05.999999") + "'"
	case view.Date:
		return "DATE '" + v.String() + "'"
	}
	return v.String()
}

// TextSQL is a text as SQL. A zero byte, which would end the statement for DuckDB, is written as what it is.
func TextSQL(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return sqltext.Text(s)
	}
	return "concat(" + strings.ReplaceAll(sqltext.Text(s), "\x00", "', chr(0), '") + ")"
}

// ParseValue reads a value of type t as AppendText writes it.
func ParseValue(text string, t view.Type) (Value, error) {
	switch t.Kind {
	case view.String:
		return StringValue(text), nil
	case view.Bool:
		if b, err := strconv.ParseBool(text); err == nil {
			return BoolValue(b), nil
		}
	case view.Int64:
		if x, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Int64Value(x), nil
		}
	case view.Int128:
		if x, ok := ParseInt128(text); ok {
			return Int128Value(x), nil
		}
	case view.Decimal:
		whole, fraction, _ := strings.Cut(text, ".")
		if len(fraction) <= int(t.Scale) {
			x, ok := ParseInt128(whole + fraction + strings.Repeat("0", int(t.Scale)-len(fraction)))
			if ok && x.FitsDigits(t.Precision) {
				return DecimalValue(x, t.Scale), nil
			}
		}
	case view.Double:
		if x, err := strconv.ParseFloat(text, 64); err == nil {
			return FloatValue(x), nil
		}
	case view.Timestamp:
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return TimestampValue(at.UnixMicro()), nil
		}
	case view.Date:
		if at, err := time.Parse(time.DateOnly, text); err == nil {
			return DateValue(at.Unix() / 86400), nil
		}
	}
	return Value{}, fmt.Errorf("read %q as %s: it is none", text, t)
}
