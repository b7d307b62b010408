package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// BatchNote is what is left of the last batch run, for who watches: a run that cron starts has ended when somebody looks. Nothing of what is true
// rests on it.
type BatchNote struct {
	Run     string          `json:"run"`
	Ended   time.Time       `json:"ended"`
	Seconds float64         `json:"seconds"` // that it took
	Views   []BatchNoteView `json:"views"`   // by name; those that the run was not asked for are as the run before left them
}

// BatchNoteView is one view of it.
type BatchNoteView struct {
	View      string    `json:"view"`
	Failed    bool      `json:"failed"`    // the last run did not publish it
	Succeeded time.Time `json:"succeeded"` // when a run last published it; zero: none did since notes are kept
	// Of the last run that published it:
	Seconds float64        `json:"seconds"` // of computing
	Events  int64          `json:"events"`  // below its cuts
	Changed map[string]int `json:"changed"` // answers that the publish changed, by the ledger's class
}

// batchNoteKey is where the note stands.
const batchNoteKey = "notes/batch.json"

// BatchNote returns the note of the last run; ErrNotFound if none has left one. Keys that it does not know are passed over: a newer version may
// say more.
func (l *Lake) BatchNote(ctx context.Context) (BatchNote, error) {
	note, _, err := l.batchNote(ctx)
	return note, err
}

func (l *Lake) batchNote(ctx context.Context) (note BatchNote, tag string, err error) {
	data, tag, err := l.store.Get(ctx, batchNoteKey)
	if err == nil {
		err = json.Unmarshal(data, &note)
	}
	if err != nil {
		return BatchNote{}, tag, fmt.Errorf("note of the last batch: %w", err)
	}
	return note, tag, nil
}

// NoteBatch replaces the note by what change makes of it; it is empty before the first.
func (l *Lake) NoteBatch(ctx context.Context, change func(BatchNote) BatchNote) error {
	before, tag, err := l.batchNote(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	next := encode(change(before))
	if tag == "" {
		_, err = l.store.Create(ctx, batchNoteKey, next)
	} else {
		_, err = l.store.Swap(ctx, batchNoteKey, next, tag)
	}
	if err != nil {
		return fmt.Errorf("note the batch: %w", err)
	}
	return nil
}
