package serving

import "net/http"

// TakeLeave says that the server is about to be closed: connections end after the answer in hand. Where the process ends too, /readyz tells whoever
// spreads questions over several to send no more. Questions that come nevertheless are answered.
func (s *Server) TakeLeave(ends bool) {
	s.leaving.Store(true)
	s.ending.Store(ends)
}

// EndStreams ends the connections that updates go by: their clients come back, to another process.
func (s *Server) EndStreams() { s.pusher.close() }

// parting ends connections after the answer in hand once the server is about to be closed.
func (s *Server) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
