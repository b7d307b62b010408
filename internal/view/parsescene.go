package view

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// The keys of a given event that are no fields of the source: they say how its record arrives, or that none does.
const (
	givenPartition = "_partition"
	givenTimestamp = "_timestamp"
	givenClock     = "_clock"
)

// Bounds of a test: it is an example that people read.
const (
	maxGiven       = 1000
	maxGivenAlerts = 200 // of an alert, which is looked at after each event
	maxPartitions  = 16
)

// sceneDraft is what happens in an inline test, being read.
type sceneDraft struct {
	*Scene
	r       *reader
	source  *Source
	decoder Decoder // nil: records are not read while definitions are checked
	of      string  // "test refunds of view sales"
	most    int     // events that it may give
	clock   bool    // entries may say that nothing comes, and the clock goes on
	latest  []int64 // by partition: the latest event so far, µs; math.MinInt64: none
}

// scenes reads a list of tests: what each is called and given, and by rest what it expects.
func (r *reader) scenes(n *node, of string, keys []string, s sceneDraft, rest func(sceneDraft, *node)) {
	if n == nil {
		return
	}
	if n.shape != sequence {
		r.add(n, of+": tests is "+n.word(), "write a list of {name: …, given: […], expect: […]}")
		return
	}
	names := map[string]int{}
	for _, item := range n.items {
		if !r.mapping(item, "a test of "+of, keys) {
			continue
		}
		t := s
		t.Scene, t.r = &Scene{File: r.file, Line: item.line}, r
		r.require(item, "a test of "+of, "name", "given", "expect")
		t.Name = r.filled(item.get("name"), "name of a test of "+of)
		t.of = fmt.Sprintf("test %q of %s", t.Name, of)
		if line, ok := names[t.Name]; ok && t.Name != "" {
			r.add(item.get("name"), t.of+" is there twice", fmt.Sprintf("line %d has it: choose another name", line))
		}
		names[t.Name] = item.line
		t.Partitions = int(r.integer(item.get("partitions"), t.of+": partitions", 1, 1, maxPartitions))
		t.latest = slices.Repeat([]int64{math.MinInt64}, t.Partitions)
		t.given(item.get("each"), item.get("given"))
		rest(t, item)
	}
}

// given reads the events, each with the fields of `each` that it does not have itself.
func (t *sceneDraft) given(each, n *node) {
	r := t.r
	if each != nil && !t.known(each, "each of "+t.of) {
		return
	}
	switch {
	case n == nil:
		return
	case n.shape != sequence:
		r.add(n, t.of+": given is "+n.word(), "write a list of events, each a mapping with the source's fields")
		return
	case len(n.items) > t.most:
		r.add(n, fmt.Sprintf("%s gives %d events", t.of, len(n.items)), fmt.Sprintf("a test has at most %d: more than anybody reads", t.most))
		return
	}
	for i, item := range n.items {
		t.event(i, each, item)
	}
}

// known checks that a mapping has no keys but fields and what says how a record arrives.
func (t *sceneDraft) known(n *node, of string) bool {
	keys := []string{givenPartition, givenTimestamp}
	if t.clock {
		keys = append(keys, givenClock)
	}
	for _, f := range t.source.Fields {
		keys = append(keys, f.Name)
	}
	before := len(*t.r.problems)
	return t.r.mapping(n, of, keys) && len(*t.r.problems) == before
}

// event reads one given event. A text is a record that is sent as it is.
func (t *sceneDraft) event(i int, each, n *node) {
	s := t.source
	of := fmt.Sprintf("event %d of %s", i+1, t.of)
	e := GivenEvent{Line: n.line}
	if n.shape == scalar {
		e.Value = []byte(n.text)
		t.arrive(n, n, &e, of)
		return
	}
	if t.clock && n.get(givenClock) != nil {
		t.pass(n, of)
		return
	}
	if !t.known(n, of) {
		return
	}
	var value any = map[string]any{}
	for _, f := range s.Fields {
		at := n.get(f.Name)
		if at == nil && each != nil {
			at = each.get(f.Name)
		}
		path := f.Path()
		switch {
		case at != nil:
			value = put(value, path, writtenField(at, f.Type))
		case f.Name == s.EventID && f.Type.Kind == String:
			value = put(value, path, json.RawMessage(fmt.Sprintf(`"given %d"`, i+1)))
		case f.Name == s.EventID && f.Type.Kind == Int64:
			value = put(value, path, json.RawMessage(fmt.Sprint(i+1)))
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic("BUG: an event of a test as JSON: " + err.Error())
	}
	e.Value = data
	t.arrive(n, each, &e, of)
}

// arrive settles on which partition and when a record arrives: when its event happened, but never before those that came earlier, unless it says.
func (t *sceneDraft) arrive(n, each *node, e *GivenEvent, of string) {
	r := t.r
	say := func(key string) *node {
		if at := n.get(key); at != nil || each == nil {
			return at
		}
		return each.get(key)
	}
	e.Partition = int(r.integer(say(givenPartition), of+": "+givenPartition, 0, 0, int64(t.Partitions-1)))
	happened := t.latest[e.Partition]
	if t.decoder != nil {
		at, problem := t.decoder.Decode(t.source, e.Value)
		switch {
		case problem == "":
			happened = max(happened, at)
		case n.shape == mapping:
			r.add(n, of+" would be a dead letter: "+problem, "mend it, or write the record as a text, which is sent as it is")
			return
		}
	}
	t.latest[e.Partition] = happened
	e.Timestamp = max(happened, 0)
	if at := say(givenTimestamp); at != nil {
		us, ok := t.instant(at, of+": "+givenTimestamp, time.UTC)
		if !ok {
			return
		}
		e.Timestamp = us
	}
	t.Given = append(t.Given, *e)
}

// pass reads that no event comes until a time. What comes afterwards arrives no earlier.
func (t *sceneDraft) pass(n *node, of string) {
	if !t.r.mapping(n, of+", which moves the clock,", []string{givenClock}) || len(n.pairs) > 1 {
		return
	}
	us, ok := t.instant(n.get(givenClock), of+": "+givenClock, time.UTC)
	if !ok {
		return
	}
	for p := range t.latest {
		t.latest[p] = max(t.latest[p], us)
	}
	t.Given = append(t.Given, GivenEvent{Line: n.line, Timestamp: us, Clock: true})
}

// instant reads a time, µs UTC; one that says no zone is of loc.
func (t *sceneDraft) instant(n *node, of string, loc *time.Location) (int64, bool) {
	text := t.r.filled(n, of)
	us, ok := ParseTestTime(text, loc)
	if !ok && text != "" {
		t.r.add(n, quote(of, text)+" is no time", "write e.g. 2026-03-28T10:00:00Z")
	}
	return us, ok
}
