// Package pgwire answers SQL over PostgreSQL's wire protocol: psql, Grafana, pgx, psycopg and whatever else speaks it. A table is a view at one of its
// grains, or the records of a source in the lake; rows come from the same merge as over HTTP, with the same rights. Statements run in DuckDB, in a
// database that holds nothing but what the statement names and can touch nothing else of the machine (docs/adr/0022).
package pgwire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/handover"
	"github.com/caudal/caudal/serving"
)

// Source is what statements read. A *serving.Server is one; it looks at ctx for who asks.
type Source interface {
	Relations(ctx context.Context) ([]serving.Relation, error)
	Query(ctx context.Context, query serving.Query) (*serving.Result, error)
	ScanRecords(ctx context.Context, asked serving.Records, settle func(context.Context, *engine.Conn) error, use func(ctx context.Context, conn *engine.Conn, relation string) error) error
}

// Config of a Server. Behind and Database are required.
type Config struct {
	Behind   Behind // what answers first
	Database string // its name, as clients see it; they may connect to any

	Engine engine.Options // bounds of the database that statements run in, all together; by default 256 MB
	Logger *slog.Logger

	Connections      int           // at once; default 100
	Statements       int           // at work at once; default 8
	StatementTimeout time.Duration // of one that reads views; default 30 s
	ScanTimeout      time.Duration // of one that reads the lake; default 2 min
	StartTimeout     time.Duration // from the first byte to the answer to the password; default 10 s
	DrainTimeout     time.Duration // of the statements at work when the server is stopped; default 10 s
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Engine.MemoryLimit = cmp.Or(c.Engine.MemoryLimit, "256MB")
	c.Connections = cmp.Or(c.Connections, 100)
	c.Statements = cmp.Or(c.Statements, 8)
	c.StatementTimeout = cmp.Or(c.StatementTimeout, 30*time.Second)
	c.ScanTimeout = cmp.Or(c.ScanTimeout, 2*time.Minute)
	c.StartTimeout = cmp.Or(c.StartTimeout, 10*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	return c
}

// Server answers the clients of one listener.
type Server struct {
	cfg     Config
	db      *engine.DB
	catalog *catalogue
	metrics *metrics
	post    *handover.Post[Behind]
	places  chan struct{} // holds one for each statement at work
	mu      sync.Mutex
	open    map[uint32]*session // by process id as clients know it
	last    uint32
}

// New prepares a server; nothing is read before the first statement.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Behind.Source == nil || cfg.Database == "" {
		return nil, errors.New("pgwire: a source and the name of the database are required")
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, open: map[uint32]*session{}, post: handover.New(cfg.Behind), metrics: newMetrics(), places: make(chan struct{}, cfg.Statements)}
	if err := s.metrics.register(cfg.Behind.Registerer); err != nil {
		return nil, err
	}
	var err error
	if s.db, err = engine.Open(cfg.Engine); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// prepare makes the catalogue and shuts the database in.
func (s *Server) prepare(ctx context.Context) error {
	conn, err := s.db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := settle(ctx, conn, s.cfg.Database); err != nil {
		return err
	}
	if s.catalog, err = readCatalogue(ctx, conn); err != nil {
		return err
	}
	return conn.Confine(ctx, nil)
}

// Close gives the database back. Serve must have returned.
func (s *Server) Close() error { return s.db.Close() }

// Serve answers the clients of l until ctx ends, and then ends their connections, each once the statement at work has its answer.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	told := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(told)) // clients are told why they are left
	defer context.AfterFunc(told, func() {
		l.Close()
		s.post.Close().Await(context.WithoutCancel(told), s.cfg.DrainTimeout)
		cancel(errStopped)
	})()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(errStopped)
	for {
		conn, err := l.Accept()
		if told.Err() != nil {
			if err == nil {
				conn.Close()
			}
			<-ctx.Done()
			return nil
		}
		if err != nil {
			return fmt.Errorf("serve SQL on %s: %w", l.Addr(), err)
		}
		wg.Go(func() {
			if err := s.serve(ctx, conn); err != nil {
				s.cfg.Logger.Debug("a connection for SQL has ended", "client", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

// enter gives a session a process id; false where there is no room.
func (s *Server) enter(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.cfg.Connections {
		return false
	}
	for s.last++; s.last == 0 || s.open[s.last] != nil; s.last++ {
	}
	c.id = s.last
	s.open[c.id] = c
	s.metrics.connections.Inc()
	return true
}

func (s *Server) leave(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c.id)
	s.metrics.connections.Dec()
}

// cancel ends the statement of a session, for who knows its secret.
func (s *Server) cancel(id uint32, secret []byte) {
	s.mu.Lock()
	c := s.open[id]
	s.mu.Unlock()
	if c != nil && c.hasSecret(secret) {
		c.interrupt()
	}
}
