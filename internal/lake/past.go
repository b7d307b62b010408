package lake

import (
	"errors"
	"fmt"
)

// Past is what a snapshot covers of a life of its topic that is over: all that there is of it in the lake. Offsets of one life say nothing
// of another's.
type Past struct {
	Incarnation int         `json:"incarnation"`
	Cuts        map[int]Cut `json:"cuts"` // V, by partition: where the archive ended
	// Missing are the offsets [a, b) that the lake has not: below the cut, what retention took; from the cut on, what the speed layer had
	// counted when the life ended and the archive never got.
	Missing map[int][][2]int64 `json:"missing,omitempty"`
}

// CutsOf is V in one life of the topic, by partition. False: the snapshot was made before that life began, and covers nothing of it, or it is
// a first snapshot, which says nothing of the lives before its own.
func (m *Manifest) CutsOf(incarnation int) (map[int]Cut, bool) {
	if incarnation == m.Topic.Incarnation {
		return m.Cuts, true
	}
	for i := range m.Earlier {
		if m.Earlier[i].Incarnation == incarnation {
			return m.Earlier[i].Cuts, true
		}
	}
	return nil, false
}

// MissingOf are the offsets of one life of the topic, by partition, that are neither in the snapshot nor anywhere else.
func (m *Manifest) MissingOf(incarnation int) map[int][][2]int64 {
	if incarnation == m.Topic.Incarnation {
		return m.Missing
	}
	for i := range m.Earlier {
		if m.Earlier[i].Incarnation == incarnation {
			return m.Earlier[i].Missing
		}
	}
	return nil
}

// validateEarlier checks that the lives before the snapshot's are in order and before it.
func (m *Manifest) validateEarlier() error {
	last := 0
	for _, past := range m.Earlier {
		if past.Incarnation <= last || past.Incarnation >= m.Topic.Incarnation {
			return fmt.Errorf("snapshot of %s: covers life %d of its topic after life %d, and is of life %d", m.View, past.Incarnation, last, m.Topic.Incarnation)
		}
		last = past.Incarnation
		if err := checkCuts(past.Cuts); err != nil {
			return fmt.Errorf("snapshot of %s: life %d: %w", m.View, past.Incarnation, err)
		}
	}
	return nil
}

func checkCuts(cuts map[int]Cut) error {
	for p, cut := range cuts {
		if cut.Offset < 0 {
			return fmt.Errorf("partition %d is cut at offset %d", p, cut.Offset)
		}
	}
	return nil
}

// follows checks that V goes back nowhere, in no life: a publish may add records to the truth and never take some away. A life may be
// followed by the next.
func (m *Manifest) follows(before *Manifest) error {
	if m.Topic.Name != before.Topic.Name || m.Topic.Incarnation < before.Topic.Incarnation {
		return fmt.Errorf("topic is %s, that of the current snapshot %s", m.Topic, before.Topic)
	}
	if err := m.followsIn(before.Topic.Incarnation, before.Cuts); err != nil {
		return err
	}
	var errs []error
	for _, past := range before.Earlier {
		errs = append(errs, m.followsIn(past.Incarnation, past.Cuts))
	}
	return errors.Join(errs...)
}

func (m *Manifest) followsIn(incarnation int, before map[int]Cut) error {
	cuts, _ := m.CutsOf(incarnation)
	for p, cut := range before {
		if after, ok := cuts[p]; !ok || after.Offset < cut.Offset {
			return fmt.Errorf("partition %d of life %d would go back from offset %d to %d", p, incarnation, cut.Offset, after.Offset)
		}
	}
	return nil
}
