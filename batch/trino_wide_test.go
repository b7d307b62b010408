package batch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
)

// wideProject has every aggregation over every type that it takes, a filter and dimensions that fail on some events, a zone whose days have 23
// and 25 hours, and is linted for Trino.
const wideProject = `project: wide
lake: {url: "s3://lint/only"}
batch: {engine: trino, trino: {url: "http://localhost:1"}}
sources:
  things:
    partitions: 2
    event_time: {field: moment, format: unix_us}
    event_id: id
    lateness: 10m
    fields:
      id: string
      moment: timestamp
      n: int64?
      price: decimal(12,3)
      wide: decimal(30,5)?
      x: double?
      flag: bool?
      kind: string
      seen: timestamp?
      due: date?
`

const wideView = `view: wide
source: things
timezone: Europe/London
where: "coalesce(n + 9223372036854775000, 1) > 0"
dimensions: [kind, {name: weekday, expr: "dayofweek(moment)"}]
grains: [1h, 1d, 1w, 1mo]
measures:
  - {name: events, agg: count}
  - {name: dear, agg: count, filter: "price > 50"}
  - {name: squares, agg: sum, expr: "n * n"}
  - {name: turnover, agg: sum, expr: "n * price", type: "decimal(18,3)"}
  - {name: wides, agg: sum, expr: wide}
  - {name: doubles, agg: sum, expr: x}
  - {name: mean_price, agg: average, expr: price}
  - {name: mean_wide, agg: average, expr: wide}
  - {name: mean_x, agg: average, expr: x}
  - {name: least_n, agg: min, expr: n}
  - {name: most_price, agg: max, expr: price}
  - {name: most_wide, agg: max, expr: wide}
  - {name: least_x, agg: min, expr: x}
  - {name: last_kind, agg: max, expr: "lower(kind)"}
  - {name: first_seen, agg: min, expr: seen}
  - {name: last_due, agg: max, expr: due}
  - {name: ever, agg: max, expr: flag}
  - {name: opening, agg: first, expr: price}
  - {name: closing, agg: last, expr: kind, filter: "price > 10"}
  - {name: closing_seen, agg: last, expr: seen}
  - {name: closing_wide, agg: last, expr: wide}
  - {name: spread_n, agg: variance, expr: n}
  - {name: spread_price, agg: stddev_pop, expr: price}
  - {name: spread_x, agg: stddev, expr: x}
`

const sketchView = `view: sketches
source: things
timezone: Europe/London
dimensions: [kind]
grains: [1d, 1mo]
measures:
  - {name: ids, agg: count_distinct, expr: id}
  - {name: ns, agg: count_distinct, expr: n}
  - {name: prices, agg: count_distinct, expr: price, filter: "price * price > 1"}
  - {name: wides, agg: count_distinct, expr: wide}
  - {name: seens, agg: count_distinct, expr: seen}
  - {name: dues, agg: count_distinct, expr: due}
  - {name: flags, agg: count_distinct, expr: flag}
  - {name: median_n, agg: median, expr: n}
  - {name: p99_price, agg: percentile, p: 0.99, expr: price}
  - {name: p10_x, agg: percentile, p: 0.1, expr: x}
  - {name: favourites, agg: top_k, k: 3, expr: kind}
  - {name: top_ns, agg: top_k, k: 12, expr: n}
  - {name: bands, agg: histogram, expr: price, bounds: [1, 10.5, 50, 90]}
`

