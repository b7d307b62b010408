package pgwire

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/serving"
)

// prepared is a statement that was read.
type prepared struct {
	command    *command // nil: a query
	tree       tree
	parameters []uint32            // the types of its parameters
	columns    []engine.ColumnInfo // of its rows; nil: it has none
}

// maxDepth bounds how deep brackets stand within each other.
const maxDepth = 200

// prepare reads a statement. oids are the types that the client says of its parameters; 0 is for the statement to say.
func (c *session) prepare(tokens []token, oids []uint32) (_ *prepared, err error) {
	start := time.Now()
	defer func() {
		if err != nil {
			c.server.metrics.observe(err, time.Since(start))
		}
	}()
	if depth(tokens) > maxDepth {
		return nil, fail(stateTooLarge, "", "brackets stand within each other more than %d deep", maxDepth)
	}
	if n := queries(tokens); n > maxQueries {
		return nil, fail(stateTooLarge, "write VALUES, or fewer of them", "the statement has %d SELECTs within it, and may have %d", n, maxQueries)
	}
	command, err := commandOf(tokens)
	if err != nil || command != nil {
		return &prepared{command: command}, err
	}
	ctx, end, err := c.begin(c.limit(c.server.cfg.StatementTimeout))
	if err != nil {
		return nil, err
	}
	defer end()
	p := &prepared{}
	if p.tree, err = parse(ctx, c.db, text(tokens)); err != nil {
		return nil, causeOf(ctx, err)
	}
	if p.parameters, err = typeParameters(p.tree, oids); err != nil {
		return nil, err
	}
	return p, causeOf(ctx, c.bindTypes(ctx, p))
}

// maxQueries bounds the SELECTs of a statement: the time to plan them grows with the square of their number, and cannot be interrupted.
const maxQueries = 500

func queries(tokens []token) (n int) {
	for i := range tokens {
		if w := word(tokens, i); w == "select" || w == "values" || w == "from" {
			n++
		}
	}
	return n / 2
}

func depth(tokens []token) (deepest int) {
	now := 0
	for _, t := range tokens {
		switch t.text {
		case "(", "[", "{":
			now++
		case ")", "]", "}":
			now--
		}
		deepest = max(deepest, now)
	}
	return deepest
}

// causeOf is why a statement failed, where it was its context that ended.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// typeParameters casts the parameters whose types are known, and lists those of all.
func typeParameters(t tree, oids []uint32) ([]uint32, error) {
	types := slices.Clone(oids)
	_, err := walk(t, func(node tree) (tree, error) {
		parameter, isList := node, false
		if items, ok := listOfAny(node).(tree); ok {
			parameter, isList = items, true
		}
		if str(parameter, "class") != "PARAMETER" {
			return nil, nil
		}
		n, err := strconv.Atoi(str(parameter, "identifier"))
		const most = 1000
		if err != nil || n < 1 || n > most {
			return nil, fail(stateUndefinedParam, "number them $1 to $1000", "there is no parameter $%s", str(parameter, "identifier"))
		}
		for len(types) < n {
			types = append(types, 0)
		}
		if isList {
			if types[n-1] == 0 {
				types[n-1] = wireTypes["VARCHAR"].list.oid
			}
			return nil, nil
		}
		to := parameterSQL(types[n-1])
		if to == "" || to == "DECIMAL" || strings.HasSuffix(to, "[]") {
			return nil, nil // its text is cast when it is known
		}
		return cast(copyNode(node), to), nil
	})
	return types, err
}

func copyNode(node tree) tree {
	other := tree{}
	for key, value := range node {
		other[key] = value
	}
	return other
}

// relations are what the caller may read, by schema.name.
func (c *session) relations(ctx context.Context) (map[string]*serving.Relation, error) {
	all, err := c.source.Relations(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]*serving.Relation{}
	for i := range all {
		r := &all[i]
		name := "lake." + strings.ToLower(r.Source)
		if r.View != "" {
			name = "public." + strings.ToLower(r.View+"_"+r.Grain.Name+r.Window) // one of the two is ""
		}
		found[name] = r
	}
	return found, nil
}

