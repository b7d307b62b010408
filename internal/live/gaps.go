package live

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// gapsChunk is the chunk of grain Limits in which an epoch says which offsets it passed over because nobody has their records any more, as the
// one field gapsField. It is written by the flush that passes over them.
const gapsChunk = -2

// gapsField is the one name in chunk gapsChunk.
const gapsField = "offsets"

// GapsWrite is the content of a flush that says which offsets [a, b) an epoch passed over. fresh: it said nothing before.
func GapsWrite(start int64, fresh bool, gaps [][2]int64) ChunkWrite {
	return ChunkWrite{ID: ChunkID{Start: start, Grain: Limits, Chunk: gapsChunk}, New: fresh,
		Fields: [][]byte{[]byte(gapsField)}, Values: [][]byte{appendGaps(nil, gaps)}}
}

// Missing returns the offsets [a, b) that the epochs passed over, ascending and apart.
func (e Epochs) Missing() [][2]int64 {
	var all [][2]int64
	for _, epoch := range e {
		all = append(all, epoch.Missing...)
	}
	return JoinGaps(all)
}

// JoinGaps sorts ranges of offsets and joins those that touch or overlap.
func JoinGaps(all [][2]int64) [][2]int64 {
	slices.SortFunc(all, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	out := all[:0]
	for _, gap := range all {
		if n := len(out); n > 0 && gap[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], gap[1])
			continue
		}
		out = append(out, gap)
	}
	return out
}

// addGaps is AddCells for two epochs that become one.
func addGaps(dst, a, b []byte) ([]byte, error) {
	x, err := decodeGaps(a)
	if err != nil {
		return nil, err
	}
	y, err := decodeGaps(b)
	if err != nil {
		return nil, err
	}
	return appendGaps(dst, JoinGaps(append(x, y...))), nil
}

func appendGaps(dst []byte, gaps [][2]int64) []byte {
	for _, gap := range gaps {
		dst = binary.AppendVarint(dst, gap[0])
		dst = binary.AppendVarint(dst, gap[1])
	}
	return dst
}

func decodeGaps(b []byte) (gaps [][2]int64, err error) {
	r := varints{rest: b}
	for len(r.rest) > 0 && r.err == nil {
		gaps = append(gaps, [2]int64{r.next(), r.next()})
	}
	return gaps, r.err
}
