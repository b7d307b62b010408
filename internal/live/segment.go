package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"
)

// A chunk is a hash of segments: each is the cells that one flush of the chunk wrote, one after the other as one value, under a number that is
// higher than that of the segments before. A cell may stand in several of them, and the newest counts. To Redis a segment is one value,
// whatever number of cells it has, where each cell as a field of its own costs ten times as much (ADR 38).

// SegmentName is the field that a segment stands under.
func SegmentName(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

func parseSegmentName(field []byte) (uint32, error) {
	if len(field) != 4 {
		return 0, fmt.Errorf("segment name %q has %d bytes, not 4", field, len(field))
	}
	return binary.BigEndian.Uint32(field), nil
}

// AppendCell appends a cell, by its name (AppendField) and encoded state, to a segment.
func AppendCell(segment, name, state []byte) []byte {
	segment = binary.AppendUvarint(segment, uint64(len(name)))
	segment = append(segment, name...)
	segment = binary.AppendUvarint(segment, uint64(len(state)))
	return append(segment, state...)
}

// CellsWrite is the content of a flush that gives a chunk one segment, of these cells.
func CellsWrite(id ChunkID, fresh bool, number uint32, cells Cells) ChunkWrite {
	var segment []byte
	for i, name := range cells.Fields {
		segment = AppendCell(segment, name, cells.Values[i])
	}
	return ChunkWrite{ID: id, New: fresh, Cells: len(cells.Fields), Fields: [][]byte{SegmentName(number)}, Values: [][]byte{segment}}
}

var errSegment = errors.New("a segment ends within a cell")

// CellsIn takes a segment apart. The cells alias it.
func CellsIn(segment []byte) (c Cells, err error) {
	text := func() []byte {
		n, k := binary.Uvarint(segment)
		if k <= 0 || n > uint64(len(segment)-k) {
			err, segment = errSegment, nil
			return nil
		}
		t := segment[k : k+int(n) : k+int(n)]
		segment = segment[k+int(n):]
		return t
	}
	for len(segment) > 0 {
		name, state := text(), text()
		c.Fields, c.Values = append(c.Fields, name), append(c.Values, state)
	}
	return c, err
}

// newest are the cells of a chunk whose segments are given by name: of each cell the state that the newest segment with it has.
func newest(segments Cells) (Cells, error) {
	order := make([]int, len(segments.Fields))
	for i := range order {
		if _, err := parseSegmentName(segments.Fields[i]); err != nil {
			return Cells{}, err
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(segments.Fields[b], segments.Fields[a]) })
	var out Cells
	var seen map[string]struct{}
	for k, i := range order {
		cells, err := CellsIn(segments.Values[i])
		if err != nil {
			return Cells{}, fmt.Errorf("segment %x: %w", segments.Fields[i], err)
		}
		if len(order) == 1 {
			return cells, nil
		}
		if k == 0 {
			seen = make(map[string]struct{}, 2*len(cells.Fields))
		}
		for j, name := range cells.Fields {
			key := unsafe.String(unsafe.SliceData(name), len(name)) // nothing writes to it
			if _, superseded := seen[key]; superseded {
				continue
			}
			seen[key] = struct{}{}
			out.Fields, out.Values = append(out.Fields, name), append(out.Values, cells.Values[j])
		}
	}
	return out, nil
}
