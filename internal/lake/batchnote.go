package lake

import (
	"context"
	"encoding/json"
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
func (l *Lake) BatchNote(ctx context.Context) (note BatchNote, err error) {
	data, _, err := l.store.Get(ctx, batchNoteKey)
	if err == nil {
		err = json.Unmarshal(data, &note)
	}
	if err != nil {
		return BatchNote{}, fmt.Errorf("note of the last batch: %w", err)
	}
	return note, nil
}

// NoteBatch replaces the note by what change makes of it; it is empty before the first.
func (l *Lake) NoteBatch(ctx context.Context, change func(BatchNote) BatchNote) error {
	err := l.change(ctx, batchNoteKey, func(standing []byte) ([]byte, error) {
		var before BatchNote
		if standing != nil {
			if err := json.Unmarshal(standing, &before); err != nil {
				return nil, err
			}
		}
		return encode(change(before)), nil
	})
	if err != nil {
		return fmt.Errorf("note the batch: %w", err)
	}
	return nil
}
