package serving

import (
	"fmt"
	"net/http"
)

// Handler is the HTTP API, described in docs/api.md and by itself at /openapi.json, and the page.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.mount(mux, s.routes)
	mountPage(mux)
	return s.parting(secure(answerUnknown(mux)))
}

// secure sets the headers that keep a browser from doing more with an answer than is meant, and lets no other origin read it; nor may a page of another
// origin send anything that changes something, such as events to a server on the reader's own machine that asks nobody.
func secure(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("Cache-Control", "no-store")
		if err := origins.Check(r); err != nil {
			writeProblem(w, forbidden("a page of another origin sends this", "send it from a program, or from a page that this server serves"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answerUnknown makes problems of paths and methods that the mux does not know.
func answerUnknown(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		rejected := &rejection{ResponseWriter: w}
		mux.ServeHTTP(rejected, r)
		switch {
		case rejected.status == http.StatusMethodNotAllowed:
			writeProblem(w, newProblem(http.StatusMethodNotAllowed, "method-not-allowed", "The method is not allowed here", "",
				fmt.Sprintf("%s is not allowed on %s", r.Method, r.URL.Path), "use "+w.Header().Get("Allow")))
		default:
			writeProblem(w, newProblem(http.StatusNotFound, "not-found", "There is nothing here", "",
				fmt.Sprintf("nothing is served at %s", r.URL.Path), "see /v1/views"))
		}
	})
}

// rejection learns what the mux answers to a request that no handler takes, and drops its text.
type rejection struct {
	http.ResponseWriter
	status int
}

func (r *rejection) WriteHeader(status int)      { r.status = status }
func (r *rejection) Write(b []byte) (int, error) { return len(b), nil }
