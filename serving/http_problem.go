package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

var errTimeout = errors.New("the query took too long")

// statusClosed is what the log shows of a request whose client has gone; nobody reads the answer.
const statusClosed = 499

// writeError answers with a problem.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	switch {
	case errors.As(err, &p):
	case r.Context().Err() != nil:
		p = newProblem(statusClosed, "closed", "The client has gone", "", "the request was cancelled", "")
	case errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded):
		p = timedOut(s.cfg.QueryTimeout)
	default:
		s.cfg.Logger.Error("cannot answer", "path", r.URL.Path, "error", err)
		p = newProblem(http.StatusInternalServerError, "internal", "The query could not be answered", "", "something failed inside; the log has the cause", "try again")
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a problem: %v", err))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="caudal"`)
	}
	w.WriteHeader(p.Status)
	w.Write(append(text, '\n')) // who has gone does not read it
}
