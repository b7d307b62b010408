package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// lifeOf looks at a topic, and returns the life of it that the brokers show. Whoever sees a life first opens it in the lake.
func lifeOf(ctx context.Context, p *view.Project, c *stream.Client, l *lake.Lake, topic string) (stream.Topic, lake.Topic, error) {
	seen, err := c.Topic(ctx, topic)
	if err != nil {
		return stream.Topic{}, lake.Topic{}, err
	}
	t, err := l.Incarnation(ctx, topic, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions), Named: p.Kafka.Cluster})
	return seen, t, err
}

// over says whether an error means that the life of the topic that was being read is over.
func over(err error) bool {
	return errors.Is(err, stream.ErrTopicReplaced) || errors.Is(err, stream.ErrNoTopic)
}

// farewellTime bounds what an archive may take to find out whether its topic is gone.
const farewellTime = 2 * time.Second

// farewell writes what a partition's window still holds when the life that it read is over: nobody can read it again. Where ctx ended for
// another reason, such as a rebalance, whoever comes next reads it again.
func (p *partition) farewell(ctx context.Context, w *window, why error) error {
	if w.chunk.next == w.chunk.first {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	if !over(why) {
		if !over(p.sameLife(ctx)) {
			return nil
		}
	}
	if err := p.write(ctx, &w.chunk); err != nil {
		return fmt.Errorf("write the last records of %s p%d, [%d, %d), which its log no longer has: %w", p.topic, p.id, w.chunk.first, w.chunk.next, err)
	}
	return nil
}

// sameLife says whether the topic is still in the life that the partition is of. Bounds are asked for by the topic's name.
func (p *partition) sameLife(ctx context.Context) error {
	seen, err := p.archive.cfg.Stream.Topic(ctx, p.topic.Name)
	if err == nil && seen.ID != p.seen.ID {
		err = fmt.Errorf("archive %s: %w", p.topic, stream.ErrTopicReplaced)
	}
	return err
}
