package seamtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/caudal/caudal/serving"
)

// retain lets Kafka forget the records of a partition below an offset, after the naive fold has seen them. pick chooses it, and knows how much of
// the log the lake has for sure and where the log ends. Whatever is picked, no record above repeats the id of one that may be lost: whether it
// counts would depend on who had read the other. It returns the offset, and how many records below it the lake may never get.
func (w *World) retain(partition int, pick func(archived, end int64) int64) (before, lost int64, err error) {
	if err := w.readToEnd(); err != nil {
		return 0, 0, err
	}
	t, err := w.incarnation()
	if err != nil {
		return 0, 0, err
	}
	archived, _, _, err := w.lake.Next(w.ctx, t, partition)
	if err != nil {
		return 0, 0, err
	}
	first, _, err := w.stream.Bounds(w.ctx, topic, partition)
	if err != nil {
		return 0, 0, err
	}
	archived = max(archived, 0)
	k := logOf{w.inLife(), partition}
	w.mu.Lock()
	log := w.logs[k]
	before = pick(archived, int64(len(log.verdicts)))
	if archived < before {
		before = w.take(log, archived, before)
		w.gone[k] = append(w.gone[k], [2]int64{archived, before})
		log.settle(w.gone[k])
	}
	w.mu.Unlock()
	if before <= first {
		return first, 0, nil
	}
	return before, max(0, before-archived), w.topics.Trim(w.ctx, topic, partition, before)
}

// take notes the ids of the records from one offset to another, and moves the latter on until none of them is repeated behind it.
func (w *World) take(log *naive, from, to int64) int64 {
	for offset := from; offset < to; offset++ {
		id := log.verdicts[offset].id
		if id == "" {
			continue
		}
		w.takenIDs[id] = true
		for later := int64(len(log.verdicts)) - 1; later >= to; later-- {
			if log.verdicts[later].id == id {
				to = later + 1
			}
		}
	}
	return to
}

// settle finds out which records are late to somebody who has read none of the ranges, in verdicts of its own as others may look at those.
func (n *naive) settle(gone [][2]int64) {
	n.verdicts = slices.Clone(n.verdicts)
	n.lower = math.MinInt64
	for offset := range n.verdicts {
		v := &n.verdicts[offset]
		v.surelyLate = v.late && isLate(v.at.UnixMicro(), n.lower)
		if !slices.ContainsFunc(gone, func(g [2]int64) bool { return g[0] <= int64(offset) && int64(offset) < g[1] }) {
			n.lower = max(n.lower, v.ahead)
		}
	}
}

// isGone fails where an offset of a gap is said to be missing that Kafka or the lake must have.
func (w *World) isGone(k logOf, gap [2]int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for offset := gap[0]; offset < gap[1]; offset++ {
		if !slices.ContainsFunc(w.gone[k], func(t [2]int64) bool { return t[0] <= offset && offset < t[1] }) {
			return fmt.Errorf("%w: offset %d of partition %d of life %d is said to be missing; retention took %v before the lake had them", errWrong, offset, k.partition, k.life, w.gone[k])
		}
	}
	return nil
}

// withoutGone are the folds as an answer should have them that says what is missing, and what no batch has computed yet; and it checks that
// this is so.
func (w *World) withoutGone(r *serving.Result, logs map[logOf]*naive) (map[logOf]*naive, error) {
	gaps := map[logOf][][2]int64{}
	for _, c := range r.Provenance.Partitions {
		k := logOf{c.Incarnation, c.Partition}
		for _, gap := range c.Missing {
			if gap[0] >= c.Served {
				continue // gone with a life of the topic: accounted looks at it
			}
			if err := w.isGone(k, gap); err != nil {
				return nil, err
			}
			gaps[k] = append(gaps[k], gap)
		}
		if len(c.Uncomputed) > 0 && !c.Partial {
			return nil, fmt.Errorf("%w: the records %v of partition %d of life %d are not in an answer that is not partial", errWrong, c.Uncomputed, k.partition, k.life)
		}
		gaps[k] = append(gaps[k], c.Uncomputed...)
	}
	return without(logs, gaps), nil
}

// without marks the records of gaps as gone, in copies of the folds.
func without[K comparable](logs map[K]*naive, gaps map[K][][2]int64) map[K]*naive {
	if len(gaps) == 0 {
		return logs
	}
	copies := map[K]*naive{}
	for k, log := range logs {
		c := &naive{verdicts: append([]verdict{}, log.verdicts...)}
		for _, gap := range gaps[k] {
			for offset := gap[0]; offset < min(gap[1], int64(len(c.verdicts))); offset++ {
				c.verdicts[offset].gone = true
			}
		}
		copies[k] = c
	}
	return copies
}
