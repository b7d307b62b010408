package pgwire

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// shop is a source of a few rows that notes what it is asked.
type shop struct {
	mu      sync.Mutex
	asked   []serving.Query
	records []serving.Records
	rows    [][]algebra.Value // of sales by hour: time, country, revenue, orders
	hold    chan struct{}     // where it is not nil, a query says that it has come, and then waits for its context
	answer  func(*serving.Result)
}

func hour(n int) int64 { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC).UnixMicro() }

func newShop() *shop {
	money := func(pence int64) algebra.Value { return algebra.DecimalValue(algebra.Int128Of(pence), 2) }
	row := func(h int, country string, pence, orders int64) []algebra.Value {
		return []algebra.Value{algebra.TimestampValue(hour(h)), algebra.StringValue(country), money(pence), algebra.Int64Value(orders)}
	}
	return &shop{rows: [][]algebra.Value{row(0, "France", 1250, 2), row(0, "Spain", 725, 1), row(1, "France", 100, 1), row(5, "O'Land", -5, 3)}}
}

func (s *shop) Relations(context.Context) ([]serving.Relation, error) {
	grain, err := view.ParseGrain("1h")
	whole := view.Type{Kind: view.Int64}
	columns := []serving.RelationColumn{{Name: "time", Role: "time", Type: view.Type{Kind: view.Timestamp}, Description: "start of the bucket"},
		{Name: "country", Role: "dimension", Type: view.Type{Kind: view.String}}, {Name: "revenue", Role: "measure", Type: view.Type{Kind: view.Decimal, Precision: 18, Scale: 2}, Additive: true, Description: "in GBP"},
		{Name: "orders", Role: "measure", Type: whole}}
	records := []serving.RelationColumn{{Name: "id", Role: "field", Type: view.Type{Kind: view.String}}, {Name: "_event_time", Role: "time", Type: view.Type{Kind: view.Timestamp}}, {Name: "_offset", Role: "origin", Type: whole}}
	return []serving.Relation{{View: "sales", Source: "orders", Grain: grain, Location: time.UTC, Description: "Sales", Columns: columns}, {Source: "orders", Columns: records}}, err
}

func (s *shop) Query(ctx context.Context, q serving.Query) (*serving.Result, error) {
	s.mu.Lock()
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	if s.hold != nil {
		s.hold <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	r := &serving.Result{Provenance: serving.Provenance{Exact: true}}
	merged := map[string][]algebra.Value{}
	var order []string
	for _, row := range s.rows {
		key := fmt.Sprint(row[0], len(q.Dimensions) > 0 && row[1].Text() != "", slices.Contains(q.Dimensions, "country"))
		if slices.Contains(q.Dimensions, "country") {
			key += row[1].Text()
		}
		if merged[key] == nil {
			merged[key] = slices.Clone(row)
			order = append(order, key)
			continue
		}
		sum, _ := merged[key][2].Int128().Add(row[2].Int128())
		merged[key][2] = algebra.DecimalValue(sum, 2)
		merged[key][3] = algebra.Int64Value(max(merged[key][3].Int64(), row[3].Int64())) // orders do not add up
	}
	for _, key := range order {
		row := merged[key][:1:1]
		for i, name := range []string{"country", "revenue", "orders"} {
			if slices.Contains(q.Dimensions, name) || slices.Contains(q.Measures, name) {
				row = append(row, merged[key][i+1])
			}
		}
		at := time.UnixMicro(row[0].Int64()).UTC().Format(time.RFC3339)
		if (q.From == "" || at >= q.From) && (q.To == "" || at < q.To) {
			r.Rows = append(r.Rows, row)
		}
	}
	r.Statistics = serving.Statistics{Rows: len(r.Rows), TotalRows: len(r.Rows)}
	if s.answer != nil {
		s.answer(r)
	}
	return r, nil
}

func (s *shop) ScanRecords(ctx context.Context, asked serving.Records, settle func(context.Context, *engine.Conn) error, use func(context.Context, *engine.Conn, string) error) error {
	s.mu.Lock()
	s.records = append(s.records, asked)
	s.mu.Unlock()
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	if err := settle(ctx, conn); err != nil {
		return err
	}
	if err := conn.Confine(ctx, nil); err != nil {
		return err
	}
	return use(ctx, conn, fmt.Sprintf("SELECT 'e' || i AS id, make_timestamp(%d + i * 1000000) AS _event_time, CAST(i AS BIGINT) AS _offset FROM range(100) AS t(i)", hour(0)))
}

// lastQuery is what was asked last.
func (s *shop) lastQuery() serving.Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

func (s *shop) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *shop) scanned() []serving.Records {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// serveShop runs a server and returns what clients connect with.
func serveShop(t testing.TB, s Source, change func(*Config)) (url string) {
	t.Helper()
	_, url = startShop(t, s, change)
	return url
}

// startShop is serveShop for who has to do with the server as well.
func startShop(t testing.TB, s Source, change func(*Config)) (_ *Server, url string) {
	t.Helper()
	cfg := Config{Behind: Behind{Source: s}, Database: "shop", Engine: engine.Options{Threads: 1}}
	if change != nil {
		change(&cfg)
	}
	server, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server, "postgres://ann@" + l.Addr().String() + "/shop?sslmode=disable"
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// table is the answer of a statement: values with | between them, rows with a line break.
func table(t testing.TB, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		parts := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case time.Time:
				parts[i] = v.UTC().Format("2006-01-02T15:04Z")
			case interface{ MarshalJSON() ([]byte, error) }:
				text, err := v.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				parts[i] = string(text)
			default:
				parts[i] = fmt.Sprint(v)
			}
		}
		lines = append(lines, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}
