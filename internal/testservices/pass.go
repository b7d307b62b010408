package testservices

import (
	"net/http/httputil"
	"net/url"
	"testing"
)

// Pass hands requests on to an HTTP server, and its answers back, for who stands before it. The host that the client named is kept, as signatures
// cover it and servers name themselves by it. Whoever signs anew, or changes answers, sets Rewrite or ModifyResponse.
func Pass(tb testing.TB, server string) *httputil.ReverseProxy {
	tb.Helper()
	target, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
}
