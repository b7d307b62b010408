package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// arrays is a source with an array of each kind, some of which may be null and some whose elements may be.
func arrays() *view.Source {
	src := &view.Source{Name: "baskets", Topic: "baskets", EventTime: view.EventTime{Field: "at", Format: "unix_us"},
		Fields: []view.Field{{Name: "at", Type: view.Type{Kind: view.Timestamp}}}}
	for _, kind := range view.ColumnKinds() {
		for _, holes := range []bool{false, true} {
			t := view.Type{Kind: view.List, Item: kind, Holes: holes}
			if kind == view.Decimal {
				t.Precision, t.Scale = 9, 2
				if holes {
					t.Precision, t.Scale = 38, 10
				}
			}
			src.Fields = append(src.Fields, view.Field{Name: fmt.Sprintf("f%d", len(src.Fields)), Type: t, Nullable: len(src.Fields)%3 > 0, From: view.Keys("in", fmt.Sprintf("k%d", len(src.Fields)))})
		}
	}
	return src
}

// elementOf is what a loop over the elements says of one: its text, or "wrong".
func elementOf(t view.Type, x any) string {
	number, isNumber := x.(json.Number)
	text, isText := x.(string)
	truth, isBool := x.(bool)
	switch {
	case x == nil && t.Holes:
		return "-"
	case t.Item == view.String && isText:
		return strconv.Quote(text)
	case t.Item == view.Bool && isBool:
		return strconv.FormatBool(truth)
	case t.Item == view.Date && isText:
		if at, err := time.Parse(time.DateOnly, text); err == nil && at.Year() > 0 {
			return text
		}
	case t.Item == view.Timestamp && isText:
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Year() > 0 {
			return at.Truncate(time.Microsecond).UTC().Format(time.RFC3339Nano)
		}
	case t.Item == view.Timestamp && isNumber:
		if us, err := strconv.ParseInt(string(number), 10, 64); err == nil {
			return time.UnixMicro(us).UTC().Format(time.RFC3339Nano)
		}
	case t.Item == view.Double && isNumber:
		if f, err := strconv.ParseFloat(string(number), 64); err == nil && !math.IsInf(f, 0) {
			return strconv.FormatFloat(f+0, 'g', -1, 64)
		}
	case isNumber && (t.Item == view.Int64 || t.Item == view.Decimal), isText && t.Item == view.Decimal:
		digits := string(number) + text
		value, ok := new(big.Rat).SetString(digits)
		if !ok || !json.Valid([]byte(digits)) {
			return "wrong"
		}
		if t.Item == view.Int64 {
			if !value.IsInt() || !value.Num().IsInt64() {
				return "wrong"
			}
			return value.Num().String()
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)
		unscaled := new(big.Rat).Mul(value, new(big.Rat).SetInt(unit))
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision)), nil)
		if !unscaled.IsInt() || unscaled.Num().CmpAbs(limit) >= 0 {
			return "wrong"
		}
		return value.FloatString(int(t.Scale))
	}
	return "wrong"
}

// columnOf is what a loop over a value of encoding/json says of a column: its text; or the first element that it does not take, -1 for the whole.
func columnOf(f *view.Field, x any) (text string, wrong bool, element int) {
	if x == nil {
		return "-", !f.Nullable, -1
	}
	items, ok := x.([]any)
	if !ok {
		return "", true, -1
	}
	var all []string
	for i, item := range items {
		s := elementOf(f.Type, item)
		if s == "wrong" {
			return "", true, i
		}
		all = append(all, s)
	}
	return "[" + strings.Join(all, " ") + "]", false, 0
}

// drawElement writes an element, mostly one of its kind.
func drawElement(t *rapid.T, of view.Type) string {
	good := map[view.Kind][]string{
		view.String:    {`"a"`, `""`, `"a string that is longer than twelve"`, `"naïve \u00e9\n"`, `"日本語"`},
		view.Int64:     {`0`, `-7`, `1e3`, `1000.0`, `9223372036854775807`},
		view.Decimal:   {`0.5`, `"12.25"`, `-3`, `1e2`, `"9999999.99"`},
		view.Double:    {`0.1`, `-0`, `1e300`, `7`},
		view.Bool:      {`true`, `false`},
		view.Timestamp: {`0`, `"2026-03-28T10:00:00.123456789+02:00"`, `-5`},
		view.Date:      {`"2026-03-28"`, `"0001-01-01"`},
	}
	bad := []string{`null`, `{"a":[1]}`, `[]`, `[[1]]`, `"x"`, `1.005`, `1e400`, `true`, `9223372036854775808`, `"2026-02-30"`}
	if rapid.IntRange(0, 40).Draw(t, "odd") == 0 {
		return rapid.SampledFrom(bad).Draw(t, "bad")
	}
	if of.Holes && rapid.IntRange(0, 3).Draw(t, "hole") == 0 {
		return "null"
	}
	return rapid.SampledFrom(good[of.Item]).Draw(t, "good")
}

