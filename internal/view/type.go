package view

import "fmt"

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
)

// Type is a column's type.
type Type struct {
	Kind      Kind
	Precision uint8
	Scale     uint8
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
	}
	return "NULL"
}

// Wide says whether values need 128 bits.
func (t Type) Wide() bool { return t.Kind == Int128 || t.Kind == Decimal && t.Precision > 18 }
