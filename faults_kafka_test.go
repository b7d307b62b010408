package main

import (
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// TestFaultTheBrokerIsRestarted kills Kafka under load and starts it again on the same log, while producers and roles go on.
func TestFaultTheBrokerIsRestarted(t *testing.T) {
	long(t)
	t.Parallel()
	kafka, err := testservices.StartKafka()
	if err != nil {
		testservices.Missing(t, "real Kafka", err)
	}
	t.Cleanup(func() { kafka.Stop() })
	s := siteOf(t, where{brokers: kafka.Brokers()})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	s.ask()
	for i := range 2 {
		s.underLoad(func() {
			if i == 1 {
				s.batch()
			}
			s.check(kafka.Kill())
			s.check(kafka.Restart())
		})
	}
	s.settles()
	speed.terminate()
	archive.terminate()
}

// produceUntil produces twenty orders at once, again after a while.
func (s *site) produceUntil(stop <-chan struct{}, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.shop.Produce(s.t.Context(), 20); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
	}
}

// underLoad does something while two hundred orders a second are produced, and compares every number after it.
func (s *site) underLoad(do func()) {
	s.t.Helper()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- s.produceUntil(stop, 100*time.Millisecond) }()
	func() {
		defer close(stop)
		do()
	}()
	s.check(<-stopped)
	s.heals()
	s.archived()
}
