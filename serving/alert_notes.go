package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
)

// The notes in the lake that who watches and who serves share.
const (
	silencesNote     = "silences"
	acknowledgedNote = "acknowledged"
)

// AlertNote is the name of the note that holds the state of an alert.
func AlertNote(alert string) string { return "alerts/" + alert }

// Silences returns what is silenced, also what is not any more.
func Silences(ctx context.Context, l *lake.Lake) ([]alert.Silence, error) {
	var list []alert.Silence
	err := readNote(ctx, l, silencesNote, "what is silenced", &list)
	return list, err
}

// Acknowledgement says that somebody looks after what an alert told.
type Acknowledgement struct {
	ID      string    `json:"id"` // of the cause
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// acknowledgements returns what is acknowledged, by cause.
func acknowledgements(ctx context.Context, l *lake.Lake) (map[string]Acknowledgement, error) {
	var list []Acknowledgement
	if err := readNote(ctx, l, acknowledgedNote, "what is acknowledged", &list); err != nil {
		return nil, err
	}
	by := map[string]Acknowledgement{}
	for _, a := range list {
		by[a.ID] = a
	}
	return by, nil
}

// readNote reads a note, which is what people call it, into a value; one that there is not leaves the value as it is.
func readNote(ctx context.Context, l *lake.Lake, name, what string, into any) error {
	data, _, err := l.Note(ctx, name)
	if err != nil || data == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}