// analysed is a copy of a statement's tree that DuckDB can run, and what it reads.
func (c *session) analysed(ctx context.Context, p *prepared, values []*string) (tree, *analysis, error) {
	t, err := copyOf(p.tree)
	if err != nil {
		return nil, nil, err
	}
	if values != nil {
		if err := fillIn(t, p.parameters, values); err != nil {
			return nil, nil, err
		}
	}
	a := &analysis{catalog: c.server.catalog, database: c.server.cfg.Database, now: time.Now()}
	if a.relations, err = c.relations(ctx); err != nil {
		return nil, nil, err
	}
	return t, a, analyse(t, a)
}

// bindTypes finds out the types of a statement's rows and parameters, over relations without rows.
func (c *session) bindTypes(ctx context.Context, p *prepared) error {
	t, a, err := c.analysed(ctx, p, nil)
	if err != nil {
		return err
	}
	for _, u := range a.uses {
		columns := make([]string, len(u.relation.Columns))
		for i, column := range u.relation.Columns {
			columns[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", relationSQL(column), sqltext.Name(column.Name))
		}
		if err := c.db.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s WHERE FALSE", sqltext.Name(u.name), strings.Join(columns, ", "))); err != nil {
			return err
		}
	}
	if err := c.describeRelations(ctx, c.db, a); err != nil {
		return err
	}
	if err := c.inferTypes(ctx, p, t); err != nil {
		return err
	}
	// only a statement whose parameters have values has columns with types: not nulls, which DuckDB makes nulls without a type of
	if err := fillIn(t, p.parameters, samples(p.parameters)); err != nil {
		return err
	}
	sql, err := render(ctx, c.db, t)
	if err != nil {
		return err
	}
	d, err := c.db.Describe(ctx, sql)
	p.columns = d.Columns
	return err
}

// samples are values of the types of parameters.
func samples(oids []uint32) []*string {
	values := make([]*string, len(oids))
	for i, oid := range oids {
		value := "1"
		switch to := parameterSQL(oid); {
		case strings.HasSuffix(to, "[]"):
			value = "[]"
		case to == "" || to == "VARCHAR" || to == "BLOB":
			value = ""
		case to == "DATE" || strings.HasPrefix(to, "TIMESTAMP"):
			value = "2000-01-01"
		case to == "TIME":
			value = "00:00"
		case to == "INTERVAL":
			value = "0 days"
		case to == "UUID":
			value = "00000000-0000-0000-0000-000000000000"
		}
		values[i] = &value
	}
	return values
}

// inferTypes asks DuckDB for the types of the parameters of which the client says nothing. What it does not know either is a text.
func (c *session) inferTypes(ctx context.Context, p *prepared, t tree) error {
	if !slices.Contains(p.parameters, 0) {
		return nil
	}
	sql, err := render(ctx, c.db, t)
	if err != nil {
		return err
	}
	d, err := c.db.Describe(ctx, sql)
	if err != nil {
		return err
	}
	for i := range p.parameters {
		if p.parameters[i] == 0 && i < len(d.Parameters) {
			p.parameters[i] = typeOf(d.Parameters[i], false).oid
		}
		if p.parameters[i] == 0 {
			p.parameters[i] = 25
		}
	}
	return nil
}

// relationSQL is the type of a relation's column, with its parameters.
func relationSQL(c serving.RelationColumn) string {
	if sql := columnSQL(c.Type); sql != "DECIMAL" {
		return sql
	}
	return c.Type.SQL()
}

// describeRelations makes the tables that describe the relations, where a statement reads them.
func (c *session) describeRelations(ctx context.Context, conn *engine.Conn, a *analysis) error {
	if !a.describes {
		return nil
	}
	return sessionCatalogue(ctx, conn, a.relations, a.database)
}
