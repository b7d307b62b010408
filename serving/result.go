package serving

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Result answers a query. Its JSON is documented in docs/api.md and does not change but by additions.
type Result struct {
	Meta       Meta
	Rows       [][]algebra.Value // as Meta.Columns; times are timestamps
	Statistics Statistics
	Provenance Provenance
	location   *time.Location
}

// Meta says what the answer is about.
type Meta struct {
	View       string      `json:"view"`
	Definition string      `json:"definition"`       // hash of the view's definition
	Grain      string      `json:"grain,omitempty"`  // "": the range is one bucket, or rows are of a window
	Window     string      `json:"window,omitempty"` // whose hops or sessions the rows are
	Timezone   string      `json:"timezone"`         // of times and of day and longer buckets
	From       string      `json:"from,omitempty"`   // inclusive; without events and without a lower bound: absent
	To         string      `json:"to,omitempty"`     // exclusive
	Columns    []Column    `json:"columns"`
	Fill       string      `json:"fill,omitempty"` // what stands in buckets without events
	Compare    *Comparison `json:"compare,omitempty"`
}

// Column describes a column of the answer.
type Column struct {
	Name        string    `json:"name"`
	Role        string    `json:"role"` // time, end (of a window's row), dimension or measure
	Type        string    `json:"type"` // string, int64, int128, decimal(p,s), double, bool, timestamp, date
	Unit        string    `json:"unit,omitempty"`
	Description string    `json:"description,omitempty"`
	Of          string    `json:"of,omitempty"`       // the measure that the column compares
	Compares    string    `json:"compares,omitempty"` // how: before, change (now less before) or ratio (now by before)
	Kind        view.Type `json:"-"`
}

// Statistics count what was done for the answer.
type Statistics struct {
	Rows      int     `json:"rows"`             // in this answer
	TotalRows int     `json:"total_rows"`       // without the limit and the cursor
	Truncated bool    `json:"truncated"`        // by the limit: more rows follow
	Next      string  `json:"next,omitempty"`   // where rows follow: the cursor of the next page
	Events    int64   `json:"events"`           // in all rows, duplicates not among them
	Late      int64   `json:"late"`             // of the events
	Errors    int64   `json:"errors"`           // of expressions, on the events
	Filled    int     `json:"filled,omitempty"` // of the rows: without events, with the numbers that fill gives them
	Scanned   int64   `json:"scanned"`          // stored rows and cells looked at
	ElapsedMS float64 `json:"elapsed_ms"`
}

// Provenance says where the numbers come from and how sure they are.
type Provenance struct {
	AsOf        string            `json:"as_of,omitempty"`       // id of the snapshot that was asked for: its batch results alone
	Scan        *Scan             `json:"scan,omitempty"`        // with exact=true: the lake was scanned, and no snapshot and no speed layer read
	Snapshot    string            `json:"snapshot"`              // id of the batch snapshot that was pinned; "": there is none yet
	Sequence    int64             `json:"sequence"`              // of its publication; -1: there is none yet
	Created     string            `json:"created,omitempty"`     // when the snapshot was computed
	Exact       bool              `json:"exact"`                 // every number is what one fold over all records served would give
	ExactUntil  string            `json:"exact_until,omitempty"` // with a grain: start of the first bucket that is not exact, where others come before it
	Partial     bool              `json:"partial"`               // a layer is missing: records that were written are not in the answer
	Reason      string            `json:"reason,omitempty"`      // why it is partial
	Note        string            `json:"note"`                  // all of this in a sentence or two, for people
	Watermark   string            `json:"watermark,omitempty"`   // earlier events would be late now
	Behind      *int64            `json:"behind"`                // records in the log that are not in the answer; null: not known
	Warnings    []string          `json:"warnings,omitempty"`    // such as a sum that its type cannot hold
	Other       int64             `json:"other,omitempty"`       // live events under `__other__`, or with a dimension of it that the filter looks at: rows of their buckets may lack them
	Incomplete  []IncompleteRange `json:"incomplete,omitempty"`  // of which the speed layer left events to the next batch
	Partitions  []Coverage        `json:"partitions"`
	Live        *LiveShare        `json:"live,omitempty"`        // what the speed layer has in the answer, and how fresh it is; absent where it was not asked
	Approximate []Approximation   `json:"approximate,omitempty"` // measures that are not exact in some rows
	Rows        []RowOrigin       `json:"rows"`                  // one for each row of data, in the same order
	Compared    *Provenance       `json:"compared,omitempty"`    // of what the answer is compared with; its rows are in those of the answer
}

