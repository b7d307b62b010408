package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/caudal/caudal/internal/stream"
)

// TestReadersAndProducersFollowTheLeader is here because only this package may start a cluster of three brokers.
func TestReadersAndProducersFollowTheLeader(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, c := deadline(t), connect(t, cluster.ListenAddrs()...)
	if err := c.EnsureTopic(ctx, "x", 1); err != nil {
		t.Fatal(err)
	}
	p := c.Producer("x")
	defer p.Close()
	r := c.Reader("x", 0, 0)
	defer r.Close()
	var got []string
	const moves = 9
	for i := range moves {
		if err := cluster.MoveTopicPartition("x", 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
		if err := p.Write(ctx, []stream.Message{{Value: fmt.Append(nil, i)}}); err != nil {
			t.Fatal(err)
		}
		if _, next, err := c.Bounds(ctx, "x", 0); err != nil || next != int64(i+1) {
			t.Fatalf("after move %d the log ends at %d, %v", i, next, err)
		}
		for len(got) <= i {
			recs, err := r.Fetch(ctx, 10, 50*time.Millisecond, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				got = append(got, string(rec.Value))
			}
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 4 5 6 7 8]" {
		t.Fatal(got)
	}
}
