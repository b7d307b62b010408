package intake

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// drawValue draws a value of the type as JSON, and what a row then says.
func drawValue(t *rapid.T, f view.Field, isEventTime bool) (value, want string) {
	if f.Nullable && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return "null", "-"
	}
	switch {
	case isEventTime:
		at := time.Unix(rapid.Int64Range(1e8, 4e9).Draw(t, "at"), 0).UTC()
		at = time.Date(at.Year(), 1, at.YearDay()%60+1, at.Hour(), at.Minute(), at.Second(), 0, time.UTC) // London's winter is UTC
		return at.Format(`"2006-01-02 15:04:05"`), at.Format(time.RFC3339)
	case f.Type.Kind == view.String:
		s := rapid.String().Draw(t, "string")
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), strconv.Quote(s)
	case f.Type.Kind == view.Int64:
		s := strconv.FormatInt(rapid.Int64().Draw(t, "int64"), 10)
		return s, s
	case f.Type.Kind == view.Decimal:
		whole := int(f.Type.Precision - f.Type.Scale)
		s := rapid.StringMatching(fmt.Sprintf(`-?[1-9][0-9]{0,%d}\.[0-9]{%d}`, whole-1, f.Type.Scale)).Draw(t, "decimal")
		if rapid.Bool().Draw(t, "as a string") {
			return `"` + s + `"`, s
		}
		return s, s
	case f.Type.Kind == view.Double:
		v := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "double")
		if v == 0 {
			return "-0", "0"
		}
		return strconv.FormatFloat(v, 'g', -1, 64), strconv.FormatFloat(v, 'g', -1, 64)
	case f.Type.Kind == view.Bool:
		s := strconv.FormatBool(rapid.Bool().Draw(t, "bool"))
		return s, s
	case f.Type.Kind == view.Timestamp:
		at := time.UnixMicro(rapid.Int64Range(minInstant, maxInstant-1).Draw(t, "us")).UTC()
		if rapid.Bool().Draw(t, "in microseconds") {
			return fmt.Sprint(at.UnixMicro()), at.Format(time.RFC3339Nano)
		}
		return at.Format(`"` + time.RFC3339Nano + `"`), at.Format(time.RFC3339Nano)
	}
	day := time.Unix(rapid.Int64Range(minInstant/dayMicros, maxInstant/dayMicros-1).Draw(t, "day")*86400, 0).UTC().Format(time.DateOnly)
	return `"` + day + `"`, day
}

// anything draws JSON that no field asks for.
func anything() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{`null`, `{}`, `[[],{"a":[1,2]}]`, `"\u00e9 \ud800 \n"`, `-1.5E+300`, `true`, `{"at":1,"country":null}`})
}

// member writes the members of an object in the order drawn, with spaces and members that no field asks for between them.
func drawObject(t *rapid.T, members []string) string {
	for range rapid.IntRange(0, 2).Draw(t, "unknown") {
		members = append(members, rapid.SampledFrom([]string{`"x"`, `""`, `"At"`, `"country "`, `"\u0000"`}).Draw(t, "key")+":"+anything().Draw(t, "value"))
	}
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r "})
	var b strings.Builder
	for i, m := range rapid.Permutation(members).Draw(t, "order") {
		if i > 0 {
			b.WriteByte(',')
		}
		key, value, _ := strings.Cut(m, `":`)
		b.WriteString(space.Draw(t, "space") + key + `"` + space.Draw(t, "space") + ":" + space.Draw(t, "space") + value + space.Draw(t, "space"))
	}
	return space.Draw(t, "space") + "{" + b.String() + "}" + space.Draw(t, "space")
}

func TestValuesOfTheRightTypesAreReadAsTheyStand(t *testing.T) {
	src := orders()
	schema, err := NewSchema(src)
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(schema) // one for all draws: its guesses at the order of keys are often wrong
	rapid.Check(t, func(t *rapid.T) {
		want := make([]string, len(src.Fields))
		var members, charge []string
		for i, f := range src.Fields {
			value, w := drawValue(t, f, i == schema.eventTime)
			want[i] = w
			member := func(name string) string { return fmt.Sprintf("%q:%s", name, value) }
			absent := w == "-" && rapid.Bool().Draw(t, "absent")
			switch {
			case absent:
			case f.From != nil:
				charge = append(charge, member(f.From[1].Key))
			default:
				members = append(members, member(f.Name))
			}
		}
		members = append(members, `"charge":`+drawObject(t, charge))
		value := drawObject(t, members)
		rows := NewRows(src)
		us, dead := d.decode([]byte(value), rows)
		if dead != nil {
			t.Fatalf("%s: %+v", value, dead)
		}
		if got := text(rows, 0); !reflect.DeepEqual(got, want) || us != rows.Columns[schema.eventTime].Words[0] {
			t.Fatalf("%s:\n got %q\nwant %q", value, got, want)
		}
	})
}

