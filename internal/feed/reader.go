// Package feed turns files of events into the messages that a producer sends: CSV and NDJSON, plain or gzipped, with seeded
// duplicates and disorder for those who want to see what the platform does with them.
package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-faster/jx"
	"github.com/zeebo/xxh3"

	"github.com/caudal/caudal/internal/view"
)

// Message is one record to be produced.
type Message struct {
	Key   []byte // nil where the source has no key, or the event lacks it
	Value []byte // JSON
	Line  int    // line of the file, from 1
}

// IDs says how an event without an id gets one.
type IDs string

// The ways to assign ids.
const (
	ByLine IDs = "line" // file name and line: every line is an event of its own
	ByRow  IDs = "row"  // a hash of the row's text: exact copies of a line are one event
)

// Reader yields the messages of one file.
type Reader struct {
	next func() (Message, error)
}

// Open reads events of src from r. name is the file's name: it tells the format (.csv, .ndjson, .jsonl, each with .gz or not; NDJSON
// where it tells none) and stands in the ids assigned by line.
func Open(r io.Reader, name string, src *view.Source, ids IDs) (*Reader, error) {
	base := filepath.Base(name)
	buffered := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		buffered = bufio.NewReaderSize(z, 1<<16)
		base = strings.TrimSuffix(base, ".gz")
	}
	if strings.HasSuffix(base, ".csv") {
		return openCSV(buffered, base, src, ids)
	}
	return openLines(buffered, base, src), nil
}

// Next returns the next message, or io.EOF.
func (r *Reader) Next() (Message, error) { return r.next() }

// openLines takes each non-empty line as it is: whether it is a good event is for the intake to say, not for the producer.
func openLines(in *bufio.Reader, name string, src *view.Source) *Reader {
	line := 0
	path := fieldPath(src, src.Key)
	return &Reader{next: func() (Message, error) {
		for {
			text, err := in.ReadBytes('\n')
			if len(text) == 0 && err != nil {
				if err == io.EOF {
					return Message{}, io.EOF
				}
				return Message{}, fmt.Errorf("read %s after line %d: %w", name, line, err)
			}
			line++
			text = bytes.TrimRight(text, "\r\n")
			if len(text) == 0 {
				continue
			}
			return Message{Key: keyOf(text, path), Value: text, Line: line}, nil
		}
	}}
}

// openCSV makes a JSON object of each row, keyed by the header. Empty cells become null; a cell of a numeric field that reads as a
// JSON number is written as one, and one of an array that reads as a JSON array as that.
func openCSV(in *bufio.Reader, name string, src *view.Source, ids IDs) (*Reader, error) {
	c := csv.NewReader(in)
	c.ReuseRecord = true
	first, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header of %s: %w", name, err)
	}
	header := append([]string(nil), first...)
	numeric, list := make([]bool, len(header)), make([]bool, len(header))
	key, hasID := -1, src.EventID == ""
	for i, column := range header {
		for _, f := range src.Fields {
			if len(f.From) != 1 || f.From[0].Key != column {
				continue
			}
			numeric[i] = f.Type.Kind == view.Int64 || f.Type.Kind == view.Decimal || f.Type.Kind == view.Double
			list[i] = f.Type.Kind == view.List
			if f.Name == src.Key {
				key = i
			}
			hasID = hasID || f.Name == src.EventID
		}
	}
	var e jx.Encoder
	return &Reader{next: func() (Message, error) {
		row, err := c.Read()
		if err == io.EOF {
			return Message{}, io.EOF
		}
		if err != nil {
			return Message{}, fmt.Errorf("read %s: %w", name, err)
		}
		line, _ := c.FieldPos(0)
		e.Reset()
		e.ObjStart()
		for i, cell := range row {
			e.FieldStart(header[i])
			switch {
			case cell == "":
				e.Null()
			case numeric[i] && isNumber(cell), list[i] && strings.HasPrefix(cell, "[") && jx.Valid([]byte(cell)):
				e.Raw([]byte(cell))
			default:
				e.Str(cell)
			}
		}
		if !hasID {
			e.FieldStart(fieldPath(src, src.EventID)[0].Key)
			e.Str(assign(ids, name, line, row))
		}
		e.ObjEnd()
		m := Message{Value: append([]byte(nil), e.Bytes()...), Line: line}
		if key >= 0 {
			m.Key = []byte(row[key])
		}
		return m, nil
	}}, nil
}

func assign(ids IDs, name string, line int, row []string) string {
	if ids == ByRow {
		h := xxh3.HashString128(strings.Join(row, "\x1f")).Bytes()
		return hex.EncodeToString(h[:])
	}
	return name + ":" + strconv.Itoa(line)
}

func isNumber(s string) bool {
	d := jx.DecodeStr(s)
	if d.Next() != jx.Number {
		return false
	}
	if _, err := d.Num(); err != nil {
		return false
	}
	return d.Skip() == io.EOF || d.Next() == jx.Invalid
}

// fieldPath is the JSON path of a field of src; nil where there is no such field.
func fieldPath(src *view.Source, field string) view.Path {
	i := src.Field(field)
	if i < 0 {
		return nil
	}
	return src.Fields[i].Path()
}

// keyOf returns the text of the value at path, or nil where there is none.
func keyOf(text []byte, path view.Path) []byte {
	if len(path) == 0 {
		return nil
	}
	var key []byte
	take := func(d *jx.Decoder, wanted bool) error {
		if !wanted {
			return d.Skip()
		}
		raw, err := d.Raw()
		if err != nil {
			return err
		}
		if len(path) > 1 {
			key = keyOf(raw, path[1:])
			return nil
		}
		key = append([]byte(nil), raw...)
		if raw.Type() == jx.String {
			s, err := jx.DecodeBytes(raw).Str()
			if err != nil {
				return err
			}
			key = []byte(s)
		}
		return nil
	}
	d, at, err := jx.DecodeBytes(text), -1, error(nil)
	switch {
	case path[0].InArray && d.Next() == jx.Array:
		err = d.Arr(func(d *jx.Decoder) error {
			at++
			return take(d, at == path[0].Element)
		})
	case !path[0].InArray && d.Next() == jx.Object:
		err = d.ObjBytes(func(d *jx.Decoder, name []byte) error { return take(d, string(name) == path[0].Key) })
	}
	if err != nil {
		return nil // the intake reports what is wrong with it
	}
	return key
}
