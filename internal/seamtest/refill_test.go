package seamtest

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving"
)

// TestQueriesGoOnWhileAnEmptyRedisIsRefilled asks all the time while Redis is refilled, from the log or, where Kafka has lost the records,
// from the lake. Every answer is the truth about the records that it names, and says that it lacks some.
func TestQueriesGoOnWhileAnEmptyRedisIsRefilled(t *testing.T) {
	for _, from := range []string{"log", "lake"} {
		t.Run("from the "+from, func(t *testing.T) {
			t.Parallel()
			w := NewWorld(t, 1, false)
			w.check(w.startWorker("a", "", calmPace()))
			w.check(w.startArchive("x", "", 0))
			producer, shopper := w.stream.Producer(topic), newShopper(rand.New(rand.NewPCG(4, 4)))
			defer producer.Close()
			w.check(producer.Write(w.ctx, shopper.orders(150)))
			w.check(w.flushed())
			if _, err := w.batch(batch.RunOptions{RunID: "r1"}); err != nil {
				t.Fatal(err)
			}
			w.check(producer.Write(w.ctx, shopper.orders(3500)))
			w.check(w.flushed())
			ends, err := w.ends()
			w.check(err)
			if from == "lake" {
				_, err := w.folds(map[logOf]int64{{1, 0}: ends[0]}) // what is compared with is read before Kafka loses it
				w.check(err)
				w.check(w.archived())
				w.check(w.broker.Trim(w.ctx, topic, 0, ends[0]-30))
			}
			ask := func() *serving.Result {
				r, err := w.ask(serving.Query{View: "sales", Grain: "1h", Dimensions: []string{"country"}}, true)
				w.check(err)
				return r
			}
			v := ask().Provenance.Partitions[0].Batch

			steps := w.workers["a"].steps
			steps.hold("poll")
			w.check(steps.awaitHeld(w.ctx))
			w.redis.FlushAll()
			if r := ask(); !r.Provenance.Partial || !strings.Contains(r.Provenance.Reason, "has no state") || r.Provenance.Partitions[0].Served != v {
				t.Fatalf("Redis is empty: %+v", r.Provenance)
			}
			// With each flush, of a thousand records at most, the answer holds more, and says how much it lacks.
			served := v
			for range 3 {
				steps.pass("after flush")
				w.check(steps.awaitHeld(w.ctx))
				r := ask()
				p := r.Provenance.Partitions[0]
				if p.Served <= served || p.Served >= ends[0] || r.Provenance.Behind == nil || *r.Provenance.Behind != ends[0]-p.Served ||
					!strings.Contains(r.Provenance.Note, "more records are in the log and not in the answer yet") {
					t.Fatalf("after %d of %d: %+v", served, ends[0], r.Provenance)
				}
				served = p.Served
			}
			steps.wake()
			for deadline := time.Now().Add(20 * time.Second); ; {
				r := ask()
				if p := r.Provenance.Partitions[0]; !r.Provenance.Partial && p.Served == ends[0] {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("not whole again: %+v", r.Provenance)
				}
			}
		})
	}
}
