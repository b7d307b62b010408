package intake

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// basket is a source whose columns stand inside of arrays and objects of records.
func basket() *view.Source {
	element := func(n int) view.Step { return view.Step{Element: n, InArray: true} }
	key := func(k string) view.Step { return view.Step{Key: k} }
	text := func(name string, path ...view.Step) view.Field {
		return view.Field{Name: name, Type: view.Type{Kind: view.String}, Nullable: true, From: path}
	}
	return &view.Source{
		Name: "baskets", Topic: "baskets", Format: "json", EventTime: view.EventTime{Field: "at", Format: "unix_s", Timezone: "UTC"},
		Fields: []view.Field{
			{Name: "at", Type: view.Type{Kind: view.Timestamp}, From: view.Path{key("meta"), element(0), key("at")}},
			text("first", key("items"), element(0), key("sku")),
			text("third", key("items"), element(2), key("sku")),
			text("deep", key("grid"), element(1), element(0), element(3)),
			text("plain", key("tags"), element(1)),
			text("dotted", key("a.b"), key("0"), element(0)),
		},
	}
}

// follow is the plain twin of the decoder: encoding/json and a loop over the steps.
func follow(record []byte, path view.Path) string {
	var at any
	if err := json.Unmarshal(record, &at); err != nil {
		return "broken"
	}
	for _, s := range path {
		switch in := at.(type) {
		case nil:
			return "-"
		case []any:
			if !s.InArray {
				return "wrong"
			}
			if at = nil; s.Element < len(in) {
				at = in[s.Element]
			}
		case map[string]any:
			if s.InArray {
				return "wrong"
			}
			at = in[s.Key]
		default:
			return "wrong"
		}
	}
	switch v := at.(type) {
	case nil:
		return "-"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return "wrong"
}

// drawTree draws JSON that mostly has what the paths of basket ask for, and sometimes something else in its place.
func drawTree(t *rapid.T, paths []view.Path) any {
	leaf := rapid.SampledFrom([]any{"x", "é😀 beyond twelve bytes", "", nil, nil, 1.5, true, []any{}, map[string]any{}})
	if rapid.IntRange(0, 9).Draw(t, "bent") == 0 {
		return leaf.Draw(t, "leaf")
	}
	var inArray, inObject []view.Path
	for _, p := range paths {
		switch {
		case len(p) == 0:
		case p[0].InArray:
			inArray = append(inArray, p)
		default:
			inObject = append(inObject, p)
		}
	}
	switch {
	case len(inArray) > 0:
		array := make([]any, rapid.IntRange(0, 5).Draw(t, "length"))
		for i := range array {
			array[i] = drawTree(t, below(inArray, view.Step{Element: i, InArray: true}))
		}
		return array
	case len(inObject) > 0:
		object := map[string]any{"other": leaf.Draw(t, "other")}
		for _, p := range inObject {
			if rapid.IntRange(0, 5).Draw(t, "there") > 0 {
				object[p[0].Key] = drawTree(t, below(inObject, p[0]))
			}
		}
		return object
	}
	return leaf.Draw(t, "leaf")
}

func below(paths []view.Path, s view.Step) []view.Path {
	var rest []view.Path
	for _, p := range paths {
		if p[0] == s {
			rest = append(rest, p[1:])
		}
	}
	return rest
}

func TestPathsThroughArraysReadWhatALoopOverTheStepsReads(t *testing.T) {
	src := basket()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	paths := make([]view.Path, len(src.Fields))
	for i := range src.Fields {
		paths[i] = src.Fields[i].From
	}
	read, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rows.Reset()
		tree := drawTree(t, paths[1:])
		object, ok := tree.(map[string]any)
		if !ok {
			object = map[string]any{}
		}
		object["meta"] = []any{map[string]any{"at": 1}}
		record, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		wrong := ""
		for i := 1; i < len(paths) && wrong == ""; i++ {
			if follow(record, paths[i]) == "wrong" {
				wrong = src.Fields[i].Name
			}
		}
		_, dead := d.decode(record, rows)
		if wrong != "" {
			if refused++; dead == nil || dead.Reason != WrongType || dead.Field != wrong {
				t.Fatalf("%s: %+v, and %s is of another kind", record, dead, wrong)
			}
			return
		}
		if dead != nil {
			t.Fatalf("%s: %+v", record, dead)
		}
		for i, got := range text(rows, 0) {
			if i == 0 {
				continue
			}
			if want := follow(record, paths[i]); got != want {
				t.Fatalf("%s: %s is %s, want %s", record, src.Fields[i].Name, got, want)
			}
			read++
		}
	})
	if read == 0 || refused == 0 {
		t.Fatalf("%d values read, %d records refused: the draws show nothing", read, refused)
	}
}

func TestWhatStandsOnAPathInPlaceOfAnArrayIsNamed(t *testing.T) {
	src := basket()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	for value, want := range map[string]string{
		`"items":{"0":{"sku":"x"}}`:           `first: "items" on its path is an object, not an array`,
		`"items":"x"`:                         `first: "items" on its path is a string, not an array`,
		`"items":[["x"]]`:                     `first: "items[0]" on its path is an array, not an object`,
		`"items":[{},{},7]`:                   `third: "items[2]" on its path is a number, not an object`,
		`"grid":[[],[{}]]`:                    `deep: "[1][0]" on its path is an object, not an array`,
		`"tags":["a",["b"]]`:                  `plain: an array is no string`,
		`"tags":["a",3]`:                      `plain: the number 3 is no string`,
		`"a.b":{"0":true}`:                    `dotted: "0" on its path is a boolean, not an array`,
		`"items":[{"sku":"x"}],"items":{}`:    `first: "items" on its path is an object, not an array`,
		`"items":{},"items":[{"sku":"x"}]`:    "",
		`"items":[null,null,null],"tags":[]`:  "",
		`"items":null,"grid":[null,[null]]`:   "",
		`"tags":["a","b",{"c":[1,2]},[[[]]]]`: "",
	} {
		rows.Reset()
		_, dead := d.decode([]byte(`{"meta":[{"at":1}],`+value+`}`), rows)
		got := ""
		if dead != nil {
			got = dead.Field + ": " + dead.Detail
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

// The last of repeated arrays wins, as of objects: a shorter one takes back what a longer one said.
func TestTheLastOfRepeatedArraysWins(t *testing.T) {
	src := basket()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	if _, dead := d.decode([]byte(`{"meta":[{"at":1}],"tags":["a","b"],"tags":["c"]}`), rows); dead != nil || text(rows, 0)[4] != "-" {
		t.Errorf("%+v, %v", dead, text(rows, 0))
	}
}

// Elements behind those that are asked for cost a look each and no memory: a record of four megabytes of them is read.
func TestAnArrayOfAMillionElementsIsReadForItsSecond(t *testing.T) {
	src := basket()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	long := `{"meta":[{"at":1}],"tags":["a","b"` + strings.Repeat(`,""`, 1_300_000) + `]}`
	if _, dead := d.decode([]byte(long), rows); dead != nil || text(rows, 0)[4] != `"b"` {
		t.Fatalf("%+v", dead)
	}
	if _, dead := d.decode([]byte(`{"tags":[`+strings.Repeat("[", 1_000_000)), rows); dead == nil || dead.Reason != BrokenJSON {
		t.Errorf("nesting without end: %+v", dead)
	}
}
