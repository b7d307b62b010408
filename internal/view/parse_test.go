package view

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const soundServices = `project: shop
kafka: {brokers: ["localhost:9092", "b:9093"]}
redis: {addrs: ["localhost:6379"], username: u, password: "${REDIS_PASSWORD}"}
lake: {url: "s3://bucket/prefix", endpoint: "http://localhost:7070", region: eu-west-1, access_key: a, secret_key: "${SECRET:-s}", path_style: true}
batch: {memory_limit: 512MB, threads: 2, archive_wait: 90s, snapshots: 7, instant_rollbacks: 2, every: 24h}
sources:
  orders:
    topic: shop.orders
    partitions: 8
    format: json
    key: invoice_no
    event_time: {field: invoice_date, format: "2006-01-02 15:04:05", timezone: Europe/London}
    event_id: line_id
    dedup_horizon: 2d
    dedup_records: 1000
    lateness: 15m
    max_ahead: 1m
    fields:
      line_id: string
      invoice_no: string
      quantity: bigint
      invoice_date: timestamp
      unit_price: {type: "decimal(12,3)", from: price.net, default: 0.5}
      customer_id: {type: string?, from: [customer, "a.b"]}
      ratio: float?
      country: string
speed: {live_cells: 5000, coarse_flush: 2s}
`

const soundView = `view: sales
source: orders
description: Net revenue
where: "unit_price >= 0"
timezone: Europe/London
max_values: 500
dimensions:
  - country
  - {name: product, expr: "upper(invoice_no)", description: d}
grains: [1d, 1m, 1h]
measures:
  - {name: revenue, agg: sum, expr: "quantity * unit_price", type: "decimal(18,3)", unit: GBP, description: r}
  - {name: quantity_sum, agg: sum, expr: quantity}
  - {name: orders, agg: count_distinct, expr: invoice_no, filter: "quantity > 0"}
  - {name: lines, agg: count}
  - {name: p95, agg: percentile, expr: quantity, p: 0.95}
  - {name: med, agg: median, expr: quantity}
  - {name: avg_line, expr: "revenue / nullif(lines, 0)"}
`

func parseTexts(services string, views ...string) (*Project, Problems) {
	files := []File{{Path: "caudal.yaml", Data: []byte(services)}}
	for i, v := range views {
		files = append(files, File{Path: "views/" + string(rune('a'+i)) + ".yaml", Data: []byte(v)})
	}
	env := map[string]string{"REDIS_PASSWORD": "secret: {x", "EMPTY": ""}
	return Parse(files, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, fakeChecker{})
}

