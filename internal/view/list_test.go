package view

import (
	"strings"
	"testing"
)

func TestAnArrayIsOfEveryKind(t *testing.T) {
	schema := compileSchema(t, ProjectSchema())
	texts := map[string]Type{
		"array<decimal( 12 , 3 )? > ": {Kind: List, Item: Decimal, Precision: 12, Scale: 3, Holes: true}, "ARRAY<Int>": {Kind: List, Item: Int64}, "array < string >": {Kind: List, Item: String},
	}
	for _, kind := range ColumnKinds() {
		of := Type{Kind: kind}
		if kind == Decimal {
			of.Precision, of.Scale = 38, 10
		}
		texts["array<"+of.String()+">"] = Type{Kind: List, Item: kind, Precision: of.Precision, Scale: of.Scale}
		texts["array<"+of.String()+"?>"] = Type{Kind: List, Item: kind, Precision: of.Precision, Scale: of.Scale, Holes: true}
	}
	for text, want := range texts {
		for _, nullable := range []string{"", "?"} {
			services := change(t, soundServices, "ratio: float?", `ratio: "`+strings.TrimSpace(text)+nullable+`"`)
			s := sound(t, services).Sources[0]
			f := s.Fields[6]
			if f.Type != want || f.Nullable != (nullable == "?") || f.Type.Element().Kind == List {
				t.Errorf("%s%s is read as %+v", text, nullable, f)
			}
			back, err := ParseSource(s.Canonical())
			if err != nil || back.Fields[6].Type != want || back.Hash() != s.Hash() || !strings.Contains(string(s.Canonical()), `"type":"`+want.String()+`"`) {
				t.Errorf("%s is kept as %s: %v", text, s.Canonical(), err)
			}
			if err := validate(t, schema, []byte(services)); err != nil {
				t.Errorf("the schema refuses %s: %v", text, err)
			}
		}
	}
}