// The decoder and encoding/json agree on what is JSON, and nothing that is not a row stays behind.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","at":"2026-11-20 10:00:00","country":"France","quantity":3,"price":12.5,"charge":{"fee":"1.5","at":"2026-11-20T10:00:00Z"},"weight":1.5e-3,"gift":true,"due":"2026-12-24"}`,
		`{"at":"2026-11-20 10:00:00","country":"\ud83d\ude00\u0000","quantity":-1e2}`, `{"charge":null,"charge":{"fee":1}}`, `[{}]`, `{"a":{"b":[1,2,{"c":null}]}}`, " ", `{"at":1e400}`,
		"{\"country\":\"\xff\"}", `{"quantity":1` + strings.Repeat("0", 50) + `e-50}`, `{"price":"1.0e0"}`, `{"at":"2026-10-25 01:30:00","country":""} x`,
	} {
		f.Add([]byte(s))
	}
	src := orders()
	schema := mustSchema(f, src)
	d, rows := newDecoder(schema), NewRows(src)
	f.Fuzz(func(t *testing.T, value []byte) {
		rows.Reset()
		_, dead := d.decode(value, rows)
		if (dead == nil) != (rows.Len() == 1) {
			t.Fatalf("%d rows, dead letter %+v", rows.Len(), dead)
		}
		first := Dead{}
		if dead != nil {
			first = *dead
			if len(dead.Detail) > maxDetail+len("…") || !utf8.ValidString(dead.Detail) {
				t.Fatalf("detail of %d bytes: %q", len(dead.Detail), dead.Detail)
			}
		}
		if valid := json.Valid(value) && utf8.Valid(value); valid == (first.Reason == BrokenJSON || first.Reason == InvalidUTF8 || first.Reason == Empty) {
			t.Fatalf("valid: %v, but %+v", valid, first)
		}
		// Again, by a decoder without any memory of other records: the verdict is a function of the bytes and the schema.
		again := NewRows(src)
		_, dead2 := newDecoder(schema).decode(value, again)
		second := Dead{}
		if dead2 != nil {
			second = *dead2
		}
		if first != second {
			t.Fatalf("first %+v, then %+v", first, second)
		}
		if dead == nil && !reflect.DeepEqual(text(rows, 0), text(again, 0)) {
			t.Fatalf("first %v, then %v", text(rows, 0), text(again, 0))
		}
	})
}

func TestARecordOfFiveMegabytesIsADeadLetterAndOneOfFourIsNot(t *testing.T) {
	src := orders()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	frame := `{"at":"2026-11-20 10:00:00","country":""}`
	for _, c := range []struct {
		size int
		want bool
	}{{MaxRecord, true}, {MaxRecord + 1, false}, {5000000, false}} {
		value := strings.Replace(frame, `""`, `"`+strings.Repeat("x", c.size-len(frame))+`"`, 1)
		_, dead := d.decode([]byte(value), rows)
		if (dead == nil) != c.want || dead != nil && dead.Reason != TooLarge {
			t.Errorf("%d bytes: %+v", c.size, dead)
		}
	}
	if _, dead := d.decode(nil, rows); dead == nil || dead.Reason != Empty {
		t.Errorf("a tombstone: %+v", dead)
	}
}

// Deep nesting must end in a dead letter, not in the stack's end.
func TestNestingWithoutEndIsBrokenJSON(t *testing.T) {
	src := orders()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	for _, s := range []string{strings.Repeat("[", 1000000), `{"x":` + strings.Repeat(`{"a":`, 600000), strings.Repeat(`{"charge":`, 300000)} {
		if _, dead := d.decode([]byte(s), rows); dead == nil || dead.Reason != BrokenJSON {
			t.Errorf("%.20s…: %+v", s, dead)
		}
	}
}

