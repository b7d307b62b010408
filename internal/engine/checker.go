package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Checker binds the expressions of definitions as the layers will, without running them: a view.Checker. It is safe for many goroutines.
type Checker struct {
	mu        sync.Mutex
	conn      *Conn
	functions map[string]function // by name
}

var _ view.Checker = (*Checker)(nil)

// function is what is known of a function of DuckDB, over all that have its name.
type function struct {
	scalar    bool
	aggregate bool
	volatile  bool
	macro     string // body of a macro
}

// NewChecker opens a connection of db to check on.
func NewChecker(ctx context.Context, db *DB) (*Checker, error) {
	conn, err := db.Connect()
	if err != nil {
		return nil, err
	}
	c := &Checker{conn: conn, functions: map[string]function{}}
	const list = "SELECT function_name, function_type, coalesce(stability, ''), coalesce(macro_definition, '') FROM duckdb_functions()"
	err = conn.Query(ctx, list, func(chunk *Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			name, kind := string(row.Bytes(0)), string(row.Bytes(1))
			f := c.functions[name]
			f.scalar = f.scalar || kind == "scalar"
			f.aggregate = f.aggregate || kind == "aggregate"
			f.volatile = f.volatile || kind == "scalar" && string(row.Bytes(2)) != "CONSISTENT"
			if kind == "macro" {
				f.macro = string(row.Bytes(3))
			}
			c.functions[name] = f
		}
		return nil
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("list the functions that definitions may use: %w", err)
	}
	return c, nil
}

// Close ends the checker's connection.
func (c *Checker) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.Close()
}

const checkedTable = "checked"

// Check binds each expression against one row of cols; see view.Checker.
func (c *Checker) Check(cols []view.Column, exprs []string) ([]view.Checked, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make(map[string]bool, len(cols))
	defs := make([]string, 0, len(cols))
	for _, col := range cols {
		names[strings.ToLower(col.Name)] = true
		defs = append(defs, sqltext.Name(col.Name)+" "+col.Type.SQL())
	}
	if len(defs) == 0 {
		defs = append(defs, "_none BIGINT")
	}
	ctx := context.Background()
	if err := c.conn.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+checkedTable+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return nil, fmt.Errorf("check expressions: make a table of their columns: %w", err)
	}
	out := make([]view.Checked, len(exprs))
	for i, expr := range exprs {
		var err error
		if out[i], err = c.check(ctx, names, expr); err != nil {
			return nil, fmt.Errorf("check expression %q: %w", expr, err)
		}
	}
	return out, nil
}

// check tells of one expression.
func (c *Checker) check(ctx context.Context, names map[string]bool, expr string) (view.Checked, error) {
	if strings.TrimSpace(expr) == "" {
		return view.Checked{Err: "it is empty"}, nil
	}
	s, err := c.survey(ctx, expr, names)
	if err != nil || s.problem != "" {
		return view.Checked{Err: s.problem, Candidates: s.candidates}, err
	}
	// the line break keeps a comment from reaching the bracket
	stmt, err := c.conn.Prepare("SELECT (" + expr + "\n) FROM " + checkedTable)
	if err != nil {
		text, candidates := explain(err)
		return view.Checked{Err: text, Candidates: candidates}, nil
	}
	defer stmt.Close()
	logical := mapping.PreparedStatementColumnLogicalType(stmt.stmt, 0)
	defer mapping.DestroyLogicalType(&logical)
	return view.Checked{Type: resultType(logical), Volatile: s.volatile}, nil
}

// resultType is the type of an expression: of one that definitions have a word for, or a list of it. Whether elements may be null is not known
// before it runs.
func resultType(logical mapping.LogicalType) view.Type {
	t, kind := typeOf(logical)
	if kind != mapping.TypeList {
		return t
	}
	item := mapping.ListTypeChildType(logical)
	defer mapping.DestroyLogicalType(&item)
	if t, _ = typeOf(item); !slices.Contains(view.ColumnKinds(), t.Kind) {
		return view.Type{}
	}
	return view.Type{Kind: view.List, Item: t.Kind, Precision: t.Precision, Scale: t.Scale}
}

var (
	quoted     = regexp.MustCompile(`"((?:[^"]|"")*)"`)
	errorClass = regexp.MustCompile(`^(?:Binder|Catalog|Parser|Conversion|Not implemented|Invalid Input|Syntax) Error: `)
)

// explain is DuckDB's message in one line, and the names that it proposes.
func explain(err error) (text string, candidates []string) {
	text = err.Error()
	if e, ok := err.(*Error); ok {
		text = firstParagraph(e.Text)
	}
	text = errorClass.ReplaceAllString(text, "")
	lines := strings.Split(text, "\n")
	for _, line := range lines[1:] {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Candidate bindings:") || strings.HasPrefix(line, "Did you mean") {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				name := m[1]
				if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
					name = name[dot+1:]
				}
				candidates = append(candidates, name)
			}
		}
	}
	text = strings.TrimSpace(lines[0])
	if m := regexp.MustCompile(`^Referenced column ("[^"]*") not found`).FindStringSubmatch(text); m != nil {
		text = "unknown column " + m[1]
	}
	if m := regexp.MustCompile(`^(?:Scalar|Table|Aggregate)? ?Function with name "?([^" ]*)"? does not exist`).FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("unknown function %q", m[1])
	}
	return strings.TrimRight(text, "!. "), candidates
}
