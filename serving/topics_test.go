package serving

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
)

// slowLog answers when it is let.
type slowLog struct {
	fakeLog
	asked chan struct{}
	let   chan struct{}
}

func (s *slowLog) Topic(ctx context.Context, name string) (stream.Topic, error) {
	s.asked <- struct{}{}
	<-s.let
	return s.fakeLog.Topic(ctx, name)
}

func TestQueriesDoNotWaitForASlowBroker(t *testing.T) {
	now := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	log := &slowLog{fakeLog: fakeLog{ends: map[int]int64{0: 5, 1: 7}}, asked: make(chan struct{}), let: make(chan struct{})}
	topics := newTopics(log, func(context.Context, stream.Topic, topicState) ([]lake.Life, int, error) { return nil, 1, nil }, func() time.Time { return now })
	answers := make(chan topicState, 2)
	get := func() {
		state, err := topics.get(context.Background(), "orders")
		if err != nil {
			t.Error(err)
		}
		answers <- state
	}
	go get()
	<-log.asked
	log.let <- struct{}{}
	if first := <-answers; first.bounds[1].next != 7 {
		t.Fatalf("got %+v", first)
	}
	now = now.Add(10 * time.Second)
	log.ends[1] = 9
	go get()
	<-log.asked
	go get() // while the first still waits
	if stale := <-answers; stale.bounds[1].next != 7 {
		t.Errorf("got %+v, want what was known", stale)
	}
	log.let <- struct{}{}
	if fresh := <-answers; fresh.bounds[1].next != 9 {
		t.Errorf("got %+v", fresh)
	}
}

func TestKafkaDownCostsTheLogsEndsOnly(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(2, 200)...)
	w.publish(map[int]int64{0: 20, 1: 20})
	w.speed(map[int]int64{0: 20, 1: 20})
	w.log.err = errors.New("no broker answers")
	w.serve()
	r := w.query(Query{Grain: "1d"})
	check(t, "with Kafka down", r, fold(w.events, day, nil), true)
	if r.Provenance.Partial || r.Provenance.Behind != nil || len(r.Provenance.Partitions) != 2 || r.Provenance.Partitions[0].End != nil {
		t.Errorf("%+v", r.Provenance)
	}
}
