package pgwire

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/caudal/caudal/serving"
)

func TestAStatementReadsTheDimensionsThatItNames(t *testing.T) {
	s := newShop()
	conn := connect(t, serveShop(t, s, nil))
	for _, c := range []struct{ sql, want string }{
		{"SELECT * FROM sales_1h WHERE country = 'Spain'", "2026-01-01T00:00Z|Spain|7.25|1"},
		{"SELECT time, orders FROM sales_1h ORDER BY time LIMIT 1", "2026-01-01T00:00Z|2"},
		{"SELECT count(*) FROM sales_1h", "4"},
		{"SELECT sum(revenue) FROM public.sales_1h", "20.70"},
		{"SELECT a.country, b.revenue FROM sales_1h a JOIN shop.public.sales_1h b USING (time, country) ORDER BY 2 DESC LIMIT 1", "France|12.50"},
		{"WITH sales_1h AS (SELECT 1 AS x) SELECT x FROM sales_1h", "1"},
		{"SELECT country, rank() OVER (ORDER BY sum(revenue) DESC) FROM sales_1h GROUP BY country ORDER BY 2", "France|1\nSpain|2\nO'Land|3"},
		{"SELECT count(s) FROM sales_1h s", "4"},
		{"SELECT count(s), max(s.orders) FROM sales_1h s", "4|3"},
	} {
		if got := table(t, conn, c.sql); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
	if q := s.lastQuery(); len(q.Dimensions) != 1 || len(q.Measures) != 2 {
		t.Errorf("a statement over whole rows asked for %v and %v", q.Dimensions, q.Measures)
	}
}

func TestOnlyWhatWhereBoundsForSureBoundsWhatIsRead(t *testing.T) {
	s := newShop()
	conn := connect(t, serveShop(t, s, nil))
	const one, five = "2026-01-01T01:00:00Z", "2026-01-01T05:00:00Z"
	for _, c := range []struct{ where, from, to string }{
		{"WHERE time >= '2026-01-01 01:00' AND time < '2026-01-01 05:00:00+00'", one, "2026-01-01T06:00:00Z"},
		{"WHERE time BETWEEN '2026-01-01T01:30:00Z' AND '2026-01-01T04:59:59Z'", one, five},
		{"WHERE '2026-01-01 01:00'::timestamptz <= s.time", one, ""},
		{"WHERE time = to_timestamp(1767229200)", one, "2026-01-01T02:00:00Z"},
		{"WHERE time >= '2026-01-01 01:00' OR country = 'France'", "", ""},
		{"WHERE NOT time >= '2026-01-01 01:00'", "", "2026-01-01T02:00:00Z"},
		{"WHERE NOT (time >= '2026-01-01 01:00' AND country = 'France')", "", ""},
		{"WHERE time + interval '1 hour' >= '2026-01-01 01:00'", "", ""},
		{"LEFT JOIN (SELECT 1 AS one) x ON s.time >= '2026-01-01 01:00'", "", ""},
		{"LEFT JOIN (SELECT 1 AS one) x ON true WHERE s.time >= '2026-01-01 01:00'", one, ""},
		{"WHERE time >= '2026-01-01 01:00' AND country IN (SELECT country FROM sales_1h)", "", ""},
		{"WHERE time >= '2026-01-01 05:00' AND country IN (SELECT country FROM sales_1h WHERE time >= '2026-01-01 01:00')", one, ""},
	} {
		got := table(t, conn, "SELECT s.time, s.country FROM sales_1h s "+c.where+" ORDER BY 1, 2")
		if q := s.lastQuery(); q.From != c.from || q.To != c.to {
			t.Errorf("%s: asked for [%s, %s), want [%s, %s)", c.where, q.From, q.To, c.from, c.to)
		}
		if strings.HasPrefix(c.where, "WHERE time = ") && got != "2026-01-01T01:00Z|France" {
			t.Errorf("%s: %s", c.where, got)
		}
	}
	before := s.questions()
	if got := table(t, conn, "SELECT country FROM sales_1h WHERE time > '2027-01-01' AND time < '2026-01-01'"); got != "" || s.questions() != before {
		t.Errorf("a range without an instant: %q, %d questions", got, s.questions()-before)
	}
}

func TestParametersComeAsTextAndBinary(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	at := time.UnixMicro(hour(1)).UTC()
	for range 2 { // the second time from pgx's cache of statements
		if got := table(t, conn, "SELECT country, revenue FROM sales_1h WHERE time = $1 AND orders >= $2", at, 1); got != "France|1.00" {
			t.Errorf("by time and number: %q", got)
		}
	}
	if got := table(t, conn, "SELECT orders FROM sales_1h WHERE country = ANY($1) ORDER BY 1", []string{"Spain", "O'Land"}); got != "1\n3" {
		t.Errorf("by a list: %q", got)
	}
	if got := table(t, conn, "SELECT $1::text || 'x', $2::bigint + 1, $3::boolean, $4::double precision, $5::date, $6::int", "a'b", 41, true, 2.5, at, nil); got != "a'bx|42|true|2.5|2026-01-01T00:00Z|<nil>" {
		t.Errorf("of all kinds: %q", got)
	}
	if got := table(t, conn, "SELECT country FROM sales_1h WHERE orders >= $1 ORDER BY 1 LIMIT $2", pgx.QueryExecModeSimpleProtocol, 2, 1); got != "France" {
		t.Errorf("in the text of the statement: %q", got)
	}
	hostile := "'; DROP TABLE x; --"
	if got := table(t, conn, "SELECT $1::text", hostile); got != hostile {
		t.Errorf("a hostile value came back as %q", got)
	}
}

func TestTypesComeAsPostgresWritesThem(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	const sql = "SELECT true AS b, 1::smallint AS i, 9223372036854775807 AS l, 170141183460469231731687303715884105727 AS h, 1.50::numeric(10,2) AS n, 0.1::float8 AS f, 'ü' AS s, " +
		"date '2026-01-31' AS d, timestamp '2026-01-31 10:00:00.5' AS t, timestamptz '2026-01-31 10:00:00Z' AS z, interval '1 mon 2 days 03:04:05' AS v, array['a', NULL, 'b\"c'] AS a, " +
		"uuid '00000000-0000-0000-0000-00000000000a' AS u, NULL AS nothing"
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, v := range results[0].Rows[0] {
		text = append(text, string(v))
	}
	want := `t|1|9223372036854775807|170141183460469231731687303715884105727|1.50|0.1|ü|2026-01-31|2026-01-31 10:00:00.5|2026-01-31 10:00:00+00|1 mon 2 days 03:04:05|{"a",NULL,"b\"c"}|00000000-0000-0000-0000-00000000000a|`
	if got := strings.Join(text, "|"); got != want {
		t.Errorf("text\n got %s\nwant %s", got, want)
	}
	if got := table(t, conn, "SELECT true, 1::smallint, 170141183460469231731687303715884105727, 1.50::numeric(10,2), 0.1::float8, date '2026-01-31', array[1, 2]"); got != "true|1|170141183460469231731687303715884105727|1.50|0.1|2026-01-31T00:00Z|[1 2]" {
		t.Errorf("binary: %s", got)
	}
}

func TestACancelEndsTheWorkAndTheConnectionGoesOn(t *testing.T) {
	s := newShop()
	s.hold = make(chan struct{}, 1)
	conn := connect(t, serveShop(t, s, nil))
	asked := make(chan error, 1)
	go func() {
		_, err := conn.PgConn().Exec(context.Background(), "SELECT * FROM sales_1h").ReadAll()
		asked <- err
	}()
	<-s.hold
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := stateIn(<-asked); state != stateCanceled {
		t.Errorf("SQLSTATE %s, want %s", state, stateCanceled)
	}
	if got := table(t, conn, "SELECT 1"); got != "1" {
		t.Errorf("after the cancel: %q", got)
	}
}

func TestAStatementAtWorkInTheDatabaseIsCancelledToo(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), func(c *Config) { c.StatementTimeout = 300 * time.Millisecond }))
	_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b WHERE a = b * 3 + random()")
	if state := stateIn(err); state != stateCanceled {
		t.Errorf("%v, want a statement that took too long", err)
	}
}

