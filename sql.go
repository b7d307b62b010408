package main

import (
	"context"
	"errors"
	"fmt"
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

// sqlDoor is where SQL comes in.
type sqlDoor struct {
	listener net.Listener
	server   *pgwire.Server
	database string
}

// openSQL makes the door and listens, but lets nobody in yet; nil where the address is the default one and somebody else has it.
func (s *services) openSQL(p *parts, r roles, guard *auth.Guard) (*sqlDoor, error) {
	l, err := s.sockets.listen("SQL", r.sql.listen)
	if errors.Is(err, syscall.EADDRINUSE) && !r.sql.chosen {
		s.log.Warn("SQL is not served: another process listens there; --sql names another address", "address", r.sql.listen)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listen for SQL: %w", err)
	}
	config := pgwire.Config{Source: p.server, Database: s.project.Name, Logger: s.log, Registerer: p.registry}
	if r.small {
		config.Engine = engine.Options{MemoryLimit: smallEngine, Threads: 1}
	}
	if p.certificate != nil {
		config.TLS = p.certificate.Config()
	}
	if !guard.Off() {
		config.Authenticate = func(ctx context.Context, token string) (context.Context, error) { return admit(ctx, guard, token) }
	}
	server, err := pgwire.New(context.Background(), config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up SQL: %w", err), l.Close())
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok {
		p.server.OpenSQL(serving.SQLDoor{Port: at.Port, Database: s.project.Name})
	}
	return &sqlDoor{listener: l, server: server, database: s.project.Name}, nil
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

func (d *sqlDoor) close() error { return d.server.Close() }

var _ pgwire.Source = (*serving.Server)(nil)
