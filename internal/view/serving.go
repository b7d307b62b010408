package view

import (
	"net/url"
	"slices"
	"strings"
)

// Serving says how answers are given out: over which connections, and to whom.
type Serving struct {
	Cert, Key string // files in PEM; "": connections are not encrypted. Relative names are below the project's folder
	Auth      Auth
}

// Auth says who may come in. The zero value says nothing: then nobody is asked on loopback, and elsewhere nothing is served.
type Auth struct {
	Off    bool     // nobody is asked, wherever it is served
	Tokens string   // file of tokens, below the project's folder where its name is relative; "": none
	OIDC   OIDC     // the zero value: no issuer
	Open   []string // of OpenRoutes: those that ask nobody
	Rate   int      // requests of one caller per second, over a while
}

// On says that somebody has to be known to come in.
func (a Auth) On() bool { return a.Tokens != "" || a.OIDC.Issuer != "" }

// OIDC says whose signed tokens are believed, and what their holders may do.
type OIDC struct {
	Issuer   string // URL
	Audience string
	Name     string       // claim that names the caller
	Grants   []ClaimGrant // the first that a token meets counts
}

// ClaimGrant is what those may do whose token has a claim.
type ClaimGrant struct {
	Claim, Value string            // no value: any
	Role         string            // of Roles
	Views        []string          // nil: all
	Where        map[string]string // by view: a condition as a query's where has it
	Line, Column int               // where it stands in caudal.yaml
}

// OpenRoutes are the routes that need not ask who comes.
func OpenRoutes() []string { return []string{"livez", "readyz", "metrics"} }

// Roles are what callers can be, the least first.
func Roles() []string { return []string{"read", "write", "admin"} }

func servingKeys() []string     { return []string{"tls", "auth"} }
func certificateKeys() []string { return []string{"cert", "key"} }
func authKeys() []string        { return []string{"tokens", "oidc", "open", "rate"} }
func oidcKeys() []string        { return []string{"issuer", "audience", "name", "grants"} }
func grantKeys() []string       { return []string{"claim", "value", "role", "views", "where"} }

// defaultRate is how many requests per second a caller may make where the project does not say.
const defaultRate = 100

// serving reads how answers are given out, with every default.
func (r *reader) serving(n *node) Serving {
	s := Serving{Auth: Auth{Open: []string{"livez", "readyz"}, Rate: defaultRate}}
	if n == nil || !r.mapping(n, "serving", servingKeys()) {
		return s
	}
	if v := n.get("tls"); v != nil && r.mapping(v, "serving.tls", certificateKeys()) {
		r.require(v, "serving.tls", certificateKeys()...)
		s.Cert, s.Key = r.filled(v.get("cert"), "serving.tls.cert"), r.filled(v.get("key"), "serving.tls.key")
	}
	r.auth(n.get("auth"), &s.Auth)
	return s
}

// auth reads `auth: off`, or a mapping that says who may come in.
func (r *reader) auth(n *node, a *Auth) {
	switch {
	case n == nil:
		return
	case n.shape == scalar && n.text == "off":
		a.Off = true
		return
	case n.shape != mapping:
		r.add(n, "serving.auth is neither off nor a mapping", "write off, or a mapping with "+list(authKeys()))
		return
	case !r.mapping(n, "serving.auth", authKeys()):
		return
	}
	if v := n.get("tokens"); v != nil {
		a.Tokens = r.filled(v, "serving.auth.tokens")
	}
	if v := n.get("oidc"); v != nil && r.mapping(v, "serving.auth.oidc", oidcKeys()) {
		a.OIDC = r.oidc(v)
	}
	if n.get("tokens") == nil && n.get("oidc") == nil {
		r.add(n, "serving.auth names nobody who may come in", "add `tokens: tokens.jsonl`, or oidc")
	}
	if v := n.get("open"); v != nil {
		a.Open = r.names(v, "serving.auth.open", OpenRoutes())
	}
	a.Rate = int(r.integer(n.get("rate"), "serving.auth.rate", defaultRate, 1, 1_000_000))
}

// oidc reads whose tokens are believed.
func (r *reader) oidc(n *node) OIDC {
	r.require(n, "serving.auth.oidc", "issuer", "audience", "grants")
	o := OIDC{Issuer: r.filled(n.get("issuer"), "serving.auth.oidc.issuer"), Audience: r.filled(n.get("audience"), "serving.auth.oidc.audience"), Name: "sub"}
	if v := n.get("name"); v != nil {
		o.Name = r.filled(v, "serving.auth.oidc.name")
	}
	if u, err := url.Parse(o.Issuer); o.Issuer != "" && (err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname()))) {
		r.add(n.get("issuer"), quote("serving.auth.oidc.issuer", o.Issuer)+" is no https URL", `write it as it stands in the tokens: "https://login.example.com/…"`)
	}
	grants := n.get("grants")
	if grants == nil {
		return o
	}
	if grants.shape != sequence || len(grants.items) == 0 {
		r.add(grants, "serving.auth.oidc.grants is "+grants.word(), "write a list of what whose token has which claim may do: [{claim: groups, value: sales, role: read}]")
		return o
	}
	for _, g := range grants.items {
		if r.mapping(g, "a grant", grantKeys()) {
			o.Grants = append(o.Grants, r.grant(g))
		}
	}
	return o
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// grant reads what those may do whose token has a claim.
func (r *reader) grant(n *node) ClaimGrant {
	r.require(n, "a grant", "claim", "role")
	g := ClaimGrant{Claim: r.filled(n.get("claim"), "claim"), Value: r.text(n.get("value"), "value"), Role: r.filled(n.get("role"), "role"), Line: n.line, Column: n.column}
	if v := n.get("role"); g.Role != "" && !slices.Contains(Roles(), g.Role) {
		r.add(v, quote("role", g.Role)+" is not known", "write "+strings.Join(Roles(), ", "))
	}
	if v := n.get("views"); v != nil {
		g.Views = r.names(v, "views", nil)
	}
	v := n.get("where")
	if v == nil {
		return g
	}
	if v.shape != mapping {
		r.add(v, "where is "+v.word(), "write a condition for each view: {sales: \"country = 'France'\"}")
		return g
	}
	g.Where = map[string]string{}
	for _, p := range v.pairs {
		g.Where[p.key] = r.filled(p.value, "where."+p.key)
	}
	return g
}

// names reads a list of names, of those that are known unless known is nil.
func (r *reader) names(n *node, of string, known []string) []string {
	names := []string{}
	if n.shape != sequence {
		r.add(n, of+" is "+n.word(), "write a list: [a, b]")
		return names
	}
	for _, item := range n.items {
		name := r.filled(item, of)
		if known != nil && name != "" && !slices.Contains(known, name) {
			r.add(item, quote(of, name)+" is not known", "write some of "+list(known))
		}
		names = append(names, name)
	}
	return names
}
