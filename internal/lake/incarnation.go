package lake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOtherCluster says that the brokers are not those whose records the lake holds, and that nobody has said that they may be.
var ErrOtherCluster = errors.New("the brokers are of another cluster than the lake's records")

// ErrPastLife says that the brokers show a life of a topic that the lake knows to be over: their metadata is old, or they were exchanged
// for those of an earlier life, whose records the lake counts already.
var ErrPastLife = errors.New("the topic is in a life that is over")

// Identity is what the brokers say of a topic, and what the operator says of the brokers.
type Identity struct {
	Cluster    string // id
	TopicID    string // empty where the broker knows none
	Partitions int
	Named      string // id of the cluster that caudal.yaml names, "" if it names none; a cluster that is named may follow on another
}

// Life is one life of a topic as the lake knows it.
type Life struct {
	Topic
	Cluster, TopicID string
	Partitions       int // the most that anybody saw; 0: not known
}

// is says whether the brokers show this life. A life that began with a broker that knew no ids is recognised by its cluster alone.
func (l *Life) is(id Identity) bool {
	return l.Cluster == id.Cluster && (l.TopicID == id.TopicID || l.TopicID == "")
}

// incarnation is what the lake records of a life when it begins.
type incarnation struct {
	Cluster string `json:"cluster"`
	TopicID string `json:"topic_id"`
}

// partitionCount records that a life had so many partitions; a life's partitions only become more.
type partitionCount struct {
	Partitions int `json:"partitions"`
}

// Incarnation returns the life of a topic that the brokers show, and opens the next one where they show one that the lake does not know:
// whoever comes first does, by an object that is created once, and everybody else finds it. A life of another cluster is opened only where
// the operator has named the cluster: ErrOtherCluster otherwise, as a wrong address must not begin a life.
func (l *Lake) Incarnation(ctx context.Context, topic string, id Identity) (Topic, error) {
	fail := func(err error) (Topic, error) { return Topic{}, fmt.Errorf("life of topic %s: %w", topic, err) }
	if err := checkName("topic", topic); err != nil {
		return Topic{}, err
	}
	if id.Named != "" && id.Named != id.Cluster {
		return fail(fmt.Errorf("%w: they are of cluster %q, and kafka.cluster in caudal.yaml says %q; mend kafka.brokers, or kafka.cluster if the cluster was exchanged",
			ErrOtherCluster, id.Cluster, id.Named))
	}
	for {
		lives, err := l.Lives(ctx, topic)
		if err != nil {
			return Topic{}, err
		}
		next := Topic{Name: topic, Incarnation: 1}
		if n := len(lives); n > 0 {
			newest := &lives[n-1]
			if newest.is(id) {
				return newest.Topic, l.notePartitions(ctx, newest, id.Partitions)
			}
			if err := mayFollow(lives, id); err != nil {
				return fail(err)
			}
			next.Incarnation = newest.Incarnation + 1
		}
		_, err = l.store.Create(ctx, incarnationKey(next), encode(incarnation{Cluster: id.Cluster, TopicID: id.TopicID}))
		if err != nil && !errors.Is(err, ErrExists) {
			return fail(err)
		}
		// Whoever was first: what stands now is looked at like any other.
	}
}

// mayFollow says why the life that the brokers show may not be opened after those that the lake knows.
func mayFollow(lives []Life, id Identity) error {
	newest := &lives[len(lives)-1]
	for i := range lives[:len(lives)-1] {
		if lives[i].is(id) {
			return fmt.Errorf("%w: the brokers show %s with the id %q of cluster %q, and the lake is at %s; wait for their metadata, or create the topic again if these brokers are to go on",
				ErrPastLife, lives[i].Topic, id.TopicID, id.Cluster, newest.Topic)
		}
	}
	if newest.Cluster != id.Cluster && id.Named == "" {
		return fmt.Errorf("%w: the lake holds %s of cluster %q, the brokers are of %q; mend kafka.brokers, or write kafka.cluster: %q in caudal.yaml to begin the next life of its topics with them",
			ErrOtherCluster, newest.Topic, newest.Cluster, id.Cluster, id.Cluster)
	}
	return nil
}

// Lives returns the lives of a topic that the lake knows, oldest first; none before anybody has looked at the topic.
func (l *Lake) Lives(ctx context.Context, topic string) ([]Life, error) {
	fail := func(err error) ([]Life, error) { return nil, fmt.Errorf("lives of topic %s: %w", topic, err) }
	var lives []Life
	folder := incarnationFolder(topic)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return fail(err)
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(object.Key, folder), ".json"))
		if err != nil || n < 1 {
			return fail(fmt.Errorf("%w: %s is not named by a number", ErrCorrupt, object.Key))
		}
		for len(lives) < n { // the store lists 10 before 2
			lives = append(lives, Life{})
		}
		of, err := l.incarnation(ctx, object.Key)
		if err != nil {
			return fail(err)
		}
		lives[n-1] = Life{Topic: Topic{Name: topic, Incarnation: n}, Cluster: of.Cluster, TopicID: of.TopicID}
	}
	for i := range lives {
		if lives[i].Incarnation == 0 {
			return fail(fmt.Errorf("%w: there is life %d and no life %d", ErrCorrupt, len(lives), i+1))
		}
	}
	return lives, l.countPartitions(ctx, topic, lives)
}

// incarnation reads an object that never changes, once.
func (l *Lake) incarnation(ctx context.Context, key string) (incarnation, error) {
	l.mu.Lock()
	of, ok := l.incarnations[key]
	l.mu.Unlock()
	if ok {
		return of, nil
	}
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return of, err
	}
	if err := decode(key, data, &of); err != nil {
		return of, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.incarnations[key] = of
	return of, nil
}

// countPartitions fills in how many partitions each life has.
func (l *Lake) countPartitions(ctx context.Context, topic string, lives []Life) error {
	folder := partitionsFolder(topic)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return fmt.Errorf("partitions of topic %s: %w", topic, err)
		}
		n, count, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(object.Key, folder), ".json"), "/")
		life, err1 := strconv.Atoi(n)
		partitions, err2 := strconv.Atoi(count)
		if !ok || err1 != nil || err2 != nil || life < 1 {
			return fmt.Errorf("%w: %s does not name a life and its partitions", ErrCorrupt, object.Key)
		}
		if life > len(lives) {
			continue // it began since the lives were listed
		}
		lives[life-1].Partitions = max(lives[life-1].Partitions, partitions)
	}
	return nil
}

// notePartitions records that a life has more partitions than was known: once it is over, nobody can be asked any more.
func (l *Lake) notePartitions(ctx context.Context, of *Life, partitions int) error {
	if partitions <= of.Partitions {
		return nil
	}
	key := fmt.Sprintf("%s%d/%06d.json", partitionsFolder(of.Name), of.Incarnation, partitions)
	if _, err := l.store.Create(ctx, key, encode(partitionCount{partitions})); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("note the partitions of %s: %w", of.Topic, err)
	}
	return nil
}
