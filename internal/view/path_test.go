package view

import (
	"slices"
	"strings"
	"testing"
)

func at(n int) Step { return Step{Element: n, InArray: true} }

func TestPathsAreReadInBothWritingsAndGiveOneDefinition(t *testing.T) {
	for _, c := range []struct {
		texts []string
		want  Path
		shown string
	}{
		{[]string{"price.net", "[price, net]"}, Keys("price", "net"), "price.net"},
		{[]string{"items[0]", "[items, [0]]"}, Path{{Key: "items"}, at(0)}, "items[0]"},
		{[]string{"a.b[12].c", "[a, b, [12], c]"}, Path{{Key: "a"}, {Key: "b"}, at(12), {Key: "c"}}, "a.b[12].c"},
		{[]string{"grid[1][9999].é", "[grid, [1], [9999], é]"}, Path{{Key: "grid"}, at(1), at(9999), {Key: "é"}}, "grid[1][9999].é"},
		{[]string{"a.0.b", `[a, "0", b]`}, Keys("a", "0", "b"), "a.0.b"},
		{[]string{`["a[0]", "b.c"]`}, Keys("a[0]", "b.c"), `["a[0]", "b.c"]`},
		{[]string{`["a.b", [3]]`}, Path{{Key: "a.b"}, at(3)}, `["a.b", [3]]`},
	} {
		var hashes []string
		for _, text := range c.texts {
			s := sound(t, change(t, soundServices, "from: price.net", "from: "+quotedPath(text))).Sources[0]
			f := s.Fields[4]
			if !slices.Equal(f.From, c.want) || f.From.String() != c.shown {
				t.Errorf("%s is read as %+v, shown as %s", text, f.From, f.From)
			}
			back, err := ParseSource(s.Canonical())
			if err != nil || !slices.Equal(back.Fields[4].From, c.want) || back.Hash() != s.Hash() {
				t.Errorf("%s is kept as %s: %v", text, s.Canonical(), err)
			}
			hashes = append(hashes, s.Hash())
		}
		if len(slices.Compact(hashes)) != 1 {
			t.Errorf("%s are different definitions", c.texts)
		}
	}
}

// quotedPath puts the short writing in quotes, as YAML's {…} needs it for brackets.
func quotedPath(text string) string {
	if strings.HasPrefix(text, "[") {
		return text
	}
	return `"` + text + `"`
}

// What the lake keeps of a definition without elements is what it always was.
func TestAPathOfKeysIsKeptAsAListOfTexts(t *testing.T) {
	s := sound(t, soundServices).Sources[0]
	for _, want := range []string{`"from":["price","net"]`, `"from":["customer","a.b"]`, `"from":["quantity"]`} {
		if !strings.Contains(string(s.Canonical()), want) {
			t.Errorf("%s lacks %s", s.Canonical(), want)
		}
	}
	s.Fields[4].From = Path{{Key: "<p>"}, at(2), {Key: "\u2028\""}}
	if want := `"from":["<p>",2,"\u2028\""]`; !strings.Contains(string(s.Canonical()), want) {
		t.Errorf("%s lacks %s", s.Canonical(), want)
	}
	for _, bad := range []string{`-1`, `1.5`, `10000`, `null`, `[0]`} {
		if _, err := ParseSource([]byte(strings.Replace(string(s.Canonical()), `"<p>",2,`, `"<p>",`+bad+`,`, 1))); err == nil {
			t.Errorf("step %s was read", bad)
		}
	}
}

func TestEachMistakeOfAPathIsToldWhereItStands(t *testing.T) {
	for text, want := range map[string]string{
		`"price[0"`:                            `caudal.yaml:23:55: source orders: field unit_price: from has a bracket that does not end: write e.g. customer.address.country or items[0].price`,
		`"price[x].net"`:                       `caudal.yaml:23:56: source orders: field unit_price: from has element "x": write the element's number, from 0`,
		`"price[-1].net"`:                      `:56: source orders: field unit_price: from has element "-1": elements are counted from the first, which is 0`,
		`"price[01]"`:                          `from has element "01": write the element's number`,
		`"price[10000]"`:                       `from has element "10000": elements up to 9999 are looked at`,
		`"price[0]net"`:                        `:58: source orders: field unit_price: from goes on after an element without a point`,
		`"price[0]."`:                          `from has an empty key`,
		`"price.[0]"`:                          `from has an empty key`,
		`"price..net"`:                         `from has an empty key`,
		`"price."`:                             `from has an empty key`,
		`".price"`:                             `from has an empty key`,
		`"price]"`:                             `from has a bracket that does not begin`,
		`"[0].price"`:                          `from begins with an element: a record is an object`,
		`[[0], price]`:                         `from begins with an element: a record is an object`,
		`[price, ["0"]]`:                       `from has a list inside that is no element: an element is its number in brackets, from 0: [items, [0], price]`,
		`[price, [0, 1]]`:                      `from has a list inside that is no element`,
		`[price, [-2]]`:                        `caudal.yaml:23:58: source orders: field unit_price: from has element "-2"`,
		`[]`:                                   `from is an empty list`,
		`"country[0]"`:                         `field unit_price is inside field country: "country" is either a value or an object`,
		`"customer[0].net"`:                    `fields unit_price and customer_id read "customer" as an array and as an object: it is one of the two in every record`,
		`"p` + strings.Repeat("[0]", 64) + `"`: `from has 65 steps: at most 64 are followed`,
	} {
		_, problems := parseTexts(change(t, soundServices, "from: price.net", "from: "+text))
		if !containsProblem(problems, want) {
			t.Errorf("from: %s is told as %v, want %s", text, problems, want)
		}
		if s := compileSchema(t, ProjectSchema()); strings.Contains(want, "from ") && validate(t, s, []byte(change(t, soundServices, "from: price.net", "from: "+text))) == nil &&
			!strings.Contains(want, "begins with an element") && !strings.Contains(want, "65 steps") && !strings.Contains(want, `"01"`) {
			t.Errorf("the schema takes from: %s", text)
		}
	}
}

// An event of an inline test names columns; its JSON has them where the source says.
func TestGivenEventsPutValuesIntoArrays(t *testing.T) {
	var got any = map[string]any{}
	for _, p := range []Path{{{Key: "a"}, at(2), {Key: "x"}}, {{Key: "a"}, at(0), {Key: "y"}}, {{Key: "a"}, at(2), {Key: "z"}}, Keys("b", "c")} {
		got = put(got, p, []byte("1"))
	}
	if text := string(canonicalJSON(got)); text != `{"a":[{"y":1},null,{"x":1,"z":1}],"b":{"c":1}}` {
		t.Errorf("got %s", text)
	}
}
