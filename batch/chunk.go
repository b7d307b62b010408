package batch

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
)

// chunk is what one chunk will hold, in memory. Its size is bounded by ArchiveConfig, by one record beyond.
type chunk struct {
	first, last, next int64 // last is first-1 while there is no record
	rows              *intake.Rows
	dead              []lake.DeadLetter
	duplicates, late  int64
	missing           [][2]int64
	stands            []lake.Standing // files of an earlier attempt that are part of it; see mend
	progress          intake.Progress // of the fold at next
	bytes             int64           // of keys and values
	since             time.Time       // when its first offset was read; zero: none yet
	traces            []string        // that some of its records are part of; a bounded number
}

// window reads a partition into chunks, one after the other.
type window struct {
	partition *partition
	reader    reader
	fold      *intake.Fold
	limit     int64 // the last offset to take; records beyond it belong to the next chunk
	chunk     chunk
	records   []stream.Record
}

// fetchRecords bounds one fetch, fetchWait how long it waits: what a request to close a chunk waits for at most.
const (
	fetchRecords = 10_000
	fetchWait    = 200 * time.Millisecond
)

// open begins to read at an offset with the fold in the given state, and restores the ids that the fold has to remember.
func (p *partition) open(ctx context.Context, f *feed, next int64, at intake.Progress) (*window, error) {
	first, end, err := p.archive.cfg.Stream.Bounds(ctx, p.topic.Name, p.id)
	if err != nil {
		return nil, err
	}
	if next > end {
		if err := p.sameLife(ctx); err != nil {
			return nil, err
		}
		// The broker has lost records that it had acknowledged, or is another. To wait for the log to grow would be to mix two histories.
		return nil, fmt.Errorf("archive: the lake ends beyond the log: %w", &stream.OutOfRange{Topic: p.topic.Name, Partition: p.id, Offset: next, First: first, Next: end})
	}
	w := &window{partition: p, fold: intake.NewFold(f.schema, at), limit: math.MaxInt64 - 1}
	w.chunk.rows = intake.NewRows(f.source)
	if f.source.EventID != "" && at != intake.Start() {
		if err := w.remember(ctx, f, next); err != nil {
			return nil, fmt.Errorf("read back the dedup horizon of %s p%d before offset %d: %w", p.topic, p.id, next, err)
		}
	}
	w.reader = p.reader(next)
	w.chunk.first, w.chunk.last, w.chunk.next = next, next-1, next
	return w, nil
}

func (w *window) close() {
	// The reader's connection is of no use any more, whatever closing it says.
	_ = w.reader.Close()
}

