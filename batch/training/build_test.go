package training

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

const testServices = `project: p
sources:
  payments:
    event_time: {field: stamp, format: unix_us}
    event_id: id
    fields: {id: string, stamp: timestamp, customer: string?, merchant: int64, amount: "decimal(12,2)", rate: double?, fraud: bool, x0: string?}
  logins:
    event_time: {field: stamp, format: unix_us}
    fields: {stamp: timestamp, who: string, country: string?, risk: string}
`

const testView = `view: spending
source: payments
where: "amount >= 0"
grains: [1h]
dimensions: [customer]
measures:
  - {name: payments, agg: count}
  - {name: spent, agg: sum, expr: amount}
  - {name: large, agg: count, filter: "amount > 50"}
  - {name: merchants, agg: count_distinct, expr: merchant}
`

const testTraining = `training: fraud
labels:
  source: payments
  where: "merchant <> 3"
  columns: [id, fraud, {name: cents, expr: "(amount * 100)::bigint"}]
keys: [customer, {name: shop, expr: merchant}]
features:
  - {name: n_10, key: customer, view: spending, measure: payments, window: 10s}
  - {name: spent_100, key: customer, view: spending, measure: spent, window: 100s}
  - {name: large_100, key: customer, view: spending, measure: large, window: 100s, where: "rate is not null"}
  - {name: shops, key: customer, view: spending, measure: merchants, window: 40s, delay: 5s}
  - {name: p90, key: shop, source: payments, by: merchant, agg: percentile, p: 0.9, expr: amount, window: 30s}
  - {name: spread, key: shop, source: payments, by: merchant, agg: stddev, expr: rate, window: 60s}
  - {name: rates, key: shop, source: payments, by: merchant, agg: sum, expr: rate, window: 60s}
  - {name: cents_mean, key: shop, source: payments, by: merchant, agg: average, expr: "(amount * 100)::bigint", window: 60s}
  - {name: cents_sum, key: shop, source: payments, by: merchant, agg: sum, expr: "(amount * 100)::bigint", window: 60s}
  - {name: frauds, key: shop, source: payments, by: merchant, agg: count, where: fraud, window: 1h, delay: 20s}
  - {name: last_note, key: customer, source: payments, by: customer, agg: last, expr: x0, window: 1h}
  - {name: first_seen, key: customer, source: logins, by: who, agg: first, expr: stamp, window: 1h}
  - {name: risk, key: customer, source: logins, by: who, agg: max, expr: "risk::int", window: 1h}
  - {name: countries, key: customer, source: logins, by: who, agg: count_distinct, expr: country, window: 50s}
`

