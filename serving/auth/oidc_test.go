package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is an OpenID Connect provider within the test.
type provider struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	keys   []jose.JSONWebKey // private; what it publishes are their public halves
	down   bool
	issuer string // that it says to be; "": its URL
	asked  int    // for its keys
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		issuer := p.issuer
		if issuer == "" {
			issuer = p.URL
		}
		json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		var public jose.JSONWebKeySet
		for _, k := range p.keys {
			public.Keys = append(public.Keys, k.Public())
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(public)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	p.rotate("first")
	return p
}

// rotate has the provider sign by a new key, and publish no other.
func (p *provider) rotate(id string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(p.t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = []jose.JSONWebKey{{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}}
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// sign makes a token of claims by the provider's key.
func (p *provider) sign(claims map[string]any) string {
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	return signed(p.t, jose.ES256, key, claims)
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	must(t, err)
	text, err := json.Marshal(claims)
	must(t, err)
	token, err := signer.Sign(text)
	must(t, err)
	compact, err := token.CompactSerialize()
	must(t, err)
	return compact
}

// claims are those of a token that is good, but for changes.
func (p *provider) claims(clock *hands, changes ...any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": []string{"caudal", "other"}, "sub": "ann", "exp": clock.now().Add(time.Hour).Unix(), "iat": clock.now().Unix(), "groups": []string{"staff", "paris"}}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(c, changes[i].(string))
		} else {
			c[changes[i].(string)] = changes[i+1]
		}
	}
	return c
}

func (p *provider) guard(clock *hands) *Guard {
	p.t.Helper()
	g, err := New(Config{Clock: clock.now, OIDC: OIDC{Issuer: p.URL, Audience: "caudal", Grants: []ClaimGrant{
		{Claim: "groups", Value: "paris", Grant: Grant{Role: Read, Views: []string{"sales"}, Where: map[string]string{"sales": "country = 'France'"}}},
		{Claim: "groups", Value: "staff", Grant: Grant{Role: Write}},
		{Claim: "realm_access.roles", Value: "root", Grant: Grant{Role: Admin}},
		{Claim: "https://example.com/reader", Grant: Grant{Role: Read}},
	}}})
	must(p.t, err)
	return g
}

func TestTokensOfTheIssuerAreCheckedInEveryRespect(t *testing.T) {
	p, clock := newProvider(t), newHands()
	g := p.guard(clock)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	public, err := json.Marshal(p.keys[0].Public())
	must(t, err)
	plain := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims, err := json.Marshal(p.claims(clock))
	must(t, err)
	good := p.sign(p.claims(clock))
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for name, c := range map[string]struct {
		token string
		role  Role // 0: it is nobody's
	}{
		"good":             {good, Read},
		"another group":    {p.sign(p.claims(clock, "groups", []string{"staff"})), Write},
		"one group":        {p.sign(p.claims(clock, "groups", "staff")), Write},
		"claim in a claim": {p.sign(p.claims(clock, "groups", nil, "realm_access", map[string]any{"roles": []string{"root"}})), Admin},
		"any value":        {p.sign(p.claims(clock, "groups", nil, "https://example.com/reader", true)), Read},
		"no group":         {p.sign(p.claims(clock, "groups", nil)), 0},
		"part of a group":  {p.sign(p.claims(clock, "groups", []string{"parisian"})), 0},
		"odd groups":       {p.sign(p.claims(clock, "groups", map[string]any{"paris": true}, "realm_access", "root")), 0},
		"no name":          {p.sign(p.claims(clock, "sub", nil)), 0},
		"for another":      {p.sign(p.claims(clock, "aud", "other")), 0},
		"for nobody":       {p.sign(p.claims(clock, "aud", nil)), 0},
		"of another":       {p.sign(p.claims(clock, "iss", "https://evil.example.com")), 0},
		"expired":          {p.sign(p.claims(clock, "exp", clock.now().Add(-time.Second).Unix())), 0},
		"without an end":   {p.sign(p.claims(clock, "exp", nil)), 0},
		"not yet":          {p.sign(p.claims(clock, "nbf", clock.now().Add(time.Hour).Unix())), 0},
		"another key":      {signed(t, jose.ES256, jose.JSONWebKey{Key: other, KeyID: "first"}, p.claims(clock)), 0},
		"key of no name":   {signed(t, jose.ES256, other, p.claims(clock)), 0},
		"public as secret": {signed(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "first"}, p.claims(clock)), 0},
		"not signed":       {plain(`{"alg":"none"}`) + "." + plain(string(claims)) + ".", 0},
		"other claims":     {head + "." + plain(strings.Replace(string(claims), "paris", "staff", 1)) + "." + signature, 0},
		"cut off":          {head + "." + payload + "." + signature[:len(signature)-4], 0},
		"dots":             {"..", 0},
	} {
		caller, err := g.Token(t.Context(), c.token)
		if c.role == 0 && !errors.Is(err, ErrUnknown) || c.role != 0 && (err != nil || caller.Role != c.role || caller.Name != "oidc:ann") {
			t.Errorf("%s: %+v, %v", name, caller, err)
		}
	}
}

