package speed

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
)

func TestWhatKafkaLostIsReplayedFromTheLakeAsTheIntakeSawIt(t *testing.T) {
	w := newWorld(t, "sales")
	w.produce(rand.New(rand.NewPCG(12, 12)), 1000)
	src := w.project.Sources[0]
	topic := lake.Topic{Name: w.topic, Incarnation: 1}
	n := len(w.sent[0])
	want, wantRows := w.archive(topic, []int{0, n / 3, n / 2, n})

	db, err := engine.Open(engine.Options{Threads: 1})
	w.check(err)
	t.Cleanup(func() { db.Close() })
	l, err := newLane(db, 0, src, w.project.Views)
	w.check(err)
	t.Cleanup(l.close)
	conn, err := db.Connect()
	w.check(err)
	for _, from := range []int{0, n / 4, n / 2} {
		at := intake.Start()
		if from > 0 {
			at = want[from-1].at
		}
		p := newPartition(l, w.project, topic, 0)
		f := &feed{p: p, folded: make(chan struct{}, 1)}
		to := make(chan fetched)
		ended := make(chan error, 1)
		go func() {
			r := &replay{f: f, lake: w.lake, topic: topic, conn: conn, to: to, most: 70, at: at}
			next, end, err := r.run(context.Background(), int64(from), int64(n-5))
			if err == nil && (next != int64(n) || end != want[n-1].at) {
				t.Errorf("the replay ended at %d, %+v", next, end)
			}
			ended <- err
		}()
		b := &microBatch{rows: intake.NewRows(src), positions: map[int64]int{}}
		m, err := newMetrics(nil)
		w.check(err)
		for running := true; running; {
			select {
			case x := <-to:
				b.addStored(p, x.stored, m.of("orders"))
				f.folded <- struct{}{}
			case err := <-ended:
				w.check(err)
				running = false
			}
		}
		if !reflect.DeepEqual(p.share.marks, want[from:]) {
			t.Errorf("from %d: the verdicts differ", from)
		}
		first := 0
		for first < wantRows.Len() && wantRows.Offset[first] < int64(from) {
			first++
		}
		if b.rows.Len() != wantRows.Len()-first {
			t.Fatalf("from %d: %d rows, not %d", from, b.rows.Len(), wantRows.Len()-first)
		}
		for i := range b.rows.Len() {
			if got, want := rowText(b.rows, i), rowText(wantRows, first+i); !reflect.DeepEqual(got, want) {
				t.Fatalf("from %d: row %d is %v, not %v", from, i, got, want)
			}
		}
	}
	r := &replay{f: &feed{p: newPartition(l, w.project, topic, 1)}, lake: w.lake, topic: topic, conn: conn, at: intake.Start()}
	if _, _, err := r.run(context.Background(), 0, 10); err == nil {
		t.Error("offsets that are nowhere were passed over")
	}
}

// A generation that ends lets go of the feed while the loop may be copying what it was handed: that stays what it was. Emptied under the
// loop's hands, records would be counted as read and their rows would be gone.
func TestWhatTheLoopWasHandedStaysWhenTheFeedEnds(t *testing.T) {
	w := newWorld(t, "sales")
	rows := intake.NewRows(w.project.Sources[0])
	to := make(chan fetched)
	r := &replay{f: &feed{folded: make(chan struct{}, 1)}, to: to, out: stored{rows: rows, marks: []mark{{offset: 7}}}}
	rows.Extend()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.flush(ctx) }()
	handed := <-to
	cancel()
	if err := <-ended; err == nil {
		t.Error("a hand-over that nobody acknowledged succeeded")
	}
	if handed.stored.rows.Len() != 1 || len(handed.stored.marks) != 1 {
		t.Errorf("the loop copies %d rows of %d records", handed.stored.rows.Len(), len(handed.stored.marks))
	}
}

// archive writes partition 0 of the log into the lake in chunks, and returns what the intake said of it.
func (w *world) archive(topic lake.Topic, bounds []int) (marks []mark, rows *intake.Rows) {
	ctx := context.Background()
	src := w.project.Sources[0]
	schema, err := intake.NewSchema(src)
	w.check(err)
	fold := intake.NewFold(schema, intake.Start())
	rows = intake.NewRows(src)
	for k := 1; k < len(bounds); k++ {
		first, next := int64(bounds[k-1]), int64(bounds[k])
		dates := map[string][]int32{}
		var dead []lake.DeadLetter
		for off := first; off < next; off++ {
			msg := w.sent[0][off]
			v := fold.Append(intake.Record{Offset: off, Timestamp: msg.Timestamp, Key: msg.Key, Value: msg.Value}, rows)
			marks = append(marks, mark{offset: off, at: fold.Progress(), kind: v.Kind, late: v.Late})
			if v.Kind == intake.DeadLetter {
				dead = append(dead, lake.DeadLetter{Offset: off, Timestamp: msg.Timestamp, Raw: msg.Value, Reason: string(v.Dead.Reason)})
				continue
			}
			date := "2026-03-28"
			if v.EventTime >= 1774742400e6 {
				date = "2026-03-29"
			}
			dates[date] = append(dates[date], int32(rows.Len()-1))
		}
		intent := lake.Intent{First: first, Last: next - 1, Next: next, Definition: src.Hash(), IngestedAt: 1}
		c, err := w.lake.PutIntent(ctx, topic, 0, intent)
		w.check(err)
		for date, idx := range dates {
			var data bytes.Buffer
			w.check(lake.WriteSegment(&data, rows, idx, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, 1))
			f, err := w.lake.PutFile(ctx, w.lake.SegmentKey(topic, date, 0, first), data.Bytes())
			w.check(err)
			c.Files = append(c.Files, lake.ChunkFile{Key: f.Key, Date: date, Rows: int64(len(idx)), Bytes: f.Bytes, SHA256: f.SHA256, First: first, Last: next - 1})
			c.Events += int64(len(idx))
		}
		if len(dead) > 0 {
			var data bytes.Buffer
			w.check(lake.WriteDeadLetters(&data, dead))
			f, err := w.lake.PutFile(ctx, w.lake.DeadKey(topic, "2026-03-28", 0, first), data.Bytes())
			w.check(err)
			c.Files = append(c.Files, lake.ChunkFile{Key: f.Key, Date: "2026-03-28", Rows: int64(len(dead)), Bytes: f.Bytes, SHA256: f.SHA256, First: first, Last: next - 1, Dead: true})
			c.Dead = int64(len(dead))
		}
		c.Progress = fold.Progress()
		w.check(w.lake.Commit(ctx, topic, 0, c))
	}
	return marks, rows
}

// rowText is all of a row.
func rowText(r *intake.Rows, i int) []any {
	out := []any{r.Partition[i], r.Offset[i], r.Timestamp[i], r.EventTime[i], r.Duplicate[i], r.Late[i]}
	for c := range r.Columns {
		col := &r.Columns[c]
		switch {
		case col.Null(i):
			out = append(out, nil)
		case col.Strs != nil:
			out = append(out, string(col.Strs[i].Bytes()))
		case col.Wide != nil:
			out = append(out, col.Wide[i])
		default:
			out = append(out, col.Words[i])
		}
	}
	return out
}
