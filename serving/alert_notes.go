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
	data, _, err := l.Note(ctx, silencesNote)
	if err != nil || data == nil {
		return nil, err
	}
	var list []alert.Silence
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read what is silenced: %w", err)
	}
	return list, nil
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
	data, _, err := l.Note(ctx, acknowledgedNote)
	if err != nil || data == nil {
		return nil, err
	}
	var list []Acknowledgement
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read what is acknowledged: %w", err)
	}
	by := map[string]Acknowledgement{}
	for _, a := range list {
		by[a.ID] = a
	}
	return by, nil
}