func sound(t *testing.T, services string, views ...string) *Project {
	t.Helper()
	p, problems := parseTexts(services, views...)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

func TestParseFillsInWhatTheFilesSay(t *testing.T) {
	p := sound(t, soundServices, soundView)
	if p.Name != "shop" || !slices.Equal(p.Kafka.Brokers, []string{"localhost:9092", "b:9093"}) || p.Redis.Password != "secret: {x" {
		t.Errorf("services are %+v", p)
	}
	if want := (Lake{URL: "s3://bucket/prefix", Endpoint: "http://localhost:7070", Region: "eu-west-1", AccessKey: "a", SecretKey: "s", PathStyle: true, FileBytes: DefaultFileBytes, Versions: Versions{Keep: 10}}); p.Lake != want {
		t.Errorf("lake is %+v", p.Lake)
	}
	if want := (Batch{MemoryLimit: "512MB", Threads: 2, ArchiveWait: 90 * time.Second, Snapshots: 7, InstantRollbacks: 2, Every: 24 * time.Hour, Engine: EngineDuckDB}); p.Batch != want {
		t.Errorf("batch is %+v", p.Batch)
	}
	s := p.Sources[0]
	if s.Name != "orders" || s.Topic != "shop.orders" || s.Partitions != 8 || s.Key != "invoice_no" || s.EventID != "line_id" ||
		s.DedupHorizon != 48*time.Hour || s.DedupRecords != 1000 || s.Lateness != 15*time.Minute || s.MaxAhead != time.Minute ||
		s.EventTime != (EventTime{"invoice_date", "2006-01-02 15:04:05", "Europe/London"}) {
		t.Errorf("source is %+v", s)
	}
	price, customer := s.Fields[4], s.Fields[5]
	if price.Type != (Type{Kind: Decimal, Precision: 12, Scale: 3}) || !slices.Equal(price.From, Keys("price", "net")) || price.Default == nil || *price.Default != "0.5" {
		t.Errorf("unit_price is %+v", price)
	}
	if !customer.Nullable || !slices.Equal(customer.From, Keys("customer", "a.b")) {
		t.Errorf("customer_id is %+v", customer)
	}
	v := p.Views[0]
	if v.Source != s || v.Where != "unit_price >= 0" || v.MaxValues != 500 || p.Speed.LiveCells != 5000 || p.Speed.CoarseFlush != 2*time.Second || v.Location.String() != "Europe/London" || len(v.Hash) != 64 {
		t.Errorf("view is %+v", v)
	}
	if got := []string{v.Grains[0].Name, v.Grains[1].Name, v.Grains[2].Name}; !slices.Equal(got, []string{"1m", "1h", "1d"}) {
		t.Errorf("grains are %v", got)
	}
	if m := v.Measures[v.Measure("med")]; m.Agg != Percentile || m.P != 0.5 {
		t.Errorf("the median is %+v", m)
	}
	if m := v.Measures[v.Measure("avg_line")]; m.Agg != Derived || m.Type.Kind != Double {
		t.Errorf("the derived measure is %+v", m)
	}
	if m := v.Measures[v.Measure("quantity_sum")]; m.Type.Kind != Int128 || m.Input.Kind != Int64 {
		t.Errorf("the sum of integers is %+v", m)
	}
}

func TestParseFillsInDefaults(t *testing.T) {
	p := sound(t, "project: p\nsources:\n  s:\n    event_time: {field: ts}\n    fields: {ts: timestamp}\n",
		"view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count}]\n")
	s := p.Sources[0]
	if s.Topic != "s" || s.Partitions != 4 || s.Format != "json" || s.Lateness != 10*time.Minute || s.MaxAhead != 5*time.Minute ||
		s.DedupHorizon != time.Hour || s.DedupRecords != 4_000_000 || s.EventTime != (EventTime{"ts", "rfc3339", "UTC"}) {
		t.Errorf("source is %+v", s)
	}
	if want := (Batch{MemoryLimit: "2GB", ArchiveWait: 15 * time.Minute, Snapshots: 30, InstantRollbacks: 1, Engine: EngineDuckDB}); p.Batch != want {
		t.Errorf("batch is %+v", p.Batch)
	}
	if v := p.Views[0]; v.Timezone != "UTC" || v.Location != time.UTC || v.MaxValues != 100_000 || p.Speed.LiveCells != 2_000_000 || p.Speed.CoarseFlush != 5*time.Second {
		t.Errorf("view is %+v", v)
	}
}

// change replaces one line of a sound definition and tells what comes of it.
func change(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("BUG: %q stands %d times in the text", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

func TestEachMistakeOfServicesAndSourcesIsToldOnce(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"project: shop", "project: My Shop", `caudal.yaml:1:10: project "My Shop" is no name`},
		{"project: shop", "projekt: shop", `caudal.yaml:1:1: unknown key "projekt" in caudal.yaml: did you mean "project"?`},
		{`"localhost:9092", "b:9093"`, `"localhost"`, `caudal.yaml:2:20: address "localhost" is no host:port`},
		{`["localhost:9092", "b:9093"]`, `localhost:9092`, `kafka.brokers is a single value: write a list`},
		{`"${REDIS_PASSWORD}"`, `"${REDIS_PASS}"`, `caudal.yaml:3:60: environment variable REDIS_PASS is not set: set it, or give a default: ${REDIS_PASS:-…}`},
		{`"${REDIS_PASSWORD}"`, `"${REDIS-X}"`, `variable name "REDIS-X" is none`},
		{`"${REDIS_PASSWORD}"`, `"${REDIS"`, `${ without its }`},
		{`"${REDIS_PASSWORD}"`, `${REDIS_PASSWORD}`, `no valid YAML`},
		{"s3://bucket/prefix", "gs://bucket", `lake.url "gs://bucket" is of a kind that this version does not know`},
		{"s3://bucket/prefix", "s3://", `names no bucket`},
		{"access_key: a, ", "", `only one of access_key and secret_key`},
		{"path_style: true", "path_style: yes", `lake.path_style "yes" is neither true nor false`},
		{"memory_limit: 512MB", "memory_limit: lots", `is no amount of memory`},
		{"live_cells: 5000", "live_cells: 0", `speed.live_cells 0 is out of range: it is between 1 and 1000000000`},
		{"coarse_flush: 2s", "coarse_flush: 2h", `speed.coarse_flush "2h" is too long: it is at most 1h`},
		{"coarse_flush: 2s", "coarse_flush: seldom", `speed.coarse_flush: "seldom" is no duration`},
		{"live_cells: 5000", "cells: 5000", `caudal.yaml:27:9: unknown key "cells" in speed: the keys are live_cells`},
		{"threads: 2", "threads: two", `caudal.yaml:5:39: batch.threads "two" is no whole number`},
		{"archive_wait: 90s", "archive_wait: 90", `batch.archive_wait: "90" is no duration: write a number with a unit`},
		{"every: 24h", "every: 5s", `is too short`},
		{"instant_rollbacks: 2", "instant_rollbacks: 7", `promises more than the snapshots that are kept`},
		{"  orders:", "  Orders:", `source "Orders" is no name`},
		{"  orders:\n    topic: shop.orders", "  my orders:", `source "my orders" is no name`},
		{"topic: shop.orders", "topic: shop orders", `is no topic name`},
		{"partitions: 8", "partitions: 0", `caudal.yaml:9:17: source orders: partitions 0 is out of range`},
		{"partitions: 8", `partitions: "8"`, `"8" is no whole number`},
		{"format: json", "format: avro", `unknown format "avro": this version reads json`},
		{"key: invoice_no", "key: invoice", `caudal.yaml:11:10: unknown field "invoice" as key of source orders`},
		{"field: invoice_date", "field: invoicedate", `unknown field "invoicedate" as field of source orders: event_time: did you mean "invoice_date"?`},
		{"field: invoice_date", "field: quantity", `event_time.field "quantity" is of type int64: declare it as timestamp`},
		{"invoice_date: timestamp", "invoice_date: timestamp?", `event_time.field "invoice_date" may be null`},
		{`"2006-01-02 15:04:05"`, `"%Y-%m-%d"`, `is no way to write a time`},
		{`"2006-01-02 15:04:05"`, `unix_mss`, `did you mean "unix_ms"?`},
		{`format: "2006-01-02 15:04:05"`, "format: unix_ms", `event_time.timezone has no effect on unix_ms`},
		{"timezone: Europe/London", "timezone: Europe/Londn", `unknown time zone "Europe/Londn"`},
		{"timezone: Europe/London", "timezone: Local", `differs from machine to machine`},
		{"line_id: string", "line_id: string?", `event_id "line_id" may be null`},
		{"event_id: line_id", "event_id: ratio", "may be null"},
		{"event_id: line_id", "event_id: line_id\n    batch_dedup: ful", `unknown batch_dedup "ful": write full`},
		{"dedup_horizon: 2d", "dedup_horizon: 0s", `is too short: it is at least 1s`},
		{"lateness: 15m", "lateness: -1m", `is no duration`},
		{"quantity: bigint", "quantity: number", `field quantity: unknown type "number": write int64`},
		{"quantity: bigint", "quantity: strng", `did you mean "string"?`},
		{"quantity: bigint", "_quantity: bigint", `field "_quantity" is no name`},
		{"quantity: bigint", "Country: bigint", `fields "Country" and "country" differ only by case`},
		{"quantity: bigint", "country: bigint", `key "country" is there twice`},
		{`"decimal(12,3)"`, `decimal(12,3)`, `a comma ends a value inside {…}: put a type with a comma in quotes`},
		{`"decimal(12,3)"`, `"decimal(39,3)"`, `is out of range`},
		{`"decimal(12,3)"`, `decimal`, `write decimal(precision,scale)`},
		{"default: 0.5", "default: 0.5555", `default "0.5555" is no decimal(12,3)`},
		{"default: 0.5", "defalt: 0.5", `unknown key "defalt" in source orders: field unit_price: did you mean "default"?`},
		{"from: price.net", "from: price..net", `from has an empty key`},
		{"from: price.net", "from: country.net", `field unit_price is inside field country`},
	} {
		_, problems := parseTexts(change(t, soundServices, c.old, c.new))
		if !containsProblem(problems, c.want) {
			t.Errorf("%q: got\n%v\nwant %s", c.new, problems, c.want)
		}
		if len(problems) > 2 {
			t.Errorf("%q: one mistake is told as %d:\n%v", c.new, len(problems), problems)
		}
	}
}

func containsProblem(problems Problems, want string) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Error(), want) })
}

