package serving

import (
	"context"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
)

// topicAge is how old what is known of a topic may be.
const topicAge = 2 * time.Second

// topicOld is how old it may be where the answer of Kafka is waited for.
const topicOld = 30 * time.Second

// topicTimeout bounds how long a query waits for Kafka, which it needs only for the list of partitions.
const topicTimeout = 3 * time.Second

// bounds of a partition: the log holds [first, next).
type bounds struct{ first, next int64 }

// topicState is what Kafka said about a topic.
type topicState struct {
	stream.Topic
	bounds map[int]bounds
	lives  []lake.Life // that the lake knows, oldest first
	shown  int         // the life that the brokers show, perhaps one that nobody has opened yet
	at     time.Time
}

// livesOf says which lives a topic has had, and which one the brokers show.
type livesOf func(ctx context.Context, seen stream.Topic, known topicState) (lives []lake.Life, shown int, err error)

// topics asks Kafka for partitions and their ends, not more often than every two seconds.
type topics struct {
	log   Log
	lives livesOf
	clock func() time.Time

	mu    sync.Mutex
	known map[string]*topicEntry
}

type topicEntry struct {
	asking sync.Mutex // held by the one that asks
	mu     sync.Mutex
	state  topicState
	failed time.Time // when asking last failed
	err    error
}

func newTopics(log Log, lives livesOf, clock func() time.Time) *topics {
	return &topics{log: log, lives: lives, clock: clock, known: map[string]*topicEntry{}}
}

// get returns the topic as it was at most two seconds ago. Where Kafka does not answer, the error comes with what was known last.
func (t *topics) get(ctx context.Context, name string) (topicState, error) {
	t.mu.Lock()
	e := t.known[name]
	if e == nil {
		e = &topicEntry{}
		t.known[name] = e
	}
	t.mu.Unlock()
	if state, err, ok := e.fresh(t.clock()); ok {
		return state, err
	}
	if !e.asking.TryLock() {
		// Somebody asks already: what is known will do, unless it is really old.
		if state, ok := e.usable(t.clock()); ok {
			return state, nil
		}
		e.asking.Lock()
	}
	defer e.asking.Unlock()
	if state, err, ok := e.fresh(t.clock()); ok {
		return state, err
	}
	state, err := t.ask(ctx, name, e.last())
	return e.settle(ctx, state, err, t.clock())
}

// fresh returns what is known, if it is young enough; a failure too, so that a broker that is down does not hold up every query.
func (e *topicEntry) fresh(now time.Time) (topicState, error, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil && now.Sub(e.failed) < topicAge {
		return e.state, e.err, true
	}
	return e.state, nil, e.err == nil && e.state.Name != "" && now.Sub(e.state.at) < topicAge
}

func (e *topicEntry) usable(now time.Time) (topicState, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state, e.state.Name != "" && now.Sub(e.state.at) < topicOld
}

// follow keeps a topic fresh until ctx ends, so that queries need not wait for Kafka. Its failures are the queries' to tell.
func (t *topics) follow(ctx context.Context, name string) {
	tick := time.NewTicker(topicAge / 2)
	defer tick.Stop()
	for {
		t.mu.Lock()
		e := t.known[name]
		t.mu.Unlock()
		if e != nil {
			e.asking.Lock()
			state, err := t.ask(ctx, name, e.last())
			e.settle(ctx, state, err, t.clock())
			e.asking.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settle notes what asking brought, and returns what is known now.
func (e *topicEntry) settle(ctx context.Context, state topicState, err error, now time.Time) (topicState, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.state, e.err = state, nil
	} else if ctx.Err() == nil {
		e.failed, e.err = now, err
	}
	return e.state, err
}

// last is what was known last.
func (e *topicEntry) last() topicState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

func (t *topics) ask(ctx context.Context, name string, known topicState) (topicState, error) {
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	topic, err := t.log.Topic(ctx, name)
	if err != nil {
		return topicState{}, err
	}
	state := topicState{Topic: topic, bounds: make(map[int]bounds, len(topic.Partitions)), at: t.clock()}
	if state.lives, state.shown, err = t.lives(ctx, topic, known); err != nil {
		return topicState{}, err
	}
	for _, p := range topic.Partitions {
		first, next, err := t.log.Bounds(ctx, name, p)
		if err != nil {
			return topicState{}, err
		}
		state.bounds[p] = bounds{first, next}
	}
	return state, nil
}
