package stream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watch sees when the topics of a group change: partitions that come, a topic that goes, or comes back as another one. It remembers what it
// saw from one generation to the next. kafka-go's own watch begins anew in each, after the assignment was made, and so misses for good a
// topic that was away for the one and is back for the other.
type watch struct {
	c      *Client
	topics []string
	seen   map[string]string // id and number of partitions by topic; "" = no such topic
}

func newWatch(c *Client, topics []string) *watch {
	return &watch{c: c, topics: topics, seen: map[string]string{}}
}

// changed looks at the topics, and says whether one is not as it was at the last look. What cannot be asked is as it was.
func (w *watch) changed(ctx context.Context) bool {
	changed := false
	for _, topic := range w.topics {
		now := ""
		t, err := w.c.Topic(ctx, topic)
		switch {
		case err == nil:
			now = fmt.Sprintf("%s, %d partitions", t.ID, len(t.Partitions))
		case !errors.Is(err, ErrNoTopic):
			continue
		}
		if before, known := w.seen[topic]; !known || before != now {
			w.seen[topic], changed = now, true
		}
	}
	return changed
}

// run returns when a topic has changed, or ctx has ended.
func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(partitionWatch)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if w.changed(ctx) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
