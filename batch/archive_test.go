package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// holding says what the lake holds of an offset: the key of its file, once per row.
func (w *world) holding(partition int) map[int64][]string {
	w.t.Helper()
	chunks, err := w.lake.Chunks(w.t.Context(), w.topic, partition, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	held := map[int64][]string{}
	for _, c := range chunks {
		if !c.Committed {
			w.t.Fatalf("chunk [%d, %d) is open", c.First, c.Next)
		}
		for _, f := range c.Files {
			for _, offset := range w.offsets(f) {
				held[offset] = append(held[offset], f.Key)
			}
		}
	}
	return held
}

// heldOnce checks that each record that was sent is in exactly one file.
func (w *world) heldOnce() {
	w.t.Helper()
	for p, next := range w.sent {
		held := w.holding(p)
		for offset := range next {
			if len(held[offset]) != 1 {
				w.t.Fatalf("offset %d of partition %d is in the files %q, not in one", offset, p, held[offset])
			}
		}
		if int64(len(held)) != next {
			w.t.Fatalf("partition %d: the lake holds %d offsets of %d", p, len(held), next)
		}
	}
	// Also for those who only list the folder.
	rows := int64(0)
	for _, prefix := range []string{"lake/", "dead/"} {
		for object, err := range w.store.List(w.t.Context(), prefix) {
			if err != nil {
				w.t.Fatal(err)
			}
			if strings.HasSuffix(object.Key, ".parquet") {
				rows += int64(len(w.offsets(lake.ChunkFile{Key: object.Key, Dead: prefix == "dead/"})))
			}
		}
	}
	sent := int64(0)
	for _, n := range w.sent {
		sent += n
	}
	if rows != sent {
		w.t.Fatalf("the folder holds %d rows of %d records", rows, sent)
	}
}

func (w *world) commits() (chunks int, events, duplicates, late, dead int64) {
	w.t.Helper()
	for p := range w.sent {
		all, err := w.lake.Chunks(w.t.Context(), w.topic, p, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		chunks += len(all)
		for _, c := range all {
			events, duplicates, late, dead = events+c.Events, duplicates+c.Duplicates, late+c.Late, dead+c.Dead
		}
	}
	return chunks, events, duplicates, late, dead
}

func TestEveryRecordIsInOneSegmentOrOneFileOfDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce(2000, 1, 3)
	w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 300 })
	w.heldOnce()
	chunks, events, duplicates, late, dead := w.commits()
	if chunks < 6 || duplicates == 0 || late == 0 || dead == 0 || events+dead != w.sent[0]+w.sent[1] {
		t.Fatalf("%d chunks, %d events, %d duplicates, %d late, %d dead of %v records", chunks, events, duplicates, late, dead, w.sent)
	}
}

func TestCrashesBetweenAnyTwoStepsLeaveNoGapAndNoDuplicate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce(1500, 2, 3)
	calm := newWorld(t)
	calm.produce(1500, 2, 3)
	calm.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 100 })

	random := rand.New(rand.NewPCG(3, 3))
	crashed := errors.New("crash")
	seen := map[string]int{}
	for p := range 2 {
		steps := func(step string) error {
			if random.IntN(4) == 0 {
				seen[step]++
				return fmt.Errorf("%w at %s", crashed, step)
			}
			return nil
		}
		// Each life is a new archive, with nothing in memory but what it reads.
		a := w.archive(func(c *ArchiveConfig) { c.ChunkRecords, c.Steps = 100, steps })
		w.drain(w.partition(a, p), func(err error) bool { return errors.Is(err, crashed) })
	}
	for _, step := range []string{"before-intent", "after-intent", "after-file-1", "after-file-2", "before-commit", "after-commit"} {
		if seen[step] == 0 {
			t.Errorf("no crash at %s among %v", step, seen)
		}
	}
	w.heldOnce()
	_, events, duplicates, late, dead := w.commits()
	_, events2, duplicates2, late2, dead2 := calm.commits()
	if events != events2 || duplicates != duplicates2 || late != late2 || dead != dead2 {
		t.Fatalf("with crashes %d events, %d duplicates, %d late, %d dead; without %d, %d, %d, %d",
			events, duplicates, late, dead, events2, duplicates2, late2, dead2)
	}
}