func TestKeysAreKeptAndFollowTheIssuersChanges(t *testing.T) {
	p, clock := newProvider(t), newHands()
	g := p.guard(clock)
	before := p.sign(p.claims(clock, "exp", clock.now().Add(24*time.Hour).Unix()))
	known := func(what, token string, want bool) {
		t.Helper()
		if _, err := g.Token(t.Context(), token); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 20 {
		known("at first", before, true)
	}
	// The library lets who waited for keys go on a moment before it keeps them, so that another may ask once more.
	first := p.asked
	if first > 3 {
		t.Errorf("the keys were asked for %d times", first)
	}
	p.rotate("second")
	known("by a new key", p.sign(p.claims(clock)), true)
	if p.asked != first+1 {
		t.Errorf("the keys were asked for %d times more", p.asked-first)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if _, err := g.Token(t.Context(), before); err != nil {
			break
		}
	}
	known("by the key that was withdrawn", before, false)
	// A key that is withdrawn without another is believed for no longer than keysFor.
	lasting := p.sign(p.claims(clock, "exp", clock.now().Add(24*time.Hour).Unix()))
	known("before it is withdrawn", lasting, true)
	p.set(func() { p.keys = nil })
	clock.turn(keysFor)
	known("after it was withdrawn", lasting, false)
}

func TestAnIssuerThatIsAwayKeepsNobodyOutForAWhile(t *testing.T) {
	p, clock := newProvider(t), newHands()
	g := p.guard(clock)
	token := p.sign(p.claims(clock, "exp", clock.now().Add(24*time.Hour).Unix()))
	p.set(func() { p.down = true })
	if _, err := g.Token(t.Context(), token); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("an issuer that was never reached: %v", err)
	}
	p.set(func() { p.down = false })
	if _, err := g.Token(t.Context(), token); err != nil {
		t.Errorf("once it is back: %v", err)
	}
	p.set(func() { p.down = true })
	clock.turn(keysFor + time.Second)
	if _, err := g.Token(t.Context(), token); err != nil {
		t.Errorf("while it is away: %v", err)
	}
	clock.turn(keysMost)
	if _, err := g.Token(t.Context(), token); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("when it was away for too long: %v", err)
	}
}

func TestAnIssuerThatSaysToBeAnotherIsNotBelieved(t *testing.T) {
	p, clock := newProvider(t), newHands()
	p.issuer = "https://login.example.com"
	if _, err := p.guard(clock).Token(t.Context(), p.sign(p.claims(clock))); err == nil {
		t.Error("it was believed")
	}
}

// TestTokensOfKeysThatNobodyKnowsDoNotFloodTheIssuer sends many tokens each of which names another key.
func TestTokensOfKeysThatNobodyKnowsDoNotFloodTheIssuer(t *testing.T) {
	p, clock := newProvider(t), newHands()
	g := p.guard(clock)
	good := p.sign(p.claims(clock))
	if _, err := g.Token(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	var key crypto.Signer = other
	for i := range 100 {
		if _, err := g.Token(context.Background(), signed(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: fmt.Sprint(i)}, p.claims(clock))); err == nil {
			t.Fatal("a token by an unknown key was taken")
		}
	}
	if p.asked > askBurst+5 {
		t.Errorf("the issuer was asked %d times", p.asked)
	}
	if _, err := g.Token(t.Context(), good); err != nil {
		t.Errorf("a good token meanwhile: %v", err)
	}
}
