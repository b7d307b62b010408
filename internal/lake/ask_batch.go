package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// BatchAsk is a wish that a batch should run before its time: whoever has a schedule runs one, and whoever is called by cron answers it
// when it is called. Nothing of what is true rests on it.
type BatchAsk struct {
	View   string    `json:"view,omitempty"` // by name; "": all of the project's
	Cause  string    `json:"cause"`          // a word, such as "memory": a view is asked for once by each cause until it is answered
	Reason string    `json:"reason"`         // for people: what was found, with its figures
	At     time.Time `json:"at"`             // by the asker's clock; for people
}

// batchAskKey is where the wishes stand that no batch has answered.
const batchAskKey = "asks/batch.json"

// AskBatch asks for a batch. Where the same view was asked for by the same cause before, that wish stands, and nothing is written.
func (l *Lake) AskBatch(ctx context.Context, ask BatchAsk) error {
	ask.At = ask.At.UTC()
	err := l.changeAsks(ctx, func(asked []BatchAsk) []BatchAsk {
		if slices.ContainsFunc(asked, ask.same) {
			return asked
		}
		return append(asked, ask)
	})
	if err != nil {
		return fmt.Errorf("ask for a batch: %w", err)
	}
	return nil
}

// BatchAsked returns the wishes that no batch has answered, by view and cause; empty if there are none.
func (l *Lake) BatchAsked(ctx context.Context) ([]BatchAsk, error) {
	standing, _, err := l.store.Get(ctx, batchAskKey)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	var asked []BatchAsk
	if err == nil {
		asked, err = readAsks(standing)
	}
	if err != nil {
		return nil, fmt.Errorf("read who asks for a batch: %w", err)
	}
	return asked, nil
}

// AnswerBatch takes back wishes that a batch has answered: those that it had read before it began. What was asked since then stays.
func (l *Lake) AnswerBatch(ctx context.Context, answered []BatchAsk) error {
	err := l.changeAsks(ctx, func(asked []BatchAsk) []BatchAsk {
		return slices.DeleteFunc(asked, func(ask BatchAsk) bool {
			return slices.ContainsFunc(answered, func(a BatchAsk) bool { return a.same(ask) && a.At.Equal(ask.At) })
		})
	})
	if err != nil {
		return fmt.Errorf("take back who asked for a batch: %w", err)
	}
	return nil
}

func (a BatchAsk) same(b BatchAsk) bool { return a.View == b.View && a.Cause == b.Cause }

// changeAsks swings the wishes from what stands to what change makes of it.
func (l *Lake) changeAsks(ctx context.Context, change func([]BatchAsk) []BatchAsk) error {
	return l.change(ctx, batchAskKey, func(standing []byte) ([]byte, error) {
		asked, err := readAsks(standing)
		if err != nil {
			return nil, err
		}
		next := change(slices.Clone(asked))
		slices.SortFunc(next, func(a, b BatchAsk) int { return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Cause, b.Cause)) })
		if slices.EqualFunc(next, asked, func(a, b BatchAsk) bool { return a.same(b) && a.At.Equal(b.At) }) {
			return nil, nil
		}
		return encode(next), nil
	})
}

func readAsks(standing []byte) (asked []BatchAsk, err error) {
	if standing != nil {
		err = decode(batchAskKey, standing, &asked)
	}
	return asked, err
}
