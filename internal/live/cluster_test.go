package live

import (
	"context"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// A master stands still for longer than its client waits, whose cluster client sends the flush again and again, and no error is seen: all of
// them are carried out when it wakes, and the cells hold the records once.
func TestAFlushThatAFrozenMasterGotSeveralTimesIsAppliedOnce(t *testing.T) {
	c := cluster(t)
	r := connect(t, Config{Addrs: c.Addrs()[:1], Cluster: true, Timeout: 150 * time.Millisecond})
	m := take(t, r, 0, "owner", "life")
	flushed(t, r, step(m, 5, write(minute(0, 1), true, "cell", "five")))
	slot, err := c.Slot(group.meta())
	if err != nil {
		t.Fatal(err)
	}
	master, err := c.Master(slot)
	if err != nil {
		t.Fatal(err)
	}
	scripts := func() int {
		stats, err := master.Do("INFO", "commandstats")
		if err != nil {
			t.Fatal(err)
		}
		calls := regexp.MustCompile(`cmdstat_evalsha:calls=(\d+)`).FindStringSubmatch(stats)
		if calls == nil {
			t.Fatalf("no scripts were called: %s", stats)
		}
		n, err := strconv.Atoi(calls[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	held, before := peek(t, r), scripts()
	if err := master.Pause(); err != nil {
		t.Fatal(err)
	}
	next := step(held, 9, write(minute(0, 1), false, "cell", "nine"))
	waking := time.AfterFunc(500*time.Millisecond, func() { // half of what makes the others promote a replica
		if err := master.Resume(); err != nil {
			t.Error(err)
		}
	})
	defer waking.Stop()
	res := r.Flush(context.Background(), []Flush{next})[0]
	if err := c.Whole(); err != nil {
		t.Fatal(err)
	}
	if again := scripts() - before; again < 2 {
		t.Fatalf("the master was sent the flush %d times: nothing was tried", again)
	}
	if !res.Applied && res.Err == nil && !next.WasApplied(res.Found) {
		t.Errorf("the flush says %+v, and nobody can tell that it was applied", res)
	}
	reply, err := r.Read(context.Background(), group, ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: 9})
	if err != nil || reply.Meta.Off != 9 || reply.Meta.Counts.Events != 9 || len(reply.Chunks) != 1 {
		t.Errorf("after it Redis holds %+v, %v", reply, err)
	}
}
