package speed

import (
	"context"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/stream"
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
	records []stream.Record
	err     error
}

// fetchWait is how long one fetch gathers records. A feed that idles asks again at this pace.
const fetchWait = 25 * time.Millisecond

// startFeed begins to read the partition at offset. most bounds one hand-over.
func startFeed(ctx context.Context, client *stream.Client, p *partition, offset int64, most int, to chan<- fetched) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{p: p, cancel: cancel, stopped: make(chan struct{}), folded: make(chan struct{}, 1)}
	go func() {
		defer close(f.stopped)
		err := f.run(ctx, client, offset, most, to)
		if ctx.Err() != nil {
			return
		}
		select {
		case to <- fetched{feed: f, err: err}:
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

func (f *feed) run(ctx context.Context, client *stream.Client, offset int64, most int, to chan<- fetched) error {
	p := f.p
	from, err := rememberFrom(ctx, client, p, offset)
	if err != nil {
		return err
	}
	r := client.Reader(p.lane.src.Topic, p.number, from)
	defer r.Close()
	var records []stream.Record
	for {
		if records, err = r.Fetch(ctx, most, fetchWait, records[:0]); err != nil {
			return err
		}
		rest := records
		for len(rest) > 0 && rest[0].Offset < offset {
			p.fold.Remember(intake.Record{Partition: p.number, Offset: rest[0].Offset, Timestamp: rest[0].Timestamp, Key: rest[0].Key, Value: rest[0].Value})
			rest = rest[1:]
		}
		if len(rest) == 0 {
			continue
		}
		select {
		case to <- fetched{feed: f, records: rest}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-f.folded:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rememberFrom is the offset to read back to: the first record of the dedup horizon, but not further than dedup_records nor than
// the log's start.
func rememberFrom(ctx context.Context, client *stream.Client, p *partition, offset int64) (int64, error) {
	src := p.lane.src
	if src.EventID == "" || p.fold.Progress() == intake.Start() {
		return offset, nil
	}
	first, _, err := client.Bounds(ctx, src.Topic, p.number)
	if err != nil {
		return 0, fmt.Errorf("find what to remember: %w", err)
	}
	from, err := client.OffsetAt(ctx, src.Topic, p.number, p.fold.Horizon())
	if err != nil {
		return 0, fmt.Errorf("find what to remember: %w", err)
	}
	if src.DedupRecords > 0 {
		from = max(from, offset-src.DedupRecords)
	}
	return min(max(from, first), offset), nil
}
