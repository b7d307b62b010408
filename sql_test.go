package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// sqlOf is what psql is called with for a dev that runs, and the base URL of its API.
func sqlOf(d *devProcess) (sql, api string) {
	d.t.Helper()
	running, err := findRunning(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return running.SQL + "?sslmode=disable", running.HTTP
}

// psql runs commands as a person would and returns all that is printed.
func psql(t *testing.T, at string, args ...string) string {
	t.Helper()
	c := exec.Command(testservices.Psql(t), append([]string{"-X", at}, args...)...)
	c.Env = append(os.Environ(), "PGUSER=ann", "PAGER=", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("ERROR")) {
		t.Fatalf("psql %v: %v: %s", args, err, out)
	}
	return string(out)
}

// shopSold starts the shop with its orders, which the speed layer has.
func shopSold(t *testing.T) *devProcess {
	t.Helper()
	d := startDev(t)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	d.awaitQuery("time,country,lines,source,exactness\n2026-01-01T00:00:00Z,France,2,speed,exact\n2026-01-01T00:00:00Z,Spain,1,speed,exact\n", "--measures", "lines", "--dimensions", "country", "--grain", "1d")
	return d
}

func TestAUserAsksInSQLWithPsql(t *testing.T) {
	t.Parallel()
	d := shopSold(t)
	defer d.stop()
	at, _ := sqlOf(d)
	for _, c := range []struct{ command, want string }{
		{`\dt`, "         List of relations\n Schema |   Name   | Type  | Owner  \n--------+----------+-------+--------\n public | sales_1d | table | caudal\n public | sales_1h | table | caudal\n(2 rows)\n\n"},
		{`\dt lake.*`, "        List of relations\n Schema |  Name  | Type  | Owner  \n--------+--------+-------+--------\n lake   | orders | table | caudal\n(1 row)\n\n"},
		{`\d sales_1h`, `                       Table "public.sales_1h"
 Column  |           Type           | Collation | Nullable | Default 
---------+--------------------------+-----------+----------+---------
 time    | timestamp with time zone |           | not null | 
 country | text                     |           |          | 
 revenue | numeric(18,2)            |           |          | 
 lines   | bigint                   |           |          | 

`},
		{"SELECT country, sum(revenue), rank() OVER (ORDER BY sum(revenue) DESC) FROM sales_1d GROUP BY country ORDER BY 3", ` country |  sum  | rank 
---------+-------+------
 France  | 12.50 |    1
 Spain   |  7.25 |    2
(2 rows)

`},
		{"SELECT d.time, h.time, h.lines FROM sales_1d d JOIN sales_1h h ON date_trunc('day', h.time) = d.time AND h.country = d.country WHERE h.time >= '2026-01-01 11:00'", `          time          |          time          | lines 
------------------------+------------------------+-------
 2026-01-01 00:00:00+00 | 2026-01-01 11:00:00+00 |     1
(1 row)

`},
		{"DROP TABLE sales_1h", "ERROR:  cannot execute DROP in a read-only transaction\nHINT:  only SELECT is answered; events come in by POST /v1/events or the topic\n"},
	} {
		if got := psql(t, at, "-c", c.command); got != c.want {
			t.Errorf("%s\n got\n%s\nwant\n%s", c.command, got, c.want)
		}
	}
	for _, command := range []string{`\d`, `\d+ sales_1h`, `\dt+`, `\l`, `\dn`, `\du`, `\df`, `\dv`, `\di`, `\dx`, `\dT`, `\z`, `\dp`, `\des`, `\dy`, `\drds`, `\conninfo`, `\d lake.orders`, `\dO`} {
		if got := psql(t, at, "-c", command); strings.Contains(got, "ERROR") {
			t.Errorf("%s: %s", command, got)
		}
	}
}

func TestCtrlCInPsqlEndsTheWorkOnTheServer(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	at, api := sqlOf(d)
	c := exec.Command(testservices.Psql(t), "-X", "-A", "-t", at)
	c.Env = append(os.Environ(), "PGUSER=ann")
	c.Stdin = strings.NewReader("SELECT count(*) FROM generate_series(1, 100000000) a(x), generate_series(1, 100000000) b(x) WHERE a.x = b.x * 3 + random();\n")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(get(t, api+"/metrics"), "caudal_sql_statements_at_work 1") {
		// asked again until the statement is at work
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState == nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "canceling statement due to user request") {
		t.Errorf("psql printed %s", got)
	}
	if shown := get(t, api+"/metrics"); !strings.Contains(shown, "caudal_sql_statements_at_work 0") || !strings.Contains(shown, `caudal_sql_statements_total{state="57014"} 1`) {
		t.Errorf("after it /metrics shows %s", shown)
	}
}

func TestPythonsClientsAskInSQL(t *testing.T) {
	t.Parallel()
	python := testservices.SQLClients(t)
	d := shopSold(t)
	defer d.stop()
	at, _ := sqlOf(d)
	out, err := exec.Command(python, "testdata/sql_clients.py", strings.Replace(at, "://", "://ann@", 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// retailHead starts the retail example with so many of its first order lines, and a batch after half of them.
func retailHead(t *testing.T, lines int) *devProcess {
	t.Helper()
	dir := t.TempDir()
	if err := unpackExample(dir); err != nil {
		t.Fatal(err)
	}
	d := startDevIn(t, dir)
	file, err := retail.Open(retailFolder + "/" + retailEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(plain)
	scan.Scan()
	head := scan.Text()
	sold, known := 0, 0
	for part := range 2 {
		rows := []string{head}
		for range lines / 2 {
			scan.Scan()
			rows = append(rows, scan.Text())
		}
		path := filepath.Join(dir, fmt.Sprintf("part%d.csv", part))
		text := strings.Join(rows, "\n") + "\n"
		write(t, path, text)
		d.must("produce", "orders", path)
		sold += len(rows) - 1
		for _, row := range records(t, text)[1:] {
			if row[slices.Index(strings.Split(head, ","), "CustomerID")] != "" {
				known++ // the view of customers leaves the others out
			}
		}
		_, api := sqlOf(d)
		for view, events := range map[string]int{"revenue": sold, "customers": sold, "products": sold, "segments": known} {
			want := fmt.Sprintf(`"truncated":false,"events":%d,`, events)
			for !strings.Contains(get(t, api+"/v1/views/"+view+"/query"), want) {
				time.Sleep(20 * time.Millisecond) // until the speed layer has them all
			}
		}
		if part == 0 {
			d.must("batch", "run")
		}
	}
	return d
}

// TestSQLAnswersAsHTTPDoes asks the same in both: the views of the retail example at every grain, of any dimensions, measures and times, half of the
// events from batch and half live.
func TestSQLAnswersAsHTTPDoes(t *testing.T) {
	t.Parallel()
	d := retailHead(t, 8000)
	defer d.stop()
	at, api := sqlOf(d)
	const seed = 22
	r := rand.New(rand.NewPCG(seed, 0))
	views := map[string]struct{ dimension, measures []string }{
		"revenue":   {[]string{"country"}, []string{"net_revenue", "net_quantity", "net_lines", "gross_revenue", "returned_share"}},
		"customers": {[]string{"country"}, []string{"customers", "orders", "products", "revenue", "revenue_per_order"}},
		"products":  {[]string{"product"}, []string{"net_revenue", "description", "p95_line", "average_price"}},
		"segments":  {[]string{"customer"}, []string{"recency", "frequency", "monetary", "segment"}},
	}
	names := []string{"revenue", "customers", "products", "segments"}
	compared := 0
	for i := range 40 {
		name := names[i%len(names)]
		v := views[name]
		grain := []string{"1h", "1d", "1mo"}[r.IntN(3)]
		var dimensions []string
		if r.IntN(2) == 0 {
			dimensions = v.dimension
		}
		measures := slices.Clone(v.measures)
		r.Shuffle(len(measures), func(a, b int) { measures[a], measures[b] = measures[b], measures[a] })
		measures = measures[:1+r.IntN(len(measures))]
		columns := slices.Concat([]string{"time"}, dimensions, measures)
		q := url.Values{"measures": {strings.Join(measures, ",")}, "grain": {grain}, "limit": {"100000"}}
		if len(dimensions) > 0 {
			q.Set("dimensions", strings.Join(dimensions, ","))
		}
		sql := fmt.Sprintf("SELECT %s FROM %s_%s", strings.Join(columns, ", "), name, grain)
		if r.IntN(2) == 0 {
			from := time.Date(2010, 12, 1+r.IntN(3), 0, 0, 0, 0, time.UTC)
			if grain == "1mo" {
				from = time.Date(2010, 12, 1, 0, 0, 0, 0, time.UTC)
			}
			to := from.AddDate(0, 1, 0)
			to = time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, time.UTC)
			q.Set("from", from.Format(time.RFC3339))
			q.Set("to", to.Format(time.RFC3339))
			sql += fmt.Sprintf(" WHERE time >= '%s' AND time < '%s'", from.Format(time.RFC3339), to.Format(time.RFC3339))
		}
		sql += " ORDER BY " + strings.Join(columns[:1+len(dimensions)], ", ")
		over := records(t, get(t, api+"/v1/views/"+name+"/query.csv?"+q.Encode()))
		in := records(t, psql(t, at, "--csv", "-q", "-c", "SET client_min_messages = warning", "-c", sql))
		if len(over) != len(in) || len(over) < 2 {
			t.Fatalf("seed %d: %s: %d rows over HTTP, %d in SQL", seed, sql, len(over), len(in))
		}
		for row := 1; row < len(in); row++ {
			for k := range columns {
				if compared++; !same(over[row][k], in[row][k]) {
					t.Fatalf("seed %d: %s: row %d: %s is %q over HTTP, %q in SQL", seed, sql, row, columns[k], over[row][k], in[row][k])
				}
			}
		}
	}
	t.Logf("%d values compared", compared)
}

func records(t *testing.T, text string) [][]string {
	t.Helper()
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "NOTICE:") {
			kept = append(kept, line)
		}
	}
	read := csv.NewReader(strings.NewReader(strings.Join(kept, "")))
	read.FieldsPerRecord = -1
	rows, err := read.ReadAll()
	if err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return rows
}

// same says whether two texts are of one value: an instant in any zone, a number however written.
func same(a, b string) bool {
	if a == b {
		return true
	}
	at, err := time.Parse(time.RFC3339Nano, a)
	if other, err2 := time.Parse("2006-01-02 15:04:05Z07", b); err == nil && err2 == nil {
		return at.Equal(other)
	}
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && x == y
}

func TestRightsHoldInSQL(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"serving:\n  auth: {tokens: tokens.jsonl}\n")
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	write(t, filepath.Join(dir, "views", "secret.yaml"), strings.Replace(shopView, "view: sales", "view: secret", 1))
	write(t, filepath.Join(dir, "orders.csv"), shopOrders)
	d := &devProcess{t: t, dir: dir}
	token := func(args ...string) string {
		return strings.TrimSpace(d.must(append([]string{"token", "new", "--name"}, args...)...))
	}
	all, paris := token("ops", "--role", "admin"), token("paris", "--views", "sales", "--where", "sales: country = 'France'")
	d = startDevIn(t, dir)
	defer d.stop()
	at, _ := sqlOf(d)
	d.must("produce", "orders", filepath.Join(dir, "orders.csv"))
	t.Setenv("PGPASSWORD", all)
	const everything = "France|12.50\nSpain|7.25\n"
	for got := ""; got != everything; {
		got = psql(t, at, "-At", "-q", "-c", "SELECT country, revenue FROM sales_1d ORDER BY country")
	}
	t.Setenv("PGPASSWORD", paris)
	for sql, want := range map[string]string{
		"SELECT country, revenue FROM sales_1d": "France|12.50\n",
		"SELECT sum(lines) FROM sales_1d":       "2\n",
		"SELECT count(*) FROM (SELECT 1 FROM sales_1h a FULL JOIN sales_1d b ON a.country <> b.country)": "2\n",
		"SELECT relname FROM pg_class ORDER BY 1":                                                        "sales_1d\nsales_1h\n",
	} {
		if got := psql(t, at, "-At", "-q", "-c", sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	for _, sql := range []string{"SELECT * FROM secret_1d", "SELECT * FROM lake.orders"} {
		if got := psql(t, at, "-At", "-c", sql); !strings.Contains(got, "does not exist") {
			t.Errorf("%s: %s", sql, got)
		}
	}
	t.Setenv("PGPASSWORD", paris+"x")
	c := exec.Command(testservices.Psql(t), "-X", at, "-c", "SELECT 1")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "password authentication failed") {
		t.Errorf("a token that nobody has: %v: %s", err, out)
	}
}
