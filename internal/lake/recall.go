package lake

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/parquet-go/parquet-go"
)

// Recall gives a fold what it has to remember of the records [from, to) of a partition, as far as the lake holds them: for the part of the
// dedup horizon that the log has lost. Chunks of which no record can lie within the fold's horizon are not read. The fold is of src; an
// id that was archived under another type is no id of src and is not remembered.
//
// reached says that a record below to may lie within the horizon. Then so do all that follow it, whatever their own timestamps say: the clock
// that they were given by may have gone back.
func (l *Lake) Recall(ctx context.Context, t Topic, partition int, src *view.Source, from, to int64, fold *intake.Fold) (reached bool, err error) {
	if src.EventID == "" || from >= to {
		return false, nil
	}
	chunks, err := l.Chunks(ctx, t, partition, from)
	if err != nil {
		return false, err
	}
	for _, c := range chunks {
		if !c.Committed || c.First >= to {
			break
		}
		if c.Progress.MaxTimestamp < fold.Horizon() {
			continue
		}
		reached = true
		if err := l.recallChunk(ctx, &c, src, from, to, fold); err != nil {
			return false, fmt.Errorf("recall the ids of offsets [%d, %d) of %s p%d: %w", max(from, c.First), min(to, c.Next), t, partition, err)
		}
	}
	return reached, nil
}

// recalled is a record of a chunk: a row, or a dead letter.
type recalled struct {
	offset int64
	row    int
	letter *DeadLetter
}

func (l *Lake) recallChunk(ctx context.Context, c *Chunk, src *view.Source, from, to int64, fold *intake.Fold) error {
	of := src
	if c.Definition != src.Hash() {
		var err error
		if of, err = l.Source(ctx, c.Definition); err != nil {
			return err
		}
	}
	id := src.Field(src.EventID)
	named := of.Holder(&src.Fields[id])
	known := named >= 0 && of.Fields[named].Type == src.Fields[id].Type
	column := ""
	if known {
		column = of.Fields[named].Name
	}
	rows := intake.NewRows(src)
	var records []recalled
	for _, f := range c.Files {
		path, err := l.Fetch(ctx, f.Key, f.SHA256)
		if err != nil {
			return err
		}
		if f.Dead {
			letters, err := ReadDeadLetters(path)
			if err != nil {
				return err
			}
			for i := range letters {
				records = append(records, recalled{offset: letters[i].Offset, letter: &letters[i]})
			}
			continue
		}
		first := rows.Len()
		if err := readIDs(path, column, id, rows); err != nil {
			return err
		}
		for i := first; i < rows.Len(); i++ {
			records = append(records, recalled{offset: rows.Offset[i], row: i})
		}
	}
	slices.SortFunc(records, func(a, b recalled) int { return int(a.offset - b.offset) })
	for _, r := range records {
		switch {
		case r.offset < from || r.offset >= to:
		case r.letter != nil: // its bytes are there, so it is what it would be from the log
			fold.Remember(intake.Record{Partition: r.letter.Partition, Offset: r.offset, Timestamp: r.letter.Timestamp, Key: r.letter.Key, Value: r.letter.Raw})
		default:
			fold.RememberRow(rows, r.row)
		}
	}
	return nil
}

// readIDs appends to rows the offsets, record timestamps and, if it has one, the id column of a segment. It goes into column id.
func readIDs(path, name string, id int, rows *intake.Rows) error {
	columns := map[string]func(i int, v parquet.Value){
		ColumnOffset:    func(i int, v parquet.Value) { rows.Offset[i] = v.Int64() },
		ColumnTimestamp: func(i int, v parquet.Value) { rows.Timestamp[i] = v.Int64() },
	}
	if name != "" {
		columns[name] = func(i int, v parquet.Value) { setID(rows, id, i, v) }
	}
	return readColumns(path, func() int { return rows.Extend() }, columns)
}

// setID copies a value as fieldColumn stores it.
func setID(rows *intake.Rows, c, i int, v parquet.Value) {
	switch v.Kind() {
	case parquet.ByteArray:
		rows.SetBytes(c, i, v.ByteArray())
	case parquet.FixedLenByteArray:
		b := v.ByteArray()
		rows.SetWide(c, i, algebra.Int128{Hi: int64(binary.BigEndian.Uint64(b[:8])), Lo: binary.BigEndian.Uint64(b[8:])})
	case parquet.Int32:
		rows.SetWord(c, i, int64(v.Int32()))
	case parquet.Int64:
		rows.SetWord(c, i, v.Int64())
	case parquet.Double:
		rows.SetWord(c, i, int64(math.Float64bits(v.Double())))
	case parquet.Boolean:
		if v.Boolean() {
			rows.SetWord(c, i, 1)
		} else {
			rows.SetWord(c, i, 0)
		}
	}
}
