package pgwire

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/serving"
)

// revision is a shop that says which one it is, and fails whoever asks it once it is closed.
type revision struct {
	*shop
	number int
	closed atomic.Bool
}

func newRevision(number int) *revision {
	r := &revision{shop: newShop(), number: number}
	r.rows = [][]algebra.Value{{algebra.TimestampValue(hour(0)), algebra.StringValue("France"), algebra.DecimalValue(algebra.Int128Of(100), 2), algebra.Int64Value(int64(number))}}
	return r
}

func (r *revision) Query(ctx context.Context, q serving.Query) (*serving.Result, error) {
	if r.closed.Load() {
		return nil, fmt.Errorf("revision %d is asked after it was closed", r.number)
	}
	result, err := r.shop.Query(ctx, q)
	if r.closed.Load() {
		return nil, fmt.Errorf("revision %d was closed while it was asked", r.number)
	}
	return result, err
}

// TestSessionsGoOnWhileWhatAnswersIsChanged changes what answers twenty times while clients ask by prepared statements and by plain text: none fails, no
// connection ends, nobody is asked who was closed, and answers are of the newest from the change on.
func TestSessionsGoOnWhileWhatAnswersIsChanged(t *testing.T) {
	server, url := startShop(t, newRevision(0), func(c *Config) { c.DrainTimeout = time.Minute })
	answered, stop := make(chan struct{}), make(chan struct{})
	done := make(chan error, 4)
	for i := range cap(done) {
		conn := connect(t, url)
		go func() {
			seen := int64(-1)
			for {
				options := []any{pgx.QueryExecModeCacheStatement}
				if i%2 == 0 {
					options[0] = pgx.QueryExecModeSimpleProtocol
				}
				var orders int64
				if err := conn.QueryRow(context.Background(), "SELECT orders FROM sales_1h", options...).Scan(&orders); err != nil || orders < seen {
					done <- fmt.Errorf("%d after %d: %v", orders, seen, err)
					return
				}
				seen = orders
				select {
				case <-stop:
					done <- nil
					return
				case answered <- struct{}{}:
				}
			}
		}()
	}
	before := server.post.Now().Source.(*revision)
	for n := range 20 {
		for range cap(done) { // so that all are at work again
			select {
			case <-answered:
			case err := <-done:
				t.Fatal(err)
			}
		}
		next := newRevision(n + 1)
		left, err := server.Change(Behind{Source: next, Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		left(t.Context())
		before.closed.Store(true)
		before = next
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := table(t, connect(t, url), "SELECT orders FROM sales_1h"); got != "20" {
		t.Errorf("orders are %s, not of the newest", got)
	}
}

// TestAStatementOverTheFormerDefinitionsIsBrokenOffAfterAWhile, and its session goes on.
func TestAStatementOverTheFormerDefinitionsIsBrokenOffAfterAWhile(t *testing.T) {
	former := newShop()
	former.hold = make(chan struct{})
	server, url := startShop(t, former, func(c *Config) { c.DrainTimeout = 10 * time.Millisecond })
	conn := connect(t, url)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT * FROM sales_1h")
		failed <- err
	}()
	<-former.hold
	left, err := server.Change(Behind{Source: newShop()})
	if err != nil {
		t.Fatal(err)
	}
	left(t.Context())
	if err := <-failed; stateIn(err) != stateCanceled || !strings.Contains(err.Error(), "definitions have changed") {
		t.Errorf("it was told: %v", err)
	}
	if got := table(t, conn, "SELECT count(*) FROM sales_1h"); got != "4" {
		t.Errorf("the next statement: %s", got)
	}
}

// narrow is the shop without the country.
type narrow struct{ *shop }

func (n narrow) Relations(ctx context.Context) ([]serving.Relation, error) {
	all, err := n.shop.Relations(ctx)
	all[0].Columns = append(all[0].Columns[:1:1], all[0].Columns[2:]...)
	return all, err
}

// TestAPreparedStatementWhoseRowsHaveChangedIsPreparedAgain: a pool that keeps prepared statements hears what PostgreSQL says then, and its next try is right.
func TestAPreparedStatementWhoseRowsHaveChangedIsPreparedAgain(t *testing.T) {
	server, url := startShop(t, newShop(), func(c *Config) { c.DrainTimeout = time.Minute })
	conn := connect(t, url)
	columns := func() (n int, err error) {
		rows, err := conn.Query(t.Context(), "SELECT * FROM sales_1h", pgx.QueryExecModeCacheStatement)
		if err != nil {
			return 0, err
		}
		n = len(rows.FieldDescriptions())
		rows.Close()
		return n, rows.Err()
	}
	if n, err := columns(); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	left, err := server.Change(Behind{Source: narrow{newShop()}})
	if err != nil {
		t.Fatal(err)
	}
	left(t.Context())
	if _, err := columns(); stateIn(err) != stateNotSupported || !strings.Contains(err.Error(), "cached plan must not change result type") {
		t.Errorf("the statement that was prepared before: %v", err)
	}
	if n, err := columns(); n != 3 || err != nil {
		t.Errorf("its next try: %d columns, %v", n, err)
	}
}
