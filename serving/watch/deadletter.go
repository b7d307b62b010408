package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// DeadLetter is a message that a sink did not take.
type DeadLetter struct {
	Sink    string        `json:"sink"`
	Reason  string        `json:"reason"`
	At      time.Time     `json:"at"`
	Message alert.Message `json:"message"`
}

func deadNote(sink, id string) string { return "dead/" + sink + "/" + id }

// DeadLetters lists the messages that sinks did not take.
func DeadLetters(ctx context.Context, l *lake.Lake) ([]DeadLetter, error) {
	names, err := l.Notes(ctx, "dead")
	if err != nil {
		return nil, err
	}
	letters := []DeadLetter{}
	for _, name := range names {
		data, _, err := l.Note(ctx, name)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		var d DeadLetter
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, fmt.Errorf("read dead letter %s: %w", name, err)
		}
		letters = append(letters, d)
	}
	return letters, nil
}

// Resend sends a dead letter to its sink of a project once more, and forgets it if that takes it. Of the configuration, Project, Lake and Stream are needed.
func Resend(ctx context.Context, cfg Config, d DeadLetter) error {
	i := slices.IndexFunc(cfg.Project.Sinks, func(s view.Sink) bool { return s.Name == d.Sink })
	if i < 0 {
		return fmt.Errorf("the project has no sink %s any more", d.Sink)
	}
	s := newSink(cfg.Project.Sinks[i], cfg.withDefaults())
	err := s.send(ctx, &d.Message)
	if t, ok := s.(*topicSink); ok {
		err = errors.Join(err, t.close())
	}
	if err != nil {
		return fmt.Errorf("sink %s did not take message %s: %w", d.Sink, d.Message.ID, err)
	}
	return cfg.Lake.DropNote(ctx, deadNote(d.Sink, d.Message.ID))
}
