package algebra

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// narrowDigits bounds the digits of an integer that is multiplied in 64 bits, so that it is one of 32 itself.
const narrowDigits = 9

// narrowed is the product of an integer column and a decimal column at the decimal type t, as the cast of the expression computes it: DuckDB multiplies both as
// numbers of 128 bits, because an integer may have 19 digits; where it has so few that the product has no more than 18, it is multiplied in 64, which takes a
// fifth of the time. It is "" for all other expressions: in brackets, say.
func narrowed(src *view.Source, expr string, t view.Type) string {
	left, right, product := strings.Cut(expr, "*")
	if !product {
		return ""
	}
	integer, factor := bareColumn(src, left), bareColumn(src, right)
	if integer != nil && factor != nil && integer.Type.Kind == view.Decimal {
		integer, factor = factor, integer
	}
	if integer == nil || factor == nil || integer.Type.Kind != view.Int64 || factor.Type.Kind != view.Decimal || factor.Type.Precision >= 18 ||
		t.Kind != view.Decimal || t.Scale < factor.Type.Scale {
		return ""
	}
	digits := min(18-int(factor.Type.Precision), narrowDigits)
	most := pow10(uint8(digits)) - 1
	return fmt.Sprintf("CASE WHEN %[1]s BETWEEN -%[2]d AND %[2]d THEN CAST(CAST(%[1]s AS DECIMAL(%[3]d,0)) * %[4]s AS %[5]s) ELSE CAST((%[6]s) AS %[5]s) END",
		sqltext.Name(integer.Name), most, digits, sqltext.Name(factor.Name), storedType(t).SQL(), expr)
}