// What an object said that came earlier under the same key is forgotten, so that a field may be missing that was there once.
func TestTheLastOfRepeatedObjectsWins(t *testing.T) {
	src := orders()
	src.Fields[5].Nullable = false
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	for value, want := range map[string]Reason{
		`"charge":{"fee":1},"charge":{"at":5}`:    MissingField,
		`"charge":{"fee":1},"charge":null`:        MissingField,
		`"charge":{"fee":1},"charge":"cash"`:      WrongType,
		`"charge":{"fee":"x"},"charge":{}`:        MissingField,
		`"charge":{"fee":"x"},"charge":{"fee":1}`: "",
		`"charge":"cash","charge":{"fee":1}`:      "",
	} {
		_, dead := d.decode([]byte(`{"at":"2026-11-20 10:00:00","country":"",`+value+`}`), rows)
		if (dead == nil) != (want == "") || dead != nil && (dead.Reason != want || dead.Field != "fee") {
			t.Errorf("%s: got %+v, want %s", value, dead, want)
		}
	}
}

// A key's name may need escapes, and may be written with some that it does not need.
func TestKeysAreComparedByTheirText(t *testing.T) {
	for _, name := range []string{`a"b`, `"`, `\`, "\n", "", "é", "a", "\x00"} {
		src := small(1, 1, view.Int64)
		src.Fields[2].From = view.Keys(name)
		d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
		plain, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		var escaped strings.Builder
		for _, r := range name {
			fmt.Fprintf(&escaped, `\u%04X`, r)
		}
		for _, key := range []string{string(plain), `"` + escaped.String() + `"`} {
			for range 2 { // the second time the key is expected
				rows.Reset()
				value := `{"at":1,` + key + `:"found"}`
				if _, dead := d.decode([]byte(value), rows); dead != nil || text(rows, 0)[2] != `"found"` {
					t.Errorf("%s: %+v", value, dead)
				}
			}
		}
		raw := `{"at":1,"` + name + `":"found"}`
		if _, dead := d.decode([]byte(raw), rows); (dead == nil) != json.Valid([]byte(raw)) {
			t.Errorf("%s: %+v", raw, dead)
		}
	}
}

func TestTimestampsEndWithTheYear9999(t *testing.T) {
	src := orders()
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	for us, want := range map[int64]bool{minInstant: true, minInstant - 1: false, maxInstant - 1: true, maxInstant: false} {
		_, dead := d.decode(fmt.Appendf(nil, `{"at":"2026-11-20 10:00:00","country":"","charge":{"at":%d}}`, us), rows)
		if (dead == nil) != want || dead != nil && dead.Reason != OutOfRange {
			t.Errorf("%d: got %+v", us, dead)
		}
	}
}

func TestTwoFieldsMayReadOneValue(t *testing.T) {
	src := orders()
	src.Fields = append(src.Fields, view.Field{Name: "price_text", Type: view.Type{Kind: view.String}, Nullable: true, From: view.Keys("price")})
	d, rows := newDecoder(mustSchema(t, src)), NewRows(src)
	if _, dead := d.decode([]byte(`{"at":"2026-11-20 10:00:00","country":"","price":"1.50"}`), rows); dead != nil {
		t.Fatalf("%+v", dead)
	}
	if got := text(rows, 0); got[4] != "1.500" || got[10] != `"1.50"` {
		t.Errorf("got %v", got)
	}
}

func TestDefaults(t *testing.T) {
	field := func(t view.Type, nullable bool, def string) view.Field {
		return view.Field{Name: "f", Type: t, Nullable: nullable, Default: &def}
	}
	str := view.Type{Kind: view.String}
	for _, c := range []struct {
		name             string
		field            view.Field
		missing, null    string // what the row says; "dead" for a dead letter
		withoutARowAtAll string // what NewSchema refuses
	}{
		{"not nullable", field(str, false, `"a default beyond twelve bytes"`), `"a default beyond twelve bytes"`, `"a default beyond twelve bytes"`, ""},
		{"nullable", field(str, true, `"x"`), `"x"`, "-", ""},
		{"null", field(str, true, `null`), "-", "-", ""},
		{"null where null is not allowed", field(str, false, `null`), "", "", "field f: default null: the value is null"},
		{"decimal", field(decimal(38, 2), false, `1`), "1.00", "1.00", ""},
		{"wrong type", field(view.Type{Kind: view.Int64}, false, `"1"`), "", "", `field f: default "1": the string "1" is no int64`},
		{"out of range", field(decimal(3, 2), false, `10`), "", "", "out of range of its decimal"},
		{"no JSON", field(str, false, `x`), "", "", "field f: default x: it is not one JSON value"},
		{"two values", field(str, false, `"a","x":"b"`), "", "", "is not one JSON value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := small(1, 1, view.Int64)
			src.Fields[2] = c.field
			schema, err := NewSchema(src)
			if c.withoutARowAtAll != "" {
				if err == nil || !strings.Contains(err.Error(), c.withoutARowAtAll) {
					t.Fatalf("got %v, want %s", err, c.withoutARowAtAll)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for value, want := range map[string]string{`{"at":1}`: c.missing, `{"at":1,"f":null}`: c.null} {
				rows := NewRows(src)
				if _, dead := newDecoder(schema).decode([]byte(value), rows); dead != nil {
					t.Fatalf("%s: %+v", value, dead)
				}
				if got := text(rows, 0)[2]; got != want {
					t.Errorf("%s: got %s, want %s", value, got, want)
				}
			}
		})
	}
}

func TestAMissingEventTimeMayHaveADefault(t *testing.T) {
	src := small(1, 1, view.Int64)
	def := `5`
	src.Fields[1].Default = &def
	rows := NewRows(src)
	v := NewFold(mustSchema(t, src), Start()).Append(Record{Value: []byte(`{"at":null}`)}, rows)
	if v.Kind != Event || v.EventTime != 5000000 || rows.EventTime[0] != 5000000 {
		t.Errorf("got %+v", v)
	}
}

// A nullable event time is no way to have none.
func TestANullableEventTimeIsStillRequired(t *testing.T) {
	src := small(1, 1, view.Int64)
	src.Fields[1].Nullable = true
	for _, value := range []string{`{}`, `{"at":null}`} {
		v := NewFold(mustSchema(t, src), Start()).Append(Record{Value: []byte(value)}, NewRows(src))
		if v.Dead == nil || v.Dead.Reason != MissingEventTime {
			t.Errorf("%s: got %+v", value, v)
		}
	}
}

func TestSourcesThatContradictThemselvesAreRefused(t *testing.T) {
	for want, bend := range map[string]func(*view.Source){
		`source small: format "avro" is not one`:  func(s *view.Source) { s.Format = "avro" },
		`event time "when" is no timestamp field`: func(s *view.Source) { s.EventTime.Field = "when" },
		`event time "note" is no timestamp field`: func(s *view.Source) { s.EventTime.Field = "note" },
		`event id "uuid" is no field`:             func(s *view.Source) { s.EventID = "uuid" },
		`event time at: no format`:                func(s *view.Source) { s.EventTime.Format = "" },
		`load time zone Europe/Atlantis`:          func(s *view.Source) { s.EventTime.Format = time.DateTime; s.EventTime.Timezone = "Europe/Atlantis" },
		`cannot be negative`:                      func(s *view.Source) { s.Lateness = -1 * time.Second },
		`dedup records (below 2147483648)`:        func(s *view.Source) { s.DedupRecords = 1 << 31 },
		`type int128 is not one of a source`:      func(s *view.Source) { s.Fields[2].Type.Kind = view.Int128 },
		`decimal(39,0) is not between`:            func(s *view.Source) { s.Fields[2].Type = decimal(39, 0) },
		`note.x cannot be both a value and an object`: func(s *view.Source) {
			s.Fields[2].From = view.Keys("note", "x")
			s.Fields[0].From = view.Keys("note", "x", "y")
		},
		`field note: at cannot be both an array and an obj`: func(s *view.Source) {
			s.Fields[2].From = view.Path{{Key: "at"}, {Element: 1, InArray: true}}
			s.Fields[1].From = view.Keys("at", "x")
		},
		`field note: at cannot be both a value and an obje`: func(s *view.Source) { s.Fields[2].From = view.Keys("at", "x") },
	} {
		src := small(1, 1, view.Int64)
		bend(src)
		if _, err := NewSchema(src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
