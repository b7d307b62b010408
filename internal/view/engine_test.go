package view_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

func engineChecker(t *testing.T) view.Checker {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: "256MB"})
	if err != nil {
		t.Fatal(err)
	}
	checker, err := engine.NewChecker(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checker.Close(); db.Close() })
	return checker
}

func unset(string) (string, bool) { return "", false }

func TestRetailExampleIsSoundToTheEngine(t *testing.T) {
	const folder = "../../examples/retail"
	var files []view.File
	for _, pattern := range []string{"caudal.yaml", "views/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, view.File{Path: filepath.ToSlash(strings.TrimPrefix(path, filepath.FromSlash(folder)+"/")), Data: data})
		}
	}
	p, problems := view.Parse(files, unset, engineChecker(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, v := range p.Views {
		for _, m := range v.Measures {
			if m.Type.Kind == view.Invalid {
				t.Errorf("measure %s of view %s has no type", m.Name, v.Name)
			}
		}
	}
}

// What the engine says of a bad expression, as a reader of lint sees it.
func TestEngineMistakesAreToldWithPlaceAndMend(t *testing.T) {
	checker := engineChecker(t)
	const services = `project: shop
sources:
  orders:
    event_time: {field: at}
    event_id: id
    fields: {id: string, at: timestamp, country: string, quantity: int64, unit_price: "decimal(12,3)", ratio: double}
`
	head := "view: sales\nsource: orders\ngrains: [1h]\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown field", "measures: [{name: n, agg: count, filter: \"cuntry = 'FR'\"}]", `views/v.yaml:4:43: unknown field "cuntry" in view sales: did you mean "country"?`},
		{"unknown field behind", "where: quantity > 0 and quantty < 9\nmeasures: [{name: n, agg: count}]", `views/v.yaml:4:25: unknown field "quantty" in view sales: did you mean "quantity"?`},
		{"unknown function", "measures: [{name: n, agg: max, expr: uper(country)}]", `unknown function "uper": did you mean "upper"?`},
		{"wrong types", "measures: [{name: n, agg: sum, expr: country}]", `sum of a string`},
		{"wide variance", "measures: [{name: n, agg: variance, expr: \"unit_price::decimal(38,2)\"}]", `var_samp of a decimal(38,2): squares are added up exactly for up to 18 digits: cast it`},
		{"variance of text", "measures: [{name: n, agg: stddev_pop, expr: country}]", `stddev_pop of a string: it has to be a number`},
		{"frequent doubles", "measures: [{name: n, agg: top_k, k: 3, expr: ratio}]", `top_k of a double: two values that ought to be alike may differ`},
		{"bins of text", "measures: [{name: n, agg: histogram, bounds: [1], expr: country}]", `histogram of a string: it has to be a number`},
		{"bound beyond the scale", "measures: [{name: n, agg: histogram, bounds: [0, 0.0005], expr: unit_price}]", `views/v.yaml:4:50: bound of measure n of view sales "0.0005" is no decimal(12,3): write it with at most 3 digits behind the point`},
		{"derived of a list", "measures: [{name: n, agg: top_k, k: 3, expr: country}, {name: m, expr: n + 1}]", `it is a list; a derived measure is computed from single values`},
		{"no operator", "measures: [{name: n, agg: sum, expr: country * id}]", `No function matches`},
		{"keyword", "where: at is not null\nmeasures: [{name: n, agg: count}]", `"at" is a word of SQL: write it in double quotes`},
		{"parse", "where: quantity > \nmeasures: [{name: n, agg: count}]", `views/v.yaml:4:8: where of view sales: syntax error`},
		{"volatile", "where: at > now()\nmeasures: [{name: n, agg: count}]", `views/v.yaml:4:13: where of view sales: now() is not a function of the event alone`},
		{"volatile without brackets", "where: at > current_timestamp\nmeasures: [{name: n, agg: count}]", `current_timestamp is not a function of the event alone`},
		{"aggregate", "measures: [{name: n, agg: sum, expr: sum(quantity)}]", `aggregate sum() inside an expression`},
		{"order", "measures: [{name: n, agg: sum, expr: quantity - lag(quantity) over (order by id)}]", `lag() depends on the order of rows`},
		{"subquery", "measures: [{name: n, agg: sum, expr: (select 1)}]", `a subquery`},
		{"interval", "measures: [{name: n, agg: max, expr: (\"at\" - timestamp '2020-01-01')}]", `its type is none that this version can keep`},
		{"where is no condition", "where: quantity\nmeasures: [{name: n, agg: count}]", `where of view sales is a int64`},
		{"float distinct", "measures: [{name: n, agg: count_distinct, expr: ratio}]", `count_distinct of a double`},
		{"derived unknown", "measures: [{name: n, agg: count}, {name: d, expr: nn / 2}]", `unknown measure "nn" in view sales: did you mean "n"?`},
		{"derived over a field", "measures: [{name: n, agg: count}, {name: d, expr: n / quantity}]", `unknown measure "quantity" in view sales: it is a field of the source`},
		{"derived type", "measures: [{name: n, agg: count}, {name: d, expr: upper(n)}]", `No function matches`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := view.Parse([]view.File{
				{Path: "caudal.yaml", Data: []byte(services)}, {Path: "views/v.yaml", Data: []byte(head + c.text + "\n")},
			}, unset, checker)
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), c.want) {
				t.Errorf("got  %v\nwant %s", problems, c.want)
			}
		})
	}
}

