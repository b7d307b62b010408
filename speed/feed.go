package speed

import (
	"context"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// feed reads one partition for as long as it is owned without a break: first back to what the fold has to remember, then on from the
// offset. It hands over records and waits until they are folded, so that the next fetch overlaps with what the loop does meanwhile.
type feed struct {
	p       *partition
	cancel  context.CancelFunc
	stopped chan struct{}
	folded  chan struct{} // the loop has taken in what was fetched
}

// fetched is what a feed hands over. The feed ends with an error.
type fetched struct {
	feed    *feed
	records []stream.Record // as Kafka has them
	traces  []string        // that some of them are part of
	stored  *stored         // or as the lake has them
	err     error
}

// fetchWait is how long one fetch gathers records. A feed that idles asks again at this pace.
const fetchWait = 25 * time.Millisecond

// startFeed begins to read the partition at offset.
func (s *shift) startFeed(ctx context.Context, p *partition, offset int64) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{p: p, cancel: cancel, stopped: make(chan struct{}), folded: make(chan struct{}, 1)}
	go func() {
		defer close(f.stopped)
		err := f.run(ctx, s, offset)
		if ctx.Err() != nil {
			return
		}
		select {
		case s.fetched <- fetched{feed: f, err: err}:
		case <-ctx.Done():
		}
	}()
	return f
}

// stop ends the feed and waits for it.
func (f *feed) stop() {
	f.cancel()
	<-f.stopped
}

func (f *feed) run(ctx context.Context, s *shift, offset int64) error {
	p, client := f.p, s.w.cfg.Stream
	most := max(1000, s.w.cfg.BatchRecords/len(s.parts)) // in one hand-over
	first, _, err := client.Bounds(ctx, p.lane.src.Topic, p.number)
	if err != nil {
		return err
	}
	if offset < first {
		if offset, err = f.replay(ctx, s, offset, first, most); err != nil {
			return err
		}
	}
	from, err := f.remember(ctx, s, offset)
	if err != nil {
		return err
	}
	r := client.ReaderOf(s.seen, p.number, from)
	defer r.Close()
	var records []stream.Record
	came := time.Now()
	for {
		if records, err = r.Fetch(ctx, most, fetchWait, records[:0]); err != nil {
			return err
		}
		if now := time.Now(); len(records) > 0 {
			came = now
		} else if now.Sub(came) > s.w.cfg.RestAfter {
			records = nil
		}
		rest := records
		for len(rest) > 0 && rest[0].Offset < offset {
			p.fold.Remember(intake.Record{Partition: p.number, Offset: rest[0].Offset, Timestamp: rest[0].Timestamp, Key: rest[0].Key, Value: rest[0].Value})
			rest = rest[1:]
		}
		if len(rest) == 0 {
			continue
		}
		if err := f.hand(ctx, s.fetched, fetched{feed: f, records: rest, traces: r.Traces()}); err != nil {
			return err
		}
	}
}

// hand gives the loop something and waits until it is folded.
func (f *feed) hand(ctx context.Context, to chan<- fetched, what fetched) error {
	select {
	case to <- what:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-f.folded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replay hands over what only the lake has, and makes the fold go on behind it.
func (f *feed) replay(ctx context.Context, s *shift, offset, first int64, most int) (int64, error) {
	conn, err := s.w.crew.db.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	r := &replay{f: f, lake: s.w.cfg.Lake, topic: s.topic, conn: conn, to: s.fetched, most: most, at: f.p.fold.Progress()}
	next, at, err := r.run(ctx, offset, first)
	if err != nil {
		return 0, err
	}
	f.p.fold = intake.NewFold(f.p.lane.schema, at)
	return next, nil
}

// remember makes the fold remember the part of the dedup horizon that only the lake has, and returns the offset to read the rest of it from: the
// horizon's first record in the log, but not further back than dedup_records.
func (f *feed) remember(ctx context.Context, s *shift, offset int64) (from int64, err error) {
	p, src, client := f.p, f.p.lane.src, s.w.cfg.Stream
	if src.EventID == "" || p.fold.Progress() == intake.Start() {
		return offset, nil
	}
	if from, err = client.OffsetAt(ctx, src.Topic, p.number, p.fold.Horizon()); err != nil {
		return 0, fmt.Errorf("find what to remember: %w", err)
	}
	// Asked for after that, so that what retention takes meanwhile is looked for in the lake.
	first, _, err := client.Bounds(ctx, src.Topic, p.number)
	if err != nil {
		return 0, err
	}
	oldest := rememberedAtMost(src, offset)
	reached, err := s.w.cfg.Lake.Recall(ctx, s.topic, p.number, src, oldest, min(first, offset), p.fold)
	if reached {
		from = first
	}
	return min(max(from, first, oldest), offset), err
}

// rememberedAtMost is the lowest offset that a fold at an offset may have to remember, by dedup_records.
func rememberedAtMost(src *view.Source, offset int64) int64 {
	if src.DedupRecords > 0 {
		return max(0, offset-src.DedupRecords)
	}
	return 0
}
