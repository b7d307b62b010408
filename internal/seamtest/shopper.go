package seamtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// shopper makes the stream of orders of a seed: late ones, early ones, repeated ones (near and far), disordered ones, some that cannot
// be read; customers and countries come and go, so that cells are hot and then cold.
type shopper struct {
	random *rand.Rand
	now    time.Time // of the records
	newest time.Time // that any had
	made   int
	kept   []stream.Message // to be repeated

	countries []string // six
}

func newShopper(random *rand.Rand) *shopper {
	return &shopper{random: random, now: time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC), countries: []string{"DE", "FR", "ES", "GB", "IT", "NL"}}
}

// orders makes n records.
func (s *shopper) orders(n int) []stream.Message {
	var all []stream.Message
	for range n {
		s.now = s.now.Add(time.Duration(s.random.IntN(1000)) * time.Millisecond)
		if s.random.IntN(400) == 0 {
			s.now = s.now.Add(time.Duration(s.random.IntN(90)) * time.Minute) // a quiet hour
		}
		if s.now.After(s.newest) {
			s.newest = s.now
		}
		all = append(all, s.order())
	}
	for range n / 10 { // some change places with a neighbour
		i, k := s.random.IntN(n), s.random.IntN(n)
		if i-k < 20 && k-i < 20 {
			all[i], all[k] = all[k], all[i]
		}
	}
	return all
}

func (s *shopper) order() stream.Message {
	r := s.random
	if len(s.kept) > 0 && r.IntN(8) == 0 {
		m := s.kept[max(0, len(s.kept)-1-r.IntN(200))]
		if r.IntN(4) == 0 {
			m = s.kept[r.IntN(len(s.kept))] // perhaps beyond the horizon
		}
		m.Timestamp = s.now.UnixMicro()
		return m
	}
	s.made++
	at := s.now
	switch r.IntN(25) {
	case 0, 1:
		at = at.Add(-time.Duration(r.IntN(180)) * time.Minute)
	case 2:
		at = at.Add(-time.Duration(r.IntN(72)) * time.Hour) // a bucket that has been cold for long
	case 3:
		at = at.Add(time.Duration(r.IntN(60)) * time.Minute)
	case 4:
		at = at.Add(time.Duration(r.IntN(5)) * 24 * time.Hour)
	}
	phase := s.made / 400
	user := fmt.Sprintf("u%03d", phase*5+r.IntN(40))
	country := fmt.Sprintf(`"country":%q,`, s.countries[(phase+r.IntN(3))%6])
	if r.IntN(30) == 0 {
		country = ""
	}
	cents := r.IntN(21000) - 1000
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	body := fmt.Sprintf(`{"id":"o%d","at":%d,%s"user":%q,"amount":%s%d.%02d}`, s.made, at.UnixMilli(), country, user, sign, cents/100, cents%100)
	switch r.IntN(60) {
	case 0:
		body = body[:r.IntN(len(body))]
	case 1:
		body = fmt.Sprintf(`{"id":"o%d","at":"soon","user":%q,"amount":1}`, s.made, user)
	}
	m := stream.Message{Key: []byte(user), Value: []byte(body), Timestamp: s.now.UnixMilli() * 1000}
	s.kept = append(s.kept, m)
	return m
}

// forget keeps records from being repeated whose ids are given.
func (s *shopper) forget(ids map[string]bool) {
	s.kept = slices.DeleteFunc(s.kept, func(m stream.Message) bool { return ids[idOf(m.Value)] })
}
