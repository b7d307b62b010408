package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/caudal/caudal/internal/stream"
)

// eventSource makes JSON events of about 190 bytes: 100,000 users, 40 countries, 3,000 products. The same source makes the same events.
type eventSource struct {
	random *rand.Rand
	made   int
	ids    string // begins each event's id
	first  int64  // event time of the first, µs UTC
	step   int64  // µs of event time from each to the next
}

// newEvents makes 5,000 events a second of event time, from 2026-01-01 UTC on.
func newEvents(seed uint64) *eventSource {
	return &eventSource{random: rand.New(rand.NewPCG(seed, 1)), ids: "e", first: 1_767_225_600_000_000, step: 200}
}

// next makes the next n events.
func (e *eventSource) next(n int) []stream.Message {
	random := e.random
	channels := []string{"web", "shop", "phone", "partner"}
	messages := make([]stream.Message, n)
	for k := range messages {
		i := e.made
		e.made++
		user := "u" + pad(int64(random.IntN(100_000)), 6)
		b := make([]byte, 0, 220)
		b = append(b, `{"id":"`...)
		b = append(b, e.ids...)
		b = append(b, pad(int64(i), 12)...)
		b = append(b, `","ts":`...)
		b = strconv.AppendInt(b, e.first+int64(i)*e.step, 10)
		b = append(b, `,"user_id":"`...)
		b = append(b, user...)
		b = append(b, `","country":"`...)
		b = append(b, fmt.Sprintf("Country %02d", random.IntN(40))...)
		b = append(b, `","product":"`...)
		b = append(b, fmt.Sprintf("product-%05d", random.IntN(3000))...)
		b = append(b, `","quantity":`...)
		b = strconv.AppendInt(b, 1+int64(random.IntN(12)), 10)
		b = append(b, `,"unit_price":`...)
		b = append(b, fmt.Sprintf("%d.%02d", random.IntN(200), random.IntN(100))...)
		b = append(b, `,"channel":"`...)
		b = append(b, channels[random.IntN(len(channels))]...)
		b = append(b, `"}`...)
		messages[k] = stream.Message{Key: []byte(user), Value: b}
	}
	return messages
}

func pad(n int64, width int) string { return fmt.Sprintf("%0*d", width, n) }
