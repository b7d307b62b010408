package intake

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// small is a source whose bounds are so narrow that a short log crosses all of them. Times are in seconds.
func small(horizon, records int64, id view.Kind) *view.Source {
	return &view.Source{
		Name: "small", Topic: "small", Format: "json",
		EventTime: view.EventTime{Field: "at", Format: "unix_s"},
		EventID:   "id", DedupHorizon: time.Duration(horizon) * time.Second, DedupRecords: records,
		Lateness: 3 * time.Second, MaxAhead: 2 * time.Second,
		Fields: []view.Field{
			{Name: "id", Type: view.Type{Kind: id}, Nullable: true},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}},
			{Name: "note", Type: view.Type{Kind: view.String}, Nullable: true},
		},
	}
}

// drawLog draws a log with gaps in the offsets, timestamps that step back and repeat, few ids, dead letters of several kinds, late events
// and events from the future.
func drawLog(t *rapid.T, ids int) []Record {
	n := rapid.IntRange(0, 80).Draw(t, "records")
	log := make([]Record, n)
	offset, clock := int64(rapid.IntRange(0, 5).Draw(t, "first")), int64(1000)
	for i := range log {
		clock += int64(rapid.IntRange(0, 2).Draw(t, "pace"))
		stamp := clock - int64(rapid.SampledFrom([]int{0, 0, 0, 1, 4, 30}).Draw(t, "back"))
		at := clock + int64(rapid.SampledFrom([]int{0, -1, -3, -4, -6, 1, 2, 3, 5}).Draw(t, "skew"))
		id := fmt.Sprint(rapid.IntRange(1, ids).Draw(t, "id"))
		value := fmt.Sprintf(`{"id":%s,"at":%d,"note":"a note beyond twelve bytes"}`, id, at)
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			value = fmt.Sprintf(`{"id":%s,"at":%d,"note":7}`, id, at)
		case 1:
			value = rapid.SampledFrom([]string{"", "{", "[]", `{"at":1000}`, `{"id":null,"at":1001}`}).Draw(t, "odd")
		}
		log[i] = Record{Partition: 3, Offset: offset, Timestamp: stamp * 1000000, Value: []byte(value)}
		offset += int64(rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "gap"))
	}
	return log
}

// naive is the sentence of SEAM, word for word, over the whole log each time.
func naive(src *view.Source, log []Record) (verdicts []Verdict, at Progress) {
	type typedRecord struct {
		ok bool
		id *int64
		at int64
	}
	at = Start()
	maxima := make([]int64, len(log)) // running maximum of record timestamps, each record's own included
	read := make([]typedRecord, len(log))
	for i, rec := range log {
		maxima[i] = rec.Timestamp
		if i > 0 {
			maxima[i] = max(maxima[i], maxima[i-1])
		}
		at.MaxTimestamp = maxima[i]
		var fields struct {
			ID   *int64
			At   *int64
			Note *string
		}
		if json.Unmarshal(rec.Value, &fields) != nil || fields.At == nil {
			verdicts = append(verdicts, Verdict{Kind: DeadLetter})
			continue
		}
		read[i] = typedRecord{true, fields.ID, *fields.At * 1000000}
		v := Verdict{Kind: Event, EventTime: read[i].at}

		watermark := big.NewInt(math.MinInt64)
		for j := range i {
			if read[j].ok {
				m := min(read[j].at, log[j].Timestamp+src.MaxAhead.Microseconds())
				if w := big.NewInt(m - src.Lateness.Microseconds()); w.Cmp(watermark) > 0 {
					watermark = w
				}
			}
		}
		v.Late = big.NewInt(v.EventTime).Cmp(watermark) < 0
		at.MaxEventTime = max(at.MaxEventTime, min(v.EventTime, rec.Timestamp+src.MaxAhead.Microseconds()))

		for j := range i {
			same := read[i].id != nil && read[j].id != nil && *read[i].id == *read[j].id
			if same && maxima[i]-maxima[j] <= src.DedupHorizon.Microseconds() && rec.Offset-log[j].Offset <= src.DedupRecords {
				v.Kind = Duplicate
			}
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, at
}

func TestFoldIsTheSentenceOfTheProtocol(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := small(int64(rapid.IntRange(0, 20).Draw(t, "horizon")), int64(rapid.IntRange(0, 40).Draw(t, "dedup_records")), view.Int64)
		log := drawLog(t, rapid.IntRange(1, 30).Draw(t, "ids"))
		want, at := naive(src, log)
		schema, err := NewSchema(src)
		if err != nil {
			t.Fatal(err)
		}
		fold, rows := NewFold(schema, Start()), NewRows(src)
		for i, rec := range log {
			n := rows.Len()
			got := fold.Append(rec, rows)
			if (got.Dead != nil) != (got.Kind == DeadLetter) {
				t.Fatalf("record %d: %+v", i, got)
			}
			checkRow(t, rows, n, rec, got)
			got.Dead = nil
			if got != want[i] {
				t.Fatalf("record %d (%s): got %+v, want %+v", i, rec.Value, got, want[i])
			}
		}
		if fold.Progress() != at {
			t.Fatalf("progress: got %+v, want %+v", fold.Progress(), at)
		}
	})
}

