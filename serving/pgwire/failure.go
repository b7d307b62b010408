package pgwire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/serving"
)

// The SQLSTATEs that a client sees.
const (
	stateWarning        = "01000"
	stateNotSupported   = "0A000"
	stateProtocol       = "08P01"
	stateWrongValue     = "22023"
	stateUnreadable     = "22P02"
	stateReadOnly       = "25006"
	stateFailedBlock    = "25P02"
	stateNoStatement    = "26000"
	stateNoAuth         = "28000"
	stateWrongPassword  = "28P01"
	stateNoPortal       = "34000"
	stateNotAllowed     = "42501"
	stateSyntax         = "42601"
	stateNoColumn       = "42703"
	stateNoFunction     = "42883"
	stateNoTable        = "42P01"
	stateTooMany        = "53300"
	stateOutOfMemory    = "53200"
	stateTooLarge       = "54000"
	stateCanceled       = "57014"
	stateShutdown       = "57P01"
	stateCannotAnswer   = "58000"
	stateInternal       = "XX000"
	stateUndefinedParam = "42P02"
)

// failure is why a statement was not answered, as PostgreSQL's clients are told.
type failure struct {
	state  string // SQLSTATE
	text   string
	hint   string // what to do; "": nothing is known
	fatal  bool   // the connection ends
	source error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.source }

// fail makes a failure.
func fail(state, hint, format string, args ...any) *failure {
	return &failure{state: state, hint: hint, text: fmt.Sprintf(format, args...)}
}

// response is the message that tells a client.
func (f *failure) response() *pgproto3.ErrorResponse {
	severity := "ERROR"
	if f.fatal {
		severity = "FATAL"
	}
	return &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: f.state, Message: f.text, Hint: f.hint}
}

// Why a session's work is given up.
var (
	errAsked   = errors.New("canceling statement due to user request")
	errTime    = errors.New("the statement took too long")
	errStopped = errors.New("terminating connection: the server is being stopped")
	errGone    = errors.New("the client has gone")
)

// explain is what an error means to a client.
func explain(err error) *failure {
	var known *failure
	var problem *serving.Problem
	var engineError *engine.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errAsked):
		return fail(stateCanceled, "", "%v", errAsked)
	case errors.Is(err, errTime), errors.Is(err, context.DeadlineExceeded):
		return fail(stateCanceled, "bound the time, name fewer dimensions or take a coarser grain", "%v", errTime)
	case errors.Is(err, errChanged):
		return fail(stateCanceled, "ask again", "%v", errChanged)
	case errors.Is(err, errStopped):
		return &failure{state: stateShutdown, text: errStopped.Error(), fatal: true}
	case errors.As(err, &problem):
		return &failure{state: stateOf(problem), text: problem.Reason, hint: problem.Suggestion, source: err}
	case engine.OutOfMemory(err):
		return fail(stateOutOfMemory, "name fewer columns, bound the time or aggregate earlier", "the statement needs more memory than one may take")
	case errors.As(err, &engineError):
		return explainSQL(engineError)
	}
	return &failure{state: stateInternal, text: err.Error(), source: err}
}

// stateOf is the SQLSTATE of a problem that the serving layer has with a query.
func stateOf(p *serving.Problem) string {
	switch {
	case p.Status == http.StatusForbidden || p.Status == http.StatusUnauthorized:
		return stateNotAllowed
	case p.Status == http.StatusTooManyRequests:
		return stateTooMany
	case p.Status == http.StatusRequestTimeout:
		return stateCanceled
	case strings.HasSuffix(p.Type, ":too-large"):
		return stateTooLarge
	case strings.HasSuffix(p.Type, ":unknown-name"):
		return stateNoTable
	case p.Status == http.StatusServiceUnavailable:
		return stateCannotAnswer
	}
	return stateWrongValue
}

// explainSQL finds the SQLSTATE of what DuckDB says, by the words that it says it with.
func explainSQL(e *engine.Error) *failure {
	text := e.Message()
	kind, rest, cut := strings.Cut(text, ": ")
	if !cut {
		rest = text
	}
	f := &failure{state: stateSyntax, text: rest, source: e}
	switch {
	case strings.Contains(rest, "Referenced column"), strings.Contains(rest, "does not have a column"):
		f.state = stateNoColumn
	case strings.Contains(rest, "Function with name"), strings.Contains(rest, "No function matches"):
		f.state = stateNoFunction
	case kind == "Conversion Error":
		f.state = stateUnreadable
	case kind == "Out of Range Error":
		f.state = "22003"
	case kind == "Invalid Input Error":
		f.state = stateWrongValue
	case kind == "INTERNAL Error", kind == "FATAL Error", kind == "IO Error":
		f.state = stateInternal
	}
	if line, hint, found := strings.Cut(f.text, "\n"); found {
		f.text, f.hint = strings.TrimSpace(line), strings.Join(strings.Fields(hint), " ")
	}
	return f
}

// TooOften is a caller who asks more often than they may; wait is when there is room again.
func TooOften(caller string, wait time.Duration) error {
	return fail(stateTooMany, fmt.Sprintf("ask again in %v", wait.Round(time.Millisecond)), "caller %s asks too often", caller)
}
