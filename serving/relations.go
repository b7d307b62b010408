package serving

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// Relation is what can be asked in rows and columns: a view at one of its grains or by one of its windows, or the records of a source in the lake.
type Relation struct {
	View        string           // "": the records of a source
	Source      string           //
	Grain       view.Grain       // of a view
	Window      string           // of a view: in place of a grain
	Whole       bool             // each row has all of the dimensions, whichever are asked for
	Location    *time.Location   // of a view's buckets
	Description string           //
	Columns     []RelationColumn // the first column with the role time is what bounds of time are about
}

// RelationColumn is a column of a Relation.
type RelationColumn struct {
	Name        string
	Role        string // time, end (of a window's row), dimension or measure; field and origin of records
	Type        view.Type
	Additive    bool // a measure whose values over rows may be added up
	Description string
}

// Relations lists what ctx's caller may ask for: each view at each of its grains, and the records of each source that has a view, for callers
// without limits.
func (s *Server) Relations(ctx context.Context) ([]Relation, error) {
	var list []Relation
	seen := map[string]bool{}
	project, err := s.own(ctx)
	if err != nil {
		return nil, err
	}
	for _, declared := range project.Views {
		v, err := s.find(ctx, declared.Name)
		if err != nil {
			return nil, err
		}
		columns := []RelationColumn{{Name: "time", Role: "time", Type: view.Type{Kind: view.Timestamp}, Description: "start of the bucket"}}
		for _, d := range v.Dimensions {
			columns = append(columns, RelationColumn{Name: d.Name, Role: "dimension", Type: d.Type, Description: d.Description})
		}
		for i, m := range v.Measures {
			if v.Composed(i) {
				continue // what a statement's rows are shares of would be for its conditions to say: window functions do it
			}
			description := m.Description
			if m.Unit != "" {
				description = joinWords(description, "in "+m.Unit)
			}
			columns = append(columns, RelationColumn{Name: m.Name, Role: "measure", Type: m.Type, Additive: m.Agg == view.Sum || m.Agg == view.Count, Description: description})
		}
		for _, g := range v.Grains {
			list = append(list, Relation{View: v.Name, Source: v.Source.Name, Grain: g, Location: v.Location, Columns: columns,
				Description: joinWords(v.Description, fmt.Sprintf("in buckets of %s", g.Name))})
		}
		list = append(list, windowRelations(v, columns)...)
		if !seen[v.Source.Name] && s.recordsOf(ctx, v.Source.Name) == nil {
			seen[v.Source.Name] = true
			list = append(list, Relation{Source: v.Source.Name, Columns: recordColumns(v.Source), Description: "the records of " + v.Source.Name + " in the lake, without repeats"})
		}
	}
	return list, nil
}

// windowRelations are those of a view's windows; columns are those of its grains.
func windowRelations(v *view.View, columns []RelationColumn) []Relation {
	var list []Relation
	for i := range v.Windows {
		w := &v.Windows[i]
		var own []RelationColumn
		for _, c := range windowTimes(w) {
			own = append(own, RelationColumn{Name: c.Name, Role: c.Role, Type: c.Kind, Description: c.Description})
		}
		for _, c := range columns[1:] {
			d := v.Dimension(c.Name)
			if w.Session != nil && c.Role == "dimension" && !slices.Contains(w.Session.By, d) {
				continue // a session is of no one value of it
			}
			c.Additive = c.Additive && w.Session != nil // an event is in several hops
			own = append(own, c)
		}
		list = append(list, Relation{View: v.Name, Source: v.Source.Name, Window: w.Name, Whole: w.Session != nil, Location: v.Location, Columns: own,
			Description: joinWords(joinWords(v.Description, w.Description), "by "+w.Kind()+" window "+w.Name)})
	}
	return list
}

// recordColumns are the columns of a source's records: its fields, and where each record comes from.
func recordColumns(src *view.Source) []RelationColumn {
	whole, truth := view.Type{Kind: view.Int64}, view.Type{Kind: view.Bool}
	var columns []RelationColumn
	for _, f := range src.Fields {
		columns = append(columns, RelationColumn{Name: f.Name, Role: "field", Type: f.Type})
	}
	return append(columns,
		RelationColumn{Name: lake.ColumnEventTime, Role: "time", Type: view.Type{Kind: view.Timestamp}, Description: "time of the event"},
		RelationColumn{Name: "_incarnation", Role: "origin", Type: whole, Description: "life of the topic, from 1"},
		RelationColumn{Name: lake.ColumnPartition, Role: "origin", Type: whole, Description: "partition of the topic"},
		RelationColumn{Name: lake.ColumnOffset, Role: "origin", Type: whole, Description: "offset in the partition"},
		RelationColumn{Name: lake.ColumnLate, Role: "origin", Type: truth, Description: "came behind the watermark by more than the allowed lateness"})
}

// joinWords joins what is said of a thing.
func joinWords(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// TimeColumn is the name of the column that bounds of time are about.
func (r *Relation) TimeColumn() string {
	for _, c := range r.Columns {
		if c.Role == "time" {
			return c.Name
		}
	}
	panic(fmt.Sprintf("BUG: a relation of source %s has no time", r.Source))
}