// remember gives the fold the records below next that its horizon still covers: from the lake what lies below the log's start.
func (w *window) remember(ctx context.Context, f *feed, next int64) error {
	p := w.partition
	oldest := int64(0)
	if f.source.DedupRecords > 0 {
		oldest = max(0, next-f.source.DedupRecords)
	}
	from, err := p.archive.cfg.Stream.OffsetAt(ctx, p.topic.Name, p.id, w.fold.Horizon())
	if err != nil {
		return err
	}
	// Asked for after that, so that what retention takes meanwhile is looked for in the lake.
	first, _, err := p.archive.cfg.Stream.Bounds(ctx, p.topic.Name, p.id)
	if err != nil {
		return err
	}
	reached, err := p.archive.cfg.Lake.Recall(ctx, p.topic, p.id, f.source, oldest, min(first, next), w.fold)
	if err != nil {
		return err
	}
	if reached {
		from = first
	}
	from = max(from, first, oldest)
	if from >= next {
		return nil
	}
	reader := p.reader(from)
	defer reader.Close()
	for reader.Offset() < next {
		w.records, err = reader.Fetch(ctx, int(min(fetchRecords, next-reader.Offset())), fetchWait, w.records[:0])
		for i := range w.records {
			if w.records[i].Offset < next {
				w.fold.Remember(w.record(i))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *window) record(i int) intake.Record {
	r := &w.records[i]
	return intake.Record{Partition: w.partition.id, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
}

// read returns when the chunk is to be closed: by size, by age, or because somebody asked.
func (w *window) read(ctx context.Context) (*chunk, error) {
	cfg := &w.partition.archive.cfg
	for {
		room := cfg.ChunkRecords - w.chunk.rows.Len() - len(w.chunk.dead)
		if err := w.fetch(ctx, min(fetchRecords, room)); err != nil {
			return nil, err
		}
		if w.chunk.next == w.chunk.first {
			continue
		}
		asked := w.partition.archive.askedOf(w.partition.topic.Name, w.partition.id)
		switch {
		case w.chunk.rows.Len()+len(w.chunk.dead) >= cfg.ChunkRecords,
			w.chunk.bytes >= w.partition.chunkBytes,
			time.Since(w.chunk.since) >= cfg.ChunkAge,
			asked > w.chunk.first && asked <= w.chunk.next:
			return &w.chunk, nil
		}
	}
}

// readRange reads the records up to last, and no others: those of an intent.
func (w *window) readRange(ctx context.Context, last int64) (*chunk, error) {
	w.limit = last
	for w.chunk.next <= last {
		if err := w.fetch(ctx, int(min(fetchRecords, last+1-w.chunk.next))); err != nil {
			return nil, err
		}
	}
	w.chunk.last = last
	return &w.chunk, nil
}

// fetch adds what comes next to the chunk. What retention took from under the reader is noted as missing.
func (w *window) fetch(ctx context.Context, atMost int) error {
	var err error
	w.records, err = w.reader.Fetch(ctx, atMost, fetchWait, w.records[:0])
	w.chunk.traces = trace.Join(w.chunk.traces, w.reader.Traces())
	for i := range w.records {
		if w.records[i].Offset <= w.limit { // where the log skips offsets, a fetch of so many records may go beyond
			w.add(w.record(i))
		}
	}
	w.chunk.next = w.reader.Offset()
	w.chunk.progress = w.fold.Progress()
	if err != nil {
		first, ok := overtaken(err)
		if !ok {
			return err
		}
		w.partition.archive.cfg.Logger.Error("retention overtook the archive: records are lost", "topic", w.partition.topic.Name,
			"partition", w.partition.id, "from", w.chunk.next, "to", first)
		w.chunk.missing = append(w.chunk.missing, [2]int64{w.chunk.next, min(first, w.limit+1)})
		if err := w.reader.Close(); err != nil {
			return err
		}
		w.reader = w.partition.reader(first)
		w.chunk.next = first
	}
	if w.chunk.next > w.chunk.first && w.chunk.since.IsZero() {
		w.chunk.since = time.Now()
	}
	return nil
}

func (w *window) add(rec intake.Record) {
	c := &w.chunk
	verdict := w.fold.Append(rec, c.rows)
	c.last = rec.Offset
	c.bytes += int64(len(rec.Key) + len(rec.Value))
	switch verdict.Kind {
	case intake.DeadLetter:
		c.dead = append(c.dead, lake.DeadLetter{
			Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp,
			Reason: string(verdict.Dead.Reason), Field: strings.Clone(verdict.Dead.Field), Detail: strings.Clone(verdict.Dead.Detail),
			Key: bytes.Clone(rec.Key), Raw: bytes.Clone(rec.Value),
		})
		return
	case intake.Duplicate:
		c.duplicates++
	case intake.Event:
		if verdict.Late {
			c.late++
		}
	}
}

// reset begins the next chunk where the last one ended. The fold goes on.
func (w *window) reset() {
	w.chunk.rows.Reset()
	w.chunk = chunk{first: w.chunk.next, last: w.chunk.next - 1, next: w.chunk.next, rows: w.chunk.rows, progress: w.chunk.progress}
}

// dated are the rows of one date, by ascending offset.
type dated struct {
	name string // UTC, 2006-01-02
	rows []int32
}

// microsPerDay is the length of a UTC date in µs.
const microsPerDay = int64(24 * time.Hour / time.Microsecond)

// byDate groups positions by the UTC date of their times (µs), in the order of the dates.
func byDate(times []int64) []dated {
	days := map[int64]int{}
	var out []dated
	var numbers []int64
	for i, us := range times {
		day := us / microsPerDay
		if us%microsPerDay < 0 {
			day--
		}
		n, ok := days[day]
		if !ok {
			n = len(out)
			days[day] = n
			out = append(out, dated{name: time.UnixMicro(day * microsPerDay).UTC().Format(time.DateOnly)})
			numbers = append(numbers, day)
		}
		out[n].rows = append(out[n].rows, int32(i))
	}
	slices.Sort(numbers)
	sorted := make([]dated, len(out))
	for i, day := range numbers {
		sorted[i] = out[days[day]]
	}
	return sorted
}