// wideWorld is a world of wideProject.
func wideWorld(t *testing.T) *world {
	t.Helper()
	files := []view.File{{Path: "caudal.yaml", Data: []byte(wideProject)}, {Path: "views/wide.yaml", Data: []byte(wideView)}, {Path: "views/sketches.yaml", Data: []byte(sketchView)}}
	p, err := engine.Parse(t.Context(), files, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOf(t, p)
}

// produceThings sends n events around the night in which Britain's clocks go forward, a tenth of them twice, some late.
func (w *world) produceThings(n int, seed uint64) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	some := func(share int, value string) string {
		if random.IntN(share) == 0 {
			return "null"
		}
		return value
	}
	night := time.Date(2026, 3, 27, 20, 0, 0, 0, time.UTC)
	kinds := []string{"a", "B", "Straße", "ÉÀ", "it's", "日本"}
	var messages []stream.Message
	for i := range n {
		at := night.Add(time.Duration(i) * 60 * time.Hour / time.Duration(n))
		if random.IntN(20) == 0 {
			at = at.Add(-time.Duration(random.IntN(7200)) * time.Second)
		}
		number := fmt.Sprint(random.IntN(200) - 100)
		if random.IntN(50) == 0 {
			number = []string{"9223372036854775807", "-9223372036854775808", "4000000000"}[random.IntN(3)]
		}
		value := fmt.Sprintf(`{"id":"%d-%d","moment":%d,"n":%s,"price":"%d.%03d","wide":%s,"x":%s,"flag":%s,"kind":%q,"seen":%s,"due":%s}`,
			seed, i, at.UnixMicro()+random.Int64N(1_000_000), some(9, number), random.IntN(100), random.IntN(1000),
			some(7, fmt.Sprintf(`"%d%d.%05d"`, random.Int64N(2e18)-1e18, random.IntN(9), random.IntN(100_000))), some(5, fmt.Sprint(random.NormFloat64()*1e6)),
			some(3, fmt.Sprint(random.IntN(4) == 0)), kinds[random.IntN(len(kinds))], some(4, fmt.Sprintf("%q", at.Add(time.Duration(random.IntN(1e9))).Format(time.RFC3339Nano))),
			some(4, fmt.Sprintf("%q", at.AddDate(0, 0, random.IntN(30)).Format(time.DateOnly))))
		m := stream.Message{Key: []byte(fmt.Sprint(i % 17)), Value: []byte(value)}
		if messages = append(messages, m); random.IntN(10) == 0 {
			messages = append(messages, m)
		}
	}
	w.send(messages)
}

func TestTrinoComputesEveryAggregationAsDuckDBDoesCellByCell(t *testing.T) {
	t.Parallel()
	s := testservices.Trino(t)
	w := wideWorld(t)
	w.produceThings(2000, 1)
	w.archiveAll(nil)
	w.bothEngines(s, w.project.Views)
	failed := queryRows(t, "SELECT sum(_errors) FROM "+w.files(w.currentOf(w.project.Views[1]))+" WHERE _grain = '1d'")
	if failed[0] == "0" {
		t.Error("no expression failed on any event")
	}
}

func TestDefinitionsThatTrinoWouldComputeOtherwiseAreRefusedAtLint(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"expr: \"n * n\"", "expr: \"sqrt(x)\""}:                                 "views/wide.yaml:10:38: expr of measure squares of view wide: batch.engine is trino, and function sqrt has no translation to Trino",
		{"dayofweek(moment)", "strftime(moment, '%a')"}:                          "function strftime has no translation to Trino: those that have one are abs,",
		{"filter: \"price > 50\"", "filter: \"price / n > 50\""}:                 "the divisor may be zero",
		{"n * price\", type: \"decimal(18,3)\"", "x\", type: \"decimal(18,3)\""}: "a double is rounded to decimal(18,3) otherwise by Trino than by DuckDB: compute in decimals, or keep it a double",
		{"coalesce(n", "n > 0 and n * n > 0 and coalesce(n"}:                     "an operand of AND may overflow",
		{"lateness: 10m", "batch_dedup: full"}:                                   "batch_dedup: full looks at every id",
		{"s3://lint/only", "/var/lake"}:                                          "batch.trino does not say how Trino names the lake's root",
		{"http://localhost:1\"", "http://localhost:1\", password: x"}:            "over a connection that is not encrypted",
		{", trino: {url: \"http://localhost:1\"}", ""}:                           "batch.trino does not say where it is",
	} {
		replace := strings.NewReplacer(change[0], change[1])
		files := []view.File{{Path: "caudal.yaml", Data: []byte(replace.Replace(wideProject))}, {Path: "views/wide.yaml", Data: []byte(replace.Replace(wideView))}}
		_, err := engine.Parse(t.Context(), files, func(string) (string, bool) { return "", false })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s instead of %s: got %v, want %s", change[1], change[0], err, want)
		}
	}
}
