package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// day is the first day of the tests' events.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// record is what a test wrote, in the plainest form.
type record struct {
	incarnation, partition int
	offset                 int64
	at, timestamp          int64 // µs
	ingested               int64
	id, country            string
	price                  int64 // cents
	duplicate, late        bool
}

func (r *record) String() string {
	return fmt.Sprintf("%d/%d/%d %d %d %d %s %s %d %t", r.incarnation, r.partition, r.offset, r.at, r.timestamp, r.ingested, r.id, r.country, r.price, r.late)
}

// world is a lake, and what was archived into it.
type world struct {
	t       testing.TB
	store   lake.Store
	lake    *lake.Lake
	project *view.Project
	source  *view.Source
	topic   lake.Topic
	random  *rand.Rand
	next    map[int]int64
	log     []record
}

func testSource() *view.Source {
	return &view.Source{
		Name: "sales", Topic: "shop.sales", Partitions: 2, Format: "json",
		EventTime: view.EventTime{Field: "at", Format: "unix_ms", Timezone: "UTC"},
		EventID:   "id", DedupHorizon: time.Hour, DedupRecords: 1 << 20, Lateness: 10 * time.Minute, MaxAhead: 5 * time.Minute,
		Fields: []view.Field{
			{Name: "id", Type: view.Type{Kind: view.String}},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}},
			{Name: "country", Type: view.Type{Kind: view.String}, Nullable: true},
			{Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 2}},
			{Name: "wide", Type: view.Type{Kind: view.Decimal, Precision: 30, Scale: 4}},
			{Name: "tags", Type: view.Type{Kind: view.List, Item: view.String, Holes: true}, Nullable: true},
			{Name: "moments", Type: view.Type{Kind: view.List, Item: view.Timestamp}},
		},
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	store, err := lake.Open(t.Context(), t.TempDir(), lake.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return newWorldIn(t, seed, store)
}

func newWorldIn(t testing.TB, seed uint64, store lake.Store) *world {
	t.Helper()
	src := testSource()
	w := &world{t: t, store: store, lake: lake.New(store), source: src, random: rand.New(rand.NewPCG(seed, 7)), next: map[int]int64{},
		project: &view.Project{Name: "test", Sources: []*view.Source{src}, Batch: view.Batch{MemoryLimit: "256MB", Threads: 2}}}
	w.live("first")
	return w
}

// live begins a life of the topic.
func (w *world) live(id string) {
	w.t.Helper()
	var err error
	w.topic, err = w.lake.Incarnation(w.t.Context(), w.source.Topic, lake.Identity{Cluster: "c", TopicID: id, Partitions: 2})
	if err != nil {
		w.t.Fatal(err)
	}
	w.next = map[int]int64{0: 100 * w.random.Int64N(2), 1: 0}
}

// archive commits a chunk of n random records of a partition, on some days from one on: events, some of them marked as duplicates or late,
// and gaps where markers or dead letters stood.
func (w *world) archive(partition, n, from, days int) {
	w.t.Helper()
	var records []record
	offset := w.next[partition]
	for range n {
		at := day.Add(time.Duration(from)*24*time.Hour + time.Duration(w.random.Int64N(int64(days)*24*3600))*time.Second)
		records = append(records, record{incarnation: w.topic.Incarnation, partition: partition, offset: offset, at: at.UnixMicro() + w.random.Int64N(3),
			timestamp: at.UnixMicro() + w.random.Int64N(5e6), id: fmt.Sprintf("%d-%d-%d", w.topic.Incarnation, partition, offset),
			country: []string{"DE", "FR", "", "GB"}[w.random.IntN(4)], price: w.random.Int64N(100000) - 50000, duplicate: w.random.IntN(10) == 0, late: w.random.IntN(8) == 0})
		offset += 1 + int64(w.random.IntN(10)/9)
	}
	w.commit(partition, records, offset)
}

// commit archives records as one chunk that ends at next.
func (w *world) commit(partition int, records []record, next int64) {
	w.t.Helper()
	ctx, hash := w.t.Context(), w.source.Hash()
	if err := w.lake.PutDefinition(ctx, hash, w.source.Canonical()); err != nil {
		w.t.Fatal(err)
	}
	ingested := day.Add(time.Duration(len(w.log)) * time.Minute).UnixMicro()
	in := lake.Intent{First: w.next[partition], Last: next - 1, Next: next, Definition: hash, IngestedAt: ingested}
	chunk, err := w.lake.PutIntent(ctx, w.topic, partition, in)
	if err != nil {
		w.t.Fatal(err)
	}
	rows := intake.NewRows(w.source)
	byDate := map[string][]int32{}
	for i := range records {
		r := &records[i]
		r.ingested = ingested
		w.fill(rows, r)
		date := time.UnixMicro(r.at).UTC().Format(time.DateOnly)
		byDate[date] = append(byDate[date], int32(i))
		chunk.Events++
		if r.duplicate {
			chunk.Duplicates++
		}
		if r.late {
			chunk.Late++
		}
	}
	for _, date := range slices.Sorted(maps.Keys(byDate)) {
		idx := byDate[date]
		var buf bytes.Buffer
		if err := lake.WriteSegment(&buf, rows, slices.Clone(idx), lake.SegmentSchema{Fields: w.source.Fields, Definition: hash}, ingested); err != nil {
			w.t.Fatal(err)
		}
		put, err := w.lake.PutFile(ctx, w.lake.SegmentKey(w.topic, date, partition, in.First), buf.Bytes())
		if err != nil {
			w.t.Fatal(err)
		}
		chunk.Files = append(chunk.Files, lake.ChunkFile{Key: put.Key, Date: date, Rows: int64(len(idx)), Bytes: put.Bytes, SHA256: put.SHA256,
			First: records[idx[0]].offset, Last: records[idx[len(idx)-1]].offset})
	}
	if err := w.lake.Commit(ctx, w.topic, partition, chunk); err != nil {
		w.t.Fatal(err)
	}
	w.next[partition] = next
	w.log = append(w.log, records...)
}

