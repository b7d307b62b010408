// Package ingest takes events over the API: it types them as the intake of both layers will, and sends them to their topic only if every one of them can be.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
)

// Limits of one request.
const (
	MaxBytes  = 8 << 20
	MaxEvents = 10_000
)

// Writer stores messages with the broker's acknowledgement. A *stream.Producer is one.
type Writer interface {
	Write(ctx context.Context, messages []stream.Message) error
	Close() error
}

// Gate is where events come in. Its methods may be called from many goroutines.
type Gate struct {
	sources []*view.Source
	open    func(topic string) Writer

	mu      sync.Mutex
	entries map[string]*entry // by source
}

// entry is what is kept of a source that events came for.
type entry struct {
	source *view.Source
	schema *intake.Schema
	out    Writer
}

// New returns a gate to the topics of the sources. open is asked for a writer when the first event of a topic comes.
func New(sources []*view.Source, open func(topic string) Writer) *Gate {
	return &Gate{sources: sources, open: open, entries: map[string]*entry{}}
}

// Close ends the connections. Nothing may be under way.
func (g *Gate) Close() error {
	var errs []error
	for _, e := range g.entries {
		errs = append(errs, e.out.Close())
	}
	return errors.Join(errs...)
}

// ErrUnknownSource is an event for a source that the project has not.
var ErrUnknownSource = errors.New("no such source")

// Names are those of the sources.
func (g *Gate) Names() []string {
	names := make([]string, len(g.sources))
	for i, s := range g.sources {
		names[i] = s.Name
	}
	return names
}

// Receipt says what was stored.
type Receipt struct {
	Source       string `json:"source"`
	Accepted     int    `json:"accepted"`     // events that the broker has acknowledged, all of the request
	Deduplicated bool   `json:"deduplicated"` // the source has an event id: sent again, the same events are not counted again
}

// Mistake is why one event of a request cannot be taken.
type Mistake struct {
	Index      int    `json:"index"`           // of the event in the request, from 0
	Field      string `json:"field,omitempty"` // of the source; absent where no single field is at fault
	Reason     string `json:"reason"`
	Detail     string `json:"detail"`
	Suggestion string `json:"suggestion"`
}

// Invalid is a request of which nothing was sent, as some of its events would become dead letters.
type Invalid struct {
	Mistakes []Mistake // the first of them
	Count    int       // events with a mistake
}

// listed bounds the mistakes that are listed.
const listed = 100

// Error says how many events are at fault.
func (i *Invalid) Error() string { return fmt.Sprintf("%d events are not valid", i.Count) }

// NotStored is a request that the broker did not acknowledge as a whole: some of the events may be stored.
type NotStored struct {
	Err          error
	Deduplicated bool
}

// Error says what the broker said.
func (n *NotStored) Error() string { return n.Err.Error() }

// Unwrap is what the broker said.
func (n *NotStored) Unwrap() error { return n.Err }

// Accept sends events, each a JSON object, once every one of them is found to be valid, and returns when all are stored. What is wrong with them is an *Invalid, what
// failed after that a *NotStored, and an unknown source ErrUnknownSource.
func (g *Gate) Accept(ctx context.Context, source string, events [][]byte) (Receipt, error) {
	e, err := g.entry(source)
	if err != nil {
		return Receipt{}, err
	}
	if err := e.check(events); err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Source: source, Accepted: len(events), Deduplicated: e.source.EventID != ""}
	messages, parent := make([]stream.Message, len(events)), trace.Parent(ctx)
	for i, event := range events {
		messages[i] = stream.Message{Key: feed.Key(e.source, event), Value: event, Trace: parent}
	}
	if len(messages) == 0 {
		return receipt, nil
	}
	if err := e.out.Write(ctx, messages); err != nil {
		return Receipt{}, &NotStored{err, receipt.Deduplicated}
	}
	return receipt, nil
}

func (g *Gate) entry(name string) (*entry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.entries[name]; e != nil {
		return e, nil
	}
	i := slices.IndexFunc(g.sources, func(s *view.Source) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("source %q: %w", name, ErrUnknownSource)
	}
	plain := *g.sources[i] // a fold that looks at one event after the other need not remember ids
	plain.EventID = ""
	schema, err := intake.NewSchema(&plain)
	if err != nil {
		return nil, fmt.Errorf("take events of %s: %w", name, err)
	}
	e := &entry{g.sources[i], schema, g.open(g.sources[i].Topic)}
	g.entries[name] = e
	return e, nil
}

// check types the events as the intake will. The verdict on one is a function of its bytes alone.
func (e *entry) check(events [][]byte) error {
	fold, rows := intake.NewFold(e.schema, intake.Start()), intake.NewRows(e.source)
	var wrong Invalid
	for i, event := range events {
		rows.Reset()
		v := fold.Append(intake.Record{Value: event}, rows)
		if v.Kind != intake.DeadLetter {
			continue
		}
		if wrong.Count++; len(wrong.Mistakes) < listed {
			wrong.Mistakes = append(wrong.Mistakes, Mistake{i, v.Dead.Field, string(v.Dead.Reason), v.Dead.Detail, e.mend(v.Dead)})
		}
	}
	if wrong.Count > 0 {
		return &wrong
	}
	return nil
}

// mend says what to send instead.
func (e *entry) mend(d *intake.Dead) string {
	what := "the field"
	if i := e.source.Field(d.Field); i >= 0 {
		f := &e.source.Fields[i]
		what = fmt.Sprintf("%q as %s", f.Path(), f.Type)
	}
	switch d.Reason {
	case intake.MissingField:
		return "send " + what + ", or say in the definition that it may be null"
	case intake.MissingEventTime, intake.UnparsableEventTime:
		return fmt.Sprintf("send %q as %s", e.source.EventTime.Field, e.source.EventTime.Format)
	case intake.WrongType, intake.OutOfRange:
		return "send " + what
	case intake.TooLarge:
		return fmt.Sprintf("send at most %d bytes for an event", intake.MaxRecord)
	}
	return "send one JSON object in UTF-8"
}
