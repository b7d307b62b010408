package main

import (
	"iter"
	"math/rand/v2"
	"strconv"

	"github.com/caudal/caudal/internal/stream"
)

// eventSource makes JSON events of about 190 bytes: 100,000 users, 40 countries, 3,000 products. The same source makes the same events.
type eventSource struct {
	random   *rand.Rand
	made     int
	ids      string // begins each event's id
	first    int64  // event time of the first, µs UTC
	step     int64  // µs of event time from each to the next
	stamped  int64  // record timestamp of the first, µs UTC; 0: of all when they are sent
	pace     int64  // µs of record timestamp from each to the next
	users    int    // so many, one after the other; 0: 100,000 at random
	products int
	again    int // every so many of them one more copy of the event before it comes; 0: none does
}

// newEvents makes 5,000 events a second of event time, from 2026-01-01 UTC on.
func newEvents(seed uint64) *eventSource {
	return &eventSource{products: 3000, random: rand.New(rand.NewPCG(seed, 1)), ids: "e", first: 1_767_225_600_000_000, step: 200}
}

// batches makes the next n events, in batches as a producer hands them over.
func (e *eventSource) batches(n int) iter.Seq[[]stream.Message] {
	const batch = 20_000
	return func(yield func([]stream.Message) bool) {
		for made := 0; made < n; made += batch {
			if !yield(e.next(min(batch, n-made))) {
				return
			}
		}
	}
}

// next makes the next n events.
func (e *eventSource) next(n int) []stream.Message {
	random := e.random
	channels := []string{"web", "shop", "phone", "partner"}
	messages := make([]stream.Message, n)
	buffer := make([]byte, 0, n*eventBytes) // of all of them: a producer that spends its time on garbage measures itself
	for k := range messages {
		i := e.made
		e.made++
		if k > 0 && e.again > 0 && i%e.again == 0 {
			messages[k] = messages[k-1]
			continue
		}
		b := buffer[len(buffer):]
		user := random.IntN(100_000)
		if e.users > 0 {
			user = i % e.users
		}
		b = append(b, `{"id":"`...)
		b = append(b, e.ids...)
		b = appendPadded(b, i, 12)
		b = append(b, `","ts":`...)
		b = strconv.AppendInt(b, e.first+int64(i)*e.step, 10)
		b = append(b, `,"user_id":"`...)
		key := len(b)
		b = appendPadded(append(b, 'u'), user, 6)
		keyEnd := len(b)
		b = append(b, `","country":"Country `...)
		b = appendPadded(b, random.IntN(40), 2)
		b = append(b, `","product":"product-`...)
		b = appendPadded(b, random.IntN(e.products), 5)
		b = append(b, `","quantity":`...)
		b = strconv.AppendInt(b, 1+int64(random.IntN(12)), 10)
		b = append(b, `,"unit_price":`...)
		b = strconv.AppendInt(b, int64(random.IntN(200)), 10)
		b = appendPadded(append(b, '.'), random.IntN(100), 2)
		b = append(b, `,"channel":"`...)
		b = append(b, channels[random.IntN(len(channels))]...)
		b = append(b, `"}`...)
		messages[k] = stream.Message{Key: b[key:keyEnd:keyEnd], Value: b[:len(b):len(b)]}
		if e.stamped != 0 {
			messages[k].Timestamp = e.stamped + int64(i)*e.pace
		}
		buffer = buffer[:len(buffer)+len(b)]
	}
	return messages
}

// eventBytes is more than an event takes.
const eventBytes = 256

// appendPadded appends n with zeros before it.
func appendPadded(b []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			for range width - 1 {
				b = append(b, '0')
			}
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(b, int64(n), 10)
}
