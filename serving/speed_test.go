package serving

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// interruptedReader lets something happen after each read.
type interruptedReader struct {
	groupReader
	mu    sync.Mutex
	after func(g live.Group)
}

func (r *interruptedReader) Read(ctx context.Context, g live.Group, q live.ReadRequest) (live.ReadReply, error) {
	reply, err := r.groupReader.Read(ctx, g, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.after(g)
	return reply, err
}

// servedEvents are the events that an answer says it holds.
func servedEvents(w *world, r *Result) []event {
	var events []event
	for _, e := range w.events {
		if e.offset < r.Provenance.Partitions[e.partition].Served {
			events = append(events, e)
		}
	}
	return events
}

// A range off the months is read in several spans. A flush between two of them must not put a record into one and leave one out of another.
func TestSpansOfOneAnswerAreReadAsOfOneOffset(t *testing.T) {
	for name, flushes := range map[string]int{"a flush now and then": 3, "a flush after every read": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, viewYAML)
			w.add(random(8, 900)...)
			from, to := instantOf(t, "2024-01-25T05:00"), instantOf(t, "2024-03-03T07:00")
			off := map[int]int64{0: 100, 1: 100}
			for p := range 2 {
				w.flush(p, 0, 0, off[p])
			}
			s := w.serve()
			s.speed.live = &interruptedReader{groupReader: w.live, after: func(g live.Group) {
				p := g.Partition
				if flushes > 0 && off[p]+5 <= w.log.ends[p] {
					flushes--
					w.flush(p, 0, off[p], off[p]+5)
					off[p] += 5
				}
			}}
			for range 3 {
				r := w.query(Query{From: "2024-01-25T05:00", To: "2024-03-03T07:00", Dimensions: []string{"country"}})
				if r.Provenance.Partial {
					t.Fatalf("partial: %s", r.Provenance.Reason)
				}
				check(t, name, r, fold(servedEvents(w, r), func(e event) string { return e.country }, func(e event) bool {
					return e.at.UnixMicro() >= from && e.at.UnixMicro() < to
				}), false)
			}
		})
	}
}

// A chunk that only the second of two epochs has is read under that epoch's name before they are merged and under the first one's after.
func TestSpansOfOneAnswerAreReadBeforeAMergeOfEpochsOrAfterIt(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(8, 900)...)
	ctx, g := t.Context(), w.group(0)
	cut := func() {
		_, _, _, err := w.live.Cut(ctx, g)
		must(t, err)
	}
	w.flush(0, 0, 0, 1)
	cut()
	w.flush(0, 1, 1, 200)
	cut()
	s := w.serve()
	s.speed.live = &interruptedReader{groupReader: w.live, after: func(live.Group) {
		_, err := w.live.Merge(ctx, g, 0, 0, 1, func(dst, a, b []byte) ([]byte, error) {
			sum, more := w.plan.New(), w.plan.New()
			must(t, w.plan.Decode(a, sum))
			must(t, w.plan.Decode(b, more))
			w.plan.Merge(sum, more)
			return w.plan.Append(dst, sum), nil
		})
		must(t, err)
	}}
	month := w.view.Grains[2]
	from, mid, to := instantOf(t, "2024-01-01T00:00"), instantOf(t, "2024-02-01T00:00"), instantOf(t, "2025-01-01T00:00")
	r, err := s.speed.read(ctx, w.plan, g, 0, []span{{month, from, mid}, {month, mid, to}}) // in one chunk
	must(t, err)
	events := int64(0)
	for _, c := range r.chunks {
		for i := range c.cells {
			events += c.cells[i].state.Events()
		}
	}
	if len(r.meta.Starts) != 2 || events != 200 {
		t.Errorf("epochs %v, %d events of 200", r.meta.Starts, events)
	}
}

func TestAnswersFollowTheSpeedLayer(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(8, 600)...)
	w.serve()
	off := map[int]int64{}
	for range 6 {
		for p := range 2 {
			w.flush(p, 0, off[p], min(off[p]+50, w.log.ends[p]))
			off[p] = min(off[p]+50, w.log.ends[p])
		}
		r := w.query(Query{Grain: "1d"})
		check(t, "while records come in", r, fold(servedEvents(w, r), day, nil), true)
		if *r.Provenance.Behind != w.log.ends[0]-off[0]+w.log.ends[1]-off[1] {
			t.Errorf("behind is %d", *r.Provenance.Behind)
		}
		w.pass(time.Minute)
	}
}