func TestTwoArchivesOfOnePartitionFinishTheSameWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce(1500, 4, 2)
	lost := 0
	allowed := func(err error) bool {
		lost++
		return errors.Is(err, lake.ErrExists) || errors.Is(err, lake.ErrChanged)
	}
	for p := range 2 {
		one, two := w.archive(func(c *ArchiveConfig) { c.ChunkRecords = 70 }), w.archive(func(c *ArchiveConfig) { c.ChunkRecords = 90 })
		other := *w
		other.lake = lake.New(w.store)
		two.cfg.Lake = other.lake
		done := make(chan struct{})
		go func() {
			defer close(done)
			other.drain(other.partition(two, p), func(err error) bool { return errors.Is(err, lake.ErrExists) || errors.Is(err, lake.ErrChanged) })
		}()
		w.drain(w.partition(one, p), allowed)
		<-done
	}
	w.heldOnce()
}

func TestAnOpenChunkIsFinishedWithTheDefinitionItWasBegunWith(t *testing.T) {
	w := newWorld(t)
	w.produce(200, 5, 1)
	crash := errors.New("crash")
	steps := func(step string) error {
		if step == "after-intent" {
			return crash
		}
		return nil
	}
	a := w.archive(func(c *ArchiveConfig) { c.Steps = steps })
	p := w.partition(a, 0)
	a.Close(w.topic.Name, w.sent)
	if err := p.life(t.Context()); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	_, _, open, err := w.lake.Next(t.Context(), w.topic, 0)
	if err != nil || open == nil {
		t.Fatalf("no chunk is open: %v", err)
	}
	// The new definition cannot read one of the fields: with it, every record would be a dead letter.
	changed := testSource()
	changed.Fields = append(changed.Fields, view.Field{Name: "new", Type: view.Type{Kind: view.Int64}})
	w.project.Sources = []*view.Source{changed}
	w.archiveAll(nil)
	chunks, err := w.lake.Chunks(t.Context(), w.topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := chunks[0]; c.Definition != open.Definition || c.Events == 0 || c.IngestedAt != open.IngestedAt {
		t.Fatalf("finished as %+v, begun as %+v", c, open)
	}
	other, err := w.lake.Chunks(t.Context(), w.topic, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := other[0]; c.Events != 0 || c.Dead != w.sent[1] {
		t.Fatalf("the other partition was not read with the new definition: %+v", c)
	}
	w.heldOnce()
}

func TestRestartsRememberTheIdsWithinTheHorizon(t *testing.T) {
	w := newWorld(t)
	w.produce(300, 6, 1)
	w.archiveAll(nil)
	_, events, before, _, _ := w.commits()
	w.produce(300, 6, 1) // the same events again
	w.archiveAll(nil)
	_, all, after, _, _ := w.commits()
	if fresh := (all - events) - (after - before); fresh != 0 {
		t.Fatalf("%d of the repeated events were taken for new ones", fresh)
	}
}

// What retention has taken from the log within the horizon, the lake has: repeats of it are known after a restart.
func TestRestartsRememberTheIdsThatOnlyTheLakeHas(t *testing.T) {
	t.Parallel()
	for _, share := range []int64{100, 60} {
		w := newWorld(t)
		w.produce(300, 6, 1)
		w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 70 })
		_, events, before, _, _ := w.commits()
		w.retain(share)
		w.produce(300, 6, 1)
		w.archiveAll(nil)
		_, all, after, _, _ := w.commits()
		if fresh := (all - events) - (after - before); fresh != 0 {
			t.Errorf("after retention took %d %%, %d of the repeated events were taken for new ones", share, fresh)
		}
	}
}