func TestEachMistakeOfAViewIsToldOnce(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"view: sales", "vieww: sales", `views/a.yaml:1:1: unknown key "vieww" in the view: did you mean "view"?`},
		{"source: orders", "source: order", `views/a.yaml:2:9: unknown source "order" in view sales: did you mean "orders"?`},
		{"max_values: 500", "max_values: 0", `views/a.yaml:6:13: view sales: max_values 0 is out of range: it is between 1 and 10000000`},
		{"max_values: 500", "max_values: lots", `views/a.yaml:6:13: view sales: max_values "lots" is no whole number: write one, e.g. 100000`},
		{"timezone: Europe/London", "timezone: Europe/Lundon", `unknown time zone`},
		{"timezone: Europe/London", "timezone: Asia/Kolkata", `views/a.yaml:10:18: view sales: grain 1h does not divide the days of Asia/Kolkata: 2026-01-01 begins there at 18:30:00 UTC, inside a bucket: use 30m or a divisor of it`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price\"", `where of view sales is a decimal(12,3): write a condition`},
		{"where: \"unit_price >= 0\"", "where: \"cuntry = 'x'\"", `views/a.yaml:4:9: unknown field "cuntry" in view sales: did you mean "country"?`},
		{"where: \"unit_price >= 0\"", "where: \"country = 'x' and cuntry = 'y'\"", `views/a.yaml:4:27: unknown field "cuntry"`},
		{"where: \"unit_price >= 0\"", "where: \"uper(country) > 'x'\"", `did you mean "upper"?`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price >= 0) or (true\"", `views/a.yaml:4:24: where of view sales: unexpected ")"`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price >= 0 -- all\"", `a comment inside an expression`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price >= 0; drop\"", `unexpected ";"`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price >= 0, true\"", `more than one expression`},
		{"where: \"unit_price >= 0\"", "where: \"unit_price >= 0 as x\"", `an alias`},
		{"where: \"unit_price >= 0\"", "where: \"country = 'x\"", `a quote that is not closed`},
		{"where: \"unit_price >= 0\"", "where: \"age(invoice_date) > interval 1 day\"", `age() is not a function of the event alone`},
		{"where: \"unit_price >= 0\"", "where: \"hash(country) > 3\"", `use md5_number()`},
		{"where: \"unit_price >= 0\"", "where: \"caudal_register(country) > 3\"", `caudal_register() belongs to the platform`},
		{"where: \"unit_price >= 0\"", "where: \"quantity in (from t)\"", `a subquery`},
		{"where: \"unit_price >= 0\"", "where: [a]", `where of view sales is a list`},
		{"  - country\n", "  - cuntry\n", `views/a.yaml:8:5: unknown field "cuntry" in view sales: did you mean "country"?`},
		{"  - country\n", "  - Country\n", `dimension "Country" is no name: write {name: country, expr: Country}`},
		{"  - country\n", "  - time\n", `name "time" in view sales is taken`},
		{"  - country\n", "  - product\n", `name "product" in view sales is taken: line 8 has it`},
		{"  - country\n", "  - {name: r, expr: ratio}\n", `dimension r of view sales is a double`},
		{"  - country\n", "  - {name: r, expr: \"quantity::hugeint\"}\n", `128 bits: cast it`},
		{"  - country\n", "  - {name: r, expr: \"quantity::interval\"}\n", `its type is none that this version can keep`},
		{"[1d, 1m, 1h]", "[1d, 7m, 1h]", `"7m" does not divide a day: the next that do are 6m and 8m`},
		{"[1d, 1m, 1h]", "[1d, 20m, 30m]", `views/a.yaml:10:14: view sales: grain 20m does not divide grain 30m`},
		{"[1d, 1m, 1h]", "[1d, 8m]", `view sales: grain 8m does not divide the days of Europe/London: 2026-07-01 begins there at 23:00:00 UTC, inside a bucket: use 6m or a divisor`},
		{"[1d, 1m, 1h]", "[1d, 60m, 1h]", `grain 1h is there twice`},
		{"[1d, 1m, 1h]", "[2d]", `longer than a day there are 1d, 1w, 1mo and 1y`},
		{"[1d, 1m, 1h]", "[1day]", `"1day" is no grain`},
		{"[1d, 1m, 1h]", "[24h]", `write 1d`},
		{"[1d, 1m, 1h]", "[]", `grains is a list: write a list, e.g. [1m, 1h, 1d]`},
		{"agg: sum, expr: quantity}", "agg: avg, expr: quantity}", `unknown aggregation "avg" of measure quantity_sum of view sales: did you mean "average"?`},
		{"agg: sum, expr: quantity}", "agg: ratio, expr: quantity}", "unknown aggregation \"ratio\" of measure quantity_sum of view sales: leave agg out and divide two measures"},
		{"agg: sum, expr: quantity}", "agg: var, expr: quantity}", `did you mean "variance"?`},
		{"agg: sum, expr: quantity}", "agg: topk, expr: quantity}", `did you mean "top_k"? with k`},
		{"agg: sum, expr: quantity}", "agg: top_k, expr: quantity}", "measure quantity_sum of view sales has no k: say how many values"},
		{"agg: sum, expr: quantity}", "agg: top_k, k: 101, expr: quantity}", "k of measure quantity_sum of view sales 101 is out of range"},
		{"agg: sum, expr: quantity}", "agg: last, k: 1, expr: quantity}", "k is for agg: top_k"},
		{"agg: sum, expr: quantity}", "agg: histogram, expr: quantity}", "has no bounds: say where its bins meet"},
		{"agg: sum, expr: quantity}", "agg: sum, bounds: [1], expr: quantity}", "bounds is for agg: histogram"},
		{"agg: sum, expr: quantity}", "agg: histogram, bounds: [], expr: quantity}", "bounds of measure quantity_sum of view sales is"},
		{"agg: sum, expr: quantity}", "agg: histogram, bounds: [1, 5, 5], expr: quantity}", "bound 5 of measure quantity_sum of view sales is not above the one before"},
		{"agg: sum, expr: quantity}", "agg: histogram, bounds: [1.5], expr: quantity}", "is no int64: write it with at most 0 digits behind the point"},
		{"agg: sum, expr: quantity}", "agg: histogram, bounds: [9223372036854775808], expr: quantity}", "it is out of the type's range"},
		{"agg: sum, expr: quantity}", "agg: histogram, bounds: [many], expr: quantity}", "is no int64: write a number"},
		{"agg: sum, expr: quantity}", "agg: sum}", `measure quantity_sum of view sales has no expr`},
		{"agg: sum, expr: quantity}", "agg: sum, expr: country}", `sum of a string: it has to be a number`},
		{"agg: sum, expr: quantity}", "agg: sum, expr: \"quantity > 0\"}", `agg: count`},
		{"agg: sum, expr: quantity}", "agg: sum, expr: \"quantity::hugeint\"}", `an integer of 128 bits is for answers`},
		{"agg: sum, expr: quantity}", "agg: average, expr: quantity, type: int64}", `type is for agg: sum`},
		{"agg: sum, expr: quantity}", "agg: sum, expr: quantity, type: string}", `a sum is no string`},
		{"agg: sum, expr: quantity}", "agg: sum, expr: \"sum(quantity)\"}", `aggregate sum() inside an expression`},
		{"agg: count_distinct, expr: invoice_no", "agg: count_distinct, expr: ratio", `count_distinct of a double`},
		{"filter: \"quantity > 0\"", "filter: \"quantity\"", `filter of measure orders of view sales is a int64`},
		{"name: lines, agg: count", "name: lines, agg: count, expr: quantity", `count has no expr`},
		{"name: lines, agg: count", "name: orders, agg: count", `name "orders" in view sales is taken`},
		{"p: 0.95", "p: 95", `p of measure p95 of view sales is not between 0 and 1: write 0.95`},
		{", p: 0.95", "", `has no p`},
		{"agg: median, expr: quantity", "agg: median, expr: quantity, p: 0.2", `p is for agg: percentile`},
		{"revenue / nullif(lines, 0)", "revenue / no_such", `unknown measure "no_such" in view sales`},
		{"revenue / nullif(lines, 0)", "avg_line + 1", `measure avg_line of view sales is computed from itself: avg_line → avg_line`},
		{"{name: avg_line, expr: \"revenue / nullif(lines, 0)\"}", "{name: avg_line}", `has neither agg nor expr`},
		{"{name: avg_line, expr: \"revenue / nullif(lines, 0)\"}", "{name: avg_line, expr: revenue, filter: \"true\"}", `a derived measure has no filter`},
	} {
		_, problems := parseTexts(soundServices, change(t, soundView, c.old, c.new))
		if !containsProblem(problems, c.want) {
			t.Errorf("%q: got\n%v\nwant %s", c.new, problems, c.want)
		}
		if len(problems) > 2 {
			t.Errorf("%q: one mistake is told as %d:\n%v", c.new, len(problems), problems)
		}
	}
}

