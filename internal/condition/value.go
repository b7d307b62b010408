package condition

import (
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// literal reads a token as a value of a column's type. A number is compared with numbers and a text with texts: nothing is converted
// silently, except that times and dates are written as texts.
func literal(t token, c view.Column) (algebra.Value, error) {
	fail := func(suggestion string) (algebra.Value, error) {
		if t.keyword("null") {
			suggestion = fmt.Sprintf("write: %s is null", c.Name)
		}
		return algebra.Value{}, &Mistake{At: t.at, Reason: fmt.Sprintf("%s is no value of %s, which is %s", t, c.Name, c.Type), Suggestion: suggestion}
	}
	switch c.Type.Kind {
	case view.String:
		if t.kind == tokenText {
			return algebra.StringValue(t.text), nil
		}
		return fail("put text in single quotes: " + sqltext.Text(t.text))
	case view.Bool:
		if t.keyword("true") || t.keyword("false") {
			return algebra.BoolValue(t.keyword("true")), nil
		}
		return fail("write true or false")
	case view.Timestamp:
		if t.kind == tokenText {
			if us, ok := ParseInstant(t.text, time.UTC); ok {
				return algebra.TimestampValue(us), nil
			}
		}
		return fail("write a time as '2011-03-04T10:00:00Z'")
	case view.Date:
		if t.kind == tokenText {
			if v, err := algebra.ParseValue(t.text, c.Type); err == nil {
				return v, nil
			}
		}
		return fail("write a date as '2011-03-04'")
	}
	if t.kind != tokenNumber {
		return fail("write a number, without quotes")
	}
	if v, err := algebra.ParseValue(t.text, c.Type); err == nil {
		return v, nil
	}
	return fail(numberSuggestion(c.Type))
}

func numberSuggestion(t view.Type) string {
	switch t.Kind {
	case view.Decimal:
		return fmt.Sprintf("write a number with at most %d digits behind the point", t.Scale)
	case view.Double:
		return "write a number such as -12.5 or 1e6"
	}
	return "write a whole number"
}

// instantLayouts are the ways to write a time, tried in turn; those without an offset are in the zone of the view.
var instantLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-01", "2006",
}

// ParseInstant reads a time, in µs UTC.
func ParseInstant(text string, loc *time.Location) (us int64, ok bool) {
	for _, layout := range instantLayouts {
		if at, err := time.ParseInLocation(layout, text, loc); err == nil {
			return at.UnixMicro(), true
		}
	}
	return 0, false
}