func TestADisconnectEndsTheWork(t *testing.T) {
	s := newShop()
	s.hold = make(chan struct{}, 1)
	ended := make(chan struct{})
	conn, err := pgx.Connect(t.Context(), serveShop(t, &endNoted{s, ended}, nil))
	if err != nil {
		t.Fatal(err)
	}
	conn.PgConn().Frontend().SendQuery(simpleQuery("SELECT * FROM sales_1h"))
	if err := conn.PgConn().Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	<-s.hold
	conn.PgConn().Conn().Close()
	<-ended
}

// endNoted says when a query has ended.
type endNoted struct {
	*shop
	ended chan struct{}
}

func (e *endNoted) Query(ctx context.Context, q serving.Query) (*serving.Result, error) {
	defer close(e.ended)
	return e.shop.Query(ctx, q)
}

func TestAnswersSayWhatTheyLack(t *testing.T) {
	s := newShop()
	s.answer = func(r *serving.Result) {
		r.Provenance.Exact, r.Provenance.Partial, r.Provenance.Reason = false, true, "the speed layer is away"
	}
	config, err := pgx.ParseConfig(serveShop(t, s, nil))
	if err != nil {
		t.Fatal(err)
	}
	var notices []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Severity+": "+n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	table(t, conn, "SELECT sum(orders) FROM sales_1h")
	if got := strings.Join(notices, "\n"); got != "WARNING: sales_1h is partial: the speed layer is away\nNOTICE: orders of sales_1h does not add up over rows: name no more dimensions than the answer has, or take a coarser grain" {
		t.Errorf("notices:\n%s", got)
	}
}

