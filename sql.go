package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/auth"
	"github.com/caudal/caudal/serving/pgwire"
)

const (
	defaultSQL = "127.0.0.1:15432"
	sqlFlag    = "where SQL listens, for psql and whatever else speaks PostgreSQL's protocol; empty: nowhere"
)

// sqlAddress is where SQL listens; "" = nowhere. One that was not chosen may be taken by somebody else.
type sqlAddress struct {
	listen string
	chosen bool
}

// addresses are where a process listens; "" = not.
type addresses struct {
	http string
	sql  sqlAddress
}

// addresses are those that are not empty.
func (r roles) addresses() (list []string) {
	for _, address := range []string{r.http, r.sql.listen} {
		if address != "" {
			list = append(list, address)
		}
	}
	return list
}

// sqlDoor is where SQL comes in: one listener and one server for as long as the process lives.
type sqlDoor struct {
	listener net.Listener
	database string
	small    bool
	log      *slog.Logger
	server   *pgwire.Server // nil before the first is let
}

// openSQL listens; nil where the address is the default one and somebody else has it.
func openSQL(r roles, database string, log *slog.Logger) (*sqlDoor, error) {
	l, err := net.Listen("tcp", r.sql.listen)
	if errors.Is(err, syscall.EADDRINUSE) && !r.sql.chosen {
		log.Warn("SQL is not served: another process listens there; --sql names another address", "address", r.sql.listen)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listen for SQL: %w", err)
	}
	return &sqlDoor{listener: l, database: database, small: r.small, log: log}, nil
}

// let has p answer from now on; see doors.let.
func (d *sqlDoor) let(p *parts) (left func(ctx context.Context), err error) {
	next := pgwire.Behind{Source: p.server, Registerer: p.registry}
	if p.certificate != nil {
		next.TLS = p.certificate.Config()
	}
	if !p.guard.Off() {
		next.Authenticate = func(ctx context.Context, token string) (context.Context, error) { return admit(ctx, p.guard, token) }
	}
	if d.server == nil {
		left, err = func(context.Context) {}, d.begin(next)
	} else {
		left, err = d.server.Change(next)
	}
	if err != nil {
		return nil, fmt.Errorf("set up SQL: %w", err)
	}
	if at, ok := d.listener.Addr().(*net.TCPAddr); ok {
		p.server.OpenSQL(serving.SQLDoor{Port: at.Port, Database: d.database})
	}
	return left, nil
}

// begin makes the server, with the first that answers.
func (d *sqlDoor) begin(first pgwire.Behind) (err error) {
	config := pgwire.Config{Behind: first, Database: d.database, Logger: d.log}
	if d.small {
		config.Engine = engine.Options{MemoryLimit: smallEngine, Threads: 1}
	}
	d.server, err = pgwire.New(context.Background(), config)
	return err
}

// admit lets a statement through on behalf of the caller whose token it comes with, as a request over HTTP.
func admit(ctx context.Context, guard *auth.Guard, token string) (context.Context, error) {
	c, err := guard.Token(ctx, token)
	if err != nil {
		return nil, err
	}
	if wait, ok := guard.Admit(c); !ok {
		return nil, pgwire.TooOften(c.Name, wait)
	}
	return auth.With(ctx, c), nil
}

// url is what psql is called with.
func (d *sqlDoor) url() string { return fmt.Sprintf("postgres://%s/%s", d.listener.Addr(), d.database) }

func (d *sqlDoor) serve(ctx context.Context) error { return d.server.Serve(ctx, d.listener) }

// close gives back what the server holds, once serve has returned.
func (d *sqlDoor) close() error { return d.server.Close() }

var _ pgwire.Source = (*serving.Server)(nil)
