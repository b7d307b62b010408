package serving

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
)

// livesOf returns the lives of a topic that the lake knows, and the one that the brokers show: the next one where nobody has opened it yet.
// known is what was said before, which holds as long as the topic's id does. Nothing is written.
func (s *Server) livesOf(ctx context.Context, seen stream.Topic, known topicState) (lives []lake.Life, shown int, err error) {
	if n := len(known.lives); n > 0 && seen.ID == known.ID && seen.ClusterID == known.ClusterID && known.shown == n {
		return known.lives, known.shown, nil
	}
	if lives, err = s.cfg.Lake.Lives(ctx, seen.Name); err != nil {
		return nil, 0, err
	}
	n := len(lives)
	if n == 0 {
		return nil, 1, nil
	}
	for i := range lives {
		if lives[i].Cluster == seen.ClusterID && (lives[i].TopicID == seen.ID || lives[i].TopicID == "") {
			return lives, i + 1, nil
		}
	}
	if lives[n-1].Cluster != seen.ClusterID && s.cfg.Project.Kafka.Cluster != seen.ClusterID {
		return nil, 0, fmt.Errorf("topic %s: %w: the lake holds it of cluster %q, the brokers are of %q; mend kafka.brokers", seen.Name, lake.ErrOtherCluster,
			lives[n-1].Cluster, seen.ClusterID)
	}
	return lives, n + 1, nil
}

// partitions lists the partitions of the view's topic: those of the life that it is in, from Kafka's metadata, and those of the lives before.
// Where Kafka is silent, those that batch knows have to do: others may exist, so that the answer may be partial.
func (s *Server) partitions(ctx context.Context, vs *viewState, snap *snapshot) (list []partition, reason string) {
	m := snap.manifest
	topic, err := s.topics.get(ctx, vs.view.Source.Topic)
	if err != nil && topic.Name == "" {
		topic.shown = m.Topic.Incarnation
		topic.Partitions = slices.Sorted(maps.Keys(m.Cuts))
		if len(topic.Partitions) == 0 {
			reason = fmt.Sprintf("the partitions of topic %s are not known: %v", vs.view.Source.Topic, err)
		}
	}
	for _, past := range m.Earlier {
		for _, n := range slices.Sorted(maps.Keys(past.Cuts)) {
			v := past.Cuts[n].Offset
			list = append(list, partition{life: past.Incarnation, number: n, batch: v, served: v, end: v, covered: true})
		}
	}
	shown := max(topic.shown, m.Topic.Incarnation) // metadata that is older than the snapshot knows the partitions of a life that is covered
	oldest := m.Topic.Incarnation
	if m.Run == lake.FirstRun {
		oldest = 1 // it covers nothing of the lives before its own
	}
	for life := oldest; life < shown; life++ {
		cuts, _ := m.CutsOf(life)
		count := 0
		for p := range cuts {
			count = max(count, p+1)
		}
		if life <= len(topic.lives) {
			count = max(count, topic.lives[life-1].Partitions)
		}
		for n := range count {
			v := cuts[n].Offset
			list = append(list, partition{life: life, number: n, batch: v, served: v, end: -1, over: true, between: between(m, life, n)})
		}
	}
	cuts, _ := m.CutsOf(shown)
	numbers := topic.Partitions
	if shown != topic.shown {
		numbers = slices.Sorted(maps.Keys(cuts))
	}
	for _, n := range numbers {
		// A partition that the manifest does not name came later, and so has V at its start, which is 0 (SEAM 15).
		p := partition{life: shown, number: n, end: -1, batch: cuts[n].Offset, served: cuts[n].Offset, between: between(m, shown, n)}
		if b, known := topic.bounds[n]; known && err == nil && shown == topic.shown {
			p.first, p.end = b.first, b.next
		}
		list = append(list, p)
	}
	return list, reason
}

// between are the offsets [a, b) of a partition that nobody has computed below the boundary of a first snapshot.
func between(m *lake.Manifest, life, partition int) [2]int64 {
	if life != m.Topic.Incarnation {
		return [2]int64{}
	}
	return m.Uncomputed[partition]
}

// readOver fills in how far a life of the topic went that is over, and what of it is not in the answer. Its log is gone: the speed layer holds
// what it had counted until a batch covers the life, and the lake what was archived.
func (s *Server) readOver(ctx context.Context, vs *viewState, p *partition) {
	p.end = p.served
	next, _, _, err := s.cfg.Lake.Next(ctx, lake.Topic{Name: vs.view.Source.Topic, Incarnation: p.life}, p.number)
	switch {
	case err != nil:
		p.reason = fmt.Sprintf("life %d of the topic is over, and how far it was archived cannot be read: %v", p.life, err)
		return
	case p.reason != "":
		p.reason = fmt.Sprintf("life %d of the topic is over and no batch covers it yet: %s", p.life, p.reason)
	case p.read.meta.Off > p.served:
		p.reason = fmt.Sprintf("life %d of the topic is over, and of its records from offset %d on the speed layer holds only the grain %s", p.life, p.served,
			vs.view.Grains[0].Name)
	case next > p.served:
		p.reason = fmt.Sprintf("life %d of the topic is over, and the next batch adds its records from offset %d on", p.life, p.served)
	}
	p.end = max(p.served, next)
}

// partOf names a partition of one life of a topic.
type partOf struct{ life, number int }

// segmentKind is what segments that are read together have in common.
type segmentKind struct {
	life       int    // of the topic
	definition string // hash of the source's definition that they were written with
}

func compareKinds(a, b segmentKind) int {
	return cmp.Or(a.life-b.life, cmp.Compare(a.definition, b.definition))
}

// belowOf is up to where batch covers each partition, by life.
func belowOf(partitions []partition) map[int]map[int]int64 {
	below := map[int]map[int]int64{}
	for _, p := range partitions {
		if below[p.life] == nil {
			below[p.life] = map[int]int64{}
		}
		below[p.life][p.number] = p.batch
	}
	return below
}

// after are the gaps that begin at an offset or beyond it.
func after(gaps [][2]int64, offset int64) [][2]int64 {
	var beyond [][2]int64
	for _, gap := range gaps {
		if gap[0] >= offset {
			beyond = append(beyond, gap)
		}
	}
	return beyond
}

// note adds a partition to a snapshot that is put together. Lives come oldest first.
func (s *snapshot) note(topic lake.Topic, partition int, cut lake.Cut, missing [][2]int64) {
	m := s.manifest
	if m.Topic != topic {
		if m.Topic.Name != "" {
			m.Earlier = append(m.Earlier, lake.Past{Incarnation: m.Topic.Incarnation, Cuts: m.Cuts, Missing: m.Missing})
		}
		m.Topic, m.Cuts, m.Missing = topic, map[int]lake.Cut{}, map[int][][2]int64{}
	}
	m.Cuts[partition] = cut
	if len(missing) > 0 {
		m.Missing[partition] = missing
	}
}

// label names a partition for people: with its life where that is over.
func (p *partition) label() string {
	if p.over || p.covered {
		return fmt.Sprintf("%d of life %d", p.number, p.life)
	}
	return fmt.Sprint(p.number)
}
