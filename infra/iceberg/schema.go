package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// columns are a table's columns for Iceberg: the source's fields under ids in their order, and those that caudal adds. The files hold no ids, so the
// name mapping says which id a column of a file has, under whatever name its definition wrote it.
type columns struct {
	schema  *iceberg.Schema
	mapping []iceberg.MappedField
	time    int // id of _event_time
}

// logPartition is what `_partition` is called here: Iceberg has a column of that name of its own, and engines refuse a table with another.
const logPartition = "_log_partition"

// added are the columns of every file beside the source's.
func added() []iceberg.NestedField {
	return []iceberg.NestedField{
		{Name: logPartition, Type: iceberg.PrimitiveTypes.Int32}, {Name: lake.ColumnOffset, Type: iceberg.PrimitiveTypes.Int64},
		{Name: lake.ColumnTimestamp, Type: iceberg.PrimitiveTypes.TimestampTz}, {Name: lake.ColumnEventTime, Type: iceberg.PrimitiveTypes.TimestampTz},
		{Name: lake.ColumnIngestedAt, Type: iceberg.PrimitiveTypes.TimestampTz}, {Name: lake.ColumnDuplicate, Type: iceberg.PrimitiveTypes.Bool},
		{Name: lake.ColumnLate, Type: iceberg.PrimitiveTypes.Bool},
	}
}

// newColumns makes the columns of a source over files that were written with some definitions, itself among them or not.
func newColumns(src *view.Source, written []*view.Source) (*columns, error) {
	c := &columns{}
	var fields []iceberg.NestedField
	for i := range src.Fields {
		f := &src.Fields[i]
		names := append([]string{f.Name}, f.Was...)
		for _, of := range written {
			name, err := readable(f, of)
			if err != nil {
				return nil, fmt.Errorf("source %s: %w; `caudal lake compact %s --full` writes all files with the newest", src.Name, err, src.Name)
			}
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		c.add(&fields, iceberg.NestedField{Name: f.Name, Type: typeOf(f.Type)}, names)
	}
	for _, f := range added() {
		if f.Name == lake.ColumnEventTime {
			c.time = len(fields) + 1
		}
		names := []string{f.Name}
		if f.Name == logPartition {
			names = append(names, lake.ColumnPartition)
		}
		c.add(&fields, f, names)
	}
	c.elements(src, fields)
	c.schema = iceberg.NewSchema(0, fields...)
	return c, nil
}

// elements gives those of arrays their ids, behind the ids of all columns.
func (c *columns) elements(src *view.Source, fields []iceberg.NestedField) {
	id := len(fields)
	for i := range src.Fields {
		list, ok := fields[i].Type.(*iceberg.ListType)
		if !ok {
			continue
		}
		id++
		list.ElementID = id
		c.mapping[i].Fields = []iceberg.MappedField{{Names: []string{"element"}, FieldID: &list.ElementID}}
	}
}

func (c *columns) add(fields *[]iceberg.NestedField, f iceberg.NestedField, names []string) {
	f.ID = len(*fields) + 1
	*fields = append(*fields, f)
	c.mapping = append(c.mapping, iceberg.MappedField{Names: names, FieldID: &f.ID})
}

// nameMapping is the table property that says which column is which.
func (c *columns) nameMapping() (string, error) {
	text, err := json.Marshal(c.mapping)
	return string(text), err
}

// readable returns the name that a field has in files of a definition, "" if it has none, and says where Iceberg would read another value than caudal.
func readable(f *view.Field, of *view.Source) (string, error) {
	held := of.Holder(f)
	switch {
	case held < 0 && f.Default != nil:
		return "", fmt.Errorf("files of definition %.12s have no column %s, whose default %s Iceberg's version 2 does not know", of.Hash(), f.Name, *f.Default)
	case held < 0:
		return "", nil
	}
	g := of.Fields[held]
	from, to := g.Type, f.Type
	if from.Kind == view.List && to.Kind == view.List {
		from, to = from.Element(), to.Element()
	}
	if from != to && (from.Kind != view.Decimal || !to.Widens(from)) {
		return "", fmt.Errorf("files of definition %.12s hold column %s as %s, which Iceberg does not read as %s", of.Hash(), f.Name, g.Type, f.Type)
	}
	return g.Name, nil
}

// typeOf is a type as Iceberg has it. Times are UTC.
func typeOf(t view.Type) iceberg.Type {
	switch t.Kind {
	case view.Int64:
		return iceberg.PrimitiveTypes.Int64
	case view.Decimal:
		return iceberg.DecimalTypeOf(int(t.Precision), int(t.Scale))
	case view.Double:
		return iceberg.PrimitiveTypes.Float64
	case view.Bool:
		return iceberg.PrimitiveTypes.Bool
	case view.Timestamp:
		return iceberg.PrimitiveTypes.TimestampTz
	case view.Date:
		return iceberg.PrimitiveTypes.Date
	case view.List:
		return &iceberg.ListType{Element: typeOf(t.Element())}
	}
	return iceberg.PrimitiveTypes.String
}
