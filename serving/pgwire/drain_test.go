package pgwire

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caudal/caudal/serving"
)

// slow is a shop whose queries say that they have come, and wait until they may go on.
type slow struct {
	*shop
	came, on chan struct{}
}

func (s *slow) Query(ctx context.Context, q serving.Query) (*serving.Result, error) {
	s.came <- struct{}{}
	select {
	case <-s.on:
		return s.shop.Query(ctx, q)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// stoppedAtWork serves a slow shop, stops while a statement of one of two clients is at work, and returns how that went.
func stoppedAtWork(t *testing.T, drain time.Duration, meanwhile func(source *slow, idle *pgx.Conn)) (rows int, failed error) {
	t.Helper()
	source := &slow{newShop(), make(chan struct{}), make(chan struct{})}
	server, err := New(t.Context(), Config{Behind: Behind{Source: source}, Database: "shop", DrainTimeout: drain})
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
	url := "postgres://ann@" + l.Addr().String() + "/shop?sslmode=disable"
	conn, idle := connect(t, url), connect(t, url)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		var results []error
		answers, err := conn.PgConn().Exec(context.Background(), "SELECT * FROM sales_1h").ReadAll()
		for _, a := range answers {
			rows += len(a.Rows)
			results = append(results, a.Err)
		}
		if failed = err; err == nil && len(results) > 0 {
			failed = results[0]
		}
	}()
	<-source.came
	cancel()
	meanwhile(source, idle)
	<-asked
	if err := <-served; err != nil {
		t.Error(err)
	}
	return rows, failed
}

func TestAStatementAtWorkHasItsAnswerBeforeTheServerStops(t *testing.T) {
	rows, err := stoppedAtWork(t, time.Minute, func(source *slow, idle *pgx.Conn) {
		for { // until it has heard of the end
			if _, err := idle.Exec(t.Context(), "SELECT 1"); err != nil {
				if state := stateIn(err); state != stateShutdown {
					t.Errorf("a statement that comes after the end was told: %v", err)
				}
				break
			}
		}
		source.on <- struct{}{}
	})
	if rows != 4 || err != nil {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestAStatementThatTakesTooLongIsBrokenOffWhenTheServerStops(t *testing.T) {
	rows, err := stoppedAtWork(t, time.Millisecond, func(*slow, *pgx.Conn) {})
	if rows != 0 || stateIn(err) != stateShutdown {
		t.Errorf("%d rows, %v", rows, err)
	}
}
