package pgwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/caudal/caudal/internal/engine"
)

// Limits of what a client may keep here.
const (
	maxPrepared = 1000
	maxPortals  = 100
)

// session is one client.
type session struct {
	server   *Server
	conn     net.Conn
	wire     *pgproto3.Backend
	ctx      context.Context // ends with the connection
	password string
	db       *engine.Conn
	source   Source // of the statement at work
	id       uint32
	secret   []byte
	settings map[string]string // by name in lower case

	statements map[string]*prepared
	portals    map[string]*portal
	block      byte // 'I': none; 'T': within BEGIN; 'E': likewise, and something failed
	skipping   bool // to the next Sync: something failed

	mu   sync.Mutex
	stop context.CancelCauseFunc // of the statement at work; nil: none is
}

// interrupt ends the statement at work.
func (c *session) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop(errAsked)
	}
}

// begin is the context of a statement, for as long as it may take, on behalf of who asks, over what answers now; end is to be called.
func (c *session) begin(limit time.Duration) (ctx context.Context, end func(), err error) {
	over, ok := c.server.post.Enter()
	if !ok {
		return nil, nil, errStopped
	}
	if ctx = c.ctx; over.Is.Authenticate != nil {
		if ctx, err = over.Is.who(ctx, c.password); err != nil {
			over.Leave()
			return nil, nil, err
		}
	}
	c.source = over.Is.Source
	ctx, stop := context.WithCancelCause(ctx)
	unbroken := context.AfterFunc(over.Broken, func() { stop(context.Cause(over.Broken)) })
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTime)
	c.mu.Lock()
	c.stop = stop
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		c.stop = nil
		c.mu.Unlock()
		unbroken()
		cancel()
		stop(nil)
		over.Leave()
	}, nil
}

// run answers messages until the client says goodbye or the connection ends.
func (c *session) run() error {
	c.block = 'I'
	for {
		message, err := c.wire.Receive()
		if err != nil {
			return c.lost(err)
		}
		if c.skipping {
			switch message.(type) {
			case *pgproto3.Sync, *pgproto3.Terminate:
			default:
				continue
			}
		}
		if err := c.handle(message); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// lost says to the client why its connection ends, where it is still there.
func (c *session) lost(err error) error {
	f := &failure{state: stateProtocol, text: err.Error(), fatal: true}
	switch {
	case errors.Is(context.Cause(c.ctx), errStopped):
		f = explain(errStopped)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(context.Cause(c.ctx), errGone):
		return nil
	}
	c.wire.Send(f.response())
	return errors.Join(err, c.flush())
}

// handle answers one message. Its error ends the connection: io.EOF where the client wants that.
func (c *session) handle(message pgproto3.FrontendMessage) error {
	switch m := message.(type) {
	case *pgproto3.Query:
		c.simple(m.String)
		return c.ready()
	case *pgproto3.Parse:
		return c.step(c.parse(m))
	case *pgproto3.Bind:
		return c.step(c.bind(m))
	case *pgproto3.Describe:
		return c.step(c.describe(m))
	case *pgproto3.Execute:
		return c.step(c.execute(m))
	case *pgproto3.Close:
		return c.step(c.close(m))
	case *pgproto3.Flush:
		return c.flush()
	case *pgproto3.Sync:
		c.skipping = false
		if c.block == 'I' {
			clear(c.portals)
		}
		return c.ready()
	case *pgproto3.Terminate:
		return io.EOF
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // PostgreSQL passes over them, too, outside of a COPY
	}
	return c.step(fail(stateProtocol, "", "%T is not answered here", message))
}

// step notes how a step of the extended protocol went: after a failure nothing is done until Sync.
func (c *session) step(err error) error {
	if err != nil {
		c.skipping = true
		c.failed(err)
		return c.flush()
	}
	return nil
}

// failed tells the client of a failure.
func (c *session) failed(err error) {
	if c.block == 'T' {
		c.block = 'E'
	}
	c.wire.Send(explain(err).response())
}

// ready says that the next statement may come.
func (c *session) ready() error {
	if c.block == 0 {
		c.block = 'I'
	}
	c.wire.Send(&pgproto3.ReadyForQuery{TxStatus: c.block})
	return c.flush()
}

// writeTimeout is how long a client may take nothing of an answer.
const writeTimeout = 30 * time.Second

// flush sends what was said.
func (c *session) flush() error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := c.wire.Flush(); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	return nil
}

// notice tells the client something about an answer.
func (c *session) notice(severity, code, text string) {
	c.wire.Send(&pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: text})
}

// simple answers a text with any number of statements. The first that fails ends it.
func (c *session) simple(sql string) {
	if len(sql) > maxMessage {
		c.failed(fail(stateTooLarge, "", "the statement is longer than %d bytes", maxMessage))
		return
	}
	statements := split(sql)
	if len(statements) == 0 {
		c.wire.Send(&pgproto3.EmptyQueryResponse{})
		return
	}
	for _, tokens := range statements {
		p, err := c.prepare(tokens, nil)
		if err == nil {
			err = c.answer(p, &portal{prepared: p}, 0, true)
		}
		if err != nil {
			c.failed(err)
			return
		}
	}
}

// newTypes is what values are written in the binary format with; it is for one goroutine.
func newTypes() *pgtype.Map { return pgtype.NewMap() }
