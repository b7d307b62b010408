package lake

import (
	"context"
	"errors"
	"fmt"
)

// PutDefinition keeps a definition under its hash, so that whoever finishes a chunk or reads a snapshot can use the one it was made with.
func (l *Lake) PutDefinition(ctx context.Context, hash string, body []byte) error {
	if err := checkName("definition", hash); err != nil {
		return err
	}
	if _, err := l.store.Create(ctx, definitionKey(hash), body); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("put definition %s: %w", hash, err)
	}
	return nil
}

// Definition returns the definition of that hash; the bytes are shared and must not be written to. ErrNotFound if the lake has none.
func (l *Lake) Definition(ctx context.Context, hash string) ([]byte, error) {
	l.mu.Lock()
	body, ok := l.bodies[hash]
	l.mu.Unlock()
	if ok {
		return body, nil
	}
	if err := checkName("definition", hash); err != nil {
		return nil, err
	}
	body, _, err := l.store.Get(ctx, definitionKey(hash))
	if err != nil {
		return nil, fmt.Errorf("definition %s: %w", hash, err)
	}
	l.mu.Lock()
	l.bodies[hash] = body
	l.mu.Unlock()
	return body, nil
}
