package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"github.com/caudal/caudal/internal/intake"
	"github.com/redis/go-redis/v9"
)

// flushScript is SEAM Worker 5. The starts that the caller believes in are the last ones of those held, or all of them. The arguments of a
// chunk are its name, 1 if it must be new, how many names and values follow, how many names that go, and these.
var flushScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'token', 'start', 'off', 'coarse', 'n', 'starts')
local ours = m[7] == ARGV[3] or ARGV[4] == '0' and m[7] and string.sub(m[7], -#ARGV[3] - 1) == ',' .. ARGV[3]
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or not ours or m[4] ~= ARGV[5] or m[5] ~= ARGV[9] then
  return {'differs', m[1], m[2], m[3], m[4], m[5]}
end
local n = tonumber(m[6])
if redis.call('HLEN', KEYS[2]) ~= n then return {'lost', 'the index'} end
local p = 14
for i = 3, #KEYS do
  local want = 1
  if ARGV[p + 1] == '1' then want = 0; n = n + 1 end
  if redis.call('HEXISTS', KEYS[2], ARGV[p]) ~= want or redis.call('EXISTS', KEYS[i]) ~= want then
    return {'lost', ARGV[p]}
  end
  p = p + 4 + tonumber(ARGV[p + 2]) + tonumber(ARGV[p + 3])
end
local function run(command, key, p, last)
  while p <= last do
    local q = math.min(p + 997, last)
    redis.call(command, key, unpack(ARGV, p, q))
    p = q + 1
  end
end
p = 14
for i = 3, #KEYS do
  redis.call('HSET', KEYS[2], ARGV[p], ARGV[12])
  local from = p + 4
  local gone = from + tonumber(ARGV[p + 2])
  p = gone + tonumber(ARGV[p + 3])
  run('HSET', KEYS[i], from, gone - 1)
  run('HDEL', KEYS[i], gone, p - 1)
end
redis.call('HSET', KEYS[1], 'off', ARGV[6], 'at', ARGV[7], 'counts', ARGV[8], 'coarse', ARGV[10], 'coarse_at', ARGV[11], 'cells', ARGV[13], 'n', string.format('%d', n))
return {'applied'}
`, false)

// Flush is the step of a group from one offset to the next: the absolute states of every cell of the finest grain that the records [From, To)
// touched, and of every cell of the others that the records [Coarse, CoarseTo) did. Only one of the two may move.
type Flush struct {
	Group
	Inst, Token string
	Start       int64 // the newest epoch
	From, To    int64
	Progress    intake.Progress // at To
	Counts      Counts          // at To, absolute
	Cells       int64           // of the newest epoch, once this is done
	Coarse      int64           // where the grains but the finest stand
	CoarseTo    int64           // where they stand after it: at most To
	CoarseAt    intake.Progress // at CoarseTo
	// Before are the epochs before Start, ascending, from the one on that Coarse lies in, where that is not Start. Cells of the coarser grains
	// are that epoch's, and CoarseTo is at most the start of the next.
	Before []int64
	Whole  bool         // Coarse lies before every epoch that is held: Before and Start are all of them
	Chunks []ChunkWrite // distinct, each with a cell at least
}

// ChunkWrite is what changes in one chunk: segments, or of grain Limits the fields themselves. The bytes are read during the call only.
type ChunkWrite struct {
	ID             ChunkID
	New            bool     // the chunk does not exist yet; otherwise it must
	Cells          int      // in the segments that are written
	Fields, Values [][]byte // that are written: as many of one as of the other
	Gone           [][]byte // names of segments that go: newer ones have all of their cells
}

// FlushResult is what became of one flush. Err set: unknown, the same flush may be sent again. Applied: done. Otherwise nothing was
// written, and Found or Lost says why; SEAM Worker 6 tells from Found which case it is.
type FlushResult struct {
	Applied bool
	Found   Found  // what Redis holds, where it differs from the flush
	Lost    string // the chunk that Redis has lost, or has though it should be new
	Err     error
}

// Found is what Redis says of a group where the caller expected something else. Missing: there is no such group.
type Found struct {
	Missing     bool
	Inst, Token string
	Start, Off  int64
	Coarse      int64
}

// WasApplied says whether Redis stands where the flush would have brought it: it was carried out before, its reply lost (SEAM 6 i).
func (f *Flush) WasApplied(at Found) bool {
	return !at.Missing && at.Inst == f.Inst && at.Start == f.Start && at.Off == f.To && at.Coarse == f.CoarseTo
}

// WasCut says whether a cut ended the epoch exactly where the flush begins (SEAM 6 ii).
func (f *Flush) WasCut(at Found) bool {
	return !at.Missing && at.Inst == f.Inst && at.Token == f.Token && at.Start != f.Start && at.Start == f.From && at.Off == f.From && at.Coarse == f.Coarse
}

// Flush sends the calls in one pipeline, each of them one atomic step. Calls of one group must follow each other in order: where one
// is not applied, the later ones find a difference and do nothing.
func (r *Redis) Flush(ctx context.Context, calls []Flush) []FlushResult {
	results := make([]FlushResult, len(calls))
	for i := range calls {
		if err := calls[i].validate(); err != nil {
			for j := range results {
				results[j].Err = err
			}
			return results
		}
	}
	cmds := make([]*redis.Cmd, len(calls))
	send := func(bySha bool, which func(i int) bool) {
		pipe := r.client.Pipeline()
		for i := range calls {
			if which(i) {
				cmds[i] = calls[i].command(ctx, bySha)
				_ = pipe.Process(ctx, cmds[i]) // queued only
			}
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	send(true, func(int) bool { return true })
	// Somebody else may have loaded the script between two calls: then those of the same group behind the one that was not carried out were refused.
	missed := map[Group]bool{}
	again := make([]bool, len(calls))
	for i, c := range cmds {
		if unknownScript(c.Err()) {
			missed[calls[i].Group] = true
		}
		again[i] = missed[calls[i].Group]
	}
	if len(missed) > 0 {
		send(false, func(i int) bool { return again[i] })
	}
	for i, c := range cmds {
		results[i] = flushResult(c)
		if results[i].Err != nil {
			results[i].Err = fmt.Errorf("flush %s at %d: %w", calls[i].Group, calls[i].From, results[i].Err)
		}
	}
	return results
}

func (f *Flush) validate() error {
	if f.To < f.From || f.From < f.Start {
		return fmt.Errorf("flush %s: from %d to %d in epoch %d is no step", f.Group, f.From, f.To, f.Start)
	}
	if f.CoarseTo < f.Coarse || f.CoarseTo > f.To {
		return fmt.Errorf("flush %s: from %d to %d in the coarser grains is no step to %d", f.Group, f.Coarse, f.CoarseTo, f.To)
	}
	starts := append(slices.Clone(f.Before), f.Start)
	if f.CoarseTo > f.Coarse && f.Whole != (f.Coarse < starts[0]) {
		return fmt.Errorf("flush %s: the coarser grains stand at %d, which is not in the first of the epochs %v", f.Group, f.Coarse, starts)
	}
	for _, start := range starts {
		if f.CoarseTo > start && f.Coarse < start {
			return fmt.Errorf("flush %s: from %d to %d in the coarser grains goes beyond the epoch that ends at %d", f.Group, f.Coarse, f.CoarseTo, start)
		}
	}
	for i := range f.Chunks {
		c := &f.Chunks[i]
		if len(c.Fields) == 0 || len(c.Fields) != len(c.Values) {
			return fmt.Errorf("flush %s: chunk %s has %d names and %d values", f.Group, c.ID.field(), len(c.Fields), len(c.Values))
		}
	}
	return nil
}

func (f *Flush) command(ctx context.Context, bySha bool) *redis.Cmd {
	n := 0
	for i := range f.Chunks {
		n += 2*len(f.Chunks[i].Fields) + len(f.Chunks[i].Gone)
	}
	prefix := f.prefix()
	keys := make([]string, 0, 2+len(f.Chunks))
	keys = append(keys, prefix+"meta", prefix+"chunks")
	args := make([]any, 0, 13+4*len(f.Chunks)+n)
	starts, whole, version := strconv.FormatInt(f.Start, 10), "0", f.To
	if f.Whole {
		whole = "1"
	}
	if len(f.Before) > 0 {
		starts = joinStarts(f.Before, -1) + "," + starts
	}
	if f.To == f.From {
		version = f.CoarseTo
	}
	args = append(args, f.Inst, f.Token, starts, whole, strconv.FormatInt(f.From, 10), strconv.FormatInt(f.To, 10),
		encodeProgress(f.Progress), encodeCounts(f.Counts),
		strconv.FormatInt(f.Coarse, 10), strconv.FormatInt(f.CoarseTo, 10), encodeProgress(f.CoarseAt), strconv.FormatInt(version, 10), strconv.FormatInt(f.Cells, 10))
	// A pointer to a string goes into an interface without an allocation; a slice would cost one per argument.
	text := make([]string, 0, n)
	for i := range f.Chunks {
		c := &f.Chunks[i]
		name := c.ID.field()
		keys = append(keys, prefix+f.Inst+":"+name)
		fresh := "0"
		if c.New {
			fresh = "1"
		}
		args = append(args, name, fresh, strconv.Itoa(2*len(c.Fields)), strconv.Itoa(len(c.Gone)))
		for j := range c.Fields {
			text = append(text, aliased(c.Fields[j]), aliased(c.Values[j]))
			args = append(args, &text[len(text)-2], &text[len(text)-1])
		}
		for _, name := range c.Gone {
			text = append(text, aliased(name))
			args = append(args, &text[len(text)-1])
		}
	}
	return flushScript.command(ctx, bySha, keys, args)
}

// aliased is b as a string without a copy. It is only handed to the client, which writes it out before the call returns.
func aliased(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func flushResult(cmd *redis.Cmd) FlushResult {
	word, v, err := reply(cmd)
	if err != nil {
		return FlushResult{Err: err}
	}
	switch word {
	case "applied":
		return FlushResult{Applied: true}
	case "lost":
		return FlushResult{Lost: lostOf(v)}
	}
	found, err := foundOf(v)
	return FlushResult{Found: found, Err: err}
}

// foundOf reads inst, token, start, off and coarse; all nil where there is no meta.
func foundOf(v []any) (Found, error) {
	if len(v) != 5 {
		return Found{}, fmt.Errorf("the script answered %d values, not 5", len(v))
	}
	var s [5]string
	for i := range v {
		var ok bool
		if s[i], ok = v[i].(string); !ok {
			return Found{Missing: true}, nil
		}
	}
	start, err1 := strconv.ParseInt(s[2], 10, 64)
	off, err2 := strconv.ParseInt(s[3], 10, 64)
	coarse, err3 := strconv.ParseInt(s[4], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return Found{}, fmt.Errorf("start %q and offsets %q and %q are not numbers", s[2], s[3], s[4])
	}
	return Found{Inst: s[0], Token: s[1], Start: start, Off: off, Coarse: coarse}, nil
}