func TestEachMistakeOfAnArrayIsToldWhereItStands(t *testing.T) {
	schema := compileSchema(t, ProjectSchema())
	const at, plain = `caudal.yaml:25:15: source orders: field ratio: `, `caudal.yaml:25:14: source orders: field ratio: `
	for text, want := range map[string]string{
		`"array<array<int64>>"`:              at + "type \"array<array<int64>>\" is an array of arrays, which is no column: take one of them by its path, e.g. `{type: array<int64>, from: \"matrix[0]\"}`",
		`array`:                              plain + `unknown type "array": say of what: array<string>, array<int64>`,
		`"array<>"`:                          at + `type "array<>": unknown type ""`,
		`"array<text>"`:                      at + `type "array<text>": unknown type "text": write string`,
		`"array<string"`:                     at + `unknown type "array<string"`,
		`"string[]"`:                         at + `unknown type "string[]": write array<string>`,
		`"list<bigint>"`:                     at + `unknown type "list<bigint>": write array<int64>`,
		`array(date)`:                        plain + `unknown type "array(date)": write array<date>`,
		`"array<decimal(39,0)>"`:             at + `type "array<decimal(39,0)>": type "decimal(39,0)" is out of range`,
		`{type: "array<int64>", default: 1}`: "field ratio: an array has no default: write `array<int64>?`: it is null where it is missing, and an expression says what then counts, e.g. coalesce(len(ratio), 0)",
	} {
		services := change(t, soundServices, "ratio: float?", "ratio: "+text)
		_, problems := parseTexts(services)
		if !containsProblem(problems, want) || len(problems) != 1 {
			t.Errorf("%s is told as %v, want %s", text, problems, want)
		}
		if !strings.Contains(text, "default") && !strings.Contains(text, "39") && validate(t, schema, []byte(services)) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
	for _, c := range []struct{ old, new, want string }{
		{"line_id: string", `line_id: "array<string>"`, `event_id "line_id" is an array<string>: an event has one id: name a field of a scalar type, perhaps an element by its path`},
		{"invoice_no: string", `invoice_no: "array<string>"`, `key "invoice_no" is an array<string>: events are keyed by one value`},
		{"invoice_date: timestamp", `invoice_date: "array<timestamp>"`, `"invoice_date" is of type array<timestamp>`},
		{"ratio: float?", "ratio: {type: \"array<string>\", from: tags}\n      first: {type: string, from: \"tags[0]\"}", "field first is an element of field ratio: leave it out: an expression takes it from the array, ratio[1]"},
	} {
		if _, problems := parseTexts(change(t, soundServices, c.old, c.new)); !containsProblem(problems, c.want) {
			t.Errorf("%s is told as %v, want %s", c.new, problems, c.want)
		}
	}
}

// Wherever a view takes one value of an event, an array is refused, with what to write instead.
func TestAnArrayIsNoValueOfAnEvent(t *testing.T) {
	services := change(t, soundServices, "country: string", "country: string\n      tags: \"array<string>\"")
	const mend = "an expression has one value for an event: one of the elements, `tags[1]`, how many they are, `len(tags)`"
	for _, c := range []struct{ old, new, want string }{
		{"  - country\n", "  - tags\n", "views/a.yaml:8:5: dimension tags of view sales is an array<string>: " + mend},
		{`expr: "upper(invoice_no)"`, "expr: tags", "dimension product of view sales is an array<string>: " + mend},
		{"agg: count_distinct, expr: invoice_no", "agg: count_distinct, expr: tags", "expr of measure orders of view sales is an array<string>: " + mend},
		{`where: "unit_price >= 0"`, `where: "tags"`, "where of view sales is an array<string>: " + mend},
		{`filter: "quantity > 0"`, `filter: tags`, "filter of measure orders of view sales is an array<string>: " + mend},
		{`expr: "upper(invoice_no)"`, `expr: "unnest(tags)"`, "unnest() makes several rows of one event: " + mend},
		{`filter: "quantity > 0"`, `filter: "Tags[0] = 'vip'"`, "Tags has no element 0: SQL counts elements from 1: the first is Tags[1]; only a path, `from`, counts from 0"},
	} {
		if _, problems := parseTexts(services, change(t, soundView, c.old, c.new)); !containsProblem(problems, c.want) || len(problems) != 1 {
			t.Errorf("%s is told as %v, want %s", c.new, problems, c.want)
		}
	}
	sound(t, services, change(t, soundView, `filter: "quantity > 0"`, `filter: "tags[1] = 'vip' and country = '[0]'"`))
}

func TestArraysEvolveAsTheirElementsDo(t *testing.T) {
	with := func(fields string) *Source { return evolving(t, before+"\n\t"+fields) }
	for _, c := range []struct{ old, new, want string }{
		{"tags: array<string>", "tags: array<string?>?", ""},
		{"tags: array<decimal(9,2)>", "tags: array<decimal(12,2)?>", ""},
		{"tags: array<int64>", "tags: array<decimal(19,0)>", ""},
		{"tags: array<string>", "labels: {type: array<string>, was: tags}", ""},
		{"n_1: int64", "n_1: int64\n\ttags: array<string>?", ""},
		{"n_1: int64", "n_1: int64\n\ttags: array<string>", "field tags is new, and has to be in every record; rows of before have no value of it: write `tags: \"array<string>?\"`"},
		{"tags: array<string?>", "tags: array<string>", "field tags is of type array<string>, and was array<string?>; rows of before may hold null elements: write array<string?>; a column of another name"},
		{"tags: array<int64>", "tags: array<string>", "field tags is of type array<string>, and was array<int64>; no type is read as another here; a column of another name can have it: `tags_2: {type: array<string>?, from: tags}`"},
		{"tags: array<decimal(9,2)>", "tags: array<decimal(12,3)>", "a decimal one of more digits at the same scale"},
		{"tags: string", "tags: array<string>", "field tags is of type array<string>, and was string; no type is read as another here"},
		{"tags: array<string>", "tags: string", "field tags is of type string, and was array<string>; no type is read as another here"},
		{"tags: array<string>", "n_1: int64?", "field tags is gone; a column that was renamed says so, `new_name: {type: …, was: tags}`; one that is no longer sent stays, as `tags: \"array<string>?\"`"},
	} {
		problems := with(c.new).Evolves(with(c.old))
		var told string
		for _, p := range problems {
			what, _, _ := strings.Cut(p.What, " (in definition")
			told += what + "; " + p.Mend
		}
		if (c.want == "") != (told == "") || !strings.Contains(told, c.want) {
			t.Errorf("%s after %s: %q, want %q", c.new, c.old, told, c.want)
		}
	}
}
