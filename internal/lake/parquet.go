package lake

import (
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// rowsPerGroup is DuckDB's own: one thread scans one row group.
	rowsPerGroup = 122_880
	// batchRows values of a column are handed over at once: few enough for the first-level cache.
	batchRows = 1024
	// pageBytes bounds a data page before compression, and smallPage is what the buffers of a small file begin with.
	pageBytes = 1 << 20
	smallPage = 4 << 10
	// dictionaryBytes is how large a column's dictionary may grow before its values are stored plainly.
	dictionaryBytes = 1 << 20
	// createdBy is fixed, so that the same rows make the same bytes whichever build wrote them.
	createdBy = "caudal"
	// definitionMeta is the footer's key under which a segment names its definition.
	definitionMeta = "caudal.definition"
)

// compression keeps its encoders for the next file: making them anew for each costs more than a small file's rows.
var compression = &zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}

// column is one leaf column of a file to be written: fill puts the values of rows [from, from+len(values)) of the file into values.
type column struct {
	name   string
	node   parquet.Node
	bounds bool // whether the smallest and largest value help a reader to skip
	fill   func(values []parquet.Value, from int)
	list   *listFill // of a column of arrays, in place of fill
}

// path is where the leaf stands in the schema.
func (c *column) path() []string {
	if c.list != nil {
		return []string{c.name, "list", "element"}
	}
	return []string{c.name}
}

// write hands the rows [start, end) of the file to the column's writer.
func (c *column) write(w *parquet.ColumnWriter, start, end int, space *[batchRows]parquet.Value) error {
	if c.list != nil {
		return c.list.write(w, start, end)
	}
	for from := start; from < end; from += batchRows {
		batch := space[:min(batchRows, end-from)]
		c.fill(batch, from)
		if _, err := w.WriteRowValues(batch); err != nil {
			return err
		}
	}
	return nil
}

// orderedGroup is a group that keeps the order of its fields; parquet.Group sorts them by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields returns the columns in the order of the definition.
func (g orderedGroup) Fields() []parquet.Field { return g.fields }

type namedNode struct {
	parquet.Node
	name string
}

// Name is the column's name.
func (n *namedNode) Name() string { return n.name }

// Value is for writers of Go structs; ours writes columns.
func (n *namedNode) Value(reflect.Value) reflect.Value {
	panic("BUG: column " + n.name + " read by reflection")
}

// writeParquet writes columns of n rows as one file.
func writeParquet(w io.Writer, name string, columns []column, n int, meta map[string]string) error {
	group := orderedGroup{Group: parquet.Group{}}
	options := []parquet.WriterOption{
		parquet.CreatedBy(createdBy, "1", "0"),
		parquet.Compression(compression),
		parquet.PageBufferSize(min(pageBytes, max(smallPage, 16*n))),
		parquet.WriteBufferSize(0),
		parquet.DataPageStatistics(false),
		parquet.DictionaryMaxBytes(dictionaryBytes),
	}
	for key, value := range meta {
		options = append(options, parquet.KeyValueMetadata(key, value)) // the writer sorts them
	}
	for _, c := range columns {
		if group.Group[c.name] != nil {
			return fmt.Errorf("write %s: two columns are named %q", name, c.name)
		}
		group.Group[c.name] = c.node
		group.fields = append(group.fields, &namedNode{c.node, c.name})
		if !c.bounds {
			options = append(options, parquet.SkipPageBounds(c.path()...))
		}
	}
	file := parquet.NewGenericWriter[any](w, append(options, parquet.NewSchema(name, group))...)
	var values [batchRows]parquet.Value
	for start := 0; start < n; start += rowsPerGroup {
		end := min(start+rowsPerGroup, n)
		writers := file.ColumnWriters()
		for i := range columns {
			if err := columns[i].write(writers[i], start, end, &values); err != nil {
				return fmt.Errorf("write %s: column %s: %w", name, columns[i].name, err)
			}
		}
		if err := file.Flush(); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// readParquet calls each for the rows of a file, group by group. Values are valid during the call only.
func readParquet(path string, each func(schema *parquet.Schema, row parquet.Row) error) error {
	return eachGroup(path, func(schema *parquet.Schema, group parquet.RowGroup) error {
		if err := readGroup(group, schema, each); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		return nil
	})
}

// eachGroup calls f for the row groups of a file. parquet-go panics on malformed files; those become errors.
func eachGroup(path string, f func(*parquet.Schema, parquet.RowGroup) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read %s: malformed: %v", path, r)
		}
	}()
	opened, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read parquet: %w", err)
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return fmt.Errorf("read parquet: %w", err)
	}
	file, err := parquet.OpenFile(opened, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, group := range file.RowGroups() {
		if err := f(file.Schema(), group); err != nil {
			return err
		}
	}
	return nil
}

func readGroup(group parquet.RowGroup, schema *parquet.Schema, each func(*parquet.Schema, parquet.Row) error) error {
	rows := group.Rows()
	defer rows.Close()
	var batch [64]parquet.Row
	for {
		n, err := rows.ReadRows(batch[:])
		for _, row := range batch[:n] {
			if err := each(schema, row); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
