package serving

import (
	"context"
	"errors"
	"net/http"

	"github.com/caudal/caudal/internal/view"
)

// maxBody bounds the body of a query, in bytes.
const maxBody = 256 << 10

// queryRoutes ask a view, by GET and by POST alike, in every format by its suffix and by Accept.
func queryRoutes() []route {
	about := viewParameter()
	parameters := append([]parameter{about}, queryParameters()...)
	var list []route
	for _, suffix := range append([]string{""}, suffixes()...) {
		types := mediaTypes()
		name := ""
		if suffix != "" {
			f := formatOf(suffix)
			types, name = []string{f.media}, "_"+f.name
		}
		answers := []answerKind{{http.StatusOK, "the answer; with the media types that hold rows only, the rest of it is in headers", types, Result{}}, notModified()}
		problems := []int{http.StatusNotFound, http.StatusRequestTimeout, http.StatusGone, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}
		if suffix == "" {
			problems = append(problems, http.StatusNotAcceptable)
		}
		path := "/v1/views/{view}/query" + suffix
		list = append(list,
			route{
				method: http.MethodGet, path: path, id: "query" + name, tag: "query", summary: "Ask a view", description: queryDescription,
				parameters: parameters, answers: answers, problems: problems, serve: (*Server).serveQuery,
			},
			route{
				method: http.MethodPost, path: path, id: "post_query" + name, tag: "query", summary: "Ask a view, by a JSON object", description: queryDescription,
				parameters: parameters, body: &bodyKind{description: "what stands in the URL of a GET; {} is all measures over all time", types: []string{mediaJSON}},
				answers: answers[:1], problems: append(problems, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType), serve: (*Server).serveQuery,
			})
	}
	return list
}

const queryDescription = "Measures of a view by dimensions and time, from the batch layer and the speed layer merged. Times are RFC 3339 and ranges half-open. " +
	"Names that do not exist, and times off the grain, are 400 with the nearest that work."

// queryParameters are those of a query.
func queryParameters() []parameter {
	return append(cellParameters(),
		parameter{name: "order", in: inQuery, kind: isList, description: "time, dimensions and measures of the answer, - before one for descending; default: time, then the dimensions"},
		parameter{name: "limit", in: inQuery, kind: isWhole, least: 1, most: maxLimit, description: "rows at most; default 10,000"},
		parameter{name: "cursor", in: inQuery, description: "next of the answer before: the rows after it"},
		parameter{name: "exact", in: inQuery, kind: isTruth, description: "true: scan the lake; from and to may be any times, and where may look at any field of the source"},
		parameter{name: "as_of", in: inQuery, description: "id of a kept snapshot: what batch answered then, without the speed layer"},
	)
}

// cellParameters say which cells are asked for.
func cellParameters() []parameter {
	return []parameter{
		{name: "measures", in: inQuery, kind: isList, description: "names of measures; default: all of the view", example: func(v *view.View) any { return measureNames(v)[:1] }},
		{name: "dimensions", in: inQuery, kind: isList, description: "names of dimensions to group by; default: none", example: func(v *view.View) any { return dimensionNames(v)[:min(1, len(v.Dimensions))] }},
		{name: "grain", in: inQuery, description: "size of the buckets, one of the view's; default: the whole range is one", example: func(v *view.View) any { return v.Grains[len(v.Grains)-1].Name }},
		{name: "window", in: inQuery, description: "in place of grain: one of the view's windows; rows are its hops or sessions that begin in the range"},
		{name: "from", in: inQuery, description: "inclusive: 2011-03-04T10:00:00Z, or 2011-03-04 in the view's time zone; default: the first event", example: func(*view.View) any { return "2011-03-01" }},
		{name: "to", in: inQuery, description: "exclusive; default: after the last event", example: func(*view.View) any { return "2025-04-01" }},
		{name: "where", in: inQuery, description: "condition over dimensions, such as country = 'France' and product like 'M%'"},
		{name: "having", in: inQuery, description: "condition over measures that rows have to meet, such as revenue > 5000 or lines < 10"},
		{name: "compare", in: inQuery, description: "period such as 1h, 1d, 1w, 1mo, 1y: each row beside what it was so long before, with difference and ratio"},
		{name: "fill", in: inQuery, values: fillModes(), description: "what stands in buckets without events; with none there are no rows for them; default: none"},
	}
}

// queryOf is the query that the arguments ask.
func queryOf(name string, a arguments) Query {
	return Query{
		View: name, Measures: a.list("measures"), Dimensions: a.list("dimensions"), Grain: a.text("grain"), Window: a.text("window"), From: a.text("from"), To: a.text("to"), Where: a.text("where"),
		Having: a.text("having"), Compare: a.text("compare"), Fill: a.text("fill"),
		Order: a.list("order"), Limit: a.whole("limit", 0), Cursor: a.text("cursor"), Exact: a.truth("exact"), AsOf: a.text("as_of"),
	}
}

func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request, rt *route) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	f, err := negotiate(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	a, err := rt.readArguments(r, nil)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	q := queryOf(r.PathValue("view"), a)
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
	s.writeResult(w, r, f, result)
}
