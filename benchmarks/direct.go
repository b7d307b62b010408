package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// directRounds is how often each panel is read.
const directRounds = 100

// readDirectly reads the batch rows of each panel from a table of DuckDB, sorted by what is asked for: what a person would write who has
// the view files and needs neither the live part nor its provenance.
func (s *stage) readDirectly(ctx context.Context) (took latencies, err error) {
	db, conn, err := openEngine(engine.Options{MemoryLimit: "512MB"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	plans := map[string]*algebra.Plan{}
	for _, v := range s.project.Views {
		if plans[v.Name], err = algebra.Compile(v); err != nil {
			return nil, err
		}
		if err := s.loadAnswers(ctx, conn, v); err != nil {
			return nil, err
		}
	}
	rows := 0
	for range directRounds {
		for _, p := range panels() {
			began := time.Now()
			err := conn.Query(ctx, p.sql(plans[p.view], began), func(c *engine.Chunk) error {
				rows += c.Len()
				return nil
			})
			if err != nil {
				return nil, err
			}
			took.add(time.Since(began))
		}
	}
	if rows == 0 {
		return nil, errors.New("the batch has no rows of what the panels ask for")
	}
	return took, nil
}

// loadAnswers makes a table, named as the view, of the files that the view's batch published.
func (s *stage) loadAnswers(ctx context.Context, conn *engine.Conn, v *view.View) error {
	m, _, err := s.lake.Current(ctx, v.Name, v.Hash)
	if err != nil {
		return err
	}
	var files []string
	for _, f := range m.Files {
		path, err := s.lake.Fetch(ctx, f.Key, f.SHA256)
		if err != nil {
			return err
		}
		files = append(files, "'"+path+"'")
	}
	return conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM read_parquet([%s], hive_partitioning=false) ORDER BY _grain, _set, _bucket", v.Name, strings.Join(files, ", ")))
}

// sql reads the panel's stored rows.
func (p *panel) sql(plan *algebra.Plan, now time.Time) string {
	v := plan.View
	columns := []string{"_bucket"}
	for i := range v.Dimensions {
		columns = append(columns, fmt.Sprintf("d%d", i))
	}
	for m := range v.Measures {
		if v.Measures[m].Agg.Stored() && slices.Contains(p.measures, v.Measures[m].Name) {
			columns = append(columns, plan.ExactColumns(m)...)
		}
	}
	grain := p.grain
	if grain == "" {
		grain = "1m"
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE _grain = '%s' AND _set = %d AND _bucket >= %d", strings.Join(columns, ", "), p.view, grain, p.set(v), p.from(now).UnixMicro())
	if p.where != "" {
		sql += fmt.Sprintf(" AND d%d = '%s'", v.Dimension("country"), p.where)
	}
	return sql
}
