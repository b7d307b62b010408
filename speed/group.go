package speed

import (
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// group is what an owner believes of one group (a partition seen by a view), and the cells of its newest epoch that are in memory.
type group struct {
	id     live.Group
	plan   *algebra.Plan
	grains []view.Grain
	loc    *time.Location

	inst, token string
	start       int64 // the newest epoch
	off         int64 // records below it are in Redis, in the finest grain
	progress    intake.Progress
	counts      live.Counts
	coarse      coarse

	values   values
	limit    int64 // cells that the newest epoch may have in Redis; 0: any number
	cells    int64 // that it has, those on their way there among them
	stored   int64 // of them that Redis has once all flushes that were built are done
	deferred deferred
	gaps     gaps

	chunks map[chunkKey]*chunk
	held   map[chunkKey]struct{} // chunks of the newest epoch that Redis has and memory has not

	recent     recentBucket
	buckets    map[int64][]place // by base bucket: where it goes in each grain; of the micro-batch in hand
	scratch    []byte
	tmp        algebra.State
	sequence   uint32 // of the flush being built
	touched    []*chunk
	incomplete []*chunk // chunks that are to be read back
	others     []int32  // rows of the micro-batch in hand that go to cells of Other, in the order of the refs
}

// chunkKey names a chunk of the newest epoch.
type chunkKey struct {
	grain int8
	chunk int64
}

// place is where the cells of a base bucket go in one grain.
type place struct {
	bucket int64
	chunk  *chunk
}

// recentBucket spares the look-up of the base bucket that the last row had too.
type recentBucket struct {
	base   int64
	places []place
}

// ref is the cell that a partial goes into.
type ref struct {
	chunk *chunk
	cell  uint32
}

func newGroup(id live.Group, plan *algebra.Plan, limits view.Speed) *group {
	loc := plan.View.Location
	if loc == nil {
		loc = time.UTC
	}
	return &group{id: id, plan: plan, grains: plan.View.Grains, loc: loc, sequence: firstFlush - 1,
		values: newValues(plan.View), limit: int64(limits.LiveCells), coarse: coarse{every: limits.CoarseFlush}, chunks: map[chunkKey]*chunk{}, held: map[chunkKey]struct{}{},
		buckets: map[int64][]place{}}
}

// adopt makes the group what a take returned, with what the limits of the newest epoch did; nil: nothing. Memory is empty.
func (g *group) adopt(m live.Meta, limited *live.Limited) {
	g.inst, g.token, g.start, g.off, g.progress, g.counts = m.Inst, m.Token, m.Newest(), m.Off, m.Progress, m.Counts
	g.forget()
	c := &g.coarse
	c.off, c.at, c.written, c.progress, c.starts, c.flushed = m.Coarse, m.Coarse, m.CoarseAt, m.CoarseAt, m.Starts, time.Now()
	g.cells, g.stored = m.Cells, m.Cells
	if limited != nil {
		g.values.adopt(limited)
		g.deferred.adopt(limited)
		g.gaps.adopt(limited)
	}
	for id := range m.Chunks {
		for i := range g.grains {
			if g.grains[i].Name == id.Grain && id.Start == g.epochOf(i) {
				g.held[chunkKey{int8(i), id.Chunk}] = struct{}{}
			}
		}
	}
}

// epochOf is the epoch whose cells of a grain are in memory.
func (g *group) epochOf(grain int) int64 {
	if grain == 0 {
		return g.start
	}
	start, _ := g.coarse.epoch()
	return start
}

// cut makes the epoch begin at start: it has no cells yet. What is pending of the coarser grains stays, as it belongs to the epoch before.
func (g *group) cut(start int64) {
	g.start = start
	g.coarse.starts = append(slices.Clone(g.coarse.starts), start)
	if g.coarse.off == start {
		g.forgetCoarse()
	}
	g.forgetFinest()
}

func (g *group) forget() {
	g.forgetCoarse()
	g.forgetFinest()
}

// forgetFinest drops the cells of the finest grain, and what the limits did.
func (g *group) forgetFinest() {
	maps.DeleteFunc(g.chunks, func(k chunkKey, _ *chunk) bool { return k.grain == 0 })
	maps.DeleteFunc(g.held, func(k chunkKey, _ struct{}) bool { return k.grain == 0 })
	g.cells, g.stored = 0, 0
	g.values.forget()
	g.deferred, g.gaps = deferred{}, gaps{}
	g.endBatch()
}

// endBatch forgets what belongs to the micro-batch in hand.
func (g *group) endBatch() {
	clear(g.buckets)
	g.recent.places = nil
	for _, c := range g.incomplete {
		c.wanted = false
	}
	g.touched, g.incomplete, g.others = g.touched[:0], g.incomplete[:0], g.others[:0]
	g.values.endBatch()
}

func (g *group) expect() live.Expect {
	return live.Expect{Inst: g.inst, Token: g.token, Start: g.start, Off: g.off, Coarse: g.coarse.off}
}

// places returns where the cells of a base bucket go, grain by grain. Zone arithmetic is slow, so each bucket is placed once.
func (g *group) places(base, tick int64) []place {
	if g.recent.places != nil && g.recent.base == base {
		return g.recent.places
	}
	p, ok := g.buckets[base]
	if !ok {
		p = make([]place, len(g.grains))
		for i, grain := range g.grains {
			b := grain.Floor(base, g.loc)
			p[i] = place{b, g.chunk(chunkKey{int8(i), grain.Chunk(b)}, tick)}
		}
		g.buckets[base] = p
	}
	g.recent = recentBucket{base, p}
	return p
}

func (g *group) chunk(k chunkKey, tick int64) *chunk {
	c := g.chunks[k]
	if c == nil {
		c = newChunk(live.ChunkID{Start: g.epochOf(int(k.grain)), Grain: g.grains[k.grain].Name, Chunk: k.chunk}, g.plan)
		_, c.exists = g.held[k]
		c.complete = !c.exists
		delete(g.held, k)
		g.chunks[k] = c
	}
	c.touched = tick
	return c
}

// resolve appends the cells that the rows go into, grain by grain. Chunks that are not complete are noted: they have to be read back before anything is
// merged into them.
func (g *group) resolve(p *partials, rows []int32, tick int64, refs []ref) []ref {
	for _, i := range rows {
		key, places := p.key(i), g.places(p.bucket[i], tick)
		for k, at := range places {
			g.want(at.chunk)
			g.scratch = live.AppendField(g.scratch[:0], at.bucket, key)
			cell, held, home := at.chunk.look(g.scratch)
			if !held && k == 0 && len(g.values.dims) > 0 {
				if admitted, other := g.admit(i, key); other {
					key = admitted
					g.scratch = live.AppendField(g.scratch[:0], at.bucket, key)
					cell, held, home = at.chunk.look(g.scratch)
				}
			}
			if !held {
				cell = at.chunk.add(g.scratch, home)
			}
			refs = append(refs, ref{at.chunk, cell})
		}
	}
	return refs
}

// want notes that a chunk is used, which has to be read back where it is not complete.
func (g *group) want(c *chunk) {
	if !c.complete && !c.wanted {
		c.wanted = true
		g.incomplete = append(g.incomplete, c)
	}
}

// admit returns the key of the cells that a row goes into, which the view's limit of cardinality may make one of Other. It is asked only
// where memory has no cell of the row's own key: where it has one, all of its values are known.
func (g *group) admit(row int32, key []byte) (admitted []byte, other bool) {
	key, other = g.values.admit(key)
	if other {
		g.others = append(g.others, row)
	}
	return key, other
}

// nextFlush numbers a flush.
func (g *group) nextFlush() uint32 {
	if g.sequence++; g.sequence < firstFlush {
		g.sequence = firstFlush // after four billion of them
	}
	return g.sequence
}

// merge adds the rows to their cells of the first grains and lists the cells that changed as the content of a flush, which adds to counts what
// the limits did. arena holds the states.
func (g *group) merge(p *partials, rows []int32, refs []ref, grains int, counts *live.Counts, arena []byte) ([]live.ChunkWrite, []byte) {
	g.nextFlush()
	g.touched = g.touched[:0]
	for _, i := range rows {
		other := len(g.others) > 0 && g.others[0] == i
		if other {
			g.others = g.others[1:]
		}
		s := p.state(i)
		if refs[0].chunk == nil {
			refs = refs[len(g.grains):]
			g.leave(p.bucket[i], s.Events())
			counts.Deferred += s.Events()
			continue
		}
		if other {
			counts.Other += s.Events()
		}
		for _, r := range refs[:grains] {
			r.chunk.merge(r.cell, s, &g.tmp)
			if r.chunk.marks[r.cell] == g.sequence {
				continue
			}
			if r.chunk.marks[r.cell] == notInRedis {
				g.cells++
			}
			r.chunk.marks[r.cell] = g.sequence
			if len(r.chunk.dirty) == 0 {
				g.touched = append(g.touched, r.chunk)
			}
			r.chunk.dirty = append(r.chunk.dirty, r.cell)
		}
		refs = refs[len(g.grains):]
	}
	writes := make([]live.ChunkWrite, 0, len(g.touched)+len(g.values.dims)+1)
	for _, c := range g.touched {
		var w live.ChunkWrite
		w, arena = g.write(c, arena)
		c.exists, c.dirty = true, c.dirty[:0]
		writes = append(writes, w)
	}
	return g.deferred.write(g.start, writes), arena
}

// write makes the content of a flush out of a chunk's dirty cells. arena holds the bytes.
func (g *group) write(c *chunk, arena []byte) (live.ChunkWrite, []byte) {
	w, added, arena := c.write(&g.tmp, arena)
	if c.id.Start == g.start {
		g.stored += int64(added)
	}
	return w, arena
}

// evict drops a chunk from memory. All of it has been acknowledged.
func (g *group) evict(k chunkKey) {
	if g.chunks[k].exists {
		g.held[k] = struct{}{}
	}
	delete(g.chunks, k)
}
