package batch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/stream"
)

// withFullDedup is a world whose batch looks for repeats in the whole history.
func withFullDedup(t *testing.T) *world {
	w := newWorld(t)
	w.project.Sources[0].FullDedup = true
	return w.withRuns()
}

// sale is an event: which one, sent when, keyed how, of which day and price.
func sale(id string, sent time.Duration, key string, on int, price string) stream.Message {
	return stream.Message{Key: []byte(key), Timestamp: day.Add(sent).UnixMicro(), Value: fmt.Appendf(nil, `{"id":%q,"at":%d,"country":"DE","customer":%q,"price":%q}`,
		id, day.AddDate(0, 0, on).Add(12*time.Hour).UnixMilli(), "c"+id, price)}
}

// keys are two keys of different partitions.
func (w *world) keys() [2]string {
	w.t.Helper()
	var keys [2]string
	for i := range 20 {
		key := fmt.Sprintf("key%d", i)
		before := w.sent[0]
		w.send([]stream.Message{{Key: []byte(key), Timestamp: day.Add(-time.Hour).UnixMicro(), Value: []byte(`{"no":"event"}`)}})
		p := 1
		if w.sent[0] > before {
			p = 0
		}
		keys[p] = key
		if keys[0] != "" && keys[1] != "" {
			return keys
		}
	}
	w.t.Fatal("all keys go to one partition")
	return keys
}

// firstOfEach is what a naive query over the first event of each id says, by the hour.
func (w *world) firstOfEach(cuts map[int]int64) []string {
	w.t.Helper()
	return queryRows(w.t, fmt.Sprintf(`WITH kept AS (SELECT * FROM %s WHERE NOT _duplicate AND CASE _partition WHEN 0 THEN _offset < %d ELSE _offset < %d END
			QUALIFY row_number() OVER (PARTITION BY id ORDER BY _timestamp, _partition, _offset) = 1)
		SELECT CAST(row(epoch_us(date_trunc('hour', make_timestamp(epoch_us(_event_time)))), country, count(*), CAST(sum(price) AS DECIMAL(18,2)), count(DISTINCT customer)) AS VARCHAR)
		FROM kept WHERE price >= 1 GROUP BY date_trunc('hour', make_timestamp(epoch_us(_event_time))), country ORDER BY 1`, w.lakeRows(), cuts[0], cuts[1]))
}

func (w *world) sameAsFirstOfEach() {
	w.t.Helper()
	m := w.current()
	if got, want := w.hourly(m), w.firstOfEach(m.Offsets()); len(want) == 0 || !slices.Equal(got, want) {
		w.t.Fatalf("snapshot %s answers %d cells, a naive query %d; first that differ: %s", m.ID, len(got), len(want), firstDifference(got, want))
	}
}

func TestFullDedupRemovesWhatTheHorizonCannotSeeAndTheLedgerSaysSo(t *testing.T) {
	t.Parallel()
	w := withFullDedup(t)
	keys := w.keys()
	w.send([]stream.Message{
		sale("a", 0, keys[0], 0, "5000"), sale("b", 1, keys[1], 0, "10"),
		sale("a", 5*time.Hour, keys[0], 0, "5000"), // beyond the horizon
		sale("b", 5*time.Hour, keys[0], 0, "10"),   // in another partition
		sale("c", 5*time.Hour, keys[0], 1, "7"),
		sale("c", 5*time.Hour+time.Minute, keys[0], 1, "7"), // within the horizon: a duplicate for both layers
	})
	w.accelerate()
	w.archiveAll(nil)
	report := w.run(RunOptions{})
	w.sameAsFirstOfEach()
	l := w.ledger()
	if !l.Comparable || l.Unexplained != 0 || l.Repeats != 2 || report.Views[0].Repeats != 2 || l.Classes[ledger.BatchDedup] == 0 {
		t.Fatalf("%+v", l)
	}
	for country, e := range map[string]*ledger.Entry{"": w.entry(l, "1d", "revenue", ""), "DE": w.entry(l, "1d", "revenue", "DE")} {
		if string(e.Before) != `"10020.00"` || string(e.After) != `"5010.00"` || string(e.Difference) != `"-5010.00"` || len(e.Parts) != 1 || e.Parts[0].Class != ledger.BatchDedup {
			t.Fatalf("country %q: %s", country, text(e))
		}
	}
	if e := w.entry(l, "1mo", "lines", ""); string(e.Difference) != "-2" {
		t.Fatal(text(e))
	}
	// A repeat of what is published: the next run removes it, and says that nothing but it changed.
	w.send([]stream.Message{sale("c", 9*time.Hour, keys[1], 1, "7")})
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	w.sameAsFirstOfEach()
	if l := w.ledger(); l.Repeats != 3 || l.Unexplained != 0 || string(w.entry(l, "1d", "revenue", "").Before) != `"14.00"` || string(w.entry(l, "1d", "revenue", "").Difference) != `"-7.00"` {
		t.Fatalf("%+v", l)
	}
}

func TestARepeatThatIsOlderTakesThePlaceOfTheOneThatWasKept(t *testing.T) {
	t.Parallel()
	w := withFullDedup(t)
	keys := w.keys()
	w.send([]stream.Message{sale("a", 9*time.Hour, keys[1], 0, "20"), sale("b", 9*time.Hour, keys[1], 4, "1")})
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	// Of an earlier record time, and of another day, whose price was still another: the day that is published loses its event.
	w.send([]stream.Message{sale("a", time.Hour, keys[0], 2, "30")})
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	w.sameAsFirstOfEach()
	l := w.ledger()
	if l.Unexplained != 0 || l.Repeats != 1 {
		t.Fatalf("%+v", l)
	}
	if e := w.entry(l, "1d", "revenue", ""); string(e.Before) != `"20.00"` || string(e.After) != "null" || string(e.Difference) != `"-20.00"` || e.Parts[0].Class != ledger.BatchDedup {
		t.Fatal(text(e))
	}
}

func TestIncrementalAndFullRunsAgreeAboutRepeats(t *testing.T) {
	t.Parallel()
	w := withFullDedup(t)
	w.project.Batch.InstantRollbacks = 0
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 3 {
		var messages []stream.Message
		for range 100 {
			messages = append(messages, sale(fmt.Sprint(random.IntN(120)), time.Duration(random.IntN(30))*time.Hour, fmt.Sprint(random.IntN(9)), random.IntN(6), fmt.Sprint(1+random.IntN(9))))
		}
		w.send(messages)
		w.accelerate()
		w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 40 })
		w.run(RunOptions{})
		w.sameAsFirstOfEach()
		if l := w.ledger(); !l.Comparable || l.Unexplained != 0 || l.Classes[ledger.BatchDedup] == 0 {
			t.Fatalf("round %d: %+v", round, l)
		}
	}
	incremental := w.current()
	w.run(RunOptions{Full: true})
	full := w.current()
	if got, want := w.content(full), w.content(incremental); !slices.Equal(got, want) {
		t.Fatalf("full: %d rows, incremental: %d; first that differ: %s", len(got), len(want), firstDifference(got, want))
	}
	if l := w.ledger(); l.Changed != 0 {
		t.Fatalf("a full run over the same records changed %d answers: %+v", l.Changed, l.Entries[:1])
	}
}
