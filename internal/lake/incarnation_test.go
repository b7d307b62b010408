package lake_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caudal/caudal/internal/lake"
)

func identity(cluster, id string) lake.Identity {
	return lake.Identity{Cluster: cluster, TopicID: id, Partitions: 2}
}

func TestATopicKeepsItsIncarnation(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l := lake.New(openStore(t, dir, lake.Options{NoSync: true}))
		if got := must[lake.Topic](t)(l.Incarnation(t.Context(), "orders", identity("c1", "t1"))); got != (lake.Topic{Name: "orders", Incarnation: 1}) {
			t.Fatalf("got %v", got)
		}
	}
	l := lake.New(openStore(t, dir, lake.Options{}))
	if _, err := l.Incarnation(t.Context(), "a/b", identity("c", "t")); err == nil {
		t.Error("a topic with a slash was taken")
	}
}

func TestAnotherTopicIDOpensTheNextLifeOnceForAll(t *testing.T) {
	dir := t.TempDir()
	for life := 1; life <= 12; life++ { // beyond nine, where names no longer sort as numbers
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				l := lake.New(openStore(t, dir, lake.Options{NoSync: true}))
				got, err := l.Incarnation(t.Context(), "orders", identity("c1", fmt.Sprint("t", life)))
				if err != nil || got.Incarnation != life {
					t.Errorf("got %v, %v, want life %d", got, err, life)
				}
			})
		}
		all.Wait()
	}
	l := lake.New(openStore(t, dir, lake.Options{}))
	_, err := l.Incarnation(t.Context(), "orders", identity("c1", "t4"))
	wantErr(t, err, lake.ErrPastLife) // by old metadata: it must not become life 13
	lives := must[[]lake.Life](t)(l.Lives(t.Context(), "orders"))
	if len(lives) != 12 || lives[9].TopicID != "t10" || lives[9].Incarnation != 10 || lives[9].Partitions != 2 {
		t.Errorf("lives are %+v", lives)
	}
}

func TestAnotherClusterIsRefusedUnlessItIsNamed(t *testing.T) {
	dir := t.TempDir()
	l := lake.New(openStore(t, dir, lake.Options{NoSync: true}))
	must[lake.Topic](t)(l.Incarnation(t.Context(), "orders", identity("c1", "t1")))
	_, err := l.Incarnation(t.Context(), "orders", identity("c2", "t2"))
	wantErr(t, err, lake.ErrOtherCluster)
	for _, mend := range []string{"kafka.brokers", `kafka.cluster: "c2"`, `"c1"`} {
		if !strings.Contains(err.Error(), mend) {
			t.Errorf("%q does not say %s", err, mend)
		}
	}
	wrong := identity("c3", "t3") // caudal.yaml names c2, the addresses are of c3
	wrong.Named = "c2"
	_, err = l.Incarnation(t.Context(), "orders", wrong)
	wantErr(t, err, lake.ErrOtherCluster)
	named := identity("c2", "t2")
	named.Named = "c2"
	if got := must[lake.Topic](t)(l.Incarnation(t.Context(), "orders", named)); got.Incarnation != 2 {
		t.Errorf("the named cluster's topic is %v", got)
	}
	back := identity("c1", "t1") // its records are counted already
	back.Named = "c1"
	_, err = l.Incarnation(t.Context(), "orders", back)
	wantErr(t, err, lake.ErrPastLife)
}

func TestALifeRemembersTheMostPartitionsThatItHad(t *testing.T) {
	dir := t.TempDir()
	for _, seen := range []int{2, 4, 4, 3} {
		id := identity("c1", "t1")
		id.Partitions = seen
		must[lake.Topic](t)(lake.New(openStore(t, dir, lake.Options{NoSync: true})).Incarnation(t.Context(), "orders", id))
	}
	l := lake.New(openStore(t, dir, lake.Options{}))
	if lives := must[[]lake.Life](t)(l.Lives(t.Context(), "orders")); len(lives) != 1 || lives[0].Partitions != 4 {
		t.Errorf("lives are %+v", lives)
	}
}

// A broker before Kafka 2.8 tells no ids: when it learns them, the topic is the one it was.
func TestALifeWithoutAnIDIsRecognisedByItsCluster(t *testing.T) {
	l := lake.New(openStore(t, t.TempDir(), lake.Options{}))
	for _, id := range []string{"", "", "t1"} {
		if got := must[lake.Topic](t)(l.Incarnation(t.Context(), "orders", identity("c1", id))); got.Incarnation != 1 {
			t.Errorf("with id %q it is %v", id, got)
		}
	}
}

func TestAPublishMayGoOnInTheNextLifeAndLoseNothingOfTheOneBefore(t *testing.T) {
	l, _ := newLake(t)
	tag := publish(t, l, manifest("r1", 200, 50), first(t, l))
	next := func(run string, cuts map[int]lake.Cut) lake.Manifest {
		m := manifest(run, 3, 4)
		m.Topic.Incarnation = 2
		m.Earlier = []lake.Past{{Incarnation: 1, Cuts: cuts}}
		return m
	}
	for what, cuts := range map[string]map[int]lake.Cut{
		"lower": manifest("", 199, 50).Cuts, "a partition less": {0: {Offset: 200}}, "nothing of life 1": nil,
	} {
		if _, _, err := l.Publish(t.Context(), next("r2", cuts), tag); err == nil {
			t.Errorf("%s was published", what)
		}
	}
	tag = publish(t, l, next("r2", manifest("", 230, 50).Cuts), tag)
	if _, _, err := l.Publish(t.Context(), next("r3", manifest("", 229, 50).Cuts), tag); err == nil {
		t.Error("life 1 went back")
	}
	back := manifest("r4", 300, 60) // of life 1
	if _, _, err := l.Publish(t.Context(), back, tag); err == nil || errors.Is(err, lake.ErrChanged) {
		t.Errorf("the topic went back to life 1: %v", err)
	}
}
