package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// verifier is a store that can read an object without keeping it.
type verifier interface {
	verify(ctx context.Context, key, sum string) error
}

// Verify reads an object, compares its SHA-256 (hex), and keeps nothing of it: for those who have another engine read the object.
// ErrNotFound, ErrChecksum.
func (l *Lake) Verify(ctx context.Context, key, sum string) error {
	if v, ok := l.store.(verifier); ok {
		return v.verify(ctx, key, sum)
	}
	_, err := l.store.Fetch(ctx, key, sum) // a folder reads it where it is
	return err
}

func (b *bucket) verify(ctx context.Context, key, sum string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	h := sha256.New()
	err := b.try(ctx, 0, func(ctx context.Context) error {
		h.Reset()
		_, err := b.download(ctx, key, h)
		return err
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", key, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("verify %s: %w: SHA-256 is %s and should be %s", key, ErrChecksum, got, sum)
	}
	return nil
}
