package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// stopwatch measures how long it takes until answers are fresh again after a fault.
type stopwatch struct {
	*site
	v    *visitors
	rows []string
}

// fresh waits until the answers hold, of every partition, records that came after now.
func (w *stopwatch) fresh() {
	w.t.Helper()
	now, err := w.shop.Ends(w.t.Context())
	w.check(err)
	w.until("answers are fresh", func() error {
		w.v.mu.Lock()
		defer w.v.mu.Unlock()
		for p, end := range now {
			if w.v.served[p] <= end {
				return fmt.Errorf("partition %d is served up to %d of %d", p, w.v.served[p], end)
			}
		}
		return nil
	})
}

// snapshot waits until a batch has published, as cron would have it, one run after the other.
func (w *stopwatch) snapshot() {
	w.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; { // the lock of a run that was killed stands for a minute
		_, err := w.tryBatch()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal(err)
		}
	}
}

// judged waits until one of those who watch has judged the alert twice from now on.
func (w *stopwatch) judged(watchers ...*instance) {
	w.t.Helper()
	looks := func() (n int, err error) {
		for _, i := range watchers {
			answer, err := http.Get("http://" + i.addr + "/metrics")
			if err != nil {
				return 0, err
			}
			text, err := io.ReadAll(answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err != nil {
				return 0, err
			}
			if found := regexp.MustCompile(`caudal_watch_looks_total\{alert="busy"\} (\d+)`).FindSubmatch(text); found != nil {
				more, err := strconv.Atoi(string(found[1]))
				if err != nil {
					return 0, err
				}
				n += more
			}
		}
		return n, nil
	}
	before := -1
	w.until("the alert is judged", func() error {
		n, err := looks()
		if before < 0 && err == nil {
			before = n
		}
		if err == nil && n < before+2 {
			err = fmt.Errorf("judged %d times, and %d before", n, before)
		}
		return err
	})
}

// time notes how long it takes from a fault until all is as before.
func (w *stopwatch) time(what string, fault, again func()) {
	w.t.Helper()
	w.v.standstill()
	begun := time.Now()
	fault()
	w.v.mu.Lock()
	failures, partial := len(w.v.failures), w.v.partial
	w.v.mu.Unlock()
	again()
	took := time.Since(begun)
	w.v.mu.Lock()
	failures, partial = len(w.v.failures)-failures, w.v.partial-partial
	w.v.mu.Unlock()
	row := fmt.Sprintf("| %s | %.1f s | %.1f s | %d | %d |", what, took.Seconds(), w.v.standstill().Seconds(), failures, partial)
	w.rows = append(w.rows, row)
	w.t.Log(row)
	w.fresh()
}

// TestTimesToFresh prints the table of docs/operations/disaster-recovery.md: `CAUDAL_TEST_TIMES=1 go test -count=1 -run TestTimesToFresh -v .`
// Processes run as shipped, orders come in all the time, and a supervisor starts again at once what was killed.
func TestTimesToFresh(t *testing.T) {
	if os.Getenv("CAUDAL_TEST_TIMES") == "" {
		t.Skip("SKIP times until answers are fresh: CAUDAL_TEST_TIMES=1 prints them")
	}
	kafka := testservices.ThreeKafkas(t)
	redis, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	t.Cleanup(func() { redis.Stop() })
	s := siteOf(t, where{brokers: kafka.Brokers(), redis: redis.Addr(), asShipped: true})
	write(t, filepath.Join(s.dir, "alerts", "busy.yaml"), "alert: busy\nview: sales\nby: [country]\nwhen: \"lines > 1000000\"\non: update\n")
	s.produce(2000)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- s.produceUntil(stop, 20*time.Millisecond) }()
	speed, second := s.listening("speed"), s.listening("speed")
	archive, serve := s.listening("archive"), s.listening("serve", "--sql", "")
	w := &stopwatch{site: s, v: visit(t, serve.addr)}
	w.fresh()
	w.snapshot()
	killed := func(i *instance) func() { return func() { i.kill(); i.again() } }
	w.time("`speed` killed, another worker is there", killed(speed), w.fresh)
	w.fresh()
	second.terminate()
	w.fresh()
	w.time("`speed` killed, the only worker", killed(speed), w.fresh)
	w.time("`serve` killed, the only one", killed(serve), func() { serve.ready(); w.fresh() })
	w.time("`archive` killed: until a batch has published what came before", killed(archive), w.snapshot)
	w.time("`batch` killed in the middle: until the next run has published", func() {
		before := s.said("batch")
		run := s.launch("batch", none, nil, "batch", "run")
		s.awaitSaid("batch", "compute", before)
		run.kill()
	}, w.snapshot)
	w.time("Redis killed, and empty when it is back", func() {
		if err := errors.Join(redis.Kill(), redis.Restart()); err != nil {
			t.Error(err)
		}
	}, w.fresh)
	w.time("the leader of a partition killed, one of three nodes of Kafka", func() {
		leader, err := kafka.Leader(t.Context(), s.name, 0)
		if err == nil {
			err = leader.Kill()
			t.Cleanup(func() { leader.Restart() })
		}
		if err != nil {
			t.Error(err)
		}
	}, w.fresh)
	watch, other := s.listening("watch"), s.listening("watch")
	w.judged(watch, other)
	w.time("`watch` killed, another stands by: until alerts are judged again", watch.kill, func() { w.judged(other) })
	w.time("`watch` killed, the only one: likewise", other.kill, func() { other.again(); w.judged(other) })
	other.terminate()
	close(stop)
	s.check(<-stopped)
	w.v.leave()
	s.heals()
	fmt.Printf("%d CPUs, Linux, Go %s, 1,000 orders a second, %d questions answered meanwhile\n\n", runtime.NumCPU(), runtime.Version(), w.v.answers)
	fmt.Println("| what was lost | all is fresh again after | longest time without a newer answer | questions that failed | partial answers |\n|---|---|---|---|---|")
	for _, row := range w.rows {
		fmt.Println(row)
	}
	for _, i := range []*instance{speed, archive, serve} {
		i.signal(syscall.SIGTERM)
		i.stops()
	}
}