func testProject(t testing.TB, training string) *view.Project {
	t.Helper()
	p, err := engine.Parse(t.Context(), []view.File{
		{Path: "caudal.yaml", Data: []byte(testServices)}, {Path: "views/a.yaml", Data: []byte(testView)}, {Path: "training/a.yaml", Data: []byte(training)},
	}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sourceOf(t testing.TB, p *view.Project, name string) *view.Source {
	t.Helper()
	i := slices.IndexFunc(p.Sources, func(s *view.Source) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("BUG: no source %s", name)
	}
	return p.Sources[i]
}

// record is an event as a test makes it: nil is null.
type record struct {
	source                 string
	at, known              int64
	incarnation, partition int
	offset                 int64
	fields                 map[string]any
}

// epoch is when the tests' events begin.
var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// drawRecords makes events of both sources from a seed: ties, late ones, nulls, risks that are no numbers.
func drawRecords(seed uint64, n int) []record {
	random := rand.New(rand.NewPCG(seed, 9))
	offsets := map[string]int64{}
	var out []record
	for i := range n {
		at := epoch + int64(i)*100_000 - random.Int64N(30_000_000)
		if random.IntN(3) == 0 {
			at -= at % 1_000_000 // ties
		}
		r := record{source: "payments", at: at, known: epoch + int64(i)*100_000 + random.Int64N(2000), incarnation: 1, partition: random.IntN(2)}
		customer := any(fmt.Sprintf("c%d", random.IntN(5)))
		if random.IntN(10) == 0 {
			customer = nil
		}
		if random.IntN(3) > 0 {
			rate := any(random.NormFloat64() * float64(int(1)<<random.IntN(60)))
			if random.IntN(4) == 0 {
				rate = nil
			}
			r.fields = map[string]any{"id": fmt.Sprint(i), "customer": customer, "merchant": random.Int64N(5), "amount": fmt.Sprintf("%d.%02d", random.IntN(140)-20, random.IntN(100)),
				"rate": rate, "fraud": random.IntN(5) == 0, "x0": []any{nil, "", "x", "ü"}[random.IntN(4)]}
		} else {
			r.source = "logins"
			if customer == nil {
				customer = ""
			}
			r.fields = map[string]any{"who": customer, "country": []any{nil, "DE", "FR", "GB"}[random.IntN(4)], "risk": []any{"1", "7", "40", "high"}[random.IntN(4)]}
		}
		key := fmt.Sprint(r.source, r.partition)
		r.offset = offsets[key]
		offsets[key]++
		out = append(out, r)
	}
	return out
}

// eventsSQL are the records of a source as a query with lake.TableColumns, over a file in a folder.
func eventsSQL(t testing.TB, dir string, src *view.Source, records []record) string {
	t.Helper()
	var text bytes.Buffer
	for _, r := range records {
		if r.source != src.Name {
			continue
		}
		for _, f := range src.Fields {
			switch x := r.fields[f.Name]; {
			case f.Name == src.EventTime.Field:
				text.WriteString(time.UnixMicro(r.at).UTC().Format("2006-01-02 15:04:05.000000"))
			case x == nil:
				text.WriteString(`\N`)
			default:
				fmt.Fprintf(&text, "%q", fmt.Sprint(x))
			}
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, "%d,%d,%d,%d,%d,0,false\n", r.incarnation, r.partition, r.offset, r.known, r.at)
	}
	path := filepath.Join(dir, src.Name+".csv")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range lake.TableColumns(src) {
		name, kind, _ := strings.Cut(c, " ")
		columns = append(columns, fmt.Sprintf("'%s': '%s'", strings.Trim(name, `"`), kind))
	}
	return fmt.Sprintf(`SELECT * FROM read_csv(%s, header = false, nullstr = '\N', columns = {%s})`, sqltext.Text(path), strings.Join(columns, ", "))
}

// built computes a set over records and returns the folder of its files and their names. change may give it
// smaller pages and files.
func built(t testing.TB, p *view.Project, as As, records []record, threads int, change func(*build)) (string, []string) {
	t.Helper()
	events := map[string]string{}
	dir := t.TempDir()
	for _, src := range p.Sources {
		events[src.Name] = eventsSQL(t, dir, src, records)
	}
	b, err := newBuild(p.Trainings[0], as, events, engine.Options{Threads: threads, MemoryLimit: "512MB"}, func(string, int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	change(b)
	files, err := b.run(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}

// readRows reads files as texts, row by row, by column.
func readRows(t testing.TB, dir string, files []string, columns []string) []map[string]string {
	t.Helper()
	db, err := engine.Open(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, name := range files {
		var quoted []string
		for _, c := range columns {
			quoted = append(quoted, sqltext.Name(c))
		}
		sql := fmt.Sprintf("SELECT %s FROM read_parquet(%s)", strings.Join(quoted, ", "), sqltext.Text(filepath.Join(dir, name)))
		err := conn.Query(context.Background(), sql, func(c *engine.Chunk) error {
			for i := range c.Len() {
				row := map[string]string{}
				for k, name := range columns {
					row[name] = c.Row(i).Value(k).String()
				}
				rows = append(rows, row)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// expectation is how a test computes a feature by hand: which events, and what is taken of them.
type expectation struct {
	source, by string
	key        string
	takes      func(map[string]any) algebra.Value // null: nothing
}

func amount(f map[string]any) int64 {
	v, err := algebra.ParseValue(f["amount"].(string), view.Type{Kind: view.Decimal, Precision: 12, Scale: 2})
	if err != nil {
		panic(err)
	}
	x, _ := v.Int128().Int64()
	return x
}

func expectations() map[string]expectation {
	one := algebra.BoolValue(true)
	counted := func(take func(map[string]any) algebra.Value) func(map[string]any) algebra.Value {
		return func(f map[string]any) algebra.Value {
			if amount(f) < 0 {
				return algebra.Null()
			}
			return take(f)
		}
	}
	text := func(name string) func(map[string]any) algebra.Value {
		return func(f map[string]any) algebra.Value {
			if f[name] == nil {
				return algebra.Null()
			}
			return algebra.StringValue(f[name].(string))
		}
	}
	rate := func(f map[string]any) algebra.Value {
		if f["rate"] == nil {
			return algebra.Null()
		}
		return algebra.FloatValue(f["rate"].(float64))
	}
	spent := func(f map[string]any) algebra.Value { return algebra.DecimalValue(algebra.Int128Of(amount(f)), 2) }
	cents := func(f map[string]any) algebra.Value { return algebra.Int64Value(amount(f)) }
	customer := func(take func(map[string]any) algebra.Value) expectation {
		return expectation{"payments", "customer", "customer", take}
	}
	shop := func(take func(map[string]any) algebra.Value) expectation {
		return expectation{"payments", "merchant", "merchant", take}
	}
	login := func(take func(map[string]any) algebra.Value) expectation {
		return expectation{"logins", "who", "customer", take}
	}
	return map[string]expectation{
		"n_10":      customer(counted(func(map[string]any) algebra.Value { return one })),
		"spent_100": customer(counted(spent)),
		"large_100": customer(counted(func(f map[string]any) algebra.Value {
			if amount(f) > 5000 && f["rate"] != nil {
				return one
			}
			return algebra.Null()
		})),
		"shops": customer(counted(func(f map[string]any) algebra.Value { return algebra.Int64Value(f["merchant"].(int64)) })),
		"p90":   shop(spent), "spread": shop(rate), "rates": shop(rate), "cents_mean": shop(cents), "cents_sum": shop(cents),
		"frauds": shop(func(f map[string]any) algebra.Value {
			if f["fraud"].(bool) {
				return one
			}
			return algebra.Null()
		}),
		"last_note":  customer(text("x0")),
		"first_seen": login(func(f map[string]any) algebra.Value { return algebra.TimestampValue(f["at"].(int64)) }),
		"risk": login(func(f map[string]any) algebra.Value {
			v, err := algebra.ParseValue(f["risk"].(string), view.Type{Kind: view.Int64})
			if err != nil {
				return algebra.Null()
			}
			return v
		}),
		"countries": login(text("country")),
	}
}

// byHand computes the set by the definition of each feature: for each label it looks at all events.
func byHand(set *view.Training, as As, records []record) []map[string]string {
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b record) int {
		return slices.Compare([]int64{a.at, int64(a.incarnation), int64(a.partition), a.offset}, []int64{b.at, int64(b.incarnation), int64(b.partition), b.offset})
	})
	want := expectations()
	var rows []map[string]string
	for _, label := range sorted {
		if label.source != "payments" || label.fields["merchant"].(int64) == 3 {
			continue
		}
		row := map[string]string{
			"time": algebra.TimestampValue(label.at).String(), "id": label.fields["id"].(string), "fraud": fmt.Sprint(label.fields["fraud"]), "cents": fmt.Sprint(amount(label.fields)),
			"shop": fmt.Sprint(label.fields["merchant"]), "customer": "null", "_offset": fmt.Sprint(label.offset), "_partition": fmt.Sprint(label.partition), "_incarnation": fmt.Sprint(label.incarnation),
		}
		if label.fields["customer"] != nil {
			row["customer"] = label.fields["customer"].(string)
		}
		for i := range set.Features {
			f := &set.Features[i]
			x := want[f.Name]
			end := label.at - f.Delay.Microseconds()
			var values []algebra.Value
			for _, e := range sorted {
				if e.source != x.source || e.at >= end || e.at < end-f.Window.Microseconds() || as == Known && e.known >= label.known {
					continue
				}
				if label.fields[x.key] == nil || e.fields[x.by] != label.fields[x.key] {
					continue
				}
				fields := maps.Clone(e.fields)
				fields["at"] = e.at
				if v := x.takes(fields); !v.IsNull() {
					values = append(values, v)
				}
			}
			row[f.Name] = bruteFold(&f.Measure, values).String()
		}
		rows = append(rows, row)
	}
	return rows
}

func columnNames(set *view.Training) []string {
	var out []string
	for _, c := range columnsOf(set) {
		out = append(out, c.Name)
	}
	return out
}

func TestATrainingSetIsWhatItsDefinitionSaysOverAllEvents(t *testing.T) {
	p := testProject(t, testTraining)
	set := p.Trainings[0]
	cells, differ := 0, 0
	for seed := range uint64(2) {
		records := drawRecords(seed, 500)
		rows := map[As][]map[string]string{Happened: byHand(set, Happened, records), Known: byHand(set, Known, records)}
		for as, want := range rows {
			dir, files := built(t, p, as, records, 2, func(b *build) { b.pageRows, b.fileRows = 61, 100 })
			if len(files) < 3 {
				t.Fatalf("%d files", len(files))
			}
			got := readRows(t, dir, files, columnNames(set))
			if len(got) != len(want) || len(got) < 100 {
				t.Fatalf("as %s, seed %d: %d rows, by hand %d", as, seed, len(got), len(want))
			}
			for i := range want {
				for name := range want[i] {
					if got[i][name] != want[i][name] {
						t.Fatalf("as %s, seed %d, row %d (%s): %s is %s, by hand %s", as, seed, i, want[i]["id"], name, got[i][name], want[i][name])
					}
					if rows[Happened][i][name] != rows[Known][i][name] {
						differ++
					}
					cells++
				}
			}
		}
	}
	if differ < 100 {
		t.Errorf("only %d cells differ between the two ways", differ)
	}
	t.Logf("%d cells are equal, of which %d differ between the two ways", cells, differ)
}

func TestTheSameEventsGiveTheSameBytes(t *testing.T) {
	p := testProject(t, testTraining)
	records := drawRecords(7, 3000)
	var first [][]byte
	for run := range 3 {
		shuffled := slices.Clone(records)
		random := rand.New(rand.NewPCG(uint64(run), 1))
		random.Shuffle(len(shuffled), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })
		dir, files := built(t, p, Happened, shuffled, 1+run, func(*build) {})
		for i, name := range files {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if run == 0 {
				first = append(first, data)
			} else if !slices.Equal(data, first[i]) {
				t.Errorf("run %d, %d threads: %s has other bytes", run, 1+run, name)
			}
		}
	}
}
