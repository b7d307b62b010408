package lake

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// readColumns reads some columns of a file: extend is called for each of its rows and returns the position that the row's values are
// given to set with. Values are valid during the call only.
func readColumns(path string, extend func() int, set map[string]func(i int, v parquet.Value)) error {
	return eachGroup(path, func(schema *parquet.Schema, group parquet.RowGroup) error {
		at := make([]int, group.NumRows())
		for i := range at {
			at[i] = extend()
		}
		for name, value := range set {
			leaf, ok := schema.Lookup(name)
			if !ok {
				return fmt.Errorf("read %s: no column %q", path, name)
			}
			n := 0
			err := readColumn(group.ColumnChunks()[leaf.ColumnIndex], func(v parquet.Value) { value(at[n], v); n++ })
			if err == nil && n != len(at) {
				err = fmt.Errorf("%d values for %d rows", n, len(at))
			}
			if err != nil {
				return fmt.Errorf("read column %s of %s: %w", name, path, err)
			}
		}
		return nil
	})
}

// readColumn calls each for the values of a column of a row group. They are valid during the call only.
func readColumn(chunk parquet.ColumnChunk, each func(parquet.Value)) error {
	pages := chunk.Pages()
	defer pages.Close()
	var values [batchRows]parquet.Value
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values[:])
			for _, v := range values[:n] {
				each(v)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}
