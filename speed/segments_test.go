package speed

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// keptLog is what Redis would have of a chunk: its segments by name.
type keptLog map[string][]byte

// take carries a flush of the chunk out.
func (l keptLog) take(w live.ChunkWrite) {
	for i, name := range w.Fields {
		l[string(name)] = w.Values[i]
	}
	for _, name := range w.Gone {
		delete(l, string(name))
	}
}

// segments are they as a read-back has them.
func (l keptLog) segments(t *testing.T) (all []live.Segment) {
	t.Helper()
	for name, bytes := range l {
		cells, err := live.CellsIn(bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, live.Segment{Number: binary.BigEndian.Uint32([]byte(name)), Bytes: len(bytes), Cells: cells})
	}
	slices.SortFunc(all, func(a, b live.Segment) int { return int(a.Number) - int(b.Number) })
	return all
}

// cells are what a reader makes of it, and how many entries it had to go through.
func (l keptLog) cells(t *testing.T) (states map[string]string, entries int) {
	t.Helper()
	states = map[string]string{}
	for _, s := range l.segments(t) {
		for i, name := range s.Fields {
			states[string(name)] = string(s.Values[i])
			entries++
		}
	}
	return states, entries
}

// onePlan is the plan of a view.
func onePlan(t *testing.T, body string) *algebra.Plan {
	t.Helper()
	files := []view.File{{Path: "caudal.yaml", Data: []byte(strings.Replace(shopYAML, "TOPIC", "orders", 1))}, {Path: "views/v.yaml", Data: []byte(body)}}
	project, err := engine.Parse(context.Background(), files, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	plan, err := algebra.Compile(project.Views[0])
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestTheLogOfAChunkHoldsTheNewestStateOfEachCell flushes a chunk again and again, in ways that differ, forgets it and reads it back now and then,
// and compares what Redis would have with the states themselves.
func TestTheLogOfAChunkHoldsTheNewestStateOfEachCell(t *testing.T) {
	for name, how := range map[string]struct {
		cells, most int // that there are, and that a flush changes
		again       bool
	}{
		"all of a few":      {cells: 40, most: 40},
		"one of many":       {cells: 5000, most: 1},
		"some of many":      {cells: 5000, most: 900},
		"most of many":      {cells: 3000, most: 3000},
		"what was not sent": {cells: 500, most: 100, again: true},
	} {
		for view, body := range map[string]string{"words": benchViews["per_product"], "sketches": benchViews["per_country"]} {
			t.Run(name+" "+view, func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(how.cells), uint64(how.most)))
				plan := onePlan(t, body)
				id := live.ChunkID{Grain: "1m"}
				c, log, want := newChunk(id, plan), keptLog{}, map[string]string{}
				var tmp algebra.State
				partial := plan.New()
				one := plan.Append(nil, partial)
				one[2] = 1 // event
				if err := plan.Decode(one, partial); err != nil || partial.Events() != 1 {
					t.Fatal(partial.Events(), err)
				}
				added := 0
				for turn := range 200 {
					if turn%47 == 46 { // evicted
						c = newChunk(id, plan)
						c.exists = true
						if err := c.adopt(log.segments(t), &tmp); err != nil {
							t.Fatal(err)
						}
					}
					n := 1 + random.IntN(how.most)
					changed := random.Perm(how.cells)[:n]
					for _, i := range changed {
						name := fmt.Sprintf("%08d", i)
						cell := c.find([]byte(name))
						c.merge(cell, partial, &tmp)
						want[name] = string(plan.Append(nil, c.state(cell, &tmp)))
						c.dirty = append(c.dirty, cell)
					}
					w, fresh, _ := c.write(&tmp, nil)
					added += fresh
					if how.again && turn%5 == 0 { // a cut came before it, and it is made once more
						w, fresh, _ = c.write(&tmp, nil)
						added += fresh
					}
					if w.New != (turn == 0) || w.Cells < n || w.Cells > 3*n+spareCells+4000 {
						t.Fatalf("turn %d: new %v, %d cells for %d that changed", turn, w.New, w.Cells, n)
					}
					c.exists, c.dirty = true, c.dirty[:0]
					log.take(w)
				}
				got, entries := log.cells(t)
				if len(got) != len(want) || added != len(want) {
					t.Fatalf("%d cells, %d of them added, not %d", len(got), added, len(want))
				}
				for name, state := range want {
					if got[name] != state {
						t.Fatalf("cell %s is %x, not %x", name, got[name], state)
					}
				}
				if most := 2*len(want) + 3*how.most + spareCells; entries > most && !how.again {
					t.Errorf("%d entries of %d cells", entries, len(want))
				}
				if len(log) > 40+len(want)/20 && !how.again {
					t.Errorf("%d segments of %d cells", len(log), len(want))
				}
			})
		}
	}
}

func TestAChunkThatIsNotCompleteIsReadBackWhateverCameBetween(t *testing.T) {
	plan := onePlan(t, benchViews["per_product"])
	g := newGroup(live.Group{View: "v"}, plan, view.Speed{})
	id := live.ChunkID{Start: 0, Grain: plan.View.Grains[0].Name}
	g.adopt(live.Meta{Inst: "i", Token: "t", Starts: []int64{0}, Chunks: map[live.ChunkID]int64{id: 5}}, nil)
	c := g.chunk(chunkKey{0, 0}, 1)
	for range 2 { // the second time after something else ended the first
		g.endBatch()
		g.want(c)
		g.want(c)
		if len(g.incomplete) != 1 {
			t.Fatalf("%d chunks are to be read back, not 1", len(g.incomplete))
		}
	}
	if err := c.adopt(nil, &g.tmp); err != nil {
		t.Fatal(err)
	}
	g.endBatch()
	if g.want(c); len(g.incomplete) != 0 {
		t.Error("a chunk that is complete is to be read back")
	}
}
