package speed

import (
	"context"
	"errors"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
)

// lifeOf looks at a topic, and returns the life of it that the brokers show. Whoever sees a life first opens it in the lake.
func (w *Worker) lifeOf(ctx context.Context, topic string) (stream.Topic, lake.Topic, error) {
	seen, err := w.cfg.Stream.Topic(ctx, topic)
	if err != nil {
		return stream.Topic{}, lake.Topic{}, err
	}
	t, err := w.cfg.Lake.Incarnation(ctx, topic, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions),
		Named: w.cfg.Project.Kafka.Cluster})
	if errors.Is(err, lake.ErrOtherCluster) {
		err = stream.Permanent(err)
	}
	return seen, t, err
}

// over says whether an error means that the life of the topic that was being read is over. The partitions are then given back, and the next
// generation of the group begins in the next life.
func over(err error) bool {
	return errors.Is(err, stream.ErrTopicReplaced) || errors.Is(err, stream.ErrNoTopic)
}
