package serving

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler is the HTTP API, described in docs/api.md, and the page.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/v1/views/{view}/query", "/v1/views/{view}/query.json"} {
		mux.HandleFunc("GET "+path, s.serveQuery)
		mux.HandleFunc("POST "+path, s.serveQuery)
	}
	mux.HandleFunc("GET /v1/views", s.serveViews)
	mux.HandleFunc("GET /v1/views/{view}", s.serveView)
	mux.HandleFunc("GET /v1/views/{view}/changes", s.serveChanges)
	mux.HandleFunc("GET /v1/views/{view}/explain", s.serveExplain)
	mux.HandleFunc("GET /v1/status", s.serveStatus)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.Handle("GET /", pageHandler())
	return secure(answerUnknown(mux))
}

// secure sets the headers that keep a browser from doing more with an answer than is meant, and bounds what a request may send.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// maxBody bounds the body of a query.
const maxBody = 256 << 10

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

func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	limit := s.cfg.QueryTimeout
	if q.Exact {
		limit = s.cfg.ScanTimeout
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), limit, timedOut(limit))
	defer cancel()
	result, err := s.Query(ctx, q)
	if err != nil {
		if p := (*Problem)(nil); !errors.As(err, &p) && errors.As(context.Cause(ctx), &p) {
			err = p
		}
		s.writeError(w, r, err)
		return
	}
	text, err := result.MarshalJSON()
	if err != nil {
		s.writeError(w, r, fmt.Errorf("write the answer: %w", err))
		return
	}
	writeJSON(w, r, text)
}

var errTimeout = errors.New("the query took too long")

// parameters of a query by GET.
var parameters = []string{"measures", "dimensions", "grain", "from", "to", "where", "order", "limit", "exact", "as_of"}

// readQuery reads a query from the URL, or from a JSON body. What is not known is refused, so that a slip is not an answer to another question.
func readQuery(r *http.Request) (Query, error) {
	q := Query{}
	if r.Method == http.MethodPost {
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return q, bodyProblem(err)
		}
		if d.More() {
			return q, invalid("", "send one JSON object", "more than one value was sent")
		}
		if q.View != "" && q.View != r.PathValue("view") {
			return q, invalid("view", "leave it out of the body", "the body names view %q, the path %q", q.View, r.PathValue("view"))
		}
	}
	q.View = r.PathValue("view")
	for name, values := range r.URL.Query() {
		if r.Method == http.MethodPost {
			return q, invalid(name, "put everything into the body", "parameters in the URL of a POST are not read")
		}
		list := splitList(values)
		switch name {
		case "measures":
			q.Measures = list
		case "dimensions":
			q.Dimensions = list
		case "order":
			q.Order = list
		case "grain", "from", "to", "where", "limit", "exact", "as_of":
			if len(values) > 1 {
				return q, invalid(name, "give it once", "%s is given %d times", name, len(values))
			}
			if err := q.set(name, values[0]); err != nil {
				return q, err
			}
		default:
			p := unknown(name, "parameter", name, parameters)
			return q, p
		}
	}
	return q, nil
}

func (q *Query) set(name, value string) error {
	switch name {
	case "grain":
		q.Grain = value
	case "from":
		q.From = value
	case "to":
		q.To = value
	case "where":
		q.Where = value
	case "as_of":
		q.AsOf = value
	case "exact":
		if value != "true" && value != "false" {
			return invalid("exact", "give true or false", "%q is neither true nor false", value)
		}
		q.Exact = value == "true"
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n == 0 {
			return invalid("limit", fmt.Sprintf("give 1 to %d", maxLimit), "%q is no number of rows", value)
		}
		q.Limit = n
	}
	return nil
}

// splitList reads a=x,y&a=z as x, y, z.
func splitList(values []string) []string {
	var list []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

func bodyProblem(err error) *Problem {
	var tooBig *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &tooBig):
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", "The query is too large", "", fmt.Sprintf("the body has more than %d bytes", tooBig.Limit), "send a shorter query")
	case errors.As(err, &wrongType):
		return invalid(wrongType.Field, "see docs/api.md for the types", "a JSON %s stands where %s is expected", wrongType.Value, wrongType.Type)
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		if bare, err := strconv.Unquote(name); err == nil {
			return unknown(bare, "field", bare, parameters)
		}
	}
	return invalid("", `send an object such as {"measures": ["revenue"], "grain": "1d"}`, "the body is no JSON query: %s", text)
}

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
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(p.Status)
	w.Write(append(text, '\n')) // who has gone does not read it
}

// compressAbove is the size of an answer from which compressing it is worth the time.
const compressAbove = 8 << 10

func writeJSON(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Accept-Encoding")
	if len(text) < compressAbove || !acceptsGzip(r) {
		w.Write(append(text, '\n'))
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic(fmt.Sprintf("BUG: compress: %v", err))
	}
	z.Write(append(text, '\n'))
	z.Close()
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		writeProblem(w, unavailable(err.Error(), "wait a moment"))
		return
	}
	fmt.Fprintln(w, "ok")
}
