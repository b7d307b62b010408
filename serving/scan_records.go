package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// Records asks for the records of a source in the lake whose events are of [From, To), µs UTC; nil leaves an end open.
type Records struct {
	Source   string
	From, To *int64
}

// ScanRecords calls use with a database of its own in which relation is a query over the records that are asked for: what the archive has
// committed, without repeats and without what was erased, as with exact=true. It has the columns that Relations says. The database can read
// these records and touch nothing else of the machine; settle is called before it is confined so, for its settings. What keeps the records from
// being read is a *Problem; the rest are errors of settle and use.
func (s *Server) ScanRecords(ctx context.Context, asked Records, settle func(context.Context, *engine.Conn) error,
	use func(ctx context.Context, conn *engine.Conn, relation string) error) error {
	l, err := s.recordScan(ctx, asked)
	if err != nil {
		return err
	}
	var failed error // what settle and use say is not the scan's to explain
	err = l.inside(ctx, func(conn *engine.Conn) error {
		if failed = settle(ctx, conn); failed != nil {
			return failed
		}
		sources, err := l.confine(ctx, conn)
		if err != nil {
			return err
		}
		failed = use(ctx, conn, l.recordsSQL(sources))
		return failed
	})
	if failed != nil || err == nil {
		return failed
	}
	return l.problem(ctx, err)
}

// recordScan plans a scan of records.
func (s *Server) recordScan(ctx context.Context, asked Records) (*lakeScan, error) {
	if err := s.recordsOf(ctx, asked.Source); err != nil {
		return nil, err
	}
	v, err := s.viewOf(ctx, asked.Source)
	if err != nil {
		return nil, err
	}
	q := &question{view: v, exact: true, from: beginning, to: forever, filter: &filter{}}
	if asked.From != nil {
		q.from = max(*asked.From, minInstant)
	}
	if asked.To != nil {
		q.to = min(*asked.To, maxInstant)
	}
	m, chunks, err := s.extent(ctx, s.state(v))
	if err != nil {
		return nil, err
	}
	l := &lakeScan{server: s, q: q, source: v.Source, below: belowOf(m.partitions)}
	if l.erasures, err = s.cfg.Lake.OpenErasures(ctx, v.Source.Topic); err != nil {
		return nil, unavailable(err.Error(), "try again; see /v1/status")
	}
	return l, l.plan(chunks)
}

// viewOf is a view of a source: the lives and partitions of its topic are known by it.
func (s *Server) viewOf(ctx context.Context, source string) (*view.View, error) {
	var known []string
	for _, declared := range s.cfg.Project.Views {
		if known = append(known, declared.Source.Name); declared.Source.Name == source {
			return s.find(ctx, declared.Name)
		}
	}
	slices.Sort(known)
	return nil, unknown("source", "source", source, slices.Compact(known))
}

// recordsSQL is the query over the records, with the columns of recordColumns.
func (l *lakeScan) recordsSQL(sources map[string]*view.Source) string {
	if len(l.files) == 0 {
		return l.noRecordsSQL()
	}
	var columns []string
	for _, c := range recordColumns(l.source) {
		name := sqltext.Name(c.Name)
		switch {
		case c.Name == lake.ColumnEventTime:
			name = "make_timestamp(_event_time_us) AS " + name
		case c.Role == "origin":
			name = fmt.Sprintf("CAST(%s AS %s) AS %[1]s", name, c.Type.SQL())
		}
		columns = append(columns, name)
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE NOT _duplicate", strings.Join(columns, ", "), l.rowsSQL(nil, sources))
}

// noRecordsSQL is a query with the same columns and no row.
func (l *lakeScan) noRecordsSQL() string {
	var columns []string
	for _, c := range recordColumns(l.source) {
		columns = append(columns, fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type.SQL(), sqltext.Name(c.Name)))
	}
	return "SELECT " + strings.Join(columns, ", ") + " WHERE FALSE"
}
