package live

import (
	"context"
	"fmt"
	"strconv"
	"unsafe"
)

// loadScript is SEAM Worker 3: the same checks as a flush, then the cells.
var loadScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'token', 'start', 'off', 'coarse', 'n')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] or m[4] ~= ARGV[4] or m[5] ~= ARGV[5] then
  return {'differs', m[1], m[2], m[3], m[4], m[5]}
end
if redis.call('HLEN', KEYS[2]) ~= tonumber(m[6]) then return {'lost', 'the index'} end
local out, p = {'ok'}, 6
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return {'lost', ARGV[p]} end
  local n = tonumber(ARGV[p + 1])
  p = p + 2
  local last = p + n - 1
  local parts = {}
  while p <= last do
    local q = math.min(p + 998, last)
    parts[#parts + 1] = redis.call('HMGET', KEYS[i], unpack(ARGV, p, q))
    p = q + 1
  end
  out[#out + 1] = parts
end
return out
`, true)

// Expect is what a caller believes of a group; a read that finds anything else yields nothing.
type Expect struct {
	Inst, Token string
	Start, Off  int64
	Coarse      int64
}

// ChunkRead asks for cells of one chunk, which must exist.
type ChunkRead struct {
	ID     ChunkID
	Fields [][]byte
}

// Cells are names and states. For a ChunkRead the order is its own, and the state of an absent cell is nil.
type Cells struct{ Fields, Values [][]byte }

// Loaded is what became of a read-back. Not OK: there are no cells, and Found or Lost says why.
type Loaded struct {
	OK    bool
	Cells []Cells // one for each ChunkRead
	Found Found   // what Redis holds, where it differs from what the caller believes
	Lost  string  // the chunk that Redis has lost
}

// WasCut says whether a cut ended the epoch exactly where the caller stands: the cells that it asked for do not exist yet.
func (e Expect) WasCut(at Found) bool {
	return !at.Missing && at.Inst == e.Inst && at.Token == e.Token && at.Start != e.Start && at.Start == e.Off && at.Off == e.Off && at.Coarse == e.Coarse
}

// Load reads cells back, atomically with the check that the group still stands where the caller believes.
func (r *Redis) Load(ctx context.Context, g Group, expect Expect, reads []ChunkRead) (Loaded, error) {
	prefix := g.prefix()
	keys := append(make([]string, 0, 2+len(reads)), prefix+"meta", prefix+"chunks")
	args := []any{expect.Inst, expect.Token, strconv.FormatInt(expect.Start, 10), strconv.FormatInt(expect.Off, 10), strconv.FormatInt(expect.Coarse, 10)}
	for _, c := range reads {
		name := c.ID.field()
		keys = append(keys, prefix+expect.Inst+":"+name)
		args = append(args, name, strconv.Itoa(len(c.Fields)))
		for _, f := range c.Fields {
			args = append(args, f)
		}
	}
	word, v, err := r.run(ctx, loadScript, keys, args...)
	if err != nil {
		return Loaded{}, fmt.Errorf("read cells of %s back: %w", g, err)
	}
	switch {
	case word == "lost":
		return Loaded{Lost: lostOf(v)}, nil
	case word != "ok":
		found, err := foundOf(v)
		return Loaded{Found: found}, err
	case len(v) != len(reads):
		return Loaded{}, fmt.Errorf("read cells of %s back: %d chunks came for %d", g, len(v), len(reads))
	}
	out := Loaded{OK: true, Cells: make([]Cells, len(reads))}
	for i, c := range reads {
		if out.Cells[i], err = c.cells(v[i]); err != nil {
			return Loaded{}, fmt.Errorf("read chunk %s of %s back: %w", c.ID.field(), g, err)
		}
	}
	return out, nil
}

func lostOf(v []any) string {
	if len(v) == 1 {
		if s, ok := v[0].(string); ok {
			return s
		}
	}
	return "?"
}

func (c ChunkRead) cells(v any) (Cells, error) {
	out := Cells{Fields: c.Fields, Values: make([][]byte, 0, len(c.Fields))}
	parts, _ := v.([]any)
	for _, p := range parts {
		values, _ := p.([]any)
		for _, x := range values {
			out.Values = append(out.Values, bytesOf(x))
		}
	}
	if len(out.Values) != len(c.Fields) {
		return Cells{}, fmt.Errorf("%d cells came for %d", len(out.Values), len(c.Fields))
	}
	return out, nil
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
