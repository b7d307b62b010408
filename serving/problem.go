package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/suggest"
	"github.com/caudal/caudal/serving/ingest"
)

// Problem is why a query was not answered, as RFC 9457 writes it (application/problem+json). Each has a sentence that says what to do.
type Problem struct {
	Type       string   `json:"type"`  // urn:caudal:problem: and one of the kinds below
	Title      string   `json:"title"` // the kind in words
	Status     int      `json:"status"`
	Detail     string   `json:"detail"`               // Reason and Suggestion as one text
	Field      string   `json:"field,omitempty"`      // the parameter that is at fault
	Reason     string   `json:"reason"`               //
	Suggestion string   `json:"suggestion,omitempty"` //
	Nearest    []string `json:"nearest,omitempty"`    // values of Field that would do

	Errors []ingest.Mistake `json:"errors,omitempty"` // of events that were sent: what is wrong with which, of a hundred at most
}

// Error is the problem in one line.
func (p *Problem) Error() string {
	s := p.Detail
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	return s
}

func newProblem(status int, kind, title, field, reason, suggestion string) *Problem {
	detail := reason
	if suggestion != "" {
		detail += ": " + suggestion
	}
	return &Problem{Type: "urn:caudal:problem:" + kind, Title: title, Status: status, Detail: detail, Field: field, Reason: reason, Suggestion: suggestion}
}

// invalid is a query that can never be answered as it stands.
func invalid(field, suggestion, format string, args ...any) *Problem {
	return newProblem(http.StatusBadRequest, "invalid-query", "The query is not valid", field, fmt.Sprintf(format, args...), suggestion)
}

// unknown names the names that come nearest to one that does not exist.
func unknown(field, what, name string, known []string) *Problem {
	status, kind, title := http.StatusBadRequest, "unknown-name", "The query names what does not exist"
	if field == "view" {
		status = http.StatusNotFound
	}
	near := suggest.Nearest(name, known)
	p := newProblem(status, kind, title, field, fmt.Sprintf("no %s %q", what, name), suggest.Names(near, known))
	p.Nearest = near
	return p
}

// tooLarge is a query that would take more than the server gives to one.
func tooLarge(reason, suggestion string) *Problem {
	return newProblem(http.StatusUnprocessableEntity, "too-large", "The query is too large", "", reason, suggestion)
}

// batchProblem is what a failure to read the batch results means to who asked.
func (s *Server) batchProblem(ctx context.Context, err error) error {
	switch p := (*Problem)(nil); {
	case errors.As(err, &p) || ctx.Err() != nil:
		return err
	case engine.OutOfMemory(err):
		return tooLarge(fmt.Sprintf("the query needs more than the %s of memory that batch results are read with", s.cfg.Engine.MemoryLimit),
			"ask for fewer dimensions, a shorter range or a coarser grain")
	}
	return unavailable(err.Error(), "try again; see /v1/status")
}

// unavailable is a failure of the batch side: without it there is no answer.
func unavailable(reason, suggestion string) *Problem {
	return newProblem(http.StatusServiceUnavailable, "unavailable", "The batch layer cannot be read", "", reason, suggestion)
}

// timedOut is a query that had no answer within its time.
func timedOut(limit time.Duration) *Problem {
	return newProblem(http.StatusRequestTimeout, "timeout", "The query took too long", "", fmt.Sprintf("no answer within %v", limit),
		"ask for fewer dimensions, a shorter range or a coarser grain")
}

// busy is a query that may be answered later: all that the server gives to its kind is taken.
func busy(reason string) *Problem {
	return newProblem(http.StatusServiceUnavailable, "busy", "The server is busy", "", reason, "try again in a moment")
}
