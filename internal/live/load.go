package live

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"unsafe"
)

// loadScript is SEAM Worker 3: the same checks as a flush, then the names of a chunk's segments, or of those that are asked for what they hold.
var loadScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'token', 'start', 'off', 'coarse', 'n')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] or m[4] ~= ARGV[4] or m[5] ~= ARGV[5] then
  return {'differs', m[1], m[2], m[3], m[4], m[5]}
end
if redis.call('HLEN', KEYS[2]) ~= tonumber(m[6]) then return {'lost', 'the index'} end
if #ARGV > 6 then return {'ok', redis.call('HMGET', KEYS[3], unpack(ARGV, 7))} end
local names = redis.call('HKEYS', KEYS[3])
if #names == 0 then return {'lost', ARGV[6]} end
return {'ok', names}
`, true)

// Expect is what a caller believes of a group; a read that finds anything else yields nothing.
type Expect struct {
	Inst, Token string
	Start, Off  int64
	Coarse      int64
}

// Cells are names and states, as many of one as of the other.
type Cells struct{ Fields, Values [][]byte }

// Segment is one of a chunk, with its cells.
type Segment struct {
	Number uint32
	Bytes  int
	Cells
}

// Loaded is what became of a read-back. Not OK: there are no segments, and Found or Lost says why.
type Loaded struct {
	OK       bool
	Segments []Segment // in the order of their numbers
	Found    Found     // what Redis holds, where it differs from what the caller believes
	Lost     string    // the chunk that Redis has lost
}

// WasCut says whether a cut ended the epoch exactly where the caller stands: the cells that it asked for do not exist yet.
func (e Expect) WasCut(at Found) bool {
	return !at.Missing && at.Inst == e.Inst && at.Token == e.Token && at.Start != e.Start && at.Start == e.Off && at.Off == e.Off && at.Coarse == e.Coarse
}

// loadSegments bounds one call, so that Redis is never blocked for long.
const loadSegments = 8

// Load reads a chunk back, atomically with the check that the group still stands where the caller believes: nobody but the caller writes to the
// chunk then, so that it may take several calls.
func (r *Redis) Load(ctx context.Context, g Group, expect Expect, id ChunkID) (out Loaded, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read chunk %s of %s back: %w", id.field(), g, err)
		}
	}()
	keys := []string{g.meta(), g.index(), g.prefix() + expect.Inst + ":" + id.field()}
	args := []any{expect.Inst, expect.Token, strconv.FormatInt(expect.Start, 10), strconv.FormatInt(expect.Off, 10), strconv.FormatInt(expect.Coarse, 10), id.field()}
	names, out, err := r.load(ctx, keys, args)
	if err != nil || !out.OK {
		return out, err
	}
	slices.SortFunc(names, bytes.Compare)
	for some := range slices.Chunk(names, loadSegments) {
		asked := slices.Clone(args)
		for _, name := range some {
			asked = append(asked, name)
		}
		values, piece, err := r.load(ctx, keys, asked)
		if err != nil || !piece.OK {
			return piece, err
		}
		for i, name := range some {
			segment := Segment{Bytes: len(values[i])}
			if values[i] == nil {
				return Loaded{Lost: id.field()}, nil
			}
			if segment.Number, err = parseSegmentName(name); err != nil {
				return Loaded{}, err
			}
			if segment.Cells, err = CellsIn(values[i]); err != nil {
				return Loaded{}, err
			}
			out.Segments = append(out.Segments, segment)
		}
	}
	return out, nil
}

// load is one call of loadScript: what came, or why nothing did.
func (r *Redis) load(ctx context.Context, keys []string, args []any) (list [][]byte, out Loaded, err error) {
	word, v, err := r.run(ctx, loadScript, keys, args...)
	switch {
	case err != nil:
		return nil, out, err
	case word == "lost":
		return nil, Loaded{Lost: lostOf(v)}, nil
	case word != "ok":
		out.Found, err = foundOf(v)
		return nil, out, err
	}
	items, _ := v[0].([]any)
	for _, x := range items {
		list = append(list, bytesOf(x))
	}
	return list, Loaded{OK: true}, nil
}

func lostOf(v []any) string {
	if len(v) == 1 {
		if s, ok := v[0].(string); ok {
			return s
		}
	}
	return "?"
}

// pairsOf reads the reply of HGETALL.
func pairsOf(v any) (Cells, error) {
	flat, ok := v.([]any)
	if !ok || len(flat)%2 != 0 {
		return Cells{}, fmt.Errorf("a chunk is no hash but %T", v)
	}
	out := Cells{Fields: make([][]byte, 0, len(flat)/2), Values: make([][]byte, 0, len(flat)/2)}
	for i := 0; i < len(flat); i += 2 {
		out.Fields = append(out.Fields, bytesOf(flat[i]))
		out.Values = append(out.Values, bytesOf(flat[i+1]))
	}
	return out, nil
}

// bytesOf is a reply's string without a copy, or nil. Nothing writes to it.
func bytesOf(v any) []byte {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
