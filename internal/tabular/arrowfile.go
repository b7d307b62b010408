package tabular

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// ArrowFile writes rows one after the other as an Arrow IPC file, which may be larger than memory: a record batch of them is held at a time.
// The bytes are a function of the columns and the rows. Times are UTC.
type ArrowFile struct {
	out   *ipc.FileWriter
	build *array.RecordBuilder
	types []view.Type
	rows  int // in the batch
}

// NewArrowFile begins a file of some columns, which may be null. 128-bit integers are no type of an export.
func NewArrowFile(w io.Writer, columns []Column) (*ArrowFile, error) {
	f := &ArrowFile{}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Type), Nullable: true}
		f.types = append(f.types, c.Type)
	}
	schema := arrow.NewSchema(fields, nil)
	var err error
	if f.out, err = ipc.NewFileWriter(w, ipc.WithSchema(schema)); err != nil {
		return nil, fmt.Errorf("write arrow: %w", err)
	}
	f.build = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return f, nil
}

// Row is a row of a file, whose values are as the columns.
type Row interface {
	Null(column int) bool
	Value(column int) algebra.Value
	Items(column int) []algebra.Value // of an array that is not null
}

// Add appends a row.
func (f *ArrowFile) Add(row Row) error {
	for i, t := range f.types {
		to := f.build.Field(i)
		switch {
		case t.Kind != view.List:
			appendArrow(to, t, row.Value(i))
		case row.Null(i):
			to.AppendNull()
		default:
			list := to.(*array.ListBuilder)
			list.Append(true)
			for _, v := range row.Items(i) {
				appendArrow(list.ValueBuilder(), t.Element(), v)
			}
		}
	}
	if f.rows++; f.rows == arrowRows {
		return f.flush()
	}
	return nil
}

func (f *ArrowFile) flush() error {
	batch := f.build.NewRecordBatch()
	defer batch.Release()
	f.rows = 0
	if err := f.out.Write(batch); err != nil {
		return fmt.Errorf("write arrow: %w", err)
	}
	return nil
}

// Close ends the file.
func (f *ArrowFile) Close() error {
	defer f.build.Release()
	if f.rows > 0 {
		if err := f.flush(); err != nil {
			return err
		}
	}
	if err := f.out.Close(); err != nil {
		return fmt.Errorf("write arrow: %w", err)
	}
	return nil
}
