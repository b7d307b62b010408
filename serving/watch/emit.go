package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// Emitted is a row of a view as it goes to a topic, under the key of its bucket and dimensions. The topic is the memory of what was sent: a row goes there
// again only when it is another. The JSON does not change but by additions.
type Emitted struct {
	ID         string       `json:"id"`       // of bucket, dimensions and sequence
	Sequence   int64        `json:"sequence"` // of the rows with the same bucket and dimensions, from 1
	View       string       `json:"view"`
	Definition string       `json:"definition"` // hash of the view's definition
	Grain      string       `json:"grain"`
	Time       string       `json:"time"` // start of the bucket
	Dimensions alert.Labels `json:"dimensions"`
	Measures   alert.Labels `json:"measures,omitempty"`
	Closed     bool         `json:"closed"`             // the bucket is over
	Revision   bool         `json:"revision,omitempty"` // it was sent before as closed, and is another now
	Removed    bool         `json:"removed,omitempty"`  // there are no events of it any more
}

// rowKey is what rows of the same bucket and dimensions share, in its topic too.
func (e *Emitted) rowKey() string {
	text, err := json.Marshal([]any{e.Time, e.Dimensions})
	if err != nil {
		panic(fmt.Sprintf("BUG: encode the key of a row: %v", err))
	}
	return string(text)
}

