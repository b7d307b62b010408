package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// OIDC says whose signed tokens are believed, and what their holders may do.
type OIDC struct {
	Issuer   string       // URL, as it stands in the tokens; <Issuer>/.well-known/openid-configuration describes it
	Audience string       // whom tokens have to be for
	Name     string       // claim that names a caller in logs and limits; default sub
	Grants   []ClaimGrant // the first that a token meets is its holder's; who meets none stays outside
	Client   *http.Client // default: one with a timeout
}

// ClaimGrant is what those may do whose token has a claim.
type ClaimGrant struct {
	Claim string // a name, or names joined by points for a claim within a claim
	Value string // that the claim is, or has in its list; "": any
	Grant
}

// keysFor is how long keys are believed without asking the issuer again, so that one that it has withdrawn is not believed for ever; and for how long,
// at most, the issuer may not be reached before nobody comes in any more by its tokens.
const (
	keysFor  = 10 * time.Minute
	keysMost = time.Hour
)

// Asking the issuer: how long it may take; and how often at most, as a token that names a key nobody knows makes us look for new keys.
const (
	askTime  = 10 * time.Second
	askEvery = 2 * time.Second
	askBurst = 10
)

// issuer checks tokens that an OpenID Connect provider has signed.
type issuer struct {
	cfg    OIDC
	client *http.Client
	clock  func() time.Time

	asking sync.Mutex // held by the one goroutine that asks the issuer to describe itself
	mu     sync.Mutex // guards what follows
	keys   oidc.KeySet
	asked  time.Time // when it described itself
	tried  time.Time // when it was last asked to
}

func newIssuer(cfg OIDC, clock func() time.Time) *issuer {
	client := &http.Client{Timeout: askTime}
	if cfg.Client != nil {
		*client = *cfg.Client
	}
	if cfg.Name == "" {
		cfg.Name = "sub"
	}
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	client.Transport = &seldom{next: next, limit: rate.NewLimiter(rate.Every(askEvery), askBurst)}
	return &issuer{cfg: cfg, client: client, clock: clock}
}

// errTooOften is why the issuer was not asked.
var errTooOften = errors.New("the issuer was asked too often")

// seldom bounds how often the issuer is asked, whatever tokens people send.
type seldom struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

func (s *seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errTooOften
	}
	return s.next.RoundTrip(r)
}

// algorithms are those that a token may be signed by: with a key of which we hold the public half only.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// current is the issuer's keys. They are fetched where a token names one that is not known, and all anew every keysFor; while the issuer cannot be
// reached, those before go on for keysMost.
func (i *issuer) current(ctx context.Context) (oidc.KeySet, error) {
	now := i.clock()
	i.mu.Lock()
	keys, age, waited := i.keys, now.Sub(i.asked), now.Sub(i.tried)
	i.mu.Unlock()
	if keys != nil && (age < keysFor || age < keysMost && waited < askTime) {
		return keys, nil
	}
	i.asking.Lock()
	defer i.asking.Unlock()
	i.mu.Lock()
	if i.keys != nil && now.Sub(i.asked) < keysFor { // another has done it meanwhile
		defer i.mu.Unlock()
		return i.keys, nil
	}
	i.tried = now
	i.mu.Unlock()
	next, err := i.describe(ctx)
	if err != nil {
		if keys != nil && age < keysMost {
			return keys, nil
		}
		return nil, fmt.Errorf("ask the issuer %s to describe itself: %w", i.cfg.Issuer, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.asked = next, now
	return next, nil
}

// describe asks the issuer where its keys are.
func (i *issuer) describe(ctx context.Context) (oidc.KeySet, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var about struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&about); err != nil {
		return nil, err
	}
	// The set outlives the request that it is made in: it keeps the client and nothing else.
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), i.client), about.Keys), nil
}

// attempt is one look at a token's signature. It remembers that the issuer was not reached, which the verifier's error does not say.
type attempt struct {
	keys   oidc.KeySet
	failed error
}

func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.keys.VerifySignature(ctx, token)
	if unreached := (*url.Error)(nil); errors.As(err, &unreached) || ctx.Err() != nil {
		a.failed = err
	}
	return payload, err
}

// find is the caller whom a token names.
func (i *issuer) find(ctx context.Context, token string) (Caller, error) {
	if strings.Count(token, ".") != 2 {
		return Caller{}, ErrUnknown // no JSON Web Token; the issuer need not be asked
	}
	keys, err := i.current(ctx)
	if err != nil {
		return Caller{}, err
	}
	try := &attempt{keys: keys}
	verified, err := oidc.NewVerifier(i.cfg.Issuer, try, &oidc.Config{ClientID: i.cfg.Audience, SupportedSigningAlgs: algorithms(), Now: i.clock}).Verify(ctx, token)
	switch {
	case try.failed != nil:
		return Caller{}, fmt.Errorf("ask the issuer %s for its keys: %w", i.cfg.Issuer, try.failed)
	case err != nil:
		return Caller{}, ErrUnknown
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Caller{}, ErrUnknown
	}
	name, _ := claims[i.cfg.Name].(string)
	if name == "" {
		return Caller{}, ErrUnknown
	}
	for _, g := range i.cfg.Grants {
		if g.meets(claims) {
			return Caller{Name: "oidc:" + name, Grant: g.Grant}, nil
		}
	}
	return Caller{}, ErrUnknown
}

// meets says whether a token's claims are what the grant asks for.
func (g *ClaimGrant) meets(claims map[string]any) bool {
	value, ok := claims[g.Claim]
	if !ok {
		at := claims
		names := strings.Split(g.Claim, ".")
		for _, name := range names[:len(names)-1] {
			at, _ = at[name].(map[string]any)
		}
		value, ok = at[names[len(names)-1]]
	}
	if g.Value == "" {
		return ok
	}
	switch value := value.(type) {
	case string:
		return value == g.Value
	case []any:
		return slices.Contains(value, any(g.Value))
	}
	return false
}
