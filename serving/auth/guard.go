package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// ErrUnknown is the error of Guard.Token where the token is nobody's: unknown, expired, of another issuer or for somebody else. Other errors mean
// that who could know was not reached.
var ErrUnknown = errors.New("the token is not known, or no longer valid")

// Config of a Guard. At least one of TokenFile and OIDC says who may come in.
type Config struct {
	TokenFile string            // see tokens.go; "": no tokens of our own
	OIDC      OIDC              // whose tokens are believed beside them; the zero value: nobody's
	Open      []string          // routes, by their ids, that ask nobody
	Rate      float64           // requests of one caller per second, over a while; default 100
	Burst     int               // requests of one caller at once; default twice Rate
	Check     func(Grant) error // whether a grant of the token file makes sense; nil: it does
	Logger    *slog.Logger
	Clock     func() time.Time // default time.Now
}

// DefaultRate is how many requests per second a caller may make where nothing else is said.
const DefaultRate = 100

// Guard turns tokens into callers and counts how often they come. A nil Guard is off: it asks nobody. Its methods may be called from many goroutines.
type Guard struct {
	open    []string
	tokens  *tokenFile // nil: none
	issuer  *issuer    // nil: none
	limiter *limiter
}

// New prepares a guard and reads its token file. The issuer is not asked before the first of its tokens comes.
func New(cfg Config) (*Guard, error) {
	if cfg.TokenFile == "" && cfg.OIDC.Issuer == "" {
		return nil, errors.New("auth: nobody could ever come in: name a token file or an OIDC issuer")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	if cfg.Burst == 0 {
		cfg.Burst = int(max(1, 2*cfg.Rate))
	}
	if cfg.Check == nil {
		cfg.Check = func(Grant) error { return nil }
	}
	g := &Guard{open: cfg.Open, limiter: newLimiter(cfg.Rate, cfg.Burst, cfg.Clock)}
	if cfg.TokenFile != "" {
		g.tokens = &tokenFile{path: cfg.TokenFile, check: cfg.Check, log: cfg.Logger, clock: cfg.Clock}
		if err := g.tokens.read(); err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
	}
	if cfg.OIDC.Issuer != "" {
		for _, c := range cfg.OIDC.Grants {
			if err := errors.Join(c.Grant.Validate(), cfg.Check(c.Grant)); err != nil {
				return nil, fmt.Errorf("auth: the grant of claim %s: %w", c.Claim, err)
			}
		}
		g.issuer = newIssuer(cfg.OIDC, cfg.Clock)
	}
	return g, nil
}

// Off says that no auth is asked for: every question is answered.
func (g *Guard) Off() bool { return g == nil }

// Opens says that a route asks nobody.
func (g *Guard) Opens(route string) bool { return g.Off() || slices.Contains(g.open, route) }

// maxToken bounds the text of a token, in bytes.
const maxToken = 16 << 10

// Token is the caller who holds a token: one of the token file, or one that the issuer has signed. Errors that are not ErrUnknown say that the
// issuer was not reached.
func (g *Guard) Token(ctx context.Context, token string) (Caller, error) {
	switch {
	case g.Off() || token == "" || len(token) > maxToken:
		return Caller{}, ErrUnknown
	case strings.HasPrefix(token, tokenPrefix):
		if g.tokens == nil {
			return Caller{}, ErrUnknown
		}
		return g.tokens.find(token)
	case g.issuer == nil:
		return Caller{}, ErrUnknown
	}
	return g.issuer.find(ctx, token)
}

// Admit counts a request of a caller. Where it makes too many, wait is how long it should, and ok is false.
func (g *Guard) Admit(c Caller) (wait time.Duration, ok bool) {
	if g.Off() {
		return 0, true
	}
	return g.limiter.admit(c.Name)
}
