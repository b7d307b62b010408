package serving

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

// speedCell is one decoded cell of Redis.
type speedCell struct {
	bucket int64
	dims   []algebra.Value
	state  *algebra.State
}

// speedChunk is a decoded chunk: immutable, shared by all queries that know its version.
type speedChunk struct {
	key     chunkKey
	version int64
	plan    *algebra.Plan // with which it was decoded: as much of the states as some queries asked for
	cells   []speedCell
	bytes   int64         // guarded by speedCache.mu
	place   *list.Element // guarded by speedCache.mu

	mu      sync.Mutex
	rollups map[rollupKey][]speedCell // guarded by mu
}

// chunkKey names a chunk of one owner's work on one life of a group's state.
type chunkKey struct {
	group  live.Group
	tenure string
	id     live.ChunkID
}

// speedCache keeps decoded chunks, so that a query reads again only those whose version moved. The least recently used ones go first.
type speedCache struct {
	mu     sync.Mutex
	limit  int64
	bytes  int64
	chunks map[chunkKey]*speedChunk
	known  map[live.Group]string // the tenure whose chunks are kept
	byUse  *list.List            // of *speedChunk, latest first
}

func newSpeedCache(limit int64) *speedCache {
	return &speedCache{limit: limit, chunks: map[chunkKey]*speedChunk{}, known: map[live.Group]string{}, byUse: list.New()}
}

// held returns the chunks of a group that are kept, of one grain, from boundary v on, in a range, and the tenure that they are of. What
// some of them lack of a query's measures has to be read again.
func (c *speedCache) held(g live.Group, r live.ReadRequest) (tenure string, chunks map[live.ChunkID]*speedChunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tenure = c.known[g]
	chunks = map[live.ChunkID]*speedChunk{}
	for k, chunk := range c.chunks {
		if k.group == g && k.tenure == tenure && k.id.Grain == r.Grain && k.id.Start >= r.V && k.id.Chunk >= r.MinChunk && k.id.Chunk <= r.MaxChunk {
			chunks[k.id] = chunk
			c.byUse.MoveToFront(chunk.place)
		}
	}
	return tenure, chunks
}

// keep adds a chunk in place of its older version.
func (c *speedCache) keep(chunk *speedChunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := chunk.key.group; c.known[g] != chunk.key.tenure {
		for k, old := range c.chunks {
			if k.group == g {
				c.drop(old)
			}
		}
		c.known[g] = chunk.key.tenure
	}
	if old := c.chunks[chunk.key]; old != nil {
		if old.version > chunk.version || old.version == chunk.version && old.plan.Covers(chunk.plan) {
			return
		}
		c.drop(old)
	}
	c.chunks[chunk.key] = chunk
	chunk.place = c.byUse.PushFront(chunk)
	c.bytes += chunk.bytes
	c.shrink()
}

func (c *speedCache) shrink() {
	for c.bytes > c.limit && c.byUse.Len() > 0 {
		c.drop(c.byUse.Back().Value.(*speedChunk))
	}
}

func (c *speedCache) drop(chunk *speedChunk) {
	delete(c.chunks, chunk.key)
	c.byUse.Remove(chunk.place)
	c.bytes -= chunk.bytes
}

// reading is what the speed layer of one partition answered for all spans of a question, at one offset.
type reading struct {
	served live.Served
	meta   live.Meta
	at     standing // of the grains that were read
	lost   string
	spans  []span        // what was read
	chunks []*speedChunk // each once
	// lacking are the ranges of event time whose events were left to the next batch, in part or all.
	lacking []live.Deferred
	missing [][2]int64 // offsets [a, b) that the speed layer passed over, as nobody has them
}

// groupReader reads a group in one step. A *live.Redis is one.
type groupReader interface {
	Read(ctx context.Context, g live.Group, q live.ReadRequest) (live.ReadReply, error)
}

// speedReader reads groups through the cache.
type speedReader struct {
	live  groupReader
	cache *speedCache
	young *readings
}

// recent is read, or what was read for the same cells less than Config.SpeedAge ago.
func (s *speedReader) recent(ctx context.Context, plan *algebra.Plan, g live.Group, v int64, spans []span) (reading, error) {
	return s.young.get(ctx, readingKeyOf(plan, g, v, spans), func(ctx context.Context) (reading, error) { return s.read(ctx, plan, g, v, spans) })
}

// consistentReads bounds how often the spans of a question are read again because a flush came in between.
const consistentReads = 4

// read reads the cells of a group for all spans as of one offset. Each span is one script in Redis; when a flush or a merge of epochs
// came between two of them they are read again, which is cheap as the chunks that did not change are not sent. Under a flush that is always faster the
// finest grain alone is read, which takes one script. So it is where the spans are of grains that stand at different offsets.
func (s *speedReader) read(ctx context.Context, plan *algebra.Plan, g live.Group, v int64, spans []span) (reading, error) {
	for range consistentReads {
		r, whole, err := s.readOnce(ctx, plan, g, v, spans)
		if err != nil || whole {
			return r, err
		}
		if _, one := standsAt(r.meta, plan.View.Grains[0].Name, v, spans); !one {
			break
		}
	}
	finest := span{plan.View.Grains[0], spans[0].from, spans[len(spans)-1].to}
	r, _, err := s.readOnce(ctx, plan, g, v, []span{finest})
	return r, err
}

