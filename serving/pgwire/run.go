package pgwire

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// maxRows bounds the rows of a view that a statement may need, after its bounds of time and before anything else of it.
const maxRows = 1_000_000

// result takes the rows of a statement.
type result interface {
	columns(columns []engine.ColumnInfo) error
	rows(chunk *engine.Chunk) error
}

// query runs a statement. It waits for its turn.
func (c *session) query(p *prepared, values []*string, to result) (err error) {
	start := time.Now()
	defer func() { c.server.metrics.observe(err, time.Since(start)) }()
	ctx, end, err := c.begin(c.limit(c.server.cfg.ScanTimeout))
	if err != nil {
		return err
	}
	defer end()
	t, a, err := c.analysed(ctx, p, values)
	if err != nil {
		return causeOf(ctx, err)
	}
	i := slices.IndexFunc(a.uses, func(u *use) bool { return u.relation.View == "" })
	if i < 0 {
		var limited context.CancelFunc
		ctx, limited = context.WithTimeoutCause(ctx, c.server.cfg.StatementTimeout, errTime)
		defer limited()
	}
	select {
	case c.server.places <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.server.metrics.working.Inc()
	defer func() { c.server.metrics.working.Dec(); <-c.server.places }()
	if i < 0 {
		return causeOf(ctx, c.runOn(ctx, c.db, t, a, "", to))
	}
	return causeOf(ctx, c.queryLake(ctx, t, a, a.uses[i], to))
}

// queryLake runs a statement that reads records, in a database of its own.
func (c *session) queryLake(ctx context.Context, t tree, a *analysis, lake *use, to result) error {
	if n := slices.IndexFunc(a.uses, func(u *use) bool { return u.relation.View == "" && u != lake }); n >= 0 {
		return fail(stateNotSupported, "ask for each in a statement of its own", "%s and %s in one statement", lake.name, a.uses[n].name)
	}
	s, err := a.spanOf(ctx, c.db, lake)
	if err != nil {
		return err
	}
	asked := serving.Records{Source: lake.relation.Source, From: s.from, To: s.to}
	if s.to != nil {
		after := *s.to + 1
		asked.To = &after
	}
	if s.empty {
		asked.To = asked.From
	}
	return c.source.ScanRecords(ctx, asked,
		func(ctx context.Context, conn *engine.Conn) error { return settle(ctx, conn, c.server.cfg.Database) },
		func(ctx context.Context, conn *engine.Conn, relation string) error {
			return c.runOn(ctx, conn, t, a, relation, to)
		})
}

// runOn runs a statement on a database: it puts there what the statement reads, and takes it away again. records is the query over the records of
// the lake.
func (c *session) runOn(ctx context.Context, conn *engine.Conn, t tree, a *analysis, records string, to result) (err error) {
	defer func() {
		for _, u := range a.uses {
			drop := fmt.Sprintf("DROP VIEW IF EXISTS temp.main.%s; DROP TABLE IF EXISTS temp.main.%s", sqltext.Name(u.name), sqltext.Name(u.name+" rows"))
			if dropErr := conn.Exec(context.WithoutCancel(ctx), drop); err == nil {
				err = dropErr
			}
		}
	}()
	for _, u := range a.uses {
		if u.relation.View == "" {
			err = expose(ctx, conn, u.name, records, u.relation.Columns)
		} else {
			err = c.fetch(ctx, conn, a, u)
		}
		if err != nil {
			return err
		}
	}
	if err := c.describeRelations(ctx, conn, a); err != nil {
		return err
	}
	for _, text := range a.warnings() {
		c.notice("NOTICE", stateWarning, text)
	}
	sql, err := render(ctx, conn, t)
	if err != nil {
		return err
	}
	d, err := conn.Describe(ctx, sql)
	if err != nil {
		return err
	}
	if err := to.columns(d.Columns); err != nil {
		return err
	}
	return conn.Query(ctx, sql, to.rows)
}

// expose makes a relation of a query whose columns are those listed; times become instants.
func expose(ctx context.Context, conn *engine.Conn, name, from string, columns []serving.RelationColumn) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		name := sqltext.Name(c.Name)
		list[i] = c.Type.Times(name, func(at string) string { return "timezone('UTC', " + at + ")" }) + " AS " + name
	}
	return conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s FROM (%s)", sqltext.Name(name), strings.Join(list, ", "), from))
}

// fetch puts the rows of a view there: those of the dimensions and measures that the statement names, within its bounds of time, as HTTP would answer.
func (c *session) fetch(ctx context.Context, conn *engine.Conn, a *analysis, u *use) error {
	s, err := a.spanOf(ctx, c.db, u)
	if err != nil {
		return err
	}
	columns := a.columns(u)
	table := sqltext.Name(u.name + " rows")
	kinds := make([]view.Column, len(columns))
	defs := []string{"_row BIGINT"}
	q := serving.Query{View: u.relation.View, Grain: u.relation.Grain.Name, Window: u.relation.Window, Limit: maxRows}
	for i, column := range columns {
		t := column.Type
		if t.Kind == view.Array {
			t.Kind = view.String
		}
		kinds[i] = view.Column{Name: column.Name, Type: t}
		defs = append(defs, sqltext.Name(column.Name)+" "+t.SQL())
		switch column.Role {
		case "dimension":
			q.Dimensions = append(q.Dimensions, column.Name)
		case "measure":
			q.Measures = append(q.Measures, column.Name)
		}
	}
	measures := len(q.Measures)
	if measures == 0 { // a query has one at least
		i := slices.IndexFunc(u.relation.Columns, func(c serving.RelationColumn) bool { return c.Role == "measure" })
		q.Measures = []string{u.relation.Columns[i].Name}
	}
	if err := conn.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+table+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return err
	}
	if err := expose(ctx, conn, u.name, "SELECT * FROM temp.main."+table, columns); err != nil || s.empty {
		return err
	}
	q.From, q.To = s.aligned(u.relation)
	r, err := c.source.Query(ctx, q)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(u.name, "public.")
	if r.Statistics.Truncated {
		return fail(stateTooLarge, "bound the time in WHERE, name fewer dimensions or take a coarser grain",
			"the statement needs %d rows of %s, and one may need %d", r.Statistics.TotalRows, name, maxRows)
	}
	rows := make([][]algebra.Value, len(r.Rows))
	for i := range rows {
		rows[i] = r.Rows[i][:len(columns)]
	}
	c.tell(name, &r.Provenance)
	return conn.AppendValues(u.name+" rows", kinds, rows)
}

// tell says of what a statement read how sure it is, where that is not all.
func (c *session) tell(name string, p *serving.Provenance) {
	switch {
	case p.Partial:
		c.notice("WARNING", stateWarning, fmt.Sprintf("%s is partial: %s", name, p.Reason))
	case !p.Exact:
		c.notice("NOTICE", "00000", fmt.Sprintf("%s: %s", name, p.Note))
	}
	for _, w := range p.Warnings {
		c.notice("WARNING", stateWarning, fmt.Sprintf("%s: %s", name, w))
	}
}