func TestAViewOfTooManyRowsIsRefusedWithTheMend(t *testing.T) {
	s := newShop()
	s.answer = func(r *serving.Result) { r.Statistics.Truncated, r.Statistics.TotalRows = true, maxRows+1 }
	conn := connect(t, serveShop(t, s, nil))
	_, err := conn.Exec(t.Context(), "SELECT * FROM sales_1h")
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != stateTooLarge || !strings.Contains(said.Hint, "bound the time") {
		t.Errorf("%v", err)
	}
}

func TestTheLakeIsReadWithinTheBoundsOfTheStatement(t *testing.T) {
	s := newShop()
	conn := connect(t, serveShop(t, s, nil))
	if got := table(t, conn, "SELECT count(*), min(id) FROM lake.orders WHERE _event_time >= $1", time.UnixMicro(hour(0)+90_000_000)); got != "10|e90" {
		t.Errorf("%q", got)
	}
	if r := s.scanned()[0]; r.Source != "orders" || r.From == nil || *r.From != hour(0)+90_000_000 || r.To != nil {
		t.Errorf("asked for %+v", r)
	}
	if got := table(t, conn, "SELECT count(*) FROM lake.orders o JOIN sales_1h s ON date_trunc('hour', o._event_time) = s.time AND s.country = 'Spain'"); got != "100" {
		t.Errorf("joined with a view: %q", got)
	}
}

func TestRowsComeInPortionsToAClientThatWantsThemSo(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	f := conn.PgConn().Frontend()
	for _, m := range portions("SELECT * FROM generate_series(1, 5)", 2, 3) {
		f.Send(m)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := received(t, f); got != "ParseComplete BindComplete DataRow DataRow PortalSuspended DataRow DataRow PortalSuspended DataRow CommandComplete ReadyForQuery" {
		t.Errorf("%s", got)
	}
}

func TestClientsAreToldThatTheServerStops(t *testing.T) {
	server, err := New(t.Context(), Config{Behind: Behind{Source: newShop()}, Database: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	conn, err := pgx.Connect(t.Context(), "postgres://ann@"+l.Addr().String()+"/shop?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	message, err := conn.PgConn().Frontend().Receive()
	if said, ok := message.(*pgproto3.ErrorResponse); !ok || said.Code != stateShutdown || said.Severity != "FATAL" {
		t.Errorf("received %v, %v", message, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func stateIn(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}