func TestTypesOfMeasuresFollowTheEngine(t *testing.T) {
	const services = `project: shop
sources:
  orders:
    event_time: {field: at}
    fields: {at: timestamp, country: string, quantity: int, price: "decimal(12,3)", ratio: double?}
`
	const text = `view: sales
source: orders
grains: [1h]
dimensions: [{name: c, expr: upper(country)}, {name: year, expr: 'year("at")'}]
measures:
  - {name: a, agg: sum, expr: quantity}
  - {name: b, agg: sum, expr: quantity * price}
  - {name: c1, agg: sum, expr: quantity * price, type: "decimal(18,3)"}
  - {name: d, agg: sum, expr: ratio}
  - {name: e, agg: average, expr: price}
  - {name: f, agg: min, expr: '"at"'}
  - {name: g, agg: median, expr: quantity}
  - {name: h, agg: count_distinct, expr: country}
  - {name: i, expr: "b / nullif(a, 0)"}
  - {name: j, expr: "case when i > 2 then 'many' else 'few' end"}
`
	p, problems := view.Parse([]view.File{
		{Path: "caudal.yaml", Data: []byte(services)}, {Path: "views/v.yaml", Data: []byte(text)},
	}, unset, engineChecker(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	v := p.Views[0]
	if got := v.Dimensions[0].Type.String() + " " + v.Dimensions[1].Type.String(); got != "string int64" {
		t.Errorf("dimensions are %s", got)
	}
	want := map[string]string{
		"a": "int128 of int64", "b": "decimal(38,3) of decimal(31,3)", "c1": "decimal(18,3) of decimal(18,3)", "d": "double of double",
		"e": "double of decimal(12,3)", "f": "timestamp of timestamp", "g": "double of int64", "h": "int64 of string",
		"i": "double of double", "j": "string of string",
	}
	for _, m := range v.Measures {
		if got := m.Type.String() + " of " + m.Input.String(); got != want[m.Name] {
			t.Errorf("measure %s is %s, want %s", m.Name, got, want[m.Name])
		}
	}
}

// A field may be called as a word of SQL: as a dimension it is quoted.
func TestEveryWordOfSQLCanBeADimension(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: "256MB"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var fields, dimensions []string
	err = conn.Query(t.Context(), "SELECT DISTINCT keyword_name FROM duckdb_keywords() ORDER BY 1", func(c *engine.Chunk) error {
		for i := range c.Len() {
			name := string(c.Row(i).Bytes(0))
			if name == "time" || name[0] == '_' { // the bucket's start; no name
				continue
			}
			fields, dimensions = append(fields, "      "+strconv.Quote(name)+": string"), append(dimensions, "  - "+strconv.Quote(name))
		}
		return nil
	})
	if err != nil || len(fields) < 300 {
		t.Fatal(err, len(fields))
	}
	_, problems := view.Parse([]view.File{
		{Path: "caudal.yaml", Data: []byte("project: p\nsources:\n  s:\n    event_time: {field: ts}\n    fields:\n      ts: timestamp\n" + strings.Join(fields, "\n"))},
		{Path: "views/v.yaml", Data: []byte("view: v\nsource: s\ngrains: [1h]\nmeasures: [{name: n_of_events, agg: count}]\ndimensions:\n" + strings.Join(dimensions, "\n"))},
	}, unset, engineChecker(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
}
