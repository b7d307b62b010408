package testservices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// KafkaCluster is Apache Kafka on several nodes, each broker and controller: every topic is on all of them, and a write is acknowledged
// once all but one have it.
type KafkaCluster struct {
	Nodes []*KafkaServer // by node id less one
}

// StartKafkaCluster starts so many nodes with empty logs and waits until each serves.
func StartKafkaCluster(nodes int) (*KafkaCluster, error) {
	var ports, controllers []int
	var voters []string
	for i := range nodes {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		controller, err := freePort()
		if err != nil {
			return nil, err
		}
		ports, controllers = append(ports, port), append(controllers, controller)
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, controller))
	}
	c := &KafkaCluster{Nodes: make([]*KafkaServer, nodes)}
	var made errgroup.Group
	for i := range nodes {
		made.Go(func() (err error) {
			c.Nodes[i], err = prepareKafka(ports[i], controllers[i], "-Xmx384m", func(string, int, int) (kafkaSetup, error) {
				return kafkaSetup{properties: clusterProperties(i+1, nodes, voters)}, nil
			})
			return err
		})
	}
	if err := made.Wait(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	var started errgroup.Group
	for _, n := range c.Nodes {
		started.Go(n.Restart)
	}
	if err := started.Wait(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func clusterProperties(id, nodes int, voters []string) []string {
	copies := fmt.Sprint("=", nodes)
	enough := fmt.Sprint("=", max(1, nodes-1))
	return []string{
		fmt.Sprint("node.id=", id),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"default.replication.factor" + copies,
		"min.insync.replicas" + enough,
		"offsets.topic.replication.factor" + copies,
		"transaction.state.log.replication.factor" + copies,
		"transaction.state.log.min.isr" + enough,
		"share.coordinator.state.topic.replication.factor" + copies,
		"share.coordinator.state.topic.min.isr" + enough,
		// a node that is away is noticed after two seconds, and not after nine
		"broker.session.timeout.ms=2000",
		"broker.heartbeat.interval.ms=500",
		"replica.lag.time.max.ms=3000",
	}
}

// Brokers returns the addresses of all nodes as host:port.
func (c *KafkaCluster) Brokers() []string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.addr)
	}
	return all
}

// Stop ends all nodes and removes their folders.
func (c *KafkaCluster) Stop() error {
	var all errgroup.Group
	for _, n := range c.Nodes {
		if n != nil {
			all.Go(n.Stop)
		}
	}
	return all.Wait()
}

// Shutdown ends a node as an operator does: it hands over what it leads.
func (k *KafkaServer) Shutdown() error { return k.signal(syscall.SIGTERM, kafkaStart) }

// Leader returns the node that leads a partition.
func (c *KafkaCluster) Leader(ctx context.Context, topic string, partition int) (*KafkaServer, error) {
	var node *KafkaServer
	err := c.partitions(ctx, func(of string, p kmsg.MetadataResponseTopicPartition) error {
		if of == topic && int(p.Partition) == partition && p.Leader > 0 {
			node = c.Nodes[p.Leader-1]
		}
		return nil
	})
	if err == nil && node == nil {
		err = fmt.Errorf("nobody leads %s/%d", topic, partition)
	}
	return node, err
}

// Controller returns the node that is the active controller.
func (c *KafkaCluster) Controller(ctx context.Context) (*KafkaServer, error) {
	var node *KafkaServer
	err := Topics{c.Brokers()}.with(ctx, "find the controller", func(ctx context.Context, client *kgo.Client) error {
		p := kmsg.NewDescribeQuorumRequestTopicPartition()
		of := kmsg.NewDescribeQuorumRequestTopic()
		of.Topic, of.Partitions = "__cluster_metadata", append(of.Partitions, p)
		request := kmsg.NewPtrDescribeQuorumRequest()
		request.Topics = append(request.Topics, of)
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
			return err
		}
		id := response.Topics[0].Partitions[0].LeaderID
		if id < 1 || int(id) > len(c.Nodes) {
			return fmt.Errorf("the controller is node %d", id)
		}
		node = c.Nodes[id-1]
		return nil
	})
	return node, err
}

// Led waits until every partition of a topic is led by another node than the one that died.
func (c *KafkaCluster) Led(ctx context.Context, topic string, dead *KafkaServer) error {
	return c.await(ctx, func(of string, p kmsg.MetadataResponseTopicPartition) error {
		if of == topic && (p.Leader < 1 || c.Nodes[p.Leader-1] == dead) {
			return fmt.Errorf("%s/%d is led by %d", of, p.Partition, p.Leader)
		}
		return nil
	})
}

// InSync waits until every copy of every partition has what its leader has, as one does between the restarts of two nodes.
func (c *KafkaCluster) InSync(ctx context.Context) error {
	return c.await(ctx, func(topic string, p kmsg.MetadataResponseTopicPartition) error {
		if len(p.ISR) != len(c.Nodes) || !slices.Contains(p.ISR, p.Leader) {
			return fmt.Errorf("%s/%d is in sync on nodes %v, led by %d", topic, p.Partition, p.ISR, p.Leader)
		}
		return nil
	})
}

// await looks until all partitions are as they should be.
func (c *KafkaCluster) await(ctx context.Context, right func(topic string, p kmsg.MetadataResponseTopicPartition) error) error {
	ctx, cancel := context.WithTimeout(ctx, kafkaStart)
	defer cancel()
	for {
		err := c.partitions(ctx, right)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the Kafka cluster did not come to be as it should: %w", err)
		}
	}
}

// partitions shows all partitions of the cluster as a node that answers knows them.
func (c *KafkaCluster) partitions(ctx context.Context, show func(topic string, p kmsg.MetadataResponseTopicPartition) error) error {
	return Topics{c.Brokers()}.with(ctx, "look at the cluster", func(ctx context.Context, client *kgo.Client) error {
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = nil // all
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				if err := show(*t.Topic, p); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