// checkRow checks that the row says what the verdict says, or that a dead letter left none.
func checkRow(t *rapid.T, rows *Rows, n int, rec Record, v Verdict) {
	if v.Kind == DeadLetter {
		if rows.Len() != n {
			t.Fatalf("dead letter at %d left a row", rec.Offset)
		}
		return
	}
	word := map[bool]int64{true: 1}
	want := []int64{int64(rec.Partition), rec.Offset, rec.Timestamp, v.EventTime, word[v.Kind == Duplicate], word[v.Late], v.EventTime}
	got := []int64{rows.Partition[n], rows.Offset[n], rows.Timestamp[n], rows.EventTime[n], rows.Duplicate[n], rows.Late[n], rows.Columns[1].Words[n]}
	if rows.Len() != n+1 || !reflect.DeepEqual(got, want) {
		t.Fatalf("row of %d: got %v, want %v", rec.Offset, got, want)
	}
}

// Batches of any size, stops anywhere, and what was remembered read back from the first timestamp at the horizon, or from before it.
func TestFoldGoesOnAfterARestartAsIfThereHadBeenNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := small(int64(rapid.IntRange(0, 20).Draw(t, "horizon")), int64(rapid.IntRange(0, 40).Draw(t, "dedup_records")), view.Int64)
		log := drawLog(t, rapid.IntRange(1, 30).Draw(t, "ids"))
		want, _ := naive(src, log)
		schema, err := NewSchema(src)
		if err != nil {
			t.Fatal(err)
		}
		fold, rows := NewFold(schema, Start()), NewRows(src)
		for i, rec := range log {
			if rapid.IntRange(0, 9).Draw(t, "stop") == 0 {
				fold = NewFold(schema, fold.Progress())
				from := 0
				for from < i && log[from].Timestamp < fold.Horizon() {
					from++
				}
				from -= rapid.IntRange(0, from).Draw(t, "earlier than needed")
				at := fold.Progress()
				for _, old := range log[from:i] {
					fold.Remember(old)
				}
				if fold.Progress() != at {
					t.Fatalf("remembering changed the progress from %+v to %+v", at, fold.Progress())
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "flush") == 0 {
				rows.Reset()
			}
			got := fold.Append(rec, rows)
			got.Dead = nil
			if got != want[i] {
				t.Fatalf("record %d (%s): got %+v, want %+v", i, rec.Value, got, want[i])
			}
		}
	})
}

