package serving

import (
	_ "embed" // words.json
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/ingest"
	"github.com/caudal/caudal/serving/openapi"
)

// wordsText describes the fields of answers, in the words of the comments beside them.
//
//go:embed words.json
var wordsText []byte

// documentRoutes serve the description of the API.
func documentRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/openapi.json", id: "openapi", tag: "operation", summary: "This document", description: "The API in OpenAPI 3.1, with the names of this project's views.",
		answers: []answerKind{{http.StatusOK, "the document", []string{mediaJSON}, json.RawMessage{}}}, serve: (*Server).serveDocument,
	}}
}

func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request, rt *route) {
	if _, err := rt.readArguments(r, nil); err != nil {
		s.writeError(w, r, err)
		return
	}
	own, err := s.own(r.Context())
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	text, err := Document(own)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeText(w, r, text)
}

// Document is the API of a project's server in OpenAPI 3.1, indented.
func Document(p *view.Project) ([]byte, error) {
	var words map[string]string
	if err := json.Unmarshal(wordsText, &words); err != nil {
		panic(fmt.Sprintf("BUG: words.json is no JSON: %v", err))
	}
	r := openapi.NewRegistry(words)
	d := openapi.Document{
		OpenAPI: openapi.Version,
		Info: openapi.Info{
			Title: "caudal: " + p.Name, Version: apiVersion,
			Description: "Answers about a stream of events, exact and live merged, that say of every number where it comes from. Shapes change by additions only.",
		},
		Servers: []openapi.Server{{URL: "/", Description: "where this document is served"}},
		Tags: []openapi.Tag{
			{Name: "query", Description: "Ask a view."},
			{Name: "events", Description: "Send events."},
			{Name: "catalogue", Description: "What can be asked."},
			{Name: "explanation", Description: "Where numbers come from, and why they changed."},
			{Name: "alerts", Description: "What alerts found, and what is silenced."},
			{Name: "operation", Description: "For those who look after the service."},
		},
		Paths:    map[string]openapi.Path{},
		Security: []openapi.Requirement{{}},
	}
	describeTypes(r)
	w := documentWriter{project: p, types: r}
	for _, rt := range routes() {
		path := rt.path
		if d.Paths[path] == nil {
			d.Paths[path] = openapi.Path{}
		}
		d.Paths[path][strings.ToLower(rt.method)] = w.operation(&rt)
	}
	d.Components = openapi.Components{Schemas: r.Schemas()}
	if p.Serving.Auth.On() {
		d.Security = []openapi.Requirement{{tokenScheme: {}}}
		d.Components.Schemes = map[string]openapi.Scheme{tokenScheme: {Type: "http", Scheme: "bearer", Description: "a token of the project's, or one that its OIDC issuer has signed"}}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return append(text, '\n'), nil
}

// tokenScheme names how callers say who they are.
const tokenScheme = "token"

// apiVersion is that of the API's paths.
const apiVersion = "1.0.0"

// describeTypes puts the schemas of types that do not follow from their Go type.
func describeTypes(r *openapi.Registry) {
	classes := []string{}
	for _, c := range []ledger.Class{ledger.BatchDedup, ledger.SketchError, ledger.Cardinality, ledger.Coverage, ledger.DefinitionChange, ledger.Erasure, ledger.Unexplained} {
		classes = append(classes, string(c))
	}
	r.Put("Class", &openapi.Schema{Type: openapi.Types{"string"}, Enum: classes, Description: "why an answer changed"})
	row := r.Put("Row", &openapi.Schema{
		Type: openapi.Types{"object"}, Properties: map[string]*openapi.Schema{"time": {Type: openapi.Types{"string"}, Format: "date-time", Description: "start of the bucket"}},
		Required:    []string{"time"},
		Description: "time, the dimensions and the measures, each by its name; decimals, and integers beyond 2^53, are strings, so that no reader rounds them",
	})
	r.Of(Update{})
	r.Put("Result", &openapi.Schema{
		Type: openapi.Types{"object"}, Description: "an answer", Required: []string{"meta", "data", "statistics", "provenance"},
		Properties: map[string]*openapi.Schema{"meta": r.Of(Meta{}), "data": openapi.ListOf(row), "statistics": r.Of(Statistics{}), "provenance": r.Of(Provenance{})},
	})
}

// documentWriter turns routes into operations.
type documentWriter struct {
	project *view.Project
	types   *openapi.Registry
}

func (w *documentWriter) operation(rt *route) *openapi.Operation {
	op := &openapi.Operation{ID: rt.id, Tags: []string{rt.tag}, Summary: rt.summary, Description: rt.description, Responses: map[string]openapi.Response{}}
	no := false
	for i := range rt.parameters {
		p := &rt.parameters[i]
		if p.in == inQuery && rt.body != nil && !rt.body.events {
			continue // it stands in the body
		}
		one := openapi.Parameter{Name: p.name, In: p.in, Description: p.description, Required: p.required, Schema: w.schemaOf(p), Example: w.example(p)}
		if p.kind == isList {
			one.Style, one.Explode = "form", &no
		}
		op.Parameters = append(op.Parameters, one)
	}
	if rt.open != "" {
		op.Parameters = append(op.Parameters, openapi.Parameter{
			Name: "dimensions", In: inQuery, Style: "form", Description: rt.open, Schema: &openapi.Schema{Type: openapi.Types{"object"}, AdditionalProperties: openapi.Text()},
		})
	}
	if rt.body != nil {
		op.Body = w.body(rt)
	}
	for _, a := range rt.answers {
		op.Responses[strconv.Itoa(a.status)] = w.answer(rt, a)
	}
	problem := map[string]openapi.Media{mediaProblem: {Schema: w.types.Of(Problem{})}}
	statuses := append([]int{http.StatusBadRequest, http.StatusInternalServerError}, rt.problems...)
	if a := w.project.Serving.Auth; a.On() && rt.mayOpen && slices.Contains(a.Open, rt.id) {
		op.Security = []openapi.Requirement{{}}
	} else if a.On() {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	}
	for _, status := range statuses {
		op.Responses[strconv.Itoa(status)] = openapi.Response{Description: problemText(status), Content: problem}
	}
	return op
}

// problemText is what a status means, in the same words for every route.
func problemText(status int) string {
	return strings.ToLower(http.StatusText(status)) + ": the problem says which parameter is at fault, why, and what to do"
}

func (w *documentWriter) answer(rt *route, a answerKind) openapi.Response {
	r := openapi.Response{Description: a.description}
	for _, media := range a.types {
		if r.Content == nil {
			r.Content = map[string]openapi.Media{}
		}
		m := openapi.Media{}
		if media == mediaJSON && a.value != nil {
			m.Schema = w.types.Of(a.value)
		}
		r.Content[media] = m
	}
	if rt.tag == "query" && a.status == http.StatusOK {
		r.Headers = map[string]openapi.Header{
			"Caudal-Exact":    {Description: "whether every number is exact", Schema: openapi.Text()},
			"Caudal-Partial":  {Description: "whether records that were written are missing", Schema: openapi.Text()},
			"Caudal-Snapshot": {Description: "id of the batch result that was pinned", Schema: openapi.Text()},
		}
		if rt.method == http.MethodGet {
			r.Headers["ETag"] = openapi.Header{Description: "for If-None-Match", Schema: openapi.Text()}
		}
	}
	return r
}

func (w *documentWriter) body(rt *route) *openapi.Body {
	b := &openapi.Body{Description: rt.body.description, Required: true, Content: map[string]openapi.Media{}}
	if rt.body.events {
		event := &openapi.Schema{Type: openapi.Types{"object"}, Description: "an event, as the source's fields say"}
		b.Content[mediaJSON] = openapi.Media{Schema: &openapi.Schema{Type: openapi.Types{"array"}, Items: event, MaxItems: ingest.MaxEvents}}
		b.Content[mediaLines] = openapi.Media{Schema: openapi.Text()}
		return b
	}
	s := &openapi.Schema{Type: openapi.Types{"object"}, Properties: map[string]*openapi.Schema{}, Closed: true}
	example := map[string]any{}
	for i := range rt.parameters {
		p := &rt.parameters[i]
		if p.in != inQuery {
			continue
		}
		s.Properties[p.name] = w.schemaOf(p)
		s.Properties[p.name].Description = p.description
		if p.required {
			s.Required = append(s.Required, p.name)
		}
		if e := w.example(p); e != nil {
			example[p.name] = e
		}
	}
	for _, media := range rt.body.types {
		b.Content[media] = openapi.Media{Schema: s, Example: example}
	}
	return b
}

func (w *documentWriter) schemaOf(p *parameter) *openapi.Schema {
	switch p.kind {
	case isList:
		return openapi.ListOf(openapi.Text())
	case isWhole:
		return openapi.Whole(int64(p.least), int64(p.most))
	case isTruth:
		return &openapi.Schema{Type: openapi.Types{"boolean"}}
	}
	s := openapi.Text()
	s.Enum = p.values
	if p.in != inPath {
		return s
	}
	switch p.name {
	case "view":
		for _, v := range w.project.Views {
			s.Enum = append(s.Enum, v.Name)
		}
	case "source":
		for _, src := range w.project.Sources {
			s.Enum = append(s.Enum, src.Name)
		}
	}
	return s
}

// example is a value that works for the first view.
func (w *documentWriter) example(p *parameter) any {
	if p.example == nil || len(w.project.Views) == 0 {
		return nil
	}
	return p.example(w.project.Views[0])
}
