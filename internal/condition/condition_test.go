package condition

import (
	"errors"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// measures are what a condition over merged cells looks at.
func measures() Vocabulary {
	return Vocabulary{Noun: "measure", Of: "view sales", Columns: []view.Column{
		{Name: "revenue", Type: view.Type{Kind: view.Decimal, Precision: 18, Scale: 3}}, {Name: "lines", Type: view.Type{Kind: view.Int64}},
		{Name: "total", Type: view.Type{Kind: view.Int128}}, {Name: "per_line", Type: view.Type{Kind: view.Double}}, {Name: "last_country", Type: view.Type{Kind: view.String}},
	}}
}

func TestAConditionOverMeasuresHoldsAsInSQL(t *testing.T) {
	huge, _ := algebra.ParseInt128("170141183460469231731687303715884105727")
	cell := []algebra.Value{algebra.DecimalValue(algebra.Int128Of(5_000_001), 3), algebra.Int64Value(11), algebra.Int128Value(huge), algebra.Null(), algebra.StringValue("France")}
	for text, want := range map[string]Truth{
		"":                             True,
		"revenue > 5000":               True,
		"revenue > 5000.001":           False,
		"revenue > 6000 or lines > 10": True,
		"total >= 170141183460469231731687303715884105727": True,
		"per_line > 0":                              Unknown,
		"not per_line > 0":                          Unknown,
		"per_line > 0 and lines > 10":               Unknown,
		"per_line > 0 and lines > 11":               False,
		"per_line > 0 or lines > 10":                True,
		"per_line is null":                          True,
		"last_country in ('France')":                True,
		"last_country like 'F%' and not lines = 11": False,
	} {
		c, err := Parse(text, measures())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Passes(cell); got != (want == True) {
			t.Errorf("%s: passes %t", text, got)
		}
		if c.Root != nil && c.Root.Eval(cell) != want {
			t.Errorf("%s: %v, want %v", text, c.Root.Eval(cell), want)
		}
	}
}

func TestAConditionOverMeasuresSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"revnue > 5":      `at byte 1: "revnue" is no measure of view sales`,
		"lines > 1.5":     `at byte 9: "1.5" is no value of lines, which is int64`,
		"lines > '5'":     `at byte 9: "5" is no value of lines, which is int64`,
		"5 < lines":       `at byte 1: "5" stands where a measure is expected`,
		"lines > revenue": `at byte 9: "revenue" is no value of lines, which is int64`,
	} {
		_, err := Parse(text, measures())
		var m *Mistake
		if !errors.As(err, &m) || m.Error() != want || m.Suggestion == "" {
			t.Errorf("%s: %v, want %s, with a suggestion", text, err, want)
		}
	}
}

func TestAConditionKnowsItsColumnsAndWhatItRequires(t *testing.T) {
	c, err := Parse("lines > 1 and (revenue > 2 or lines < 9) and per_line is null", measures())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Columns(); len(got) != 3 || got[0] != 0 || got[1] != 1 || got[2] != 3 {
		t.Errorf("columns %v", got)
	}
	if n := len(c.Required()); n != 3 {
		t.Errorf("%d conditions are required, want 3", n)
	}
	other, err := Parse("total > 5", measures())
	if err != nil {
		t.Fatal(err)
	}
	if both := c.And(other); len(both.Required()) != 4 || len(c.Required()) != 3 {
		t.Errorf("%d and %d conditions, want 4 and 3", len(both.Required()), len(c.Required()))
	}
}

func TestLikeTakesLittleTimeOnHostilePatterns(t *testing.T) {
	pattern := []rune(strings.Repeat("%a", 2000) + "%b")
	if matches(pattern, []rune(strings.Repeat("a", 4000))) {
		t.Error("matched")
	}
}