func TestRunArchivesThroughTheGroupAndClosesWhenABatchAsks(t *testing.T) {
	w := newWorld(t)
	w.produce(500, 7, 2)
	a := w.archive(nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	if err := w.lake.AskClose(t.Context(), w.topic, w.sent); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		reached := true
		for p, next := range w.sent {
			at, _, _, err := w.lake.Next(t.Context(), w.topic, p)
			reached = reached && err == nil && at >= next
		}
		if reached {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the archive did not reach the offsets that were asked for")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.heldOnce()
}

func TestOneTopicHasOneArchive(t *testing.T) {
	w := newWorld(t)
	second := testSource()
	second.Name = "again"
	w.project.Sources = append(w.project.Sources, second)
	_, err := NewArchive(ArchiveConfig{Project: w.project, Stream: w.stream, Lake: w.lake})
	if err == nil || !strings.Contains(err.Error(), "again") || !strings.Contains(err.Error(), "sales") {
		t.Fatalf("got %v", err)
	}
}

func TestDatesAreThoseOfUTC(t *testing.T) {
	at := func(s string) int64 {
		x, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return x.UnixMicro()
	}
	got := byDate([]int64{at("2026-03-02T00:00:00Z"), at("1969-12-31T23:59:59.999999Z"), at("2026-03-01T23:59:59.999999Z"), at("2026-03-02T11:00:00Z")})
	want := []dated{{"1969-12-31", []int32{1}}, {"2026-03-01", []int32{2}}, {"2026-03-02", []int32{0, 3}}}
	if !slices.EqualFunc(got, want, func(a, b dated) bool { return a.name == b.name && slices.Equal(a.rows, b.rows) }) {
		t.Fatalf("got %v", got)
	}
}

// forgetful is a reader of a log whose retention takes the records below an offset as soon as something is read.
type forgetful struct {
	reader
	first, next int64
	gone        *bool
}

func (f *forgetful) Fetch(ctx context.Context, n int, wait time.Duration, dst []stream.Record) ([]stream.Record, error) {
	if *f.gone && f.Offset() < f.first {
		return dst, &stream.OutOfRange{Topic: "sales", Offset: f.Offset(), First: f.first, Next: f.next}
	}
	*f.gone = true
	return f.reader.Fetch(ctx, min(n, 10), wait, dst)
}

func TestWhatRetentionTookIsStatedAsMissing(t *testing.T) {
	w := newWorld(t)
	w.produce(200, 8, 1)
	a := w.archive(nil)
	p := w.partition(a, 0)
	plain, gone := p.reader, false
	p.reader = func(offset int64) reader {
		return &forgetful{reader: plain(offset), first: 40, next: w.sent[0], gone: &gone}
	}
	w.drain(p, func(error) bool { return false })
	chunks, err := w.lake.Chunks(t.Context(), w.topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := chunks[0]
	if len(chunks) != 1 || !slices.Equal(c.Missing, [][2]int64{{10, 40}}) || c.Events+c.Dead != w.sent[0]-30 || c.Next != w.sent[0] {
		t.Fatalf("%d chunks, the first %+v", len(chunks), c)
	}
}

func TestAChunkClosesByAge(t *testing.T) {
	w := newWorld(t)
	w.produce(50, 9, 1)
	a := w.archive(func(c *ArchiveConfig) { c.ChunkAge = time.Millisecond })
	p := w.partition(a, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p.committed = func(context.Context, int64) error { cancel(); return nil }
	if err := p.life(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if next, _, _, err := w.lake.Next(t.Context(), w.topic, 0); err != nil || next != w.sent[0] {
		t.Fatalf("archived up to %d of %d: %v", next, w.sent[0], err)
	}
}

func TestAChunkWhoseIntentIsOutIsFinishedWhenTheArchiveIsTold(t *testing.T) {
	w := newWorld(t)
	w.produce(50, 10, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := w.archive(func(c *ArchiveConfig) {
		c.Steps = func(step string) error {
			if step == "after-intent" {
				cancel()
			}
			return nil
		}
	})
	a.Close(w.topic.Name, w.sent)
	if err := w.partition(a, 0).life(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	next, _, open, err := w.lake.Next(t.Context(), w.topic, 0)
	if err != nil || open != nil || next != w.sent[0] {
		t.Fatalf("archived up to %d of %d, open %v: %v", next, w.sent[0], open, err)
	}
}

func TestALakeThatEndsBeyondTheLogIsAnError(t *testing.T) {
	w := newWorld(t)
	w.produce(20, 11, 1)
	p := w.partition(w.archive(nil), 0)
	_, err := p.open(t.Context(), p.feed, w.sent[0]+1, intake.Progress{})
	var out *stream.OutOfRange
	if !errors.As(err, &out) || out.Next != w.sent[0] {
		t.Fatalf("got %v", err)
	}
}
