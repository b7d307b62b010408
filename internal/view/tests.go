package view

import "encoding/json"

// Scene is what happens in an inline test.
type Scene struct {
	Name       string
	File       string // relative to the project
	Line       int    // from 1
	Partitions int    // of the topic that the events arrive on
	Given      []GivenEvent
}

// Test is an inline test of a view: events, and what a query is to answer once they have arrived. Tests are no part of the definition's
// hash: they change no cell.
type Test struct {
	Scene
	// Query is what is asked, as the API takes it in JSON, without the view; QueryLine is where it stands, or the test.
	Query     json.RawMessage
	QueryLine int
	Counts    map[string]int64 // of CountNames; absent: only to be the same in both layers
	CountLine int
	// Expect are all rows of the answer. They come in this order where Ordered.
	Expect     []ExpectedRow
	ExpectLine int
	Ordered    bool
}

// GivenEvent is one record of a test.
type GivenEvent struct {
	Line      int
	Value     []byte
	Partition int
	Timestamp int64 // of the record, µs UTC
	Clock     bool  // there is no record: the clock goes on to Timestamp, and alerts are looked at
}

// ExpectedRow is one row of the answer that a test expects: the columns that it names.
type ExpectedRow struct {
	Line    int
	Columns []ExpectedColumn
}

// ExpectedColumn is one value of such a row, as JSON: numbers and texts as they are written, times as text.
type ExpectedColumn struct {
	Name  string
	Value json.RawMessage
}

// CountNames are what of a test's records can be counted: the view's events, and how many of them came late; the records whose event was
// there before, and those that could not be read.
func CountNames() []string { return []string{"events", "late", "duplicates", "dead_letters"} }

// Over returns the same view under another name over a source with the same fields. What it answers to the same events is the same; its
// hash is its own.
func (v *View) Over(name string, s *Source) *View {
	w := *v
	w.Name, w.Source, w.Tests = name, s, nil
	w.seal()
	return &w
}
