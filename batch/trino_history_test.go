package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
)

// asDuckDBFromNothing compares what Trino's runs have published of views, one upon the other, with what DuckDB computes of all records below the
// same cuts at once. It returns the snapshots of Trino.
func (w *world) asDuckDBFromNothing(views ...*view.View) []*lake.Manifest {
	w.t.Helper()
	var names []string
	var of []*lake.Manifest
	for _, v := range views {
		names, of = append(names, v.Name), append(of, w.currentOf(v))
	}
	w.project.Batch.Engine = view.EngineDuckDB
	w.run(RunOptions{Full: true, Views: names})
	w.project.Batch.Engine = view.EngineTrino
	for i, v := range views {
		m := w.currentOf(v)
		if m.Run == of[i].Run {
			w.t.Fatalf("view %s: DuckDB published nothing", v.Name)
		}
		w.someCells(v, of[i], m)
		if a, b := of[i], m; a.Events != b.Events || a.Duplicates != b.Duplicates || a.Late != b.Late || a.Dead != b.Dead {
			w.t.Errorf("view %s: %d events, %d duplicates, %d late, %d dead letters on Trino, and on DuckDB %d, %d, %d, %d",
				v.Name, a.Events, a.Duplicates, a.Late, a.Dead, b.Events, b.Duplicates, b.Late, b.Dead)
		}
	}
	return of
}

// hourlyWorld is a world whose view has but one grain: Trino computes each by a query of its own.
func hourlyWorld(t *testing.T) *world {
	w := newWorld(t).withRuns()
	w.project.Views[0].Grains = w.project.Views[0].Grains[:1]
	return w
}

// recreated deletes the topic and creates it again, empty.
func (w *world) recreated() {
	w.t.Helper()
	topics := testservices.Topics{Brokers: w.broker.Addrs()}
	if err := errors.Join(topics.Delete(w.t.Context(), w.topic.Name), topics.Create(w.t.Context(), w.topic.Name, w.project.Sources[0].Partitions)); err != nil {
		w.t.Fatal(err)
	}
	before := w.topic.Incarnation
	var err error
	if _, w.topic, err = lifeOf(w.t.Context(), w.project, w.stream, w.lake, w.topic.Name); err != nil || w.topic.Incarnation != before+1 {
		w.t.Fatalf("life %d after %d: %v", w.topic.Incarnation, before, err)
	}
}

