package seamtest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
)

// onEachBroker runs a story on the embedded broker and on Apache Kafka, with one worker and one archive at work throughout.
func onEachBroker(t *testing.T, story func(t *testing.T, w *World, shop *shopper)) {
	for name, open := range map[string]func(t *testing.T) *World{
		"embedded": func(t *testing.T) *World { return NewWorld(t, 2, true) },
		"kafka": func(t *testing.T) *World {
			testservices.LeaveNoTopic(t, topic)
			brokers := testservices.Kafka(t)
			redis, err := embedded.StartRedis("")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { redis.Close() })
			w := newWorldOver(t, 2, true, redis.Addr(), brokers)
			w.redis = redis
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			w.check(w.startWorker("w", "", calmPace()))
			w.check(w.startArchive("x", "", 0))
			story(t, w, newShopper(rand.New(rand.NewPCG(7, 7))))
		})
	}
}

// sell writes orders and waits until the speed layer has them.
func (w *World) sell(shop *shopper, orders int) {
	w.t.Helper()
	p := w.stream.Producer(topic)
	defer p.Close()
	w.check(p.Write(w.ctx, shop.orders(orders)))
	w.check(w.flushed())
}

// askAll compares the answers to many questions with the naive fold; none may be partial.
func (w *World) askAll() {
	w.t.Helper()
	for _, q := range questions() {
		r, err := w.ask(q, true)
		w.check(err)
		if r.Provenance.Partial {
			w.t.Fatalf("%s %s is partial: %s", q.View, q.Grain, r.Provenance.Reason)
		}
	}
}

func (w *World) run(id string, full bool) batch.Report {
	w.t.Helper()
	report, err := w.batch(batch.RunOptions{RunID: id, Full: full})
	w.check(err)
	for _, v := range report.Views {
		if v.Unexplained > 0 {
			w.t.Fatalf("%d answers of %s changed and nobody knows why", v.Unexplained, v.View)
		}
	}
	return report
}

// content is what the files of the current snapshot of sales hold, by period.
func (w *World) content() map[string]string {
	w.t.Helper()
	m, _, err := w.lake.Current(w.ctx, "sales", w.view("sales").Hash)
	w.check(err)
	sums := map[string]string{}
	for _, f := range m.Files {
		sums[f.Unit+" "+f.Period] = f.SHA256
	}
	return sums
}

func TestATopicDeletedAndCreatedAgainOpensTheNextLife(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *World, shop *shopper) {
		w.sell(shop, 400)
		w.run("r1", false)
		w.sell(shop, 200)
		w.check(w.archived())
		w.check(w.recreate(3))
		w.sell(shop, 300)
		w.askAll()
		report := w.run("r2", false)
		for _, v := range report.Views {
			if len(v.Earlier) != 1 || len(v.Earlier[0].Missing) != 0 || len(v.Cuts) != 3 {
				t.Errorf("%s covers %+v and %v", v.View, v.Earlier, v.Cuts)
			}
		}
		w.askAll()
		incremental := w.content()
		w.run("r3", true)
		if full := w.content(); !maps.Equal(full, incremental) {
			t.Errorf("a full run makes %v, the run over what changed made %v", full, incremental)
		}
		w.askAll()
		v := w.view("sales")
		for p := range 2 {
			g := w.group(v, p)
			g.Incarnation = 1
			if _, held, err := w.live.Peek(w.ctx, g); err != nil || held {
				t.Errorf("Redis still holds %s: %v", g, err)
			}
		}
	})
}

func TestPartitionsAddedAreTakenUpWhileRolesRun(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *World, shop *shopper) {
		w.sell(shop, 300)
		w.run("r1", false)
		w.sell(shop, 100)
		w.check(w.addPartitions(5))
		w.sell(shop, 400)
		w.askAll()
		for _, v := range w.run("r2", false).Views {
			if len(v.Cuts) != 5 {
				t.Errorf("%s is cut at %v", v.View, v.Cuts)
			}
		}
		w.askAll()
		w.check(w.archived())
		w.check(w.compareLake())
	})
}

func TestRetentionThatTookWhatSpeedNeededIsReadFromTheLake(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *World, shop *shopper) {
		w.sell(shop, 300)
		w.run("r1", false)
		w.sell(shop, 300)
		w.check(w.archived())
		w.workers["w"].stop()
		w.redis.FlushAll()
		w.forgotten()
		ends, err := w.ends()
		w.check(err)
		w.check(w.readToEnd())
		for p, end := range ends {
			w.check(w.topics.Trim(w.ctx, topic, p, end*9/10))
		}
		w.check(w.startWorker("w", "", calmPace()))
		w.check(w.flushed())
		w.askAll()
		w.sell(shop, 100)
		w.askAll()
		w.run("r2", false)
		w.askAll()
	})
}

// Another cluster is refused with the mend, and taken where the operator has named it.
func TestAnotherClusterStaysRefusedUntilItIsNamed(t *testing.T) {
	w := NewWorld(t, 1, false)
	w.check(w.startWorker("w", "", calmPace()))
	w.sell(newShopper(rand.New(rand.NewPCG(1, 1))), 50)
	other := NewWorld(t, 1, false)
	w.stream, w.topics = other.stream, other.topics
	w.check(w.startWorker("lost", "elsewhere", calmPace()))
	select {
	case <-w.workers["lost"].ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the worker goes on with another cluster")
	}
	if err := w.workers["lost"].err; !errors.Is(err, lake.ErrOtherCluster) {
		t.Fatalf("the worker ended with %v", err)
	}
	delete(w.workers, "lost")
	seen, err := w.stream.Topic(w.ctx, topic)
	w.check(err)
	w.project().Kafka.Cluster = seen.ClusterID
	w.begin(2, 1)
	w.check(w.startWorker("found", "elsewhere", calmPace()))
	w.sell(newShopper(rand.New(rand.NewPCG(2, 2))), 50)
	lives, err := w.lake.Lives(w.ctx, topic)
	w.check(err)
	if len(lives) != 2 || lives[1].Cluster != seen.ClusterID {
		t.Errorf("the lake knows %+v", lives)
	}
}
