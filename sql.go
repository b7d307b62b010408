package main

import (
	"context"
	"fmt"
	"net"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/serving/pgwire"
)

// defaultSQL is where SQL listens by default.
const defaultSQL = "127.0.0.1:15432"

// sqlDoor is where SQL comes in.
type sqlDoor struct {
	listener net.Listener
	server   *pgwire.Server
	database string
}

// openSQL makes the door and listens, but lets nobody in yet.
func (s *services) openSQL(p *parts, r roles) (*sqlDoor, error) {
	config := pgwire.Config{Source: p.server, Database: s.project.Name, Logger: s.log, Registerer: p.registry}
	if r.small {
		config.Engine = engine.Options{MemoryLimit: smallEngine, Threads: 1}
	}
	server, err := pgwire.New(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("set up SQL: %w", err)
	}
	l, err := net.Listen("tcp", r.sql)
	if err != nil {
		return nil, fmt.Errorf("listen for SQL: %w", err)
	}
	return &sqlDoor{listener: l, server: server, database: s.project.Name}, nil
}

// url is what psql is called with.
func (d *sqlDoor) url() string { return fmt.Sprintf("postgres://%s/%s", d.listener.Addr(), d.database) }

func (d *sqlDoor) serve(ctx context.Context) error { return d.server.Serve(ctx, d.listener) }

func (d *sqlDoor) close() error { return d.server.Close() }
