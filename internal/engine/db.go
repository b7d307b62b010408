// Package engine runs SQL: it is the only part that knows DuckDB.
//
// Rows of events go in through a table function that reads Go's memory (Input), results come out as vectors that are read where they
// are (Chunk). Every plain way beside a fast one lives in the tests, which compare the two.
package engine

// #include "memory.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Options bounds a database.
type Options struct {
	Path        string // of the database file; "" = in memory
	Threads     int    // 0: all cores
	MemoryLimit string // e.g. "2GB"; "" = "1GB"
	TempDir     string // where operators spill; "" = a folder of the system's, removed on Close
	MaxTempSize string // e.g. "20GB"; "" = "10GB"
}

// DB is one database and the process' threads for it.
type DB struct {
	db       mapping.Database
	threads  int
	ownTemp  string
	mu       sync.Mutex
	inputs   []*Input
	conns    map[*Conn]struct{}
	isClosed bool
	locked   bool // its settings are final, the time zone among them
	extended bool // it has the functions that caudal adds
}

// Open starts a database.
func Open(o Options) (*DB, error) {
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	if o.MemoryLimit == "" {
		o.MemoryLimit = "1GB"
	}
	if o.MaxTempSize == "" {
		o.MaxTempSize = "10GB"
	}
	db := &DB{threads: o.Threads, conns: map[*Conn]struct{}{}}
	if o.TempDir == "" {
		dir, err := os.MkdirTemp("", "caudal-engine-")
		if err != nil {
			return nil, fmt.Errorf("open the SQL engine: make a folder to spill to: %w", err)
		}
		db.ownTemp, o.TempDir = dir, dir
	}
	if err := db.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("open the SQL engine %s: %w", o.Path, err), db.removeTemp())
	}
	return db, nil
}

func (db *DB) open(o Options) error {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return errors.New("DuckDB made no configuration")
	}
	defer mapping.DestroyConfig(&config)
	for _, s := range [][2]string{
		{"threads", strconv.Itoa(o.Threads)},
		{"memory_limit", o.MemoryLimit},
		{"temp_directory", o.TempDir},
		{"max_temp_directory_size", o.MaxTempSize},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"preserve_insertion_order", "false"},
		{"allocator_background_threads", "true"}, // what is freed goes back to the system while nothing is done, too
		// It computes what two TRY have in common once, outside of both, and the error that they were to catch ends the query
		// (DuckDB 1.5.5). The SQL of the algebra has nothing in common to find.
		{"disabled_optimizers", "common_subexpressions"},
	} {
		if mapping.SetConfig(config, s[0], s[1]) == mapping.StateError {
			return fmt.Errorf("%s = %q is not accepted", s[0], s[1])
		}
	}
	var text string
	if mapping.OpenExt(o.Path, &db.db, config, &text) == mapping.StateError {
		return errors.New(firstParagraph(text))
	}
	return nil
}

// Connect opens a connection, for one goroutine at a time.
func (db *DB) Connect() (*Conn, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.isClosed {
		return nil, errors.New("connect to the SQL engine: it is closed")
	}
	c := &Conn{db: db}
	if mapping.Connect(db.db, &c.con) == mapping.StateError {
		return nil, errors.New("connect to the SQL engine: it refused")
	}
	if !db.locked {
		// all times are UTC, wherever the process runs
		if err := c.run("SET TimeZone = 'UTC'"); err != nil {
			mapping.Disconnect(&c.con)
			return nil, fmt.Errorf("connect to the SQL engine: %w", err)
		}
	}
	if !db.extended {
		if err := c.registerRegisters(); err != nil {
			mapping.Disconnect(&c.con)
			return nil, fmt.Errorf("connect to the SQL engine: %w", err)
		}
		db.extended = true
	}
	db.conns[c] = struct{}{}
	return c, nil
}

// keep remembers an input until the database is closed.
func (db *DB) keep(in *Input) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.inputs = append(db.inputs, in)
}

// Close ends the database and gives its memory back to the system; no query may be running.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.isClosed {
		return nil
	}
	db.isClosed = true
	for c := range db.conns {
		mapping.Disconnect(&c.con)
	}
	mapping.Close(&db.db)
	for _, in := range db.inputs {
		in.free()
	}
	C.caudal_return_memory()
	return db.removeTemp()
}

func (db *DB) removeTemp() error {
	if db.ownTemp == "" {
		return nil
	}
	if err := os.RemoveAll(db.ownTemp); err != nil {
		return fmt.Errorf("close the SQL engine: %w", err)
	}
	return nil
}
