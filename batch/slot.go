package batch

import (
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/lake"
)

// slotsPerLife is how many partitions a life of a topic may have. A job counts the partitions of all lives of its topic together: those of
// the newest life by their own numbers, those of the life before it from slotsPerLife on, and so forth. Rows in the engine carry the slot in
// place of the partition, so that equal offsets of two lives stay apart.
const slotsPerLife = 1 << 20

// slot numbers a partition of a life of the job's topic.
func (j *job) slot(incarnation, partition int) int {
	return slotIn(j.topic, incarnation, partition)
}

func slotIn(newest lake.Topic, incarnation, partition int) int {
	return (newest.Incarnation-incarnation)*slotsPerLife + partition
}

// unslot is the inverse of slot.
func (j *job) unslot(slot int) (of lake.Topic, partition int) { return unslotIn(j.topic, slot) }

func unslotIn(newest lake.Topic, slot int) (of lake.Topic, partition int) {
	return topicAt(newest, slot/slotsPerLife), slot % slotsPerLife
}

// topicAt is the life of a topic so many before its newest.
func topicAt(newest lake.Topic, ago int) lake.Topic {
	return lake.Topic{Name: newest.Name, Incarnation: newest.Incarnation - ago}
}

// newest says whether a slot is of the life that the topic is in.
func newest(slot int) bool { return slot < slotsPerLife }

// label names a slot for people.
func (j *job) label(slot int) string {
	of, partition := j.unslot(slot)
	if newest(slot) {
		return fmt.Sprintf("partition %d", partition)
	}
	return fmt.Sprintf("partition %d of life %d", partition, of.Incarnation)
}

// slots are the cuts of a snapshot or a run, in all lives, by slot.
func (j *job) slots(of lake.Topic, cuts map[int]lake.Cut, earlier []lake.Past) map[int]lake.Cut {
	return slotsIn(j.topic, of, cuts, earlier)
}

func slotsIn(newest, of lake.Topic, cuts map[int]lake.Cut, earlier []lake.Past) map[int]lake.Cut {
	all := map[int]lake.Cut{}
	for p, cut := range cuts {
		all[slotIn(newest, of.Incarnation, p)] = cut
	}
	for _, past := range earlier {
		for p, cut := range past.Cuts {
			all[slotIn(newest, past.Incarnation, p)] = cut
		}
	}
	return all
}

// newestOf are the cuts of the newest life, by partition.
func newestOf(cuts map[int]lake.Cut) map[int]lake.Cut {
	of := map[int]lake.Cut{}
	for slot, cut := range cuts {
		if newest(slot) {
			of[slot] = cut
		}
	}
	return of
}

// earlierOf are the cuts of the lives before the newest, with what of them is missing.
func (j *job) earlierOf(cuts map[int]lake.Cut, missing map[int][][2]int64) []lake.Past {
	var all []lake.Past
	slots := slices.Sorted(maps.Keys(cuts))
	slices.SortStableFunc(slots, func(a, b int) int { return b/slotsPerLife - a/slotsPerLife }) // the oldest life first
	for _, slot := range slots {
		if newest(slot) {
			continue
		}
		of, partition := j.unslot(slot)
		if n := len(all); n == 0 || all[n-1].Incarnation != of.Incarnation {
			all = append(all, lake.Past{Incarnation: of.Incarnation, Cuts: map[int]lake.Cut{}})
		}
		past := &all[len(all)-1]
		past.Cuts[partition] = cuts[slot]
		if gaps := missing[slot]; len(gaps) > 0 {
			if past.Missing == nil {
				past.Missing = map[int][][2]int64{}
			}
			past.Missing[partition] = gaps
		}
	}
	return all
}

// offsetsOf is V of cuts.
func offsetsOf(cuts map[int]lake.Cut) map[int]int64 {
	v := make(map[int]int64, len(cuts))
	for slot, cut := range cuts {
		v[slot] = cut.Offset
	}
	return v
}
