package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Conn is a connection: its temporary tables and settings are its own. It is for one goroutine at a time.
type Conn struct {
	db  *DB
	con mapping.Connection
}

// Close ends the connection.
func (c *Conn) Close() {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if _, open := c.db.conns[c]; open && !c.db.isClosed {
		delete(c.db.conns, c)
		mapping.Disconnect(&c.con)
	}
}

// Error is what DuckDB said of a statement.
type Error struct {
	SQL  string // the statement
	Text string // the whole message
	Kind mapping.ErrorType
}

// Error is the message without its copy of the statement, and the beginning of the statement.
func (e *Error) Error() string {
	sql := strings.Join(strings.Fields(e.SQL), " ")
	const shown = 120
	if len(sql) > shown {
		sql = strings.ToValidUTF8(sql[:shown], "") + "…"
	}
	return fmt.Sprintf("run %q: %s", sql, firstParagraph(e.Text))
}

// Message is what DuckDB said, with the kind of the error before it, and without its copy of the statement.
func (e *Error) Message() string { return firstParagraph(e.Text) }

// firstParagraph drops the excerpt of the statement and the advice that DuckDB adds to its messages.
func firstParagraph(text string) string {
	text, _, _ = strings.Cut(text, "\n\nLINE ")
	text, _, _ = strings.Cut(text, "\n\nPossible solutions")
	return strings.TrimSpace(text)
}

// interruptAgain is how often a cancelled statement is interrupted: an interrupt just before it starts is lost.
const interruptAgain = 5 * time.Millisecond

// whileInterruptible calls run and interrupts the connection once ctx is done. After it has returned nothing is interrupted any more.
func (c *Conn) whileInterruptible(ctx context.Context, run func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	finished, interrupted := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		for {
			mapping.Interrupt(c.con)
			select {
			case <-finished:
				return
			case <-time.After(interruptAgain):
			}
		}
	})
	err := run()
	close(finished)
	if !stop() {
		<-interrupted
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}

// Exec runs statements, separated by semicolons, and drops their results.
func (c *Conn) Exec(ctx context.Context, sql string) error {
	return c.whileInterruptible(ctx, func() error { return c.run(sql) })
}

func (c *Conn) run(sql string) error {
	var result mapping.Result
	defer mapping.DestroyResult(&result)
	if mapping.Query(c.con, sql, &result) == mapping.StateError {
		return resultError(sql, &result)
	}
	return nil
}

func resultError(sql string, result *mapping.Result) error {
	return &Error{SQL: sql, Text: mapping.ResultError(result), Kind: mapping.ResultErrorType(result)}
}

// Query runs statements and calls each with the chunks of the last one's result. A chunk, its rows and all that they return are valid only
// during the call. The first error of each ends the query and is returned.
func (c *Conn) Query(ctx context.Context, sql string, each func(*Chunk) error) error {
	return c.whileInterruptible(ctx, func() error {
		var result mapping.Result
		defer mapping.DestroyResult(&result)
		if mapping.Query(c.con, sql, &result) == mapping.StateError {
			return resultError(sql, &result)
		}
		return eachChunk(&result, newChunk(&result), each)
	})
}

func eachChunk(result *mapping.Result, chunk *Chunk, each func(*Chunk) error) error {
	for {
		data := mapping.FetchChunk(*result)
		if data.Ptr == nil {
			return nil
		}
		chunk.point(data)
		err := each(chunk)
		mapping.DestroyDataChunk(&data)
		if err != nil {
			return err
		}
	}
}

// Stmt is a prepared statement. It may be run often over an Input; over tables that are filled again in between DuckDB's plans go wrong,
// so it must not be kept for those.
type Stmt struct {
	conn  *Conn
	sql   string
	stmt  mapping.PreparedStatement
	chunk *Chunk
}

// Prepare plans one statement.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	s := &Stmt{conn: c, sql: sql}
	if mapping.Prepare(c.con, sql, &s.stmt) == mapping.StateError {
		err := &Error{SQL: sql, Text: mapping.PrepareError(s.stmt)}
		mapping.DestroyPrepare(&s.stmt)
		return nil, err
	}
	return s, nil
}

// Run executes the statement; see Query.
func (s *Stmt) Run(ctx context.Context, each func(*Chunk) error) error {
	return s.conn.whileInterruptible(ctx, func() error {
		var result mapping.Result
		defer mapping.DestroyResult(&result)
		if mapping.ExecutePrepared(s.stmt, &result) == mapping.StateError {
			return resultError(s.sql, &result)
		}
		if s.chunk == nil {
			s.chunk = newChunk(&result)
		}
		return eachChunk(&result, s.chunk, each)
	})
}

// Close gives the plan back.
func (s *Stmt) Close() { mapping.DestroyPrepare(&s.stmt) }
