package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/serving"
)

// knownAnswers are what examples/retail/known_answers.json says under one definition of revenue.
type knownAnswers struct {
	Rows              int64             `json:"rows"`
	TotalRevenue      string            `json:"total_revenue"`
	Quantity          int64             `json:"quantity"`
	DistinctInvoices  int64             `json:"distinct_invoices"`
	DistinctCodes     int64             `json:"distinct_stock_codes"`
	DistinctCustomers int64             `json:"distinct_customers"`
	RevenueByDay      map[string]string `json:"revenue_by_day"`
	RowsByDay         map[string]int64  `json:"rows_by_day"`
	InvoicesByDay     map[string]int64  `json:"invoices_by_day"`
	CustomersByDay    map[string]int64  `json:"distinct_customers_by_day"`
	RevenueByMonth    map[string]string `json:"revenue_by_month"`
	CustomersByMonth  map[string]int64  `json:"distinct_customers_by_month"`
	RevenueByHour     map[string]string `json:"revenue_by_hour"`
	RevenueByCountry  map[string]string `json:"revenue_by_country"`
	TopProducts       []struct {
		StockCode string `json:"stock_code"`
		Revenue   string `json:"revenue"`
		Quantity  int64  `json:"quantity"`
	} `json:"top20_products_by_revenue"`
}

// reading is one definition of revenue and the views and measures of examples/retail that answer under it.
type reading struct {
	name, key                    string // for people; in known_answers.json
	revenueView, revenue         string
	quantity, lines              string
	customersView, customers     string
	orders, codes                string
	productsView                 string
	productRevenue, productCount string
}

var readings = []reading{
	{"net", "net_all_rows", "revenue", "net_revenue", "net_quantity", "net_lines",
		"customers", "customers", "orders", "products", "products", "net_revenue", "net_quantity"},
	{"gross", "gross_sales_qty_gt0_price_gt0", "revenue", "gross_revenue", "gross_quantity", "gross_lines",
		"customers", "gross_customers", "gross_orders", "gross_products", "products", "gross_revenue", "gross_quantity"},
	{"not cancelled", "not_cancelled_InvoiceNo_not_C", "revenue", "uncancelled_revenue", "uncancelled_quantity", "uncancelled_lines",
		"customers", "uncancelled_customers", "uncancelled_orders", "uncancelled_products", "products", "uncancelled_revenue", "uncancelled_quantity"},
	{"copies once", "net_after_exact_row_dedup", "unique_revenue", "net_revenue", "net_quantity", "net_lines",
		"unique_customers", "customers", "orders", "products", "unique_products", "net_revenue", "net_quantity"},
}

// check is one question with the answers that are known.
type check struct {
	reading, what string
	query         serving.Query
	key           string            // the column whose text names a row; "": there is one row
	layout        string            // how a time in that column is named
	want          map[string]string // row name -> the measure's value
	ordered       []string          // row names in the order that the answer must have; nil: any
}

// checked is how one check came out.
type checked struct {
	Stage   string  `json:"stage"`
	Reading string  `json:"reading"`
	What    string  `json:"what"`
	Values  int     `json:"values"` // known answers compared
	Exact   int     `json:"exact"`  // of them said to be exact
	Worst   float64 `json:"worst"`  // the largest relative error of the others
	Wrong   int     `json:"wrong"`
	First   string  `json:"first_wrong,omitempty"`
}

func readAnswers(data []byte) (map[string]knownAnswers, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("read the known answers: %w", err)
	}
	answers := map[string]knownAnswers{}
	for _, r := range readings {
		var k knownAnswers
		if err := json.Unmarshal(raw[r.key], &k); err != nil {
			return nil, fmt.Errorf("read the known answers of %s: %w", r.key, err)
		}
		answers[r.key] = k
	}
	return answers, nil
}

