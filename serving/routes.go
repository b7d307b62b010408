package serving

import (
	"net/http"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// route is one operation of the API. The handlers read their parameters by it and the OpenAPI document is written from it, so that what is
// described and what is served cannot differ.
type route struct {
	method, path string
	id           string    // operation id, and the name in metrics
	needs        auth.Role // that the caller must have; zero: Read
	mayOpen      bool      // the guard may be told to ask nobody
	tag          string
	summary      string
	description  string
	parameters   []parameter
	open         string // parameters beyond these are names of dimensions, described by this; "": there are none
	body         *bodyKind
	answers      []answerKind
	problems     []int // statuses beside those that every route may answer
	serve        func(s *Server, w http.ResponseWriter, r *http.Request, rt *route)
}

// bodyKind says what a route reads of a request's body: its parameters as one JSON object, or events.
type bodyKind struct {
	description string
	types       []string // media types
	events      bool
}

// answerKind is a success that a route may answer.
type answerKind struct {
	status      int
	description string
	types       []string // media types
	value       any      // whose type is the JSON answer's; nil: what the media type says
}

const (
	inPath  = "path"
	inQuery = "query"
)

// parameterKind is how the text of a parameter is read.
type parameterKind uint8

const (
	isText  parameterKind = iota
	isList                // of texts, separated by commas
	isWhole               // an integer of least to most
	isTruth               // true or false
)

// parameter is one that a route reads from its path, from the URL's query, or by its name from a JSON body.
type parameter struct {
	name        string
	in          string
	kind        parameterKind
	description string
	required    bool
	least, most int      // of isWhole
	values      []string // all that isText may be; nil: any
	example     func(v *view.View) any
}

// pattern is how the mux knows a route.
func (rt *route) pattern() string { return rt.method + " " + rt.path }

// find returns the parameter of that name that is not in the path; nil where there is none.
func (rt *route) find(name string) *parameter {
	for i := range rt.parameters {
		if p := &rt.parameters[i]; p.name == name && p.in != inPath {
			return p
		}
	}
	return nil
}

// names are those of the parameters that are not in the path.
func (rt *route) names() []string {
	var names []string
	for _, p := range rt.parameters {
		if p.in != inPath {
			names = append(names, p.name)
		}
	}
	return names
}

// routes is the whole API.
func routes() []route {
	var all []route
	for _, family := range [][]route{queryRoutes(), streamRoutes(), eventRoutes(), catalogueRoutes(), changesRoutes(), explainRoutes(), alertRoutes(), statusRoutes(), documentRoutes()} {
		all = append(all, family...)
	}
	return all
}

// viewParameter names the view in the path.
func viewParameter() parameter {
	return parameter{name: "view", in: inPath, description: "name of the view; GET /v1/views lists them", required: true, example: func(v *view.View) any { return v.Name }}
}

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaText    = "text/plain; charset=utf-8"
)

// mount adds the routes to a mux.
func (s *Server) mount(mux *http.ServeMux, list []route) {
	for i := range list {
		rt := &list[i]
		mux.Handle(rt.pattern(), s.metrics.timed(rt.id, s.cfg.Trace, s.logged(rt, s.guarded(rt, func(w http.ResponseWriter, r *http.Request) {
			if rt.body == nil && r.ContentLength > 0 {
				s.writeError(w, r, invalid("", "put everything into the URL", "%s %s takes no body", rt.method, rt.path))
				return
			}
			rt.serve(s, w, r, rt)
		}))))
	}
}
