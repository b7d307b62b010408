package serving

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// filterView has a dimension of each type that a filter can look at.
func filterView() *view.View {
	return &view.View{
		Name:   "v",
		Source: &view.Source{Fields: []view.Field{{Name: "email"}}},
		Dimensions: []view.Dimension{
			{Name: "country", Type: view.Type{Kind: view.String}},
			{Name: "size", Type: view.Type{Kind: view.Int64}},
			{Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 10, Scale: 2}},
			{Name: "paid", Type: view.Type{Kind: view.Bool}},
			{Name: "day", Type: view.Type{Kind: view.Date}},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}},
			{Name: "odd name", Type: view.Type{Kind: view.Double}},
		},
		Measures: []view.Measure{{Name: "revenue"}},
	}
}

// cellValues is a cell of filterView: France, 7, 12.50, true, 2024-03-01, 2024-03-01T10:00:00Z, null.
func cellValues() []algebra.Value {
	return []algebra.Value{
		algebra.StringValue("France"), algebra.Int64Value(7), algebra.DecimalValue(algebra.Int128Of(1250), 2), algebra.BoolValue(true),
		algebra.DateValue(19783), algebra.TimestampValue(1709287200_000000), algebra.Null(),
	}
}

func TestFilterSaysWhichCellsPass(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                      true,
		"country = 'France'":                    true,
		"country != 'France'":                   false,
		"country <> 'Spain'":                    true,
		"country < 'G' and country >= 'France'": true,
		"COUNTRY = 'France' OR country = 'x'":   false, // refused, see below
		"country in ('Spain', 'France')":        true,
		"country not in ('Spain', 'France')":    false,
		"not country in ('Spain')":              true,
		"not not country = 'France'":            true,
		"country like 'Fr%e'":                   true,
		"country like 'F_ance'":                 true,
		"country not like '%x%'":                true,
		"country like 'Fran'":                   false,
		"country is null":                       false,
		"country is not null":                   true,
		"size = 7":                              true,
		"size > 6 and size <= 7":                true,
		"size = -7":                             false,
		"price = 12.5":                          true,
		"price < 12.51":                         true,
		"paid = true":                           true,
		"paid = FALSE":                          false,
		"day = '2024-03-01'":                    true,
		"at >= '2024-03-01T10:00:00Z'":          true,
		"at < '2024-03-01 10:00'":               false,
		`"odd name" is null`:                    true,
		`"odd name" = 1`:                        false,
		`"odd name" != 1`:                       false, // unknown
		`not "odd name" = 1`:                    false, // unknown
		`"odd name" = 1 or size = 7`:            true,
		`"odd name" = 1 and size = 7`:           false,
		`"odd name" in (1, 2)`:                  false,
		`"odd name" not in (1, 2)`:              false, // unknown
		"size = 1 or size = 2 and size = 7":     false,
		"(size = 7 or size = 2) and size = 7":   true,
		"country = 'it''s'":                     false,
	} {
		f, err := parseFilter(text, filterView())
		if strings.HasPrefix(text, "COUNTRY") {
			if err == nil {
				t.Errorf("%s: names are not case-sensitive", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Passes(cellValues()); got != want {
			t.Errorf("%s: passes %t, want %t", text, got, want)
		}
	}
}

func TestFilterMistakesSayWhereAndWhatInstead(t *testing.T) {
	for text, want := range map[string]string{
		"cuntry = 'x'":              `at 1: "cuntry" is no dimension of view v: did you mean "country"?`,
		"revenue > 5":               `at 1: "revenue" is a measure; a filter looks at dimensions only: there are "country", "size", "price", "paid", "day", "at", "odd name"; or write it into having, which looks at measures`,
		"email = 'x'":               `at 1: "email" is a field of the source but no dimension of view v: there are "country", "size", "price", "paid", "day", "at", "odd name"; or add exact=true, which looks at every field`,
		"time > 5":                  `at 1: time is no dimension: give the range as from and to`,
		"country = 5":               `at 11: "5" is no value of country, which is string: put text in single quotes: '5'`,
		"country = France":          `at 11: "France" is no value of country, which is string: put text in single quotes: 'France'`,
		"country = null":            `at 11: "null" is no value of country, which is string: write: country is null`,
		"size = '7'":                `at 8: "7" is no value of size, which is int64: write a number, without quotes`,
		"size = 7.5":                `at 8: "7.5" is no value of size, which is int64: write a whole number`,
		"price = 1.234":             `at 9: "1.234" is no value of price, which is decimal(10,2): write a number with at most 2 digits behind the point`,
		"day = 'March'":             `at 7: "March" is no value of day, which is date: write a date as '2011-03-04'`,
		"size like '7'":             `at 11: like works on text, and size is int64: use =, <, > or in`,
		"country":                   `at 8: the end stands where a comparison is expected: use =, !=, <, <=, >, >=, in, not in, like, is null or is not null`,
		"country = 'x":              `at 11: the quote ' is not closed: add ' after the text; inside it, write it twice`,
		"country = 'x' country":     `at 15: "country" is not expected here: combine conditions with and or or`,
		"(country = 'x'":            `at 15: the end stands where ) is expected: close the parenthesis, or combine conditions with and or or`,
		"country in 'x'":            `at 12: "x" stands where ( is expected: write: in ('a', 'b')`,
		"country in ('x' 'y')":      `at 17: "y" stands where , or ) is expected: write: in ('a', 'b')`,
		"country is 5":              `at 12: "5" stands where null is expected: write: is null, or: is not null`,
		"country = 'x'; drop table": `at 14: ';' has no meaning in a filter: write dimension = 'value'; combine with and, or, not and parentheses`,
	} {
		_, err := parseFilter(text, filterView())
		var mistake *condition.Mistake
		if !errors.As(err, &mistake) {
			t.Errorf("%s: got %v, want a mistake", text, err)
			continue
		}
		if got := fmt.Sprintf("at %d: %s: %s", mistake.At+1, mistake.Reason, mistake.Suggestion); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestFilterLimits(t *testing.T) {
	for what, text := range map[string]string{
		"depth":  strings.Repeat("(", 100) + "size = 1" + strings.Repeat(")", 100),
		"length": "size = 1 " + strings.Repeat(" ", 16<<10),
		"values": "size in (1" + strings.Repeat(",1", 2000) + ")",
		"bytes":  "country = '\xff'",
	} {
		if _, err := parseFilter(text, filterView()); err == nil {
			t.Errorf("%s: no limit", what)
		}
	}
	if _, err := parseFilter(strings.Repeat("not ", 3000)+"size = 1", filterView()); err != nil {
		t.Errorf("many nots: %v", err)
	}
}

// FuzzFilter: whatever is written, the parser neither panics nor hangs, and what it lets through to DuckDB is made of literals alone.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"country = 'France' and size in (1, 2)", "not (country like 'a%' or price <= 1.5)", `"odd name" is not null`, "day = '2024-03-01'",
		"at < '2024-03-01T10:00:00Z'", "country = 'it''s'", "paid = true", "((((", "'", `"`, "country in (", "country not", "size = --1", "size = 1e400",
		"country = '; drop table x --'", "country = 'a\x00b'", "size = 9223372036854775808", `"odd name" = -inf`, "\xff",
	} {
		f.Add(seed)
	}
	v, cell := filterView(), cellValues()
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseFilter(text, v)
		if err != nil {
			if mistake := (*condition.Mistake)(nil); !errors.As(err, &mistake) || mistake.Reason == "" || mistake.Suggestion == "" || mistake.At < 0 || mistake.At > len(text) {
				t.Fatalf("%q: bad mistake %#v", text, err)
			}
			return
		}
		passes := parsed.Passes(cell)
		for _, p := range parsed.Required() {
			if passes && p.Eval(cell) != condition.True {
				t.Fatalf("%q: passes a cell that %#v does not", text, p)
			}
		}
		for _, sql := range parsed.prefilter() {
			if rest := outsideQuotes(sql); strings.ContainsAny(rest, ";\"\\") || strings.Contains(rest, "--") || strings.Contains(rest, "/*") {
				t.Fatalf("%q becomes %s", text, sql)
			}
		}
	})
}

// outsideQuotes drops the texts of an SQL condition.
func outsideQuotes(sql string) string {
	parts := strings.Split(sql, "'")
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString(parts[i])
	}
	if len(parts)%2 == 0 {
		b.WriteByte(';') // a quote that is not closed
	}
	return b.String()
}
