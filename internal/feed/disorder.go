package feed

import (
	"container/heap"
	"io"
	"math/rand/v2"
	"time"
)

// Faults are seeded disturbances of a stream, for demonstrations and tests.
type Faults struct {
	Seed       uint64
	Duplicates float64       // share of events that are sent a second time, 0..1
	Disorder   time.Duration // an event may be overtaken by events that are younger by less than this
}

// Disturb yields the messages of next with the faults applied. eventTime tells a message's event time in µs; messages without one keep
// their place. With a Disorder below the source's lateness no event becomes late by it.
func Disturb(next func() (Message, error), eventTime func(Message) (int64, bool), f Faults) func() (Message, error) {
	if f.Duplicates == 0 && f.Disorder == 0 {
		return next
	}
	d := &disturbed{next: next, eventTime: eventTime, faults: f, random: rand.New(rand.NewPCG(f.Seed, 0x6361756461))}
	return d.pop
}

// disturbed sorts messages by their event time plus a random delay below the disorder. An event can thus come after another only if
// that one is younger by less than the disorder.
type disturbed struct {
	next      func() (Message, error)
	eventTime func(Message) (int64, bool)
	faults    Faults
	random    *rand.Rand
	waiting   delayed
	clock     int64 // the highest event time read
	count     int64
	done      bool
}

func (d *disturbed) pop() (Message, error) {
	for !d.done && (len(d.waiting) == 0 || d.waiting[0].at > d.clock) {
		m, err := d.next()
		if err == io.EOF {
			d.done = true
			break
		}
		if err != nil {
			return Message{}, err
		}
		d.push(m)
	}
	if len(d.waiting) == 0 {
		return Message{}, io.EOF
	}
	return heap.Pop(&d.waiting).(delay).message, nil
}

func (d *disturbed) push(m Message) {
	at, ok := d.eventTime(m)
	if !ok {
		at = d.clock
	}
	d.clock = max(d.clock, at)
	d.add(m, at)
	if d.random.Float64() < d.faults.Duplicates {
		d.add(m, at)
	}
}

func (d *disturbed) add(m Message, at int64) {
	if w := d.faults.Disorder.Microseconds(); w > 0 {
		at += d.random.Int64N(w)
	}
	d.count++
	heap.Push(&d.waiting, delay{m, at, d.count})
}

type delay struct {
	message Message
	at      int64
	order   int64
}

type delayed []delay

func (q delayed) Len() int { return len(q) }
func (q delayed) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q delayed) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *delayed) Push(x any)   { *q = append(*q, x.(delay)) }
func (q *delayed) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
