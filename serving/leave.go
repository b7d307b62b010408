package serving

import "net/http"

// TakeLeave says that the process is about to end: /readyz tells whoever spreads questions over several to send no more, and connections end after the
// answer in hand. Questions that come nevertheless are answered.
func (s *Server) TakeLeave() { s.leaving.Store(true) }

// EndStreams ends the connections that updates go by: their clients come back, to another process.
func (s *Server) EndStreams() { s.pusher.close() }

// parting ends connections after the answer in hand once the process is about to end.
func (s *Server) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
