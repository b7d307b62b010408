package auth

import (
	"context"
	"errors"
)

// Errors of Guard.Token. Others mean that the issuer of the token could not be asked.
var (
	ErrUnknown = errors.New("the token is not known, or no longer valid")
)

// Guard turns tokens into callers. A nil Guard is off: it asks nobody.
type Guard struct{}

// Off says that no auth is asked for: every question is answered.
func (g *Guard) Off() bool { return g == nil }

// Token is the caller who holds a token.
func (g *Guard) Token(_ context.Context, _ string) (Caller, error) {
	return Caller{}, ErrUnknown
}
