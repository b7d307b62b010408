package seamtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/serving"
)

// No batch is due for a day, and Redis fills: at 70 % of its memory the speed layer asks for one, it runs by itself, the epochs that it
// covers are dropped, and nothing that is asked meanwhile is wrong or partial.
func TestARedisThatFillsHasABatchRunEarlyAndIsFreed(t *testing.T) {
	server, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	t.Cleanup(func() { server.Stop() })
	w := newWorldOn(t, 1, false, server.Addr())
	p := newPlayer(w)
	limitMemory(t, server.Addr(), memoryOf(t, w).Used+3<<19)
	w.check(w.startWorker("a", "", calmPace()))
	w.check(w.startArchive("x", "", 0))
	schedule, err := batch.NewSchedule(batch.ScheduleConfig{Runner: w.runner, Every: 24 * time.Hour, Gap: time.Millisecond, Poll: 20 * time.Millisecond})
	w.check(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = schedule.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })

	compare := func() *serving.Result {
		t.Helper()
		r, err := w.ask(serving.Query{View: "sales", Grain: "1h", Dimensions: []string{"country"}, Limit: 100_000}, true)
		w.check(err)
		if r.Provenance.Partial {
			t.Fatalf("partial: %s", r.Provenance.Reason)
		}
		return r
	}
	peak, sent, freed := 0.0, 0, 0
	for freed < 2 {
		var lines []string
		for range 100 { // each in a minute of its own
			at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(sent%1440) * time.Minute)
			lines = append(lines, fmt.Sprintf("e%d %s C%d u%d 1.50", sent, at.Format("15:04"), sent/1440, sent%7))
			sent++
		}
		if _, err := p.produce(call{input: lines}); err != nil {
			t.Fatal(err)
		}
		w.check(w.flushed())
		m := memoryOf(t, w)
		peak = max(peak, m.Share())
		r := compare()
		if sent > 40_000 || peak > 0.97 {
			t.Fatalf("after %d events %v, and no batch", sent, m)
		}
		if m.Share() < live.HighMemory {
			continue
		}
		w.check(w.until("that a batch frees the memory", func() error {
			asked, err := w.lake.BatchAsked(w.ctx)
			if err != nil {
				return err
			}
			if m := memoryOf(t, w); m.High() || len(asked) > 0 {
				return fmt.Errorf("%v; asked for are %+v", m, asked)
			}
			return nil
		}))
		if after := compare(); after.Provenance.Snapshot != r.Provenance.Snapshot {
			freed++ // else it fell by itself: what newer cells supersede goes, too
		}
	}
	t.Logf("%d events, at most %.0f %% of the memory, %d batches by themselves", sent, 100*peak, freed)
}

func memoryOf(t *testing.T, w *World) live.Memory {
	t.Helper()
	m, err := w.live.Memory(w.ctx)
	w.check(err)
	return m
}

// limitMemory sets maxmemory of a real Redis, in bytes.
func limitMemory(t *testing.T, addr string, bytes int64) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "CONFIG SET maxmemory %d\r\n", bytes)
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "+OK") {
		t.Fatalf("set maxmemory: %q, %v", line, err)
	}
}

// A wish that nobody's schedule answers is shown, and answered by the run that somebody calls.
func TestABatchThatIsAskedForIsShownUntilOneRan(t *testing.T) {
	w := NewWorld(t, 1, false)
	w.check(w.startWorker("a", "", calmPace()))
	w.check(w.startArchive("x", "", 0))
	w.check(w.flushed())
	w.check(w.lake.AskBatch(w.ctx, lake.BatchAsk{Cause: "memory", Reason: "it is full", At: time.Now()}))
	if s, err := w.server.Status(w.ctx); err != nil || len(s.Batch) != 1 || s.Batch[0].Reason != "it is full" || s.Batch[0].Since == "" {
		t.Errorf("the status shows %+v", s.Batch)
	}
	w.batches.crash("before-publish")
	if _, err := w.batch(batch.RunOptions{RunID: "r1"}); err == nil {
		t.Error("no crash")
	}
	if s, err := w.server.Status(w.ctx); err != nil || len(s.Batch) != 1 {
		t.Error("a run that broke off answered the wish")
	}
	if _, err := w.batch(batch.RunOptions{RunID: "r2"}); err != nil {
		t.Fatal(err)
	}
	if s, err := w.server.Status(w.ctx); err != nil || len(s.Batch) != 0 {
		t.Errorf("after the run the status shows %+v", s.Batch)
	}
}