// fill appends a record as the intake would have.
func (w *world) fill(rows *intake.Rows, r *record) {
	i := rows.Extend()
	rows.Partition[i], rows.Offset[i], rows.Timestamp[i], rows.EventTime[i] = int64(r.partition), r.offset, r.timestamp, r.at
	for flag, set := range map[*int64]bool{&rows.Duplicate[i]: r.duplicate, &rows.Late[i]: r.late} {
		if set {
			*flag = 1
		}
	}
	for c, f := range w.source.Fields {
		switch f.Name {
		case "id":
			rows.SetBytes(c, i, []byte(r.id))
		case "at":
			rows.SetWord(c, i, r.at)
		case "country":
			if r.country == "" {
				rows.SetNull(c, i)
			} else {
				rows.SetBytes(c, i, []byte(r.country))
			}
		case "price":
			rows.SetWord(c, i, r.price)
		case "wide":
			rows.SetWide(c, i, wideOf(r))
		case "tags":
			if r.country == "" {
				break
			}
			rows.OpenList(c, i)
			for _, tag := range []string{r.country, "", r.id} {
				if elements, at := rows.ExtendList(c, i); tag != "" {
					elements.SetBytes(c, at, []byte(tag))
				}
			}
		case "moments":
			rows.OpenList(c, i)
			for _, us := range momentsOf(r) {
				elements, at := rows.ExtendList(c, i)
				elements.SetWord(c, at, us)
			}
		}
	}
}

// momentsOf are none, or its own time and that of the record.
func momentsOf(r *record) []int64 {
	if r.price < 0 {
		return nil
	}
	return []int64{r.at, r.timestamp}
}

// wideOf is a number that only 128 bits hold.
func wideOf(r *record) algebra.Int128 {
	wide, _ := algebra.ParseInt128(fmt.Sprintf("%d00000000000000000000", r.price))
	return wide
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (w *world) compactor(change func(*Config)) *Compactor {
	w.t.Helper()
	cfg := Config{Project: w.project, Lake: lake.New(w.store), Logger: quiet(), TempDir: w.t.TempDir(), FileBytes: 64 << 20}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) compact(o Options) *Version {
	w.t.Helper()
	if _, err := w.compactor(nil).Compact(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	return w.open("")
}

func (w *world) open(name string) *Version {
	w.t.Helper()
	v, err := Open(w.t.Context(), lake.New(w.store), "sales", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// unlock frees the lock of a compactor that died.
func (w *world) unlock() {
	w.t.Helper()
	if err := w.store.Delete(w.t.Context(), "locks/table-sales.json"); err != nil {
		w.t.Fatal(err)
	}
}

// rows are the rows of a version, each as record.String writes it, sorted.
func (w *world) rows(v *Version, s Span) []string {
	w.t.Helper()
	query, err := v.Query(w.t.Context(), w.source, s)
	if err != nil {
		w.t.Fatal(err)
	}
	rows := queryTexts(w.t, fmt.Sprintf(`SELECT concat_ws(' ', concat_ws('/', _incarnation, _partition, _offset), epoch_us("at"), _timestamp_us, _ingested_at_us, id,
		coalesce(country, ''), CAST(price * 100 AS BIGINT), _late) || CASE WHEN wide = CAST(price * 100 AS BIGINT) * 10000000000000000::HUGEINT AND _event_time_us = epoch_us("at")
			AND tags IS NOT DISTINCT FROM CASE WHEN country IS NOT NULL THEN [country, NULL, id] END AND moments = CASE WHEN price < 0 THEN [] ELSE [make_timestamp(epoch_us("at")), make_timestamp(_timestamp_us)] END
		THEN '' ELSE ' contradicts itself' END FROM (%s)`, query))
	slices.Sort(rows)
	return rows
}

// naive are the rows that a version of all that was archived must have, by the plainest fold.
func (w *world) naive(keep func(*record) bool) []string {
	var rows []string
	for i := range w.log {
		if r := &w.log[i]; !r.duplicate && (keep == nil || keep(r)) {
			rows = append(rows, r.String())
		}
	}
	slices.Sort(rows)
	return rows
}

// sameAsLog checks that a version holds the log, row by row, and that its manifest's sums are those of the log.
func (w *world) sameAsLog(v *Version, keep func(*record) bool) {
	w.t.Helper()
	want := w.naive(keep)
	if got := w.rows(v, All); !slices.Equal(got, want) {
		w.t.Fatalf("version %s has %d rows, the log %d; first difference: %s", v.ID, len(got), len(want), difference(got, want))
	}
	if v.Rows != int64(len(want)) {
		w.t.Errorf("the manifest says %d rows, the log has %d", v.Rows, len(want))
	}
}

func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("%q and %q", got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
	return "none"
}

// queryTexts runs SQL and returns the one column of its rows, a text.
func queryTexts(t testing.TB, sql string) []string {
	t.Helper()
	db, conn, err := openEngine(engine.Options{MemoryLimit: "256MB", Threads: 1}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer conn.Close()
	var rows []string
	err = conn.Query(t.Context(), sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			rows = append(rows, string(chunk.Row(i).Bytes(0)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

var errStopped = errors.New("stopped by the test")

// contextThatCancels ends with errStopped once cancel is called.
func contextThatCancels(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	return ctx, func() { cancel(errStopped) }
}
