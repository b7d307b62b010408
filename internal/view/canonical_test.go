package view

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// What is kept in the lake is enough to decode with, long after the definition has changed.
func TestSourceComesBackFromItsCanonicalBytes(t *testing.T) {
	s := sound(t, soundServices, soundView).Sources[0]
	back, err := ParseSource(s.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	want := *s
	want.Partitions, want.Key, want.Idle = 0, "", 0
	if !reflect.DeepEqual(*back, want) {
		t.Errorf("got  %+v\nwant %+v", *back, want)
	}
	if !bytes.Equal(back.Canonical(), s.Canonical()) || back.Hash() != s.Hash() {
		t.Error("the bytes of what was read back differ")
	}
}

func TestStoredSourceThatIsDamagedIsRefused(t *testing.T) {
	good := string(sound(t, soundServices, soundView).Sources[0].Canonical())
	for _, text := range []string{
		"", "{}", "null", good[:len(good)/2], strings.Replace(good, `"topic":`, `"topik":`, 1),
		strings.Replace(good, `"type":"timestamp"`, `"type":"moment"`, 1), strings.Replace(good, `"time_field":"invoice_date"`, `"time_field":"x"`, 1),
		good + good,
	} {
		if _, err := ParseSource([]byte(text)); err == nil {
			t.Errorf("read %q", text)
		}
	}
}

// The bytes themselves: a change here orphans every cell that anyone has kept. It is made on purpose or not at all.
func TestCanonicalBytesStayAsTheyWere(t *testing.T) {
	p := sound(t, "project: p\nsources:\n  s:\n    event_time: {field: ts}\n    event_id: id\n    fields: {id: string, ts: timestamp, n: 'int64?'}\n",
		"view: v\nsource: s\nwhere: n < 3\ngrains: [1h]\ndimensions: [id]\nmeasures: [{name: c, agg: count}, {name: m, agg: percentile, expr: n, p: 0.9, filter: n > 1}]\n")
	const source = `{"name":"s","topic":"s","format":"json","time_field":"ts","time_format":"rfc3339","time_zone":"UTC","time_zone_rules":"",` +
		`"event_id":"id","dedup_horizon_us":3600000000,"dedup_records":4000000,"lateness_us":600000000,"max_ahead_us":300000000,"fields":[` +
		`{"name":"id","type":"string","nullable":false,"from":["id"],"default":null},` +
		`{"name":"ts","type":"timestamp","nullable":false,"from":["ts"],"default":null},` +
		`{"name":"n","type":"int64","nullable":true,"from":["n"],"default":null}]}`
	const view = `{"algebra":1,"source":` + source + `,"where":"n < 3","zone":"UTC","zone_rules":"",` +
		`"dimensions":[{"name":"id","expr":"id","type":"string"}],"grains":["1h"],"measures":[` +
		`{"name":"c","agg":"count","expr":"","filter":"","type":"int64","input":"","p":0},` +
		`{"name":"m","agg":"percentile","expr":"n","filter":"n > 1","type":"double","input":"int64","p":0.9}]}`
	if got := string(p.Sources[0].Canonical()); got != source {
		t.Errorf("got  %s\nwant %s", got, source)
	}
	if got := string(p.Views[0].Canonical); got != view {
		t.Errorf("got  %s\nwant %s", got, view)
	}
	if p.Views[0].Hash != hashOf([]byte(view)) {
		t.Error("the hash is not of the canonical bytes")
	}
}

func TestHashChangesWithWhatCellsHoldAndWithNothingElse(t *testing.T) {
	before := sound(t, soundServices, soundView).Views[0].Hash
	for _, c := range []struct {
		services bool
		old, new string
		same     bool
	}{
		{false, "description: Net revenue", "description: Something else", true},
		{false, "unit: GBP", "unit: EUR", true},
		{false, "max_values: 500", "max_values: 501", true},
		{false, "  - {name: avg_line, expr: \"revenue / nullif(lines, 0)\"}\n", "", true},
		{true, "partitions: 8", "partitions: 9", true},
		{true, "key: invoice_no", "key: country", true},
		{true, "localhost:9092", "elsewhere:9092", true},
		{true, "instant_rollbacks: 2", "instant_rollbacks: 3", true},
		{true, "live_cells: 5000", "live_cells: 6000", true},
		{false, "grains: [1d, 1m, 1h]", "grains: [1m, 1h, 1d]", true},
		{false, "where: \"unit_price >= 0\"", "where: \"unit_price > 0\"", false},
		{false, "timezone: Europe/London", "timezone: Europe/Paris", false},
		{false, "grains: [1d, 1m, 1h]", "grains: [1d, 1h]", false},
		{false, "upper(invoice_no)", "upper(country)", false},
		{false, "filter: \"quantity > 0\"", "filter: \"quantity > 1\"", false},
		{false, "p: 0.95", "p: 0.9", false},
		{false, "decimal(18,3)", "decimal(18,2)", false},
		{true, "lateness: 15m", "lateness: 16m", false},
		{true, "max_ahead: 1m", "max_ahead: 2m", false},
		{true, "dedup_horizon: 2d", "dedup_horizon: 3d", false},
		{true, "dedup_records: 1000", "dedup_records: 1001", false},
		{true, "event_id: line_id", "event_id: line_id\n    batch_dedup: full", false},
		{true, "event_id: line_id", "event_id: line_id\n    batch_dedup: horizon", true},
		{true, "event_id: line_id", "event_id: invoice_no", false},
		{true, "from: price.net", "from: price.gross", false},
		{true, "default: 0.5", "default: 0.6", false},
		{true, "ratio: float?", "ratio: int64?", false},
		{true, "topic: shop.orders", "topic: orders", false},
		{true, "timezone: Europe/London", "timezone: Europe/Paris", false},
	} {
		services, text := soundServices, soundView
		if c.services {
			services = change(t, services, c.old, c.new)
		} else {
			text = change(t, text, c.old, c.new)
		}
		if after := sound(t, services, text).Views[0].Hash; (after == before) != c.same {
			t.Errorf("%q instead of %q: the hash is the same: %v", c.new, c.old, after == before)
		}
	}
}

func TestNearestFindsSlipsAndNothingElse(t *testing.T) {
	names := []string{"country", "quantity", "unit_price", "id"}
	for s, want := range map[string]string{"cuntry": "country", "Country": "country", "quantiyt": "quantity", "unitprice": "unit_price", "ix": "id", "zzz": "", "price": ""} {
		if got := nearest(s, names); got != want {
			t.Errorf("nearest to %s is %q, want %q", s, got, want)
		}
	}
}

// Whatever bytes stand in a file, Parse tells of problems or gives a project; it does not fall over.
func FuzzParse(f *testing.F) {
	f.Add(soundServices, soundView)
	f.Add("a: [1\n", "view: &x v\n? a\n: b\n")
	f.Add("sources: {s: {fields: {a: {type: decimal(3,2)}}}}", "view: v\nwhere: \"'e'''(\"\n")
	f.Fuzz(func(t *testing.T, services, text string) {
		p, problems := Parse([]File{{"caudal.yaml", []byte(services)}, {"views/v.yaml", []byte(text)}}, noEnvironment, fakeChecker{})
		if (p == nil) == (len(problems) == 0) {
			t.Fatalf("project %v with problems %v", p, problems)
		}
	})
}