func TestAllMistakesAreToldAtOnceInTheOrderOfTheirPlaces(t *testing.T) {
	services := change(t, change(t, soundServices, "threads: 2", "threads: two"), "quantity: bigint", "quantity: number")
	first := change(t, change(t, soundView, "where: \"unit_price >= 0\"", "where: \"cuntry = 'x'\""), "p: 0.95", "p: 95")
	_, problems := parseTexts(services, first, change(t, soundView, "grains: [1d, 1m, 1h]", "grains: []"))
	var got []string
	for _, p := range problems {
		got = append(got, p.File+": "+p.What)
	}
	want := []string{
		`caudal.yaml: batch.threads "two" is no whole number`, `caudal.yaml: source orders: field quantity: unknown type "number"`,
		`views/a.yaml: unknown field "cuntry" in view sales`, `views/a.yaml: p of measure p95 of view sales is not between 0 and 1`,
		`views/b.yaml: view sales is already defined at views/a.yaml:1`, `views/b.yaml: view sales: grains is a list`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestDerivedMeasuresAreWrittenOutOverKeptOnes(t *testing.T) {
	text := soundView + "  - {name: twice, expr: \"avg_line * 2\"}\n  - {name: both, expr: \"twice + avg_line\"}\n"
	v := sound(t, soundServices, text).Views[0]
	want := "((revenue / nullif(lines, 0)) * 2) + (revenue / nullif(lines, 0))"
	if got := v.Measures[v.Measure("both")].Expr; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, problems := parseTexts(soundServices, soundView+"  - {name: x, expr: \"y * 2\"}\n  - {name: y, expr: \"1 + x\"}\n")
	if !containsProblem(problems, "x → y → x") || !containsProblem(problems, "y → x → y") {
		t.Errorf("the circle is told as %v", problems)
	}
}

// A measure that could not be read is told once: what is computed from it is not, and the rest still is.
func TestMistakesDoNotBreedOthers(t *testing.T) {
	text := change(t, soundView, "name: lines, agg: count", "name: lines, agg: cnt") + "  - {name: more, expr: \"no_such + 1\"}\n"
	_, problems := parseTexts(soundServices, text)
	if len(problems) != 2 || !containsProblem(problems, `did you mean "count"?`) || !containsProblem(problems, `unknown measure "no_such"`) {
		t.Error(problems)
	}
	_, problems = parseTexts(change(t, soundServices, "quantity: bigint", "quantity: number"), soundView)
	if len(problems) != 1 {
		t.Error(problems)
	}
}

func TestTwoSourcesCannotShareATopic(t *testing.T) {
	_, problems := parseTexts("project: p\nsources:\n  s: {event_time: {field: ts}, fields: {ts: timestamp}}\n  q: {topic: s, event_time: {field: ts}, fields: {ts: timestamp}}\n")
	if !containsProblem(problems, `caudal.yaml:4:3: sources s and q read the same topic "s"`) {
		t.Error(problems)
	}
}

func TestListOfBrokersComesFromOneVariable(t *testing.T) {
	text := "project: p\nkafka: {brokers: [\"${B:-x:1, y:2}\"]}\nredis: {addrs: [\"${EMPTY:-}\"]}\nsources: {s: {event_time: {field: ts}, fields: {ts: timestamp}}}\n"
	p := sound(t, text)
	if !slices.Equal(p.Kafka.Brokers, []string{"x:1", "y:2"}) || p.Redis.Addrs != nil {
		t.Errorf("%+v", p)
	}
}

func TestCheckerThatFailsIsToldOnce(t *testing.T) {
	_, problems := Parse([]File{{"caudal.yaml", []byte(soundServices)}, {"views/a.yaml", []byte(soundView)}},
		func(string) (string, bool) { return "", true }, fakeChecker{fail: true})
	if len(problems) == 0 || !containsProblem(problems, "the engine is gone") {
		t.Error(problems)
	}
}

func TestFilesThatAreNoDefinitionsAreToldOrLeftAlone(t *testing.T) {
	for _, c := range []struct {
		path, text, want string
	}{
		{"views/v.yaml", "", "the file is empty"},
		{"views/v.yaml", "- a\n", "the view is a list"},
		{"views/v.yaml", "a: [1\n", "no valid YAML"},
		{"views/v.yaml", "view: v\n---\nview: w\n", "a second document"},
		{"views/v.yaml", "view: &x v\nsource: *x\n", "anchors, aliases and tags"},
		{"views/readme.md", "# nothing", ""},
	} {
		_, problems := Parse([]File{{"caudal.yaml", []byte(soundServices)}, {c.path, []byte(c.text)}},
			func(string) (string, bool) { return "x", true }, fakeChecker{})
		if c.want == "" && len(problems) > 0 || c.want != "" && !containsProblem(problems, c.want) {
			t.Errorf("%q: %v", c.text, problems)
		}
	}
	_, problems := Parse(nil, noEnvironment, fakeChecker{})
	if !containsProblem(problems, "caudal.yaml: the project has none") {
		t.Error(problems)
	}
}
