package view

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Kind is a family of column types.
type Kind uint8

// The kinds of this version.
const (
	Invalid Kind = iota
	String
	Int64
	Decimal // Precision 1..38, Scale 0..Precision
	Double
	Bool
	Timestamp // microseconds since the epoch, UTC
	Date      // days since the epoch
	Int128    // sums of integers; answers only
	Array     // JSON: what top_k and histogram answer; answers only
	List      // array<T>, of values of a scalar kind; columns of a source only
)

// ColumnKinds lists the kinds that a column of a source can be of, and an element of one that is a list.
func ColumnKinds() []Kind { return []Kind{String, Int64, Decimal, Double, Bool, Timestamp, Date} }

// Type is a column's type.
type Type struct {
	Kind      Kind
	Precision uint8 // of a list that of its elements; so is Scale
	Scale     uint8
	Item      Kind // of a list: its elements' kind, one of ColumnKinds
	Holes     bool // of a list: its elements may be null
}

// String is the type as a definition writes it.
func (t Type) String() string {
	switch t.Kind {
	case String:
		return "string"
	case Int64:
		return "int64"
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Double:
		return "double"
	case Bool:
		return "bool"
	case Timestamp:
		return "timestamp"
	case Date:
		return "date"
	case Int128:
		return "int128"
	case Array:
		return "array"
	case List:
		return t.list()
	}
	return "invalid"
}

// SQL is the type as DuckDB writes it.
func (t Type) SQL() string {
	switch t.Kind {
	case String:
		return "VARCHAR"
	case Int64:
		return "BIGINT"
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case Double:
		return "DOUBLE"
	case Bool:
		return "BOOLEAN"
	case Timestamp:
		return "TIMESTAMP"
	case Date:
		return "DATE"
	case Int128:
		return "HUGEINT"
	case Array:
		return "VARCHAR"
	case List:
		return t.Element().SQL() + "[]"
	}
	return "NULL"
}

// Wide says whether values need 128 bits.
func (t Type) Wide() bool { return t.Kind == Int128 || t.Kind == Decimal && t.Precision > 18 }

// ParseType reads a type as a definition writes it: string, int64 (also int, int32, bigint), decimal(p,s), double (also float), bool,
// timestamp, date, or array<T> of one of them. The error says what was perhaps meant.
func ParseType(s string) (Type, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	switch name {
	case "string":
		return Type{Kind: String}, nil
	case "int64", "int", "int32", "bigint":
		return Type{Kind: Int64}, nil
	case "double", "float":
		return Type{Kind: Double}, nil
	case "bool":
		return Type{Kind: Bool}, nil
	case "timestamp":
		return Type{Kind: Timestamp}, nil
	case "date":
		return Type{Kind: Date}, nil
	}
	if m := regexp.MustCompile(`^decimal\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)$`).FindStringSubmatch(name); m != nil {
		p, errP := strconv.Atoi(m[1])
		sc, errS := strconv.Atoi(m[2])
		if errP != nil || errS != nil || p < 1 || p > 38 || sc > p {
			return Type{}, fmt.Errorf("type %q is out of range: decimal(p,s) has 1 to 38 digits, s of them behind the point", s)
		}
		return Type{Kind: Decimal, Precision: uint8(p), Scale: uint8(sc)}, nil
	}
	if element, ok := elementText(name); ok {
		return parseList(s, element)
	}
	return Type{}, fmt.Errorf("unknown type %q: %s", s, typeMend(name))
}

// typeMend is what was meant by a name that is no type here.
func typeMend(name string) string {
	if mend := listMend(name); mend != "" {
		return mend
	}
	base, _, _ := strings.Cut(name, "(")
	switch strings.TrimSpace(base) {
	case "text", "varchar", "char", "str", "uuid", "json":
		return "write string"
	case "integer", "long", "smallint", "tinyint", "uint32", "uint64", "number":
		return "write int64"
	case "hugeint", "int128":
		return "write decimal(38,0)"
	case "decimal", "numeric", "money":
		return `write decimal(precision,scale), e.g. "decimal(18,2)"`
	case "real", "float64", "float32", "double precision":
		return "write double"
	case "boolean":
		return "write bool"
	case "datetime", "timestamptz", "time":
		return "write timestamp"
	}
	types := []string{"string", "int64", "decimal(p,s)", "double", "bool", "timestamp", "date", "array<T>"}
	if near := nearest(name, types); near != "" {
		return didYouMean(near)
	}
	return "the types are " + list(types)
}

// UnmarshalText reads a type as String wrote it, those of answers included.
func (t *Type) UnmarshalText(b []byte) error {
	switch string(b) {
	case "int128":
		*t = Type{Kind: Int128}
		return nil
	case "array":
		*t = Type{Kind: Array}
		return nil
	}
	parsed, err := ParseType(string(b))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// MarshalText writes the type as String does.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