func TestTrinoCountsTheRecordsOfAChunkBelowACutAndTheNextRunTheRest(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	w := hourlyWorld(t)
	w.onTrino(s)
	inside := func() {
		for p, cut := range w.current().Offsets() {
			chunks, err := w.lake.Chunks(t.Context(), w.topic, p, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(chunks, func(c lake.Chunk) bool {
				return slices.ContainsFunc(c.Files, func(f lake.ChunkFile) bool { return f.First < cut && f.Last >= cut })
			}) {
				t.Fatalf("the cut at %d of partition %d divides no segment", cut, p)
			}
		}
	}
	w.produce(300, 71, 4)
	w.archiveAll(nil)
	w.speedAt(0, w.sent[0]/3)
	w.speedAt(1, w.sent[1]/2)
	w.run(RunOptions{RunID: "one"})
	inside()
	w.sameAsNaive(w.current())
	w.produce(200, 72, 2) // late by days: into periods that are published
	w.archiveAll(nil)
	w.speedAt(0, w.sent[0]-40)
	w.speedAt(1, w.sent[1]-7)
	before := w.current()
	w.run(RunOptions{RunID: "two"})
	inside()
	after := w.current()
	if !slices.ContainsFunc(after.Files, func(f lake.ViewFile) bool { return !slices.Contains(before.Files, f) }) || after.Events <= before.Events {
		t.Errorf("the second run computed nothing: %+v", after)
	}
	w.sameAsNaive(after)
	w.asDuckDBFromNothing(w.project.Views[0])
}

func TestTrinoLeavesOutWhatAnErasureThatIsStoppedNamesInEveryLife(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	w := hourlyWorld(t)
	w.onTrino(s)
	v := w.project.Views[0]
	w.produce(100, 81, 2)
	w.visit("Zacharias", day)
	w.archiveAll(nil)
	w.recreated()
	w.produce(60, 82, 2)
	w.visit("Zacharias", day)
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	lines := func() string {
		return queryRows(t, "SELECT sum(x1) FROM "+w.files(w.currentOf(v))+" WHERE _grain = '1h' AND _set = 1")[0]
	}
	without := queryRows(t, "SELECT count(*) FROM "+w.lakeRows()+" WHERE NOT _duplicate AND price >= 1 AND customer IS DISTINCT FROM 'Zacharias'")[0]
	stopAt := func(at string) {
		_, err := w.runner(func(c *Config) {
			c.Steps = func(step string) error {
				if step == at {
					return errors.New("crash")
				}
				return nil
			}
		}).Erase(t.Context(), of("Zacharias"))
		if !errors.Is(err, errCrash) {
			t.Fatalf("crash at %s: %v", at, err)
		}
		w.unlock()
	}
	stopAt("after-tombstone")
	if with := lines(); with == without {
		t.Fatalf("%s lines with and without the customer", with)
	}
	w.run(RunOptions{})
	if got := lines(); got != without {
		t.Errorf("%s lines with the erasure open, want %s", got, without)
	}
	if l := w.ledger(); l.Unexplained != 0 || l.Classes[ledger.Erasure] == 0 {
		t.Errorf("ledger: %v, %d unexplained, %s", l.Classes, l.Unexplained, l.Reason)
	}
	w.asDuckDBFromNothing(v)
	stopAt("after-revision") // some chunks hold him still
	w.run(RunOptions{Full: true})
	if got := lines(); got != without {
		t.Errorf("%s lines with some chunks revised, want %s", got, without)
	}
	w.asDuckDBFromNothing(v)
	if report := w.erase(of("Zacharias")); report.Left != 0 || w.trace("Zacharias") != "" {
		t.Errorf("%+v, and he stands in %q", report, w.trace("Zacharias"))
	}
	if got := lines(); got != without {
		t.Errorf("%s lines when the erasure is done, want %s", got, without)
	}
}

func TestTrinoComputesAllLivesOfATopicAsDuckDBDoes(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	w := newWorldOf(t, evolving(t, fieldsBefore, viewOfBefore))
	w.onTrino(s)
	const lives, events = 3, 30
	for life := range lives {
		if life > 0 {
			w.recreated()
		}
		var messages []stream.Message
		for i := range events { // those of the first life come again in the third, at the same offsets
			messages = append(messages, stream.Message{Key: fmt.Append(nil, i%5), Value: fmt.Appendf(nil, `{"id":"%[1]d","at":%[2]d,"n":%[3]d,"price":%[3]d.%[1]d,"buyer":"b%[4]d"}`,
				i, day.Add(time.Duration(i)*10*time.Minute).UnixMilli(), 1+life%2, i%3)})
		}
		w.send(messages)
		w.archiveAll(nil)
		if life > 0 {
			w.run(RunOptions{})
		}
	}
	if m := w.asDuckDBFromNothing(w.project.Views...)[0]; len(m.Earlier) != lives-1 || m.Events != lives*events {
		t.Errorf("the snapshot is of %d lives and %d events", 1+len(m.Earlier), m.Events)
	}
}

// evolvingShop is a shop whose source has fields that evolve.
const evolvingShop = `project: test
lake: {url: "s3://lint/only"}
batch: {engine: trino, trino: {url: "http://localhost:1"}, memory_limit: 256MB, threads: 2, archive_wait: 20s, snapshots: 10, instant_rollbacks: 1}
sources:
  sales:
    partitions: 2
    event_time: {field: at, format: unix_ms}
    event_id: id
    fields: {id: string, at: timestamp, %s}
`

// The fields and a view of them, before and after some were added, widened and renamed.
const (
	fieldsBefore = `n: int64, price: "decimal(9,2)", buyer: string, shipped: "timestamp?", tags: "array<string>?", marks: "array<decimal(9,2)>?", times: "array<timestamp>?"`
	fieldsAfter  = `n: "decimal(24,2)", price: "decimal(30,2)", customer: {type: "string?", was: buyer}, shipped: "timestamp?", channel: {type: string, default: "it's"},
      since: {type: timestamp, default: "2026-01-02T03:04:05.678901+01:00"}, far: {type: "decimal(38,4)", default: -12345678901234567890.1234}, half: {type: double, default: -0.0},
      day: {type: date, default: "1969-12-31"}, yes: {type: bool, default: true}, more: "int64?",
      labels: {type: "array<string?>?", was: tags}, marks: "array<decimal(12,2)?>?", times: "array<timestamp?>?", days: "array<date>?"`
	viewOfBefore = `view: sold
source: sales
where: price > 0
dimensions: [buyer]
grains: [1h]
measures:
  - {name: events, agg: count}
  - {name: ns, agg: sum, expr: n}
  - {name: turnover, agg: sum, expr: "n * price", type: "decimal(38,2)"}
  - {name: last_price, agg: last, expr: price}
  - {name: shipped, agg: max, expr: shipped}
  - {name: marked, agg: sum, expr: "len(marks)"}
  - {name: best_mark, agg: max, expr: "marks[1]"}
  - {name: first_time, agg: min, expr: "times[1]"}
`
	viewOfAfter = `view: whole
source: sales
dimensions: [channel]
grains: [1h]
measures:
  - {name: events, agg: count}
  - {name: ns, agg: sum, expr: n, type: "decimal(38,2)"}
  - {name: prices, agg: sum, expr: price, type: "decimal(38,2)"}
  - {name: last_price, agg: last, expr: price}
  - {name: customers, agg: count_distinct, expr: customer}
  - {name: last_customer, agg: last, expr: customer}
  - {name: shipped, agg: max, expr: shipped}
  - {name: since, agg: count_distinct, expr: since}
  - {name: first_since, agg: min, expr: since}
  - {name: far, agg: min, expr: far}
  - {name: half, agg: max, expr: half}
  - {name: day, agg: min, expr: day}
  - {name: yes, agg: max, expr: yes}
  - {name: more, agg: sum, expr: more}
  - {name: vips, agg: count, filter: "contains(labels, 'vip')"}
  - {name: labelled, agg: count_distinct, expr: "labels[1]"}
  - {name: marked, agg: sum, expr: "len(marks)"}
  - {name: second_mark, agg: min, expr: "marks[2]"}
  - {name: times, agg: max, expr: "times[1]"}
  - {name: dayless, agg: count, filter: "days is null"}
`
)

// evolving is the shop with fields, and the views of them by name.
func evolving(t *testing.T, fields string, views ...string) *view.Project {
	t.Helper()
	files := []view.File{{Path: "caudal.yaml", Data: fmt.Appendf(nil, evolvingShop, fields)}}
	for i, v := range views {
		files = append(files, view.File{Path: fmt.Sprintf("views/%d.yaml", i), Data: []byte(v)})
	}
	p, err := engine.Parse(t.Context(), files, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTrinoReadsSegmentsOfSeveralDefinitionsOfASourceAsDuckDBDoes(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	before := evolving(t, fieldsBefore, viewOfBefore)
	after := evolving(t, fieldsAfter, strings.ReplaceAll(viewOfBefore, "[buyer]", "[customer]"), viewOfAfter)
	w := newWorldOf(t, before)
	w.onTrino(s)
	send := func(from int, events ...string) {
		var messages []stream.Message
		for i, event := range events {
			at := day.Add(time.Duration(from+i) * 20 * time.Minute)
			messages = append(messages, stream.Message{Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, `{"id":"%d","at":%d,%s}`, from+i, at.UnixMilli(), event)})
		}
		w.send(messages)
		w.archiveAll(nil)
	}
	send(0, `"n":1,"price":1.50,"buyer":"ann","tags":["vip","new"],"marks":[1.50,-9999999.99],"times":[1]`, `"n":-9223372036854775808,"price":9999999.99,"buyer":"žluťoučký 馬","shipped":"2026-03-29T01:30:00.000001Z"`,
		`"n":9007199254740993,"price":0.01,"buyer":"","shipped":null`, `"n":7,"price":2,"buyer":"it's","tags":[],"marks":[],"times":["2026-03-29T01:30:00.000001Z",0]`)
	w.run(RunOptions{})
	old := before.Views[0]
	w.asDuckDBFromNothing(old)

	w.declare(after)
	w.onTrino(s)
	// events to both definitions
	send(4, `"n":2,"price":3.25,"customer":"bob","labels":["vip"],"marks":[2,3]`, `"n":5.00,"price":1,"customer":"ann","channel":"shop","shipped":"2026-03-29T01:30:00.000002Z"`,
		`"n":-9223372036854775808,"price":-9999999.99,"customer":"neg"`)
	// and to the later only
	send(7, `"n":4.25,"price":1,"customer":"quarter"`, `"n":92233720368547758070,"price":2,"customer":"beyond","far":1.5,"half":2.5,"day":"2026-02-28","yes":false,"more":9223372036854775807`,
		`"n":3,"price":1,"customer":null,"since":"2026-05-05T05:05:05.000005Z"`, `"n":6,"price":1234567890123456789012345678.90,"customer":"dear"`, `"n":8,"price":1e1,"customer":"more","more":1`,
		`"n":9,"price":1,"customer":"none","labels":[null,"vip"]`, `"n":9,"price":1,"customer":"ten digits","marks":[7,null,1234567890.12],"times":[null]`)
	w.run(RunOptions{})
	whole := after.Views[slices.IndexFunc(after.Views, func(v *view.View) bool { return v.Name == "whole" })]
	w.asDuckDBFromNothing(old, whole)
	count := func(v *view.View) string {
		return queryRows(t, "SELECT sum(_events) FROM "+w.files(w.currentOf(v))+" WHERE _grain = '1h' AND _set = 1")[0]
	}
	if of := [2]string{count(old), count(whole)}; of != [2]string{"7", "14"} {
		t.Errorf("%s events of both definitions to the earlier and the later, want 7 and 14", of)
	}
}
