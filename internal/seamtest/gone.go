package seamtest

import (
	"fmt"

	"github.com/caudal/caudal/serving"
)

// retain lets Kafka forget the records of a partition below an offset, after the naive fold has seen them. What the lake did not have by then
// it may never get.
func (w *World) retain(partition int, before int64) error {
	if err := w.readToEnd(); err != nil {
		return err
	}
	t, err := w.incarnation()
	if err != nil {
		return err
	}
	next, _, _, err := w.lake.Next(w.ctx, t, partition)
	if err != nil {
		return err
	}
	if next = max(next, 0); next < before {
		w.mu.Lock()
		k := logOf{w.life, partition}
		w.gone[k] = append(w.gone[k], [2]int64{next, before})
		w.mu.Unlock()
	}
	return w.topics.Trim(w.ctx, topic, partition, before)
}

// isGone fails where an offset of a gap is said to be missing that Kafka or the lake must have.
func (w *World) isGone(k logOf, gap [2]int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for offset := gap[0]; offset < gap[1]; offset++ {
		taken := false
		for _, t := range w.gone[k] {
			taken = taken || t[0] <= offset && offset < t[1]
		}
		if !taken {
			return fmt.Errorf("%w: offset %d of partition %d of life %d is said to be missing; retention took %v before the lake had them", errWrong, offset, k.partition, k.life, w.gone[k])
		}
	}
	return nil
}

// withoutGone are the folds as an answer should have them that says what is missing; and it checks that this is so.
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
