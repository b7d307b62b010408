package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/speed"
)

// checkKafka asks for each source's topic: whether it is there, its partitions, and how long its records stay.
func (d *doctor) checkKafka(ctx context.Context, s *services) bool {
	reached := true
	for _, src := range d.project.Sources {
		check := "kafka " + src.Topic
		t, err := s.stream.Topic(ctx, src.Topic)
		switch {
		case errors.Is(err, stream.ErrNoTopic):
			d.fail(check, "caudal dev and caudal produce make it; or make it by hand with the partitions that it should have", "there is no topic %s", src.Topic)
			continue
		case errors.Is(err, stream.ErrRefused):
			d.fail(check, "see kafka.sasl: its mechanism, user name and password", "%v", err)
			reached = false
			continue
		case errors.Is(err, stream.ErrNoRight):
			d.fail(check, "give the user the rights to the topic: kafka-acls --add --operation READ --topic "+src.Topic, "%v", err)
			continue
		case err != nil:
			d.fail(check, "see that kafka.brokers names brokers that run and can be reached from here, and kafka.tls and kafka.sasl what they ask for", "%v", err)
			reached = false
			continue
		}
		if n := len(t.Partitions); n < src.Partitions {
			d.warn(check, "add partitions, or set partitions of the source to what there is", "the topic has %d partitions, and its source asks for %d", n, src.Partitions)
		} else {
			d.ok(check, "%d partitions, cluster %s", n, t.ClusterID)
		}
		if err := s.stream.MayRead(ctx, src.Topic, t.Partitions[0]); errors.Is(err, stream.ErrNoRight) {
			d.fail(check, "give the user the right to read the topic: kafka-acls --add --operation READ --topic "+src.Topic, "%v", err)
		} else if err != nil {
			d.fail(check, "see the message, and the broker's log", "%v", err)
		}
		d.checkRetention(ctx, s, src)
	}
	if reached && len(d.project.Sources) > 0 {
		d.checkGroups(ctx, s)
	}
	return reached
}

// checkGroups tries the rights that the roles need in their consumer groups.
func (d *doctor) checkGroups(ctx context.Context, s *services) {
	for _, group := range []string{speed.Group(d.project.Name), batch.ArchiveGroup(d.project.Name)} {
		check := "kafka group " + group
		switch err := s.stream.MayJoin(ctx, group, d.project.Sources[0].Topic); {
		case errors.Is(err, stream.ErrNoRight):
			d.fail(check, "give the user the right to it: kafka-acls --add --operation READ --group "+group, "%v", err)
		case err != nil:
			d.fail(check, "see that the brokers have a group coordinator: offsets.topic.replication.factor is at most the number of brokers", "%v", err)
		default:
			d.ok(check, "we may join it")
		}
	}
}

// dayOfGrace is the batch interval that is assumed where somebody else calls the batch.
const dayOfGrace = 24 * time.Hour

// checkRetention compares how long Kafka keeps records with what has to be read of it again: the time from a batch to the one after the next,
// should one fail, and what repeats are recognised by.
func (d *doctor) checkRetention(ctx context.Context, s *services, src *view.Source) {
	check := "retention " + src.Topic
	settings, err := s.stream.Settings(ctx, src.Topic)
	if err != nil {
		d.warn(check, "give the user the right to describe the topic's configuration", "how long records stay is not known: %v", err)
		return
	}
	if strings.Contains(settings.Cleanup, "compact") {
		d.fail(check, "set cleanup.policy=delete: compaction removes events", "the topic is compacted (cleanup.policy=%s)", settings.Cleanup)
		return
	}
	every := d.project.Batch.Every
	if every == 0 {
		every = dayOfGrace
	}
	need, why := 2*every, fmt.Sprintf("twice the time between batches (%v)", every)
	if src.DedupHorizon > need {
		need, why = src.DedupHorizon, fmt.Sprintf("the dedup horizon (%v)", src.DedupHorizon)
	}
	if settings.Retention > 0 && settings.Retention < need {
		d.warn(check, fmt.Sprintf("set retention.ms of the topic to %d or more", need.Milliseconds()), "records stay for %v, less than %s: a restart then has to read the lake", settings.Retention, why)
		return
	}
	if settings.Bytes > 0 {
		d.warn(check, "set retention.bytes=-1, or see that a partition never takes so much within "+need.String(), "the oldest records go where a partition has more than %d bytes", settings.Bytes)
		return
	}
	keeps := "for ever"
	if settings.Retention > 0 {
		keeps = "for " + settings.Retention.String()
	}
	d.ok(check, "records stay %s", keeps)
}

// checkRedis asks every node whether it may hold state, how full it is, and whether it comes back with what it held.
func (d *doctor) checkRedis(ctx context.Context, s *services) bool {
	nodes, err := s.live.Nodes(ctx)
	if err != nil {
		d.fail("redis", "see that redis.addrs names servers that run and can be reached from here, and redis.tls, username and password what they ask for", "%v", err)
		return false
	}
	if err := s.live.Check(ctx); errors.Is(err, live.ErrUnfit) {
		d.fail("redis", "see the message", "%v", err)
	} else {
		d.ok("redis", "%d nodes of version %s, nothing is evicted", len(nodes), nodes[0].Version)
	}
	if err := s.live.Probe(ctx, d.project.Name); err != nil {
		d.fail("redis rights", "give the user ~* +@read +@write +@scripting +@connection +info +cluster; against a cluster set redis.cluster: true", "%v", err)
	} else {
		d.ok("redis rights", "scripts may write")
	}
	if wrong, err := s.live.Slots(ctx); err != nil {
		d.warn("redis cluster", "give the user the right to call CLUSTER INFO", "%v", err)
	} else if wrong != "" {
		d.fail("redis cluster", "assign every slot to a node that runs: redis-cli --cluster fix", "%s", wrong)
	}
	for _, n := range nodes {
		d.checkNode(n)
	}
	return true
}

func (d *doctor) checkNode(n live.Node) {
	check := "redis memory " + n.Addr
	switch {
	case n.Limit == 0:
		d.warn(check, "set maxmemory below what the machine has: Redis is otherwise ended by the system when memory runs out", "%d MiB are used, and there is no limit", n.Used>>20)
	case n.High():
		d.fail(check, "run a batch, which frees what it covers, or give Redis more memory", "%d of %d MiB are used (%.0f %%)", n.Used>>20, n.Limit>>20, 100*n.Share())
	default:
		d.ok(check, "%d of %d MiB are used", n.Used>>20, n.Limit>>20)
	}
	check = "redis persistence " + n.Addr
	switch {
	case n.Unsaved != "":
		d.warn(check, "see Redis' log and its disk: it may refuse writes from now on", "%s", n.Unsaved)
	case n.Saves:
		d.ok(check, "it appends to a file: a restart goes on at once")
	default:
		d.ok(check, "it keeps nothing over a restart: what it held is then rebuilt from the log and the lake")
	}
}
