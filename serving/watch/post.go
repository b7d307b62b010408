package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// post brings messages to sinks: to each one by one, in their order, and to all at once.
type post struct {
	w       *Watcher
	done    chan taken
	flying  map[letterKey]bool // given to a courier; of the goroutine that sends
	there   map[letterKey]bool // found in its topic after a restart
	letters map[string]chan letter
	running sync.WaitGroup
}

// letterKey is a message for a sink.
type letterKey struct{ sink, message string }

// letter is a message on its way.
type letter struct {
	rule    *rule
	sink    string
	message alert.Message
}

// taken says that a sink needs a message no longer.
type taken struct {
	rule          *rule
	sink, message string
}

// letterRoom is how many messages wait for a courier; more wait in the outbox.
const letterRoom = 100

func newPost(w *Watcher) *post {
	return &post{w: w, done: make(chan taken), flying: map[letterKey]bool{}, there: map[letterKey]bool{}, letters: map[string]chan letter{}}
}

// wait waits for the couriers, whose context has ended, and closes what they held.
func (p *post) wait() {
	p.running.Wait()
	for name, s := range p.w.sinks {
		if t, ok := s.(*topicSink); ok {
			if err := t.close(); err != nil {
				p.w.cfg.Logger.Warn("a sink was not closed", "sink", name, "error", err)
			}
		}
	}
}

// send gives a message to the couriers of the sinks that have not got it yet.
func (p *post) send(ctx context.Context, r *rule, m alert.Message) {
	for _, name := range m.To {
		key := letterKey{name, m.ID}
		if p.flying[key] {
			continue
		}
		if p.letters[name] == nil {
			p.letters[name] = make(chan letter, letterRoom)
			p.running.Go(func() { p.courier(ctx, name, p.letters[name]) })
		}
		select {
		case p.letters[name] <- letter{r, name, m}:
			p.flying[key] = true
		default: // the next round
		}
	}
}

// courier brings messages to one sink until ctx ends.
func (p *post) courier(ctx context.Context, name string, letters <-chan letter) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-letters:
			if !p.there[letterKey{name, l.message.ID}] && !p.bring(ctx, l) {
				return
			}
			select {
			case p.done <- taken{l.rule, name, l.message.ID}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// longestPause is the longest time between two attempts.
const longestPause = time.Minute

// bring sends a message until its sink takes it, or until it is put aside; false when ctx ends before.
func (p *post) bring(ctx context.Context, l letter) bool {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = p.w.cfg.Backoff, longestPause
	for {
		err := p.attempt(ctx, l)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			p.w.metrics.taken.WithLabelValues(l.sink).Inc()
			return true
		}
		p.w.metrics.failures.WithLabelValues(l.sink).Inc()
		p.w.cfg.Logger.Warn("a message was not taken", "sink", l.sink, "message", l.message.ID, "error", err)
		refused := (*refusal)(nil)
		if errors.As(err, &refused) || p.w.cfg.Clock().Sub(l.message.At) >= p.giveUp(l.sink) {
			if err = p.putAside(ctx, l, err); err == nil {
				p.w.metrics.givenUp.WithLabelValues(l.sink).Inc()
				return true
			}
			p.w.cfg.Logger.Warn("a message that is given up cannot be put aside; trying again", "sink", l.sink, "message", l.message.ID, "error", err)
		}
		wait(ctx, pause.NextBackOff())
		if ctx.Err() != nil {
			return false
		}
	}
}

// attemptTime bounds one attempt.
const attemptTime = 15 * time.Second

func (p *post) attempt(ctx context.Context, l letter) error {
	s := p.w.sinks[l.sink]
	if s == nil {
		return &refusal{"the project has no such sink any more"}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return s.send(ctx, &l.message)
}

// giveUp is how long a message is tried for a sink.
func (p *post) giveUp(name string) time.Duration {
	for _, s := range p.w.cfg.Project.Sinks {
		if s.Name == name && s.Kind != view.SinkLog {
			return s.GiveUp
		}
	}
	return 0
}

// putAside keeps a message in the lake that its sink does not take.
func (p *post) putAside(ctx context.Context, l letter, cause error) error {
	d := DeadLetter{Sink: l.sink, Reason: cause.Error(), At: p.w.cfg.Clock().UTC(), Message: l.message}
	return p.w.cfg.Lake.ChangeNote(ctx, deadNote(l.sink, l.message.ID), func([]byte) ([]byte, error) { return json.Marshal(d) })
}

// locate notes where topics end, for messages that have not been sent to them: what is told of after a restart is looked for from there on.
func (p *post) locate(ctx context.Context, outbox []alert.Message) error {
	ends := map[string]map[int]int64{}
	for i := range outbox {
		m := &outbox[i]
		for _, name := range m.To {
			topic, ok := p.w.sinks[name].(*topicSink)
			if !ok || m.Ends[name] != nil {
				continue
			}
			if ends[name] == nil {
				var err error
				if ends[name], err = endsOf(ctx, p.w.cfg.Stream, topic.topic); err != nil {
					return err
				}
			}
			if m.Ends == nil {
				m.Ends = map[string]map[int]int64{}
			}
			m.Ends[name] = ends[name]
		}
	}
	return nil
}

// endsOf says where the partitions of a topic end, which is made if it is missing.
func endsOf(ctx context.Context, log Log, name string) (map[int]int64, error) {
	if err := log.EnsureTopic(ctx, name, 1); err != nil {
		return nil, fmt.Errorf("make topic %s: %w", name, err)
	}
	topic, err := log.Topic(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at topic %s: %w", name, err)
	}
	ends := map[int]int64{}
	for _, p := range topic.Partitions {
		if _, ends[p], err = log.Bounds(ctx, name, p); err != nil {
			return nil, fmt.Errorf("look where topic %s ends: %w", name, err)
		}
	}
	return ends, nil
}

// recall finds the messages of outboxes that are in their topics already: whoever was to note it has died.
func (p *post) recall(ctx context.Context, rules []*rule) error {
	from := map[string]map[int]int64{}
	for _, r := range rules {
		for _, m := range r.state.Outbox {
			for name, ends := range m.Ends {
				if from[name] == nil {
					from[name] = map[int]int64{}
				}
				for partition, end := range ends {
					if at, ok := from[name][partition]; !ok || end < at {
						from[name][partition] = end
					}
				}
			}
		}
	}
	for name, offsets := range from {
		topic, ok := p.w.sinks[name].(*topicSink)
		if !ok {
			continue
		}
		err := readBack(ctx, p.w.cfg.Stream, topic.topic, offsets, func(r stream.Record) error {
			var m struct{ ID string }
			if json.Unmarshal(r.Value, &m) == nil && m.ID != "" {
				p.there[letterKey{name, m.ID}] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readBack reads the partitions of a topic from offsets on, or from their beginning, to where they end now.
func readBack(ctx context.Context, log Log, name string, from map[int]int64, each func(stream.Record) error) error {
	ends, err := endsOf(ctx, log, name)
	if err != nil {
		return err
	}
	for partition, end := range ends {
		first, _, err := log.Bounds(ctx, name, partition)
		if err != nil {
			return fmt.Errorf("look where topic %s begins: %w", name, err)
		}
		at := max(first, from[partition])
		if at >= end {
			continue
		}
		r := log.Reader(name, partition, at)
		for r.Offset() < end && err == nil {
			var records []stream.Record
			if records, err = r.Fetch(ctx, 1000, time.Second, nil); err != nil {
				break
			}
			for _, record := range records {
				if err = each(record); err != nil {
					break
				}
			}
		}
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("read back topic %s: %w", name, err)
		}
	}
	return nil
}