// drawRecord writes a record of the source, some of whose arrays are absent, null, empty or repeated.
func drawRecord(t *rapid.T, src *view.Source, at int) []byte {
	var keys []string
	for _, f := range src.Fields[1:] {
		times := 1
		switch rapid.IntRange(0, 20).Draw(t, "times") {
		case 0:
			times = 2
		case 1, 2:
			if f.Nullable {
				times = 0
			}
		}
		for range times {
			value := "null"
			if !f.Nullable || rapid.IntRange(0, 8).Draw(t, "null") > 0 {
				var items []string
				for range rapid.IntRange(0, 5).Draw(t, "elements") {
					items = append(items, drawElement(t, f.Type))
				}
				value = "[" + strings.Join(items, ", ") + "]"
			}
			keys = append(keys, fmt.Sprintf("%q:%s", f.From[1].Key, value))
		}
	}
	return []byte(fmt.Sprintf(`{"at":%d,"in":{%s}}`, at, strings.Join(rapid.Permutation(keys).Draw(t, "keys"), ", ")))
}

func TestArraysAreWhatALoopOverTheirElementsReads(t *testing.T) {
	src := arrays()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	read, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rows.Reset()
		var want [][]string
		for at := range rapid.IntRange(1, 6).Draw(t, "records") {
			record := drawRecord(t, src, at)
			decoder := json.NewDecoder(bytes.NewReader(record))
			decoder.UseNumber()
			var tree struct{ In map[string]any }
			if err := decoder.Decode(&tree); err != nil {
				t.Fatalf("%s: %v", record, err)
			}
			line, wrong, element := []string{time.UnixMicro(int64(at)).UTC().Format(time.RFC3339Nano)}, "", 0
			for i := 1; i < len(src.Fields) && wrong == ""; i++ {
				text, bad, n := columnOf(&src.Fields[i], tree.In[src.Fields[i].From[1].Key])
				if line = append(line, text); bad {
					wrong, element = src.Fields[i].Name, n
				}
			}
			_, dead := d.decode(record, rows)
			if wrong == "" {
				if dead != nil {
					t.Fatalf("%s: %+v", record, dead)
				}
				read++
				want = append(want, line)
				continue
			}
			refused++
			named := dead != nil && (element < 0 || strings.HasPrefix(dead.Detail, fmt.Sprintf("element %d", element)))
			if dead == nil || dead.Field != wrong || !named {
				t.Fatalf("%s: %+v, and element %d of %s is not of its type", record, dead, element, wrong)
			}
		}
		if rows.Len() != len(want) {
			t.Fatalf("%d rows, want %d", rows.Len(), len(want))
		}
		for i := range want {
			if got := text(rows, i); !slices.Equal(got, want[i]) {
				t.Fatalf("row %d is %q, want %q", i, got, want[i])
			}
		}
	})
	if read == 0 || refused == 0 {
		t.Fatalf("%d records read, %d refused: the draws show nothing", read, refused)
	}
}

func TestADeadLetterNamesTheElement(t *testing.T) {
	src := &view.Source{Name: "s", Topic: "s", EventTime: view.EventTime{Field: "at", Format: "unix_us"}, Fields: []view.Field{
		{Name: "at", Type: view.Type{Kind: view.Timestamp}},
		{Name: "tags", Type: view.Type{Kind: view.List, Item: view.String}, Nullable: true},
		{Name: "prices", Type: view.Type{Kind: view.List, Item: view.Decimal, Precision: 9, Scale: 2, Holes: true}, Nullable: true},
	}}
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	for value, want := range map[string]string{
		`"tags":["a",null]`:                      "missing_field tags: element 1 is null, and it is no array<string?>",
		`"tags":["a","b",3]`:                     "wrong_type tags: element 2: the number 3 is no string",
		`"tags":[["a"]]`:                         "wrong_type tags: element 0: an array is no string",
		`"tags":{"0":"a"}`:                       "wrong_type tags: an object is no array<string>",
		`"tags":"a"`:                             `wrong_type tags: the string "a" is no array<string>`,
		`"tags":[1],"tags":["a"]`:                "",
		`"prices":[null,1.5]`:                    "",
		`"prices":[1.5,null,1.005]`:              "out_of_range prices: element 2: 1.005 is out of range of its decimal: decimal(9,2) has 2 digits behind the point",
		`"tags":["a" "b"]`:                       `broken_json : '"' at byte 20, where a comma or ] should stand`,
		`"prices":[` + repeat("7", 10_000) + `]`: "",
		`"prices":[` + repeat("7", 10_001) + `]`: "out_of_range prices: it has more than 10000 elements",
	} {
		rows.Reset()
		_, dead := d.decode([]byte(`{"at":1,`+value+`}`), rows)
		got := ""
		if dead != nil {
			got = fmt.Sprintf("%s %s: %s", dead.Reason, dead.Field, dead.Detail)
		}
		if got != want {
			t.Errorf("%.60s: %q, want %q", value, got, want)
		}
	}
}

func repeat(item string, n int) string {
	return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
}

// A batch of few long arrays is followed by small ones: its memory is not held for ever.
func TestWhatAnOutsizedBatchOfArraysTookIsGivenBack(t *testing.T) {
	src := arrays()
	src.Fields = src.Fields[:5]
	rows := NewRows(src)
	c := slices.IndexFunc(src.Fields, func(f view.Field) bool { return f.Type.Item == view.Int64 })
	fill := func(elements int) {
		rows.Reset()
		i := rows.Extend()
		rows.OpenList(c, i)
		for n := range elements {
			items, at := rows.ExtendList(c, i)
			items.SetWord(c, at, int64(n))
		}
	}
	fill(1 << 20)
	large := rows.Bytes()
	for range 12 {
		fill(1)
	}
	if held := cap(rows.Columns[c].Items.Words); large < 8<<20 || held > 2*keepRows {
		t.Errorf("%d elements' room is held after a batch of %d bytes", held, large)
	}
}
