package serving

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/caudal/caudal/serving/auth"
)

// requestNote collects what the log is to say of a request beside what the request itself says.
type requestNote struct{ caller string }

type noteKey struct{}

// noteCaller notes who made a request.
func noteCaller(r *http.Request, c auth.Caller) {
	if n, ok := r.Context().Value(noteKey{}).(*requestNote); ok {
		n.caller = c.Name
	}
}

// logged writes a line about each request of a route: who, what, how it went, and how long it took. It says nothing of what stands in headers, in the
// query string or in a body, nor of a path as it was written: tokens, and values of filters, are nobody's business. What probes and scrapers ask all the
// time is for those who look closely.
func (s *Server) logged(rt *route, next http.HandlerFunc) http.HandlerFunc {
	level := slog.LevelInfo
	if rt.mayOpen {
		level = slog.LevelDebug
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.cfg.Logger.Enabled(r.Context(), level) {
			next(w, r)
			return
		}
		note := &requestNote{}
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		defer func() {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				host = r.RemoteAddr
			}
			s.cfg.Logger.Log(context.WithoutCancel(r.Context()), level, "request", "route", rt.id, "method", rt.method, "view", s.knownView(r), "status", seen.status,
				"caller", note.caller, "from", host, "took", time.Since(start).Round(time.Microsecond))
		}()
		next(seen, r.WithContext(context.WithValue(r.Context(), noteKey{}, note)))
	}
}

// knownView is the view that a path names, if there is one: anything else could be a slip that holds a secret.
func (s *Server) knownView(r *http.Request) string {
	name := r.PathValue("view")
	if s.definitions.slots[name] == nil {
		return ""
	}
	return name
}