// Scan says what was read of the lake for an answer with exact=true. It holds the records below Served of each partition.
type Scan struct {
	Segments int    `json:"segments"` // files that were read, each checked against its SHA-256
	Rows     int64  `json:"rows"`     // in them
	Newer    *int64 `json:"newer"`    // records that the speed layer holds and the lake does not yet; null: not known
}

// Coverage is what the answer holds of one partition: batch the records below Batch, the speed layer those of [Batch, Served). Where the lake
// was scanned both are where it ends.
type Coverage struct {
	Incarnation int        `json:"incarnation"` // life of the topic, from 1: one that was deleted and created again begins the next
	Partition   int        `json:"partition"`
	Batch       int64      `json:"batch"`                // V
	Served      int64      `json:"served"`               //
	End         *int64     `json:"end"`                  // of the log; null: not known
	Partial     bool       `json:"partial"`              //
	Reason      string     `json:"reason,omitempty"`     // why it is partial
	Missing     [][2]int64 `json:"missing,omitempty"`    // offsets [a, b) that nobody has any more: retention, or the end of a life of the topic, took them before they were archived
	Uncomputed  [][2]int64 `json:"uncomputed,omitempty"` // offsets [a, b) below Batch that were there before the view: the first batch adds them
}

// RowOrigin says where a row comes from.
type RowOrigin struct {
	Source string `json:"source"` // batch, speed or merged; lake where it was scanned; none where no event is in it, filled where its numbers are those of fill
	Exact  bool   `json:"exact"`
	// Folded names the dimensions whose value in this row stands for all values beyond the limit of cardinality. It is written `__other__`;
	// a row whose events have that text has none.
	Folded     []string `json:"folded,omitempty"`
	Other      int64    `json:"other,omitempty"`      // live events of the bucket under `__other__`, of which any may belong to the row
	Incomplete bool     `json:"incomplete,omitempty"` // events of the bucket were left to the next batch
	State      State    `json:"state"`                // whether the row may still change
	// Unsettled says of a session that events follow one another without a pause from further back than was looked, so that it may begin earlier.
	Unsettled bool `json:"unsettled,omitempty"`
	// Bounds holds, for each measure that is not exact, the relative error that is not exceeded: three standard errors of a distinct
	// count, the guaranteed error of a percentile. Null: no bound is known. A row that is exact has none, nor has one that only lacks events.
	Bounds map[string]*float64 `json:"bounds,omitempty"`
	// Compared is where that comes from which the row is compared with, at Time; absent where there is no such bucket.
	Compared *RowOrigin `json:"compared,omitempty"`
	Time     string     `json:"time,omitempty"`
}

// MarshalJSON writes the answer as WriteJSON does.
func (r *Result) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// WriteJSON writes the answer as docs/api.md says: each row an object, times in RFC 3339 in the view's zone.
func (r *Result) WriteJSON(w io.Writer) error {
	meta, err := json.Marshal(r.Meta)
	if err != nil {
		return fmt.Errorf("encode what an answer is about: %w", err)
	}
	tail, err := json.Marshal(struct {
		Statistics *Statistics `json:"statistics"`
		Provenance *Provenance `json:"provenance"`
	}{&r.Statistics, &r.Provenance})
	if err != nil {
		return fmt.Errorf("encode where an answer comes from: %w", err)
	}
	if _, err := fmt.Fprintf(w, `{"meta":%s,"data":[`, meta); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if err := r.table().JSONRows(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "],%s\n", tail[1:]); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