// digest tells one state of a row from the next. When it is closed matters, as that is told.
func (e *Emitted) digest() string {
	text, err := json.Marshal([]any{e.Definition, e.Measures, e.Closed, e.Removed})
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a row: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// sentRow is what is remembered of a row that was sent.
type sentRow struct {
	bucket   int64
	sequence int64
	digest   string
	closed   bool
	removed  bool
	labels   alert.Labels
}

// progress is what is kept of an emitter in the lake: from where on its topic has to be read back; there is always a mark.
type progress struct {
	Definition string       `json:"definition"` // hash of the view
	Grain      string       `json:"grain"`
	Through    int64        `json:"through"` // µs: buckets that end until then were sent when they were over
	Marks      []emitMarker `json:"marks"`   // ascending
}

// emitMarker says where the topic ended when no row had been sent of buckets from Bucket on: all that is known of these is behind.
type emitMarker struct {
	Bucket int64         `json:"bucket"`
	Ends   map[int]int64 `json:"ends"`
}

// maxMarkers bounds progress; markEvery is how often one is made.
const (
	maxMarkers = 64
	markEvery  = time.Minute
)

// emitter sends the rows of a view to its topic.
type emitter struct {
	w        *Watcher
	emit     view.Emit
	producer *stream.Producer

	kept   progress
	tag    lake.NoteTag
	saved  time.Time          // by the clock
	sent   map[string]sentRow // of buckets that may still change
	mark   string
	failed string
}

// emitters prepares those of the project; the returned function closes them.
func (w *Watcher) emitters(ctx context.Context) (list []*emitter, stop func(), err error) {
	stop = func() {
		for _, e := range list {
			if err := e.producer.Close(); err != nil {
				w.cfg.Logger.Warn("the topic of a view was not closed", "topic", e.emit.To, "error", err)
			}
		}
	}
	for _, emit := range w.cfg.Project.Emits {
		e := &emitter{w: w, emit: emit, sent: map[string]sentRow{}, producer: w.cfg.Stream.Producer(emit.To)}
		list = append(list, e)
		if err := e.load(ctx); err != nil {
			stop()
			return nil, nil, err
		}
	}
	return list, stop, nil
}

func (e *emitter) note() string { return "emit/" + e.emit.View.Name }

// load reads what the topic holds of buckets that may still change.
func (e *emitter) load(ctx context.Context) error {
	data, tag, err := e.w.cfg.Lake.Note(ctx, e.note())
	if err != nil {
		return err
	}
	e.tag = tag
	if data != nil {
		if err := json.Unmarshal(data, &e.kept); err != nil {
			return fmt.Errorf("read what is kept of the rows of view %s: %w", e.emit.View.Name, err)
		}
	}
	if e.kept.Definition != e.emit.View.Hash || e.kept.Grain != e.emit.Grain.Name {
		e.kept = progress{Definition: e.emit.View.Hash, Grain: e.emit.Grain.Name, Through: math.MinInt64,
			Marks: []emitMarker{{Bucket: math.MinInt64}}}
	}
	return readBack(ctx, e.w.cfg.Stream, e.emit.To, e.kept.Marks[0].Ends, func(r stream.Record) error {
		var row Emitted
		if json.Unmarshal(r.Value, &row) != nil || row.View != e.emit.View.Name || row.Grain != e.emit.Grain.Name {
			return nil // of somebody else
		}
		at, err := time.Parse(time.RFC3339Nano, row.Time)
		if err != nil {
			return nil
		}
		e.sent[row.rowKey()] = sentRow{at.UnixMicro(), row.Sequence, row.digest(), row.Closed, row.Removed, row.Dimensions}
		return nil
	})
}

// look sends what has changed. Errors are a crash's, or those of a lake or a topic that is away; a view that cannot be asked is logged.
func (e *emitter) look(ctx context.Context, m serving.Mark) error {
	if m.Text == e.mark && e.failed == "" || !m.Known {
		return nil
	}
	e.mark = m.Text
	for more := true; more && ctx.Err() == nil; {
		r, err := e.bound(ctx, m)
		var got *answer
		if err == nil {
			got, err = ask(ctx, e.w.cfg.Asker, e.query(), r)
		}
		if err == nil && got.partial != "" {
			err = errors.New("the answer is partial: " + got.partial)
		}
		if !e.wait(ctx, err) {
			return nil
		}
		if err := e.send(ctx, r, got); err != nil {
			return err
		}
		more = r.To != math.MaxInt64
	}
	return nil
}

// wait notes why nothing is sent; true where something is.
func (e *emitter) wait(ctx context.Context, err error) bool {
	waiting := e.w.metrics.waiting.WithLabelValues("emit " + e.emit.View.Name)
	if err == nil {
		e.failed = ""
		waiting.Set(0)
		return true
	}
	waiting.Set(1)
	if err.Error() != e.failed && ctx.Err() == nil {
		e.w.cfg.Logger.Warn("rows of a view are not sent for now", "view", e.emit.View.Name, "error", err)
	}
	e.failed = err.Error()
	return false
}

func (e *emitter) query() serving.Query {
	return serving.Query{View: e.emit.View.Name, Grain: e.emit.Grain.Name, Dimensions: e.emit.Dimensions, Measures: e.emit.Measures}
}

// bound says which buckets are looked at: those that are not closed yet, and those before as far as they may change.
func (e *emitter) bound(ctx context.Context, m serving.Mark) (alert.Range, error) {
	g, loc := e.emit.Grain, e.emit.View.Location
	r := alert.Range{From: e.kept.Through, To: math.MaxInt64}
	if e.kept.Through != math.MinInt64 {
		r.From = min(g.Floor(e.kept.Through, loc), g.Floor(m.Watermark-e.emit.LookBack.Microseconds(), loc))
		r.From = max(r.From, e.floor())
	}
	span := int64(e.w.cfg.Windows) * g.Size.Microseconds()
	if r.From != math.MinInt64 && m.Watermark-r.From <= span {
		return r, nil
	}
	first, found, err := firstBucket(ctx, e.w.cfg.Asker, e.query(), r.From)
	if err != nil || !found {
		return r, err
	}
	if to := g.Floor(first+span, loc); to < m.Watermark {
		r.To = to
	}
	return r, nil
}

// floor is where what is known of the topic begins.
func (e *emitter) floor() int64 { return e.kept.Marks[0].Bucket }

// send compares rows with what was sent, and sends what differs.
func (e *emitter) send(ctx context.Context, r alert.Range, got *answer) error {
	through := min(got.watermark, r.To)
	var rows []Emitted
	seen := map[string]bool{}
	for i := range got.rows {
		row := e.row(&got.rows[i], through)
		key := row.rowKey()
		seen[key] = true
		if e.differs(&row, e.sent[key]) {
			rows = append(rows, row)
		}
	}
	for key, s := range e.sent {
		if !seen[key] && !s.removed && s.bucket >= r.From && s.bucket < r.To {
			row := e.bare(s.bucket, s.labels, through)
			row.Removed = true
			if e.differs(&row, s) {
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b Emitted) int { return cmp.Compare(a.rowKey(), b.rowKey()) })
	if err := e.write(ctx, rows); err != nil {
		return err
	}
	e.kept.Through = max(e.kept.Through, through)
	return e.save(ctx, got.watermark)
}

// row is a merged row as it would be sent.
func (e *emitter) row(r *alert.Row, through int64) Emitted {
	row := e.bare(r.Bucket, alert.LabelsOf(e.emit.Dimensions, r.Key), through)
	names := e.emit.Measures
	if names == nil {
		for _, m := range e.emit.View.Measures {
			names = append(names, m.Name)
		}
	}
	row.Measures = alert.LabelsOf(names, r.Measures)
	return row
}

func (e *emitter) bare(bucket int64, labels alert.Labels, through int64) Emitted {
	v := e.emit.View
	return Emitted{View: v.Name, Definition: v.Hash, Grain: e.emit.Grain.Name, Time: time.UnixMicro(bucket).In(v.Location).Format(time.RFC3339Nano), Dimensions: labels,
		Closed: e.emit.OnClose && e.emit.Grain.Next(bucket, v.Location) <= through}
}

// differs says whether a row is to be sent after what was sent of it, and completes it.
func (e *emitter) differs(row *Emitted, was sentRow) bool {
	row.Closed = row.Closed || was.closed
	if !row.Closed && !e.emit.OnUpdate || was.sequence > 0 && row.digest() == was.digest {
		return false
	}
	row.Sequence, row.Revision = was.sequence+1, was.closed
	return true
}

// write sends rows and remembers them.
func (e *emitter) write(ctx context.Context, rows []Emitted) error {
	for chunk := range slices.Chunk(rows, 1000) {
		messages := make([]stream.Message, len(chunk))
		for i := range chunk {
			row := &chunk[i]
			sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d", row.View, row.Grain, row.rowKey(), row.Sequence))
			row.ID = hex.EncodeToString(sum[:16])
			data, err := json.Marshal(row)
			if err != nil {
				return fmt.Errorf("encode a row of view %s: %w", row.View, err)
			}
			messages[i] = stream.Message{Key: []byte(row.rowKey()), Value: data}
		}
		if err := e.producer.Write(ctx, messages); err != nil {
			return err
		}
		for i := range chunk {
			row := &chunk[i]
			at, err := time.Parse(time.RFC3339Nano, row.Time)
			if err != nil {
				return fmt.Errorf("read the time of a row: %w", err)
			}
			e.sent[row.rowKey()] = sentRow{at.UnixMicro(), row.Sequence, row.digest(), row.Closed, row.Removed, row.Dimensions}
			e.w.metrics.emitted.WithLabelValues(row.View, kindOf(row)).Inc()
		}
		if err := e.w.step("emitted"); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(row *Emitted) string {
	switch {
	case row.Revision:
		return "revision"
	case row.Closed:
		return "close"
	}
	return "update"
}

// save notes from where on the topic has to be read back, once in a while, and forgets rows that cannot change any more.
func (e *emitter) save(ctx context.Context, watermark int64) error {
	now := e.w.cfg.Clock()
	if !e.saved.IsZero() && now.Sub(e.saved) < markEvery {
		return nil
	}
	ends, err := endsOf(ctx, e.w.cfg.Stream, e.emit.To)
	if err != nil {
		return err
	}
	g, loc := e.emit.Grain, e.emit.View.Location
	bucket := int64(math.MinInt64)
	for _, s := range e.sent {
		bucket = max(bucket, g.Next(s.bucket, loc))
	}
	if e.kept.Marks[len(e.kept.Marks)-1].Bucket < bucket {
		e.kept.Marks = append(e.kept.Marks, emitMarker{bucket, ends})
	}
	// The first mark is the last one before what may still change.
	oldest := g.Floor(watermark-e.emit.LookBack.Microseconds(), loc)
	for len(e.kept.Marks) > 1 && e.kept.Marks[1].Bucket <= min(oldest, e.kept.Through) {
		e.kept.Marks = e.kept.Marks[1:]
	}
	if n := len(e.kept.Marks); n > maxMarkers {
		thin := e.kept.Marks[:1]
		for i := 2; i < n; i += 2 {
			thin = append(thin, e.kept.Marks[i])
		}
		e.kept.Marks = thin
	}
	for key, s := range e.sent {
		if s.bucket < e.floor() {
			delete(e.sent, key)
		}
	}
	data, err := json.Marshal(e.kept)
	if err != nil {
		return fmt.Errorf("encode what is kept of the rows of view %s: %w", e.emit.View.Name, err)
	}
	if e.tag, err = e.w.cfg.Lake.SwingNote(ctx, e.note(), data, e.tag); err != nil {
		return err
	}
	e.saved = now
	return nil
}