// checks are all questions whose answers are known.
func checks(answers map[string]knownAnswers) []check {
	var all []check
	for _, r := range readings {
		k := answers[r.key]
		ask := func(what, view, measure, grain, key, layout string, want map[string]string, dims ...string) {
			all = append(all, check{reading: r.name, what: what, key: key, layout: layout, want: want, query: serving.Query{
				View: view, Measures: []string{measure}, Grain: grain, Dimensions: dims, Limit: 100_000,
			}})
		}
		ask("revenue by hour", r.revenueView, r.revenue, "1h", "time", "2006-01-02 15", k.RevenueByHour)
		ask("revenue by day", r.revenueView, r.revenue, "1d", "time", "2006-01-02", k.RevenueByDay)
		ask("revenue by month", r.revenueView, r.revenue, "1mo", "time", "2006-01", k.RevenueByMonth)
		ask("revenue by country", r.revenueView, r.revenue, "", "country", "", k.RevenueByCountry, "country")
		ask("revenue in all", r.revenueView, r.revenue, "", "", "", one(k.TotalRevenue))
		ask("quantity in all", r.revenueView, r.quantity, "", "", "", one(k.Quantity))
		ask("lines in all", r.revenueView, r.lines, "", "", "", one(k.Rows))
		ask("lines by day", r.revenueView, r.lines, "1d", "time", "2006-01-02", texts(k.RowsByDay))
		ask("orders by day", r.customersView, r.orders, "1d", "time", "2006-01-02", texts(k.InvoicesByDay))
		ask("customers by day", r.customersView, r.customers, "1d", "time", "2006-01-02", texts(k.CustomersByDay))
		ask("customers by month", r.customersView, r.customers, "1mo", "time", "2006-01", texts(k.CustomersByMonth))
		ask("orders in all", r.customersView, r.orders, "", "", "", one(k.DistinctInvoices))
		ask("customers in all", r.customersView, r.customers, "", "", "", one(k.DistinctCustomers))
		ask("products in all", r.customersView, r.codes, "", "", "", one(k.DistinctCodes))
		top := check{reading: r.name, what: "top 20 products", key: "product", want: map[string]string{}, query: serving.Query{
			View: r.productsView, Measures: []string{r.productRevenue}, Dimensions: []string{"product"},
			Order: []string{"-" + r.productRevenue, "product"}, Limit: 20,
		}}
		sold := check{reading: r.name, what: "their quantities", key: "product", want: map[string]string{}, query: serving.Query{
			View: r.productsView, Measures: []string{r.productCount}, Dimensions: []string{"product"}, Limit: 100_000,
		}}
		for _, p := range k.TopProducts {
			top.want[p.StockCode] = p.Revenue
			top.ordered = append(top.ordered, p.StockCode)
			sold.want[p.StockCode] = fmt.Sprint(p.Quantity)
		}
		all = append(all, top, sold)
	}
	return all
}

func one[T any](v T) map[string]string { return map[string]string{"": fmt.Sprint(v)} }

func texts(m map[string]int64) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// run asks the question and compares every known answer: equal where the row says exact, inside its bound where it does not.
func (c check) run(ctx context.Context, server *serving.Server, stage string) (checked, error) {
	out := checked{Stage: stage, Reading: c.reading, What: c.what, Values: len(c.want)}
	answer, err := server.Query(ctx, c.query)
	if err != nil {
		return out, fmt.Errorf("ask for %s (%s): %w", c.what, c.reading, err)
	}
	if answer.Provenance.Partial {
		out.wrong(fmt.Sprintf("the answer is partial: %s", answer.Provenance.Reason))
		return out, nil
	}
	names, err := rowNames(answer, c.key, c.layout)
	if err != nil {
		return out, err
	}
	measure := len(answer.Meta.Columns) - 1
	got := make(map[string]int, len(names))
	for i, name := range names {
		got[name] = i
		if i < len(c.ordered) && c.ordered[i] != name {
			out.wrong(fmt.Sprintf("place %d is %s, known is %s", i+1, name, c.ordered[i]))
		}
	}
	keys := make([]string, 0, len(c.want))
	for key := range c.want {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		i, ok := got[key]
		if !ok {
			out.wrong(fmt.Sprintf("%q has no row, known is %s", key, c.want[key]))
			continue
		}
		out.compare(key, c.want[key], answer.Rows[i][measure], answer.Provenance.Rows[i], answer.Meta.Columns[measure].Name)
	}
	return out, nil
}

// rowNames names each row of an answer by a column; times as layout says, in the view's zone.
func rowNames(answer *serving.Result, key, layout string) ([]string, error) {
	zone, err := time.LoadLocation(answer.Meta.Timezone)
	if err != nil {
		return nil, fmt.Errorf("read the zone of the answer: %w", err)
	}
	names := make([]string, len(answer.Rows))
	at := slices.IndexFunc(answer.Meta.Columns, func(c serving.Column) bool { return c.Name == key })
	for i, row := range answer.Rows {
		switch {
		case at < 0:
		case layout != "":
			names[i] = time.UnixMicro(row[at].Int64()).In(zone).Format(layout)
		default:
			names[i] = row[at].String()
		}
	}
	return names, nil
}

func (o *checked) compare(key, want string, got algebra.Value, origin serving.RowOrigin, measure string) {
	bound, approximate := origin.Bounds[measure]
	known, ok := new(big.Rat).SetString(want)
	value, ok2 := new(big.Rat).SetString(got.String())
	if !ok || !ok2 {
		o.wrong(fmt.Sprintf("%q: got %s, known is %s", key, got, want))
		return
	}
	if !approximate {
		o.Exact++
		if known.Cmp(value) != 0 {
			o.wrong(fmt.Sprintf("%q: got %s (said to be exact), known is %s", key, got, want))
		}
		return
	}
	k, _ := known.Float64()
	v, _ := value.Float64()
	off := math.Abs(v-k) / math.Max(math.Abs(k), 1)
	o.Worst = math.Max(o.Worst, off)
	if bound == nil || off > *bound {
		o.wrong(fmt.Sprintf("%q: got %s, known is %s: %.2f %% off, outside its bound", key, got, want, 100*off))
	}
}

func (o *checked) wrong(what string) {
	if o.Wrong == 0 {
		o.First = what
	}
	o.Wrong++
}
