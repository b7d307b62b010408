package lake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOtherIncarnation says that a topic is not the one whose records the lake holds: it was deleted and made again, or the broker is another.
var ErrOtherIncarnation = errors.New("topic is another than the lake's")

// OtherIncarnationError is the ErrOtherIncarnation that names both.
type OtherIncarnationError struct {
	Topic                        Topic  // the newest incarnation that the lake holds
	LakeCluster, LakeTopicID     string // what the lake recorded of it
	BrokerCluster, BrokerTopicID string // what the broker says
}

// Error names both identities.
func (e *OtherIncarnationError) Error() string {
	return fmt.Sprintf("topic %s in the lake has the id %q of cluster %q, the broker's has %q of %q: %v",
		e.Topic, e.LakeTopicID, e.LakeCluster, e.BrokerTopicID, e.BrokerCluster, ErrOtherIncarnation)
}

// Unwrap makes errors.Is(err, ErrOtherIncarnation) true.
func (e *OtherIncarnationError) Unwrap() error { return ErrOtherIncarnation }

type incarnation struct {
	Cluster string `json:"cluster"`
	TopicID string `json:"topic_id"`
}

// Incarnation returns the life of a topic that the lake holds, and records its identity if there was none. ErrOtherIncarnation if the
// topic is another: its offsets then mean other records, and nothing may be written.
func (l *Lake) Incarnation(ctx context.Context, topic, clusterID, topicID string) (Topic, error) {
	if err := checkName("topic", topic); err != nil {
		return Topic{}, err
	}
	newest, err := l.newestIncarnation(ctx, topic)
	if err != nil {
		return Topic{}, fmt.Errorf("incarnation of topic %s: %w", topic, err)
	}
	t := Topic{Name: topic, Incarnation: max(newest, 1)}
	key := incarnationFolder(topic) + strconv.Itoa(t.Incarnation) + ".json"
	if newest == 0 {
		_, err := l.store.Create(ctx, key, encode(incarnation{Cluster: clusterID, TopicID: topicID}))
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, ErrExists) {
			return Topic{}, fmt.Errorf("incarnation of topic %s: %w", topic, err)
		}
	}
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return Topic{}, fmt.Errorf("incarnation of topic %s: %w", topic, err)
	}
	var standing incarnation
	if err := decode(key, data, &standing); err != nil {
		return Topic{}, err
	}
	if standing.Cluster != clusterID || standing.TopicID != topicID {
		return Topic{}, &OtherIncarnationError{Topic: t, LakeCluster: standing.Cluster, LakeTopicID: standing.TopicID,
			BrokerCluster: clusterID, BrokerTopicID: topicID}
	}
	return t, nil
}

// newestIncarnation is 0 if there is none.
func (l *Lake) newestIncarnation(ctx context.Context, topic string) (int, error) {
	newest := 0
	folder := incarnationFolder(topic)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(object.Key, folder), ".json"))
		if err != nil {
			return 0, fmt.Errorf("%w: %s is not named by a number", ErrCorrupt, object.Key)
		}
		newest = max(newest, n)
	}
	return newest, nil
}
