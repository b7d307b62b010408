package condition

import (
	"errors"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

func fields() Vocabulary {
	list := func(kind view.Kind) view.Type { return view.Type{Kind: view.List, Item: kind, Precision: 9, Scale: 2} }
	return Vocabulary{Noun: "field", Of: "source orders", Columns: []view.Column{
		{Name: "tags", Type: list(view.String)}, {Name: "prices", Type: list(view.Decimal)}, {Name: "seen", Type: list(view.Timestamp)}, {Name: "length", Type: view.Type{Kind: view.Int64}},
	}}
}

func TestConditionsOfArraysAreWrittenAnew(t *testing.T) {
	for text, want := range map[string]string{
		"contains(tags, 'it''s')":                `list_contains("tags", CAST('it''s' AS VARCHAR))`,
		"not Contains ( tags , 'vip' )":          `(NOT list_contains("tags", CAST('vip' AS VARCHAR)))`,
		"contains(prices, 1.5)":                  `list_contains("prices", CAST(CAST('1.50' AS DECIMAL(38,2)) AS DECIMAL(9,2)))`,
		"contains(seen, '1970-01-01T00:00:01Z')": `list_contains("seen", CAST(make_timestamp(1000000) AS TIMESTAMP))`,
		"length(tags) > 1 and len(tags) != 3":    `((len("tags") > CAST('1' AS BIGINT)) AND (len("tags") <> CAST('3' AS BIGINT)))`,
		"tags is null or tags is not null":       `(("tags" IS NULL) OR ("tags" IS NOT NULL))`,
		"length > 3 or (length(prices) = 0)":     `(("length" > CAST('3' AS BIGINT)) OR (len("prices") = CAST('0' AS BIGINT)))`,
	} {
		c, err := Parse(text, fields())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Root.SQL([]string{`"tags"`, `"prices"`, `"seen"`, `"length"`}); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if len(c.Columns()) == 0 {
			t.Errorf("%s looks at nothing", text)
		}
	}
}

func TestWhatIsNoConditionOfAnArrayIsTold(t *testing.T) {
	for text, want := range map[string][2]string{
		"tags = 'vip'":         {`at byte 6: tags is array<string>, which is not one value`, "write contains(tags, …), length(tags) > 1, or tags is null"},
		"tags in ('vip')":      {`at byte 6: tags is array<string>, which is not one value`, ""},
		"tags not like 'v%'":   {`at byte 6: tags is array<string>, which is not one value`, ""},
		"contains(tag, 'vip')": {`at byte 10: "tag" is no field of source orders`, ""},
		"contains(length, 1)":  {`at byte 10: contains looks at arrays, and length is int64`, "use =, <, >, in or like"},
		"contains(tags, 1)":    {`at byte 16: "1" is no value of an element of tags, which is string`, "put text in single quotes: '1'"},
		"contains(tags 'a')":   {`at byte 15: "a" stands where , is expected`, "write: contains(tags, 'value')"},
		"contains(tags, 'a'":   {`at byte 19: the end stands where ) is expected`, "write: contains(tags, 'value')"},
		"contains('a', tags)":  {`at byte 10: "a" stands where a field is expected`, "write contains(field, …)"},
		"length(tags)":         {`at byte 13: the end stands where a comparison is expected`, "write: length(tags) > 1"},
		"length(tags) > 1.5":   {`at byte 16: "1.5" is no value of length(tags), which is int64`, "write a whole number"},
	} {
		_, err := Parse(text, fields())
		var m *Mistake
		if !errors.As(err, &m) || m.Error() != want[0] || want[1] != "" && m.Suggestion != want[1] {
			t.Errorf("%s: %v (%+v), want %s: %s", text, err, m, want[0], want[1])
		}
	}
}
