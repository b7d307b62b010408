package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// inputs is what a new version of a table is made of.
type inputs struct {
	source   *view.Source
	topic    lake.Topic         // its newest life
	parent   *lake.TableVersion // nil: there is none
	full     bool               // nothing is taken over from it
	tag      lake.Tag
	lives    []lake.TableLife // that the new version covers
	segments []segment        // that no version took in; those of all chunks for a full compaction
	files    []lake.TableFile // of the parent; none for a full compaction
	events   int64            // of the chunks whose segments these are, duplicates among them
	repeats  int64            // of events: duplicates
	erasures int              // how many there are of the topic
	open     []lake.OpenErasure
}

// gather reads what the lake has of a source. Nil: nothing was ever archived.
func (c *Compactor) gather(ctx context.Context, src *view.Source, full bool) (*inputs, error) {
	l := c.cfg.Lake
	in := &inputs{source: src}
	var err error
	if in.parent, in.tag, err = l.CurrentTable(ctx, src.Name); err != nil && !errors.Is(err, lake.ErrNotFound) {
		return nil, err
	}
	lives, err := l.Lives(ctx, src.Topic)
	if err != nil || len(lives) == 0 {
		return nil, err
	}
	in.topic = lives[len(lives)-1].Topic
	if in.parent != nil && in.parent.Topic.Name != in.topic.Name {
		return nil, fmt.Errorf("its table is of topic %s and the source now reads %s: give the source another name, or the topic its name back", in.parent.Topic.Name, in.topic.Name)
	}
	began := in.parent
	// What a version leaves out as repeats depends on the rule, and on which first events an erasure took away.
	in.full = full || began != nil && (began.Dedup != dedupOf(src) || src.FullDedup && began.Erased > 0)
	if in.full {
		began = nil
	}
	if began != nil {
		in.files = began.Files
	}
	for _, life := range lives {
		if err := in.life(ctx, l, life.Topic, began); err != nil {
			return nil, err
		}
	}
	// After the chunks: see lake.OpenErasures.
	all, err := l.Erasures(ctx, src.Topic)
	if err != nil {
		return nil, err
	}
	in.erasures = len(all)
	in.open, err = l.OpenErasures(ctx, src.Topic)
	return in, err
}

// life adds the chunks of a life of the topic that began does not cover.
func (in *inputs) life(ctx context.Context, l *lake.Lake, t lake.Topic, began *lake.TableVersion) error {
	partitions, err := l.Partitions(ctx, t)
	if err != nil || len(partitions) == 0 {
		return err
	}
	covers := lake.TableLife{Incarnation: t.Incarnation, Offsets: map[int][2]int64{}}
	for _, p := range partitions {
		chunks, err := l.Committed(ctx, t, p)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			continue
		}
		covers.Offsets[p] = [2]int64{chunks[0].First, chunks[len(chunks)-1].Next}
		below, covered := chunks[0].First, false
		if began != nil {
			if below, covered = began.Below(t.Incarnation, p); !covered {
				below = chunks[0].First
			}
		}
		for i := range chunks {
			ch := &chunks[i]
			if len(ch.Missing) > 0 {
				if covers.Missing == nil {
					covers.Missing = map[int][][2]int64{}
				}
				covers.Missing[p] = append(covers.Missing[p], ch.Missing...)
			}
			if ch.Next <= below {
				continue
			}
			if ch.First < below {
				return fmt.Errorf("%w: version %s of the table ends at offset %d of partition %d of %s, amid the chunk [%d, %d)", lake.ErrCorrupt, began.ID, below, p, t, ch.First, ch.Next)
			}
			in.chunk(t.Incarnation, ch)
		}
	}
	if len(covers.Offsets) > 0 {
		in.lives = append(in.lives, covers)
	}
	return nil
}

// chunk adds the segments of a chunk.
func (in *inputs) chunk(incarnation int, ch *lake.Chunk) {
	in.events, in.repeats = in.events+ch.Events, in.repeats+ch.Duplicates
	for _, f := range ch.Files {
		if !f.Dead {
			in.segments = append(in.segments, segment{f, incarnation, ch.Definition})
		}
	}
}

// advanced says whether there is anything that the parent does not cover.
func (in *inputs) advanced() bool {
	if in.parent == nil {
		return len(in.lives) > 0
	}
	for _, life := range in.lives {
		for p, span := range life.Offsets {
			if below, ok := in.parent.Below(life.Incarnation, p); !ok || span[1] > below {
				return true
			}
		}
	}
	return false
}

// segmentGroup is some segments that are read together: of one life of the topic and of one definition.
type segmentGroup struct {
	incarnation int
	definition  string
}

// groupSegments groups segments, and returns the groups in order.
func groupSegments(segments []segment) ([]segmentGroup, map[segmentGroup][]segment) {
	groups := map[segmentGroup][]segment{}
	for _, s := range segments {
		g := segmentGroup{s.incarnation, s.definition}
		groups[g] = append(groups[g], s)
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b segmentGroup) int {
		return place{a.definition, a.incarnation}.compare(place{b.definition, b.incarnation})
	})
	return keys, groups
}
