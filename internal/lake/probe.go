package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Probe tries on an object of its own whether a store keeps what everything rests on: a create-once put that comes second is refused, and so is
// a conditional one whose tag is old. It returns how far the store's clock is before ours, which is no less exact than the answer took.
func (l *Lake) Probe(ctx context.Context, now func() time.Time) (skew time.Duration, err error) {
	key := "probe/" + rand.Text()
	tag, err := l.store.Create(ctx, key, []byte("1"))
	if err != nil {
		return 0, fmt.Errorf("write to the lake: %w", err)
	}
	written := now()
	defer func() {
		// The caller's time may be over, the object is to go all the same.
		if gone := l.store.Delete(context.WithoutCancel(ctx), key); gone != nil {
			err = errors.Join(err, fmt.Errorf("delete from the lake: %w", gone))
		}
	}()
	if _, err := l.store.Create(ctx, key, []byte("2")); !errors.Is(err, ErrExists) {
		return 0, fmt.Errorf("the lake does not refuse to create an object twice (If-None-Match: *), but answers: %w", orNothing(err))
	}
	if _, err := l.store.Swap(ctx, key, []byte("3"), tag); err != nil {
		return 0, fmt.Errorf("replace an object of the lake: %w", err)
	}
	if _, err := l.store.Swap(ctx, key, []byte("4"), tag); !errors.Is(err, ErrChanged) {
		return 0, fmt.Errorf("the lake does not refuse to replace an object that was changed (If-Match), but answers: %w", orNothing(err))
	}
	data, _, err := l.store.Get(ctx, key)
	if err != nil || string(data) != "3" {
		return 0, errors.Join(fmt.Errorf("the lake answers %q to who reads what was just written", data), err)
	}
	for o, err := range l.store.List(ctx, key) {
		if err != nil {
			return 0, fmt.Errorf("list the lake: %w", err)
		}
		skew = o.Modified.Sub(written)
	}
	return skew, nil
}

var errNothing = errors.New("no error")

func orNothing(err error) error {
	if err == nil {
		return errNothing
	}
	return err
}