func TestHorizonIsExactToTheMicrosecondAndTheOffset(t *testing.T) {
	src := small(10, 100, view.Int64)
	for _, c := range []struct {
		timestamp, offset int64
		want              Kind
	}{
		{10000000, 100, Duplicate},
		{10000001, 100, Event},
		{10000000, 101, Event},
	} {
		fold, rows := NewFold(mustSchema(t, src), Start()), NewRows(src)
		value := []byte(`{"id":1,"at":0}`)
		fold.Append(Record{Value: value}, rows)
		v := fold.Append(Record{Timestamp: c.timestamp, Offset: c.offset, Value: value}, rows)
		if v.Kind != c.want {
			t.Errorf("%d µs and %d offsets later: got %d, want %d", c.timestamp, c.offset, v.Kind, c.want)
		}
	}
}

// Timestamps at the ends of what a record can hold, such as the -1 of logs without any, must not overflow into a verdict.
func TestRecordTimestampsAtTheirLimitsDoNotOverflow(t *testing.T) {
	src := small(10, 100, view.Int64)
	for _, stamps := range [][2]int64{{math.MinInt64, math.MaxInt64}, {-1, 0}, {math.MaxInt64, math.MaxInt64}, {math.MinInt64, math.MinInt64}} {
		fold, rows := NewFold(mustSchema(t, src), Start()), NewRows(src)
		value := []byte(`{"id":1,"at":1}`)
		if v := fold.Append(Record{Timestamp: stamps[0], Value: value}, rows); v.Kind != Event || v.Late {
			t.Errorf("timestamps %d: first record: %+v", stamps, v)
		}
		v := fold.Append(Record{Timestamp: stamps[1], Offset: 1, Value: value}, rows)
		far := uint64(stamps[1])-uint64(stamps[0]) > 10000000
		if (v.Kind == Duplicate) == far || v.Late {
			t.Errorf("timestamps %d: second record: %+v", stamps, v)
		}
		if stamps[1] > 0 && fold.Progress().MaxEventTime != 1000000 {
			t.Errorf("timestamps %d: the maximum of event times is %d", stamps, fold.Progress().MaxEventTime)
		}
		if h := fold.Horizon(); h > fold.Progress().MaxTimestamp {
			t.Errorf("timestamps %d: horizon %d is after %d", stamps, h, fold.Progress().MaxTimestamp)
		}
	}
}

// An id is what its text means: 1e3 and 1000 are one, and so are the decimals 1.5 and "1.50".
func TestIDsAreComparedByValue(t *testing.T) {
	for _, c := range []struct {
		kind view.Type
		a, b string
	}{
		{view.Type{Kind: view.Int64}, `1000`, `1e3`},
		{decimal(10, 2), `1.5`, `"1.50"`},
		{decimal(30, 2), `1.5`, `"1.50"`},
		{view.Type{Kind: view.String}, `"a/b"`, `"\u0061\/b"`},
		{view.Type{Kind: view.Double}, `0.5`, `5e-1`},
		{view.Type{Kind: view.Bool}, `true`, ` true`},
		{view.Type{Kind: view.Date}, `"2026-01-01"`, `"2026-01-01"`},
	} {
		src := small(10, 100, view.Int64)
		src.Fields[0].Type = c.kind
		fold, rows := NewFold(mustSchema(t, src), Start()), NewRows(src)
		fold.Append(Record{Value: []byte(`{"id":` + c.a + `,"at":1}`)}, rows)
		if v := fold.Append(Record{Offset: 1, Value: []byte(`{"id":` + c.b + `,"at":1}`)}, rows); v.Kind != Duplicate {
			t.Errorf("%s id %s after %s: %+v", c.kind, c.b, c.a, v)
		}
	}
}

func TestASourceWithoutEventIDHasNoDuplicates(t *testing.T) {
	src := small(10, 100, view.Int64)
	src.EventID = ""
	fold, rows := NewFold(mustSchema(t, src), Start()), NewRows(src)
	fold.Remember(Record{Value: []byte(`{"id":1,"at":1}`)})
	for i := range 3 {
		if v := fold.Append(Record{Offset: int64(i + 1), Value: []byte(`{"id":1,"at":1}`)}, rows); v.Kind != Event {
			t.Errorf("record %d: %+v", i, v)
		}
	}
}