// readOnce is one try; whole says that all spans were read as of one offset, or that there is nothing to read. Where not, the meta that was found
// says why.
func (s *speedReader) readOnce(ctx context.Context, plan *algebra.Plan, g live.Group, v int64, spans []span) (r reading, whole bool, err error) {
	r.spans = spans
	taken := map[live.ChunkID]bool{} // two spans of one grain may share a chunk
	for i, span := range spans {
		request := live.ReadRequest{V: v, Grain: span.grain.Name, Limits: true}
		request.MinChunk, request.MaxChunk = span.chunks()
		tenure, held := s.cache.held(g, request)
		request.Tenure, request.Known = tenure, make(map[live.ChunkID]int64, len(held))
		for id, chunk := range held {
			if chunk.plan.Covers(plan) {
				request.Known[id] = chunk.version
			}
		}
		reply, err := s.live.Read(ctx, g, request)
		if err != nil {
			return reading{}, false, err
		}
		if i > 0 && (reply.Meta.Tenure() != r.meta.Tenure() || reply.Meta.Off != r.meta.Off || reply.Meta.Coarse != r.meta.Coarse || reply.Served != r.served || !slices.Equal(reply.Meta.Starts, r.meta.Starts)) {
			// A flush came between, or epochs were merged, so that one chunk might be read under two names.
			return reading{}, false, nil
		}
		r.served, r.meta, r.lost = reply.Served, reply.Meta, reply.Lost
		r.lacking, r.missing = reply.Epochs.Lacking(func(int64) bool { return true }), reply.Epochs.Missing()
		if reply.Served != live.ServedWhole {
			return r, true, nil
		}
		var one bool
		if r.at, one = standsAt(r.meta, plan.View.Grains[0].Name, v, spans); !one {
			return r, false, nil
		}
		for _, c := range reply.Chunks {
			chunk := held[c.ID]
			if !c.Same {
				decoded := plan
				if chunk != nil {
					decoded = plan.Union(chunk.plan) // so that queries for other measures need not read it again in turn
				}
				if chunk, err = decodeChunk(decoded, chunkKey{g, reply.Meta.Tenure(), c.ID}, c); err != nil {
					return reading{}, false, fmt.Errorf("read %s: %w", g, err)
				}
				s.cache.keep(chunk)
			}
			if !taken[c.ID] {
				taken[c.ID] = true
				r.chunks = append(r.chunks, chunk)
			}
		}
	}
	return r, true, nil
}

// decodeChunk takes the names and states of a chunk's cells apart.
func decodeChunk(plan *algebra.Plan, key chunkKey, c live.ReadChunk) (*speedChunk, error) {
	chunk := &speedChunk{key: key, version: c.Version, plan: plan, cells: make([]speedCell, len(c.Cells.Fields)), bytes: cellBytes}
	states := plan.NewStates(len(c.Cells.Fields))
	for i, field := range c.Cells.Fields {
		bucket, name, err := live.SplitField(field)
		if err != nil {
			return nil, fmt.Errorf("chunk %v: %w", key.id, err)
		}
		dims, err := algebra.DecodeKey(name)
		if err == nil && len(dims) != len(plan.View.Dimensions) {
			err = fmt.Errorf("a cell has %d dimensions, not %d", len(dims), len(plan.View.Dimensions))
		}
		if err == nil {
			err = plan.Decode(c.Cells.Values[i], &states[i])
		}
		if err != nil {
			return nil, fmt.Errorf("chunk %v: %w", key.id, err)
		}
		chunk.cells[i] = speedCell{bucket, dims, &states[i]}
		chunk.bytes += cellSize(plan, &chunk.cells[i])
	}
	return chunk, nil
}

// addReading merges what a partition holds into the cells of the answer.
func (cs *cells) addReading(cache *speedCache, r reading) error {
	set := cs.q.set()
	for _, chunk := range r.chunks {
		rolled := cache.rollup(cs.plan, chunk, set)
		for i := range rolled {
			c := &rolled[i]
			cs.looked++
			if !inSpans(r.spans, chunk.key.id.Grain, c.bucket) {
				continue
			}
			passes := cs.q.filter.Passes(c.dims)
			if r.meta.Counts.Other > 0 {
				cs.noteOther(c, passes)
			}
			if !passes {
				continue
			}
			if err := cs.addSpeed(c.bucket, c.dims, c.state); err != nil {
				return err
			}
		}
	}
	return nil
}

// inSpans says whether a bucket belongs to the answer: chunks reach beyond the ends of the spans.
func inSpans(spans []span, grain string, bucket int64) bool {
	for _, s := range spans {
		if s.grain.Name == grain && bucket >= s.from && (bucket < s.to || s.to == forever) {
			return true
		}
	}
	return false
}
