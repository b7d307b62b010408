package view

import (
	"slices"
	"strings"
	"testing"
)

// evolving is a source whose fields a case of a test replaces.
func evolving(t *testing.T, fields string) *Source {
	t.Helper()
	text := "project: p\nsources:\n  s:\n    event_time: {field: ts}\n    event_id: id\n    fields:\n"
	for line := range strings.Lines(fields) {
		text += "      " + strings.TrimSpace(line) + "\n"
	}
	return sound(t, text).Sources[0]
}

const before = `id: int64
	ts: timestamp
	country: string
	amount: decimal(12,2)
	n: int64
	day: date
	ratio: double?
	customer: {type: string, was: [client, buyer]}`

func TestASourceEvolvesByAddingWideningAndRenaming(t *testing.T) {
	for name, c := range map[string]struct{ old, new string }{
		"nothing":               {"n: int64", "n: int64"},
		"int32 is int64":        {"n: int64", "n: int32"},
		"a nullable column":     {"n: int64", "n: int64\nchannel: string?"},
		"a column with default": {"n: int64", "n: int64\nchannel: {type: string, default: shop}"},
		"more digits":           {"decimal(12,2)", `decimal(38,2)`},
		"int64 to decimal":      {"n: int64", "n: decimal(19,0)"},
		"int64 to cents":        {"n: int64", "n: decimal(21,2)"},
		"it may be null":        {"country: string", "country: string?"},
		"renamed":               {"country: string", "land: {type: string, was: country}"},
		"renamed and widened":   {"n: int64", "number: {type: 'decimal(20,0)?', was: n, from: n}"},
		"renamed again":         {"customer: {type: string, was: [client, buyer]}", "person: {type: string, was: [customer, client, buyer]}"},
		"another order":         {"country: string\n\tamount: decimal(12,2)", "amount: decimal(12,2)\ncountry: string"},
		"stands elsewhere":      {"country: string", "country: {type: string, from: address.country}"},
	} {
		if p := evolving(t, change(t, before, c.old, c.new)).Evolves(evolving(t, before)); len(p) > 0 {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestWhatASourceCannotBecomeIsToldWithTheWayOut(t *testing.T) {
	hash := evolving(t, before).Hash()[:12]
	for _, c := range []struct{ old, new, what, mend string }{
		{"\n\tn: int64", "", "field n is gone", "a column that was renamed says so, `new_name: {type: …, was: n}`; one that is no longer sent stays, as `n: \"int64?\"`"},
		{"country: string", "land: string", "field country is gone", "a column that was renamed says so, `new_name: {type: …, was: country}`; one that is no longer sent stays, as `country: \"string?\"`"},
		{"n: int64", "n: int64\nchannel: string", "field channel is new, and has to be in every record", "rows of before have no value of it: write `channel: \"string?\"`, or give it a default"},
		{"ratio: double?", "ratio: double", "field ratio has to be in every record, and could be null", "rows of before may hold nulls: write `double?`"},
		{"ratio: double?", "ratio: {type: double, default: 0}", "field ratio has to be in every record, and could be null", "rows of before may hold nulls: write `double?`"},
		{"n: int64", "n: string", "field n is of type string, and was int64",
			"no type is read as another here; a column of another name can have it: `n_2: {type: string?, from: n}`"},
		{"n: int64", "n: double", "field n is of type double, and was int64", "no type is read as another here; a column of another name can have it: `n_2: {type: double?, from: n}`"},
		{"n: int64", "n: decimal(18,0)", "field n is of type decimal(18,0), and was int64",
			"an int64 becomes a decimal of at least 19 digits before the point, a decimal one of more digits at the same scale; a column of another name can have it: `n_2: {type: \"decimal(18,0)?\", from: n}`"},
		{"decimal(12,2)", "decimal(14,3)", "field amount is of type decimal(14,3), and was decimal(12,2)", "a decimal one of more digits at the same scale"},
		{"decimal(12,2)", "decimal(11,2)", "field amount is of type decimal(11,2), and was decimal(12,2)", "a decimal one of more digits at the same scale"},
		{"decimal(12,2)", "int64", "field amount is of type int64, and was decimal(12,2)", "a decimal one of more digits at the same scale"},
		{"day: date", "day: timestamp", "field day is of type timestamp, and was date", "no type is read as another here; a column of another name can have it: `day_2: {type: timestamp?, from: day}`"},
		{"ratio: double?", "ratio: decimal(12,2)?", "field ratio is of type decimal(12,2), and was double", "no type is read as another here"},
		{"id: int64", "id: decimal(20,0)", "event_id id is of type decimal(20,0), and was int64", "a repeat of an event of before would not be known as one: keep the type of the id"},
		{"was: [client, buyer]", "was: client", "field customer was buyer, and does not say so any more", "rows of before have it under that name: write `was: [client, buyer]`"},
		{"customer: {type: string, was: [client, buyer]}", "person: {type: string, was: customer}", "field person was client, and does not say so any more", "write `was: [customer, client]`"},
	} {
		p := evolving(t, change(t, before, c.old, c.new)).Evolves(evolving(t, before))
		want := "caudal.yaml: source s: " + c.what + " (in definition " + hash + ", which the lake holds rows of): "
		if !slices.ContainsFunc(p, func(p Problem) bool { return strings.HasPrefix(p.Error(), want) && strings.Contains(p.Mend, c.mend) }) {
			t.Errorf("%q: got\n%v\nwant %s%s", c.new, p, want, c.mend)
		}
	}
	const two = "project: p\nsources:\n  s:\n    event_time: {field: ts}\n    fields: {ts: timestamp, at: timestamp}\n"
	p := sound(t, change(t, two, "field: ts", "field: at")).Sources[0].Evolves(sound(t, two).Sources[0])
	if len(p) != 1 || !strings.Contains(p[0].Error(), "event_time is at, and was ts") || !strings.Contains(p[0].Mend, "give the source a topic of its own") {
		t.Errorf("another event time: %v", p)
	}
}

func TestNamesThatAColumnHadAreChecked(t *testing.T) {
	for _, c := range []struct{ new, want string }{
		{"country: {type: string, was: line_id}", "caudal.yaml:26:36: source orders: field country was line_id, which is a field too: rows of before have one column of that name"},
		{"country: {type: string, was: LINE_ID}", "field country was LINE_ID, which is a field too"},
		{"country: {type: string, was: price}", "field country was price, and records hold field unit_price there: say where this one stands: `country: {type: …, from: …, was: …}`"},
		{"country: {type: string, was: land}\n      place: {type: string?, was: Land}", "fields country and place both were Land: one of them was: take the name from the other"},
		{"country: {type: string, was: a b}", `was "a b" is no name: write the name that the column had, or a list of them`},
		{"country: {type: string, was: [land, '']}", "was is empty"},
		{"country: {type: string, wass: land}", `did you mean "was"?`},
	} {
		_, problems := parseTexts(change(t, soundServices, "country: string", c.new))
		if !containsProblem(problems, c.want) || len(problems) > 2 {
			t.Errorf("%q: got\n%v\nwant %s", c.new, problems, c.want)
		}
	}
	if _, problems := parseTexts(change(t, soundServices, "country: string", "country: {type: string, was: price, from: land}")); len(problems) > 0 {
		t.Errorf("it was a name that records use otherwise, and `from` says where it stands: %v", problems)
	}
}

func TestTheNamesThatAColumnHadAreKept(t *testing.T) {
	s := evolving(t, before)
	back, err := ParseSource(s.Canonical())
	if err != nil || !slices.Equal(back.Fields[7].Was, []string{"client", "buyer"}) || back.Hash() != s.Hash() {
		t.Errorf("read back %v, %v", back.Fields[7], err)
	}
}

// A view whose cells a change of the source cannot tell keeps its name, and one whose cells may differ does not.
func TestAViewKeepsItsHashWhereItsCellsStayWhatTheyAre(t *testing.T) {
	stored := sound(t, soundServices, soundView).Views[0]
	for _, c := range []struct {
		services bool
		old, new string
		same     bool
	}{
		{true, "ratio: float?", "ratio: float?\n      channel: string?", true},
		{true, "ratio: float?", "ratio: float?\n      channel: {type: string, default: shop}", true},
		{true, "customer_id: {type: string?, from: [customer, \"a.b\"]}", "client_id: {type: string?, from: [customer, \"a.b\"], was: customer_id}", true},
		{true, "customer_id: {type: string?, from: [customer, \"a.b\"]}", "customer_id: {type: string?, from: [customer, id]}", true},
		{true, "line_id: string", "line_id: {type: string, was: row_id}", false},
		{true, "event_id: line_id\n", "event_id: row_id\n", true}, // with the field renamed below
		{false, "description: Net revenue", "description: Something else", true},
		{true, "ratio: float?", "ratio: float?\n      channel: string", false},
		{true, "ratio: float?", "ratio: string?", false},
		{true, "quantity: bigint", "quantity: decimal(19,0)", false},
		{true, "quantity: bigint", "quantity: bigint?", false},
		{true, "country: string", "country: {type: string, from: land}", false},
		{true, "country: string", "country: {type: string, was: land}", false},
		{true, "default: 0.5", "default: 0.6", false},
		{true, "lateness: 15m", "lateness: 16m", false},
		{true, "dedup_horizon: 2d", "dedup_horizon: 3d", false},
		{true, "event_id: line_id", "event_id: invoice_no", false},
		{true, "event_id: line_id", "event_id: line_id\n    batch_dedup: full", false},
		{true, "timezone: Europe/London", "timezone: Europe/Paris", false},
		{true, "topic: shop.orders", "topic: orders", false},
		{false, "where: \"unit_price >= 0\"", "where: \"unit_price > 0\"", false},
		{false, "decimal(18,3)", "decimal(18,2)", false},
	} {
		services, text := soundServices, soundView
		if c.services {
			services = change(t, services, c.old, c.new)
			if strings.Contains(c.new, "row_id\n") {
				services = change(t, services, "      line_id: string", "      row_id: {type: string, from: line_id, was: line_id}")
			}
		} else {
			text = change(t, text, c.old, c.new)
		}
		v := sound(t, services, text).Views[0]
		as := v.As(stored)
		switch {
		case (as != nil) != c.same:
			t.Errorf("%q: the same cells: %v, want %v", c.new, as != nil, c.same)
		case as != nil && (as.Hash != stored.Hash || as.Source != v.Source || as.Description != v.Description):
			t.Errorf("%q: it is %s of source %p, want %s of %p", c.new, as.Hash, as.Source, stored.Hash, v.Source)
		}
	}
}
