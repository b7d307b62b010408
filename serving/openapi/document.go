// Package openapi writes OpenAPI 3.1 documents: the few of its objects that caudal's API needs, and JSON Schemas of Go types. It does no I/O.
package openapi

// Version of the specification that documents follow.
const Version = "3.1.0"

// Document is the whole description of an API.
type Document struct {
	OpenAPI    string          `json:"openapi"`
	Info       Info            `json:"info"`
	Servers    []Server        `json:"servers"`
	Tags       []Tag           `json:"tags"`
	Paths      map[string]Path `json:"paths"`
	Components Components      `json:"components"`
	Security   []Requirement   `json:"security"` // any one of them will do; {}: none is needed
}

// Info says what the API is.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`
}

// Server is where the API is served.
type Server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// Tag groups operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Path holds the operations of a path by method, in lower case.
type Path map[string]*Operation

// Operation is a method of a path.
type Operation struct {
	ID          string              `json:"operationId"`
	Tags        []string            `json:"tags"`
	Summary     string              `json:"summary"`
	Description string              `json:"description,omitempty"`
	Parameters  []Parameter         `json:"parameters,omitempty"`
	Body        *Body               `json:"requestBody,omitempty"`
	Responses   map[string]Response `json:"responses"`          // by status
	Security    []Requirement       `json:"security,omitempty"` // in place of the document's; nil: those
}

// Parameter is one of a path, a query or a header.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"` // path, query or header
	Description string  `json:"description"`
	Required    bool    `json:"required,omitempty"`
	Style       string  `json:"style,omitempty"`
	Explode     *bool   `json:"explode,omitempty"` // false: a list is written with commas
	Schema      *Schema `json:"schema"`
	Example     any     `json:"example,omitempty"`
}

// Body is what a request carries.
type Body struct {
	Description string           `json:"description,omitempty"`
	Required    bool             `json:"required"`
	Content     map[string]Media `json:"content"` // by media type
}

// Response is what an operation answers with one status.
type Response struct {
	Description string            `json:"description"`
	Headers     map[string]Header `json:"headers,omitempty"`
	Content     map[string]Media  `json:"content,omitempty"` // by media type
}

// Header of a response.
type Header struct {
	Description string  `json:"description"`
	Schema      *Schema `json:"schema"`
}

// Media is a body in one media type. A nil Schema is any bytes.
type Media struct {
	Schema  *Schema `json:"schema,omitempty"`
	Example any     `json:"example,omitempty"`
}

// Components holds what the rest refers to by name.
type Components struct {
	Schemas map[string]*Schema `json:"schemas"`
	Schemes map[string]Scheme  `json:"securitySchemes,omitempty"`
}

// Scheme is a way to say who asks.
type Scheme struct {
	Type        string `json:"type"`   // http
	Scheme      string `json:"scheme"` // bearer
	Description string `json:"description,omitempty"`
}

// Requirement names security schemes that are needed together, each with its scopes.
type Requirement map[string][]string
