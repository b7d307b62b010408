package view

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate says what the schema has against a YAML text.
func validate(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	js, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(js)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemasAcceptTheExample(t *testing.T) {
	project, view := compileSchema(t, ProjectSchema()), compileSchema(t, ViewSchema())
	for _, f := range retailFiles(t) {
		s := view
		if f.Path == projectFile {
			s = project
		}
		if err := validate(t, s, f.Data); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
}

func TestSchemasRefuseWhatParseRefuses(t *testing.T) {
	project, view := compileSchema(t, ProjectSchema()), compileSchema(t, ViewSchema())
	for _, c := range []struct {
		schema *jsonschema.Schema
		text   string
	}{
		{project, "project: p\nsources: {}"},
		{project, "project: p\nsource: {}"},
		{project, "project: p\nsources: {s: {event_time: {field: ts}, fields: {ts: datetime}}}"},
		{project, "project: p\nsources: {s: {event_time: {field: ts}, fields: {ts: timestamp}, lateness: ten}}"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count}]\nwindows: [{name: w, hopping: {size: 5m}}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count}]\nwindows: [{name: w}]"},
		{view, "view: v\nsource: s\ngrains: [2d]\nmeasures: [{name: n, agg: count}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: nth_value}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count, expression: x}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count}, {name: s, share: n, filter: \"x\"}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count}, {name: s, running: n, within: [country]}]"},
		{view, "view: v\nsource: s\ngrains: [1d]\nmeasures: [{name: n, agg: count, within: [country]}]"},
	} {
		if validate(t, c.schema, []byte(c.text)) == nil {
			t.Errorf("accepted:\n%s", c.text)
		}
	}
}

// The schemas and Parse know the same keys, whichever of them is changed.
func TestSchemasListTheKeysThatParseKnows(t *testing.T) {
	var project, view, training, alert map[string]any
	for text, into := range map[string]*map[string]any{ProjectSchema(): &project, ViewSchema(): &view, TrainingSchema(): &training, AlertSchema(): &alert} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	at := func(doc map[string]any, path ...any) map[string]any {
		var x any = doc
		for _, p := range path {
			switch p := p.(type) {
			case string:
				x = x.(map[string]any)[p]
			case int:
				x = x.([]any)[p]
			}
		}
		return x.(map[string]any)
	}
	for _, c := range []struct {
		name   string
		object map[string]any
		keys   []string
	}{
		{"caudal.yaml", project, projectKeys()},
		{"kafka", at(project, "properties", "kafka"), kafkaKeys()},
		{"redis", at(project, "properties", "redis"), redisKeys()},
		{"kafka.sasl", at(project, "properties", "kafka", "properties", "sasl"), saslKeys()},
		{"tls", at(project, "$defs", "tls", "anyOf", 1), tlsKeys()},
		{"lake", at(project, "properties", "lake"), lakeKeys()},
		{"lake.versions", at(project, "properties", "lake", "properties", "versions"), versionsKeys()},
		{"batch", at(project, "properties", "batch"), batchKeys()},
		{"batch.trino", at(project, "properties", "batch", "properties", "trino"), trinoKeys()},
		{"speed", at(project, "properties", "speed"), speedKeys()},
		{"serving", at(project, "properties", "serving"), servingKeys()},
		{"serving.tls", at(project, "properties", "serving", "properties", "tls"), certificateKeys()},
		{"serving.auth", at(project, "properties", "serving", "properties", "auth", "anyOf", 1), authKeys()},
		{"serving.auth.oidc", at(project, "properties", "serving", "properties", "auth", "anyOf", 1, "properties", "oidc"), oidcKeys()},
		{"grant", at(project, "$defs", "grant"), grantKeys()},
		{"source", at(project, "$defs", "source"), sourceKeys()},
		{"event_time", at(project, "$defs", "source", "properties", "event_time"), eventTimeKeys()},
		{"field", at(project, "$defs", "field"), fieldKeys()},
		{"view", view, viewKeys()},
		{"dimension", at(view, "properties", "dimensions", "items", "anyOf", 1), dimensionKeys()},
		{"measure", at(view, "$defs", "measure"), measureKeys()},
		{"test", at(view, "$defs", "test"), testKeys()},
		{"query of a test", at(view, "$defs", "test_query"), TestQueryKeys()},
		{"counts of a test", at(view, "$defs", "test", "properties", "counts"), CountNames()},
		{"sink", at(project, "$defs", "sink"), sinkKeys()},
		{"emit", at(view, "properties", "emit"), emitKeys()},
		{"alert", alert, alertKeys()},
		{"test of an alert", at(alert, "$defs", "test"), alertTestKeys()},
		{"notice that a test expects", at(alert, "$defs", "notice"), expectedNoticeKeys()},
		{"change", at(alert, "properties", "change"), changeKeys()},
		{"forecast", at(alert, "properties", "forecast"), forecastKeys()},
		{"window", at(view, "$defs", "window"), windowKeys()},
		{"hopping", at(view, "$defs", "window", "properties", "hopping"), hoppingKeys()},
		{"session", at(view, "$defs", "window", "properties", "session"), sessionKeys()},
		{"training", training, trainingKeys()},
		{"labels", at(training, "properties", "labels"), labelKeys()},
		{"column", at(training, "$defs", "columns", "items", "anyOf", 1), columnKeys()},
		{"feature", at(training, "$defs", "feature"), featureKeys()},
	} {
		got := slices.Sorted(maps.Keys(c.object["properties"].(map[string]any)))
		slices.Sort(c.keys)
		if !slices.Equal(got, c.keys) {
			t.Errorf("%s: the schema has %v, Parse has %v", c.name, got, c.keys)
		}
	}
	for _, c := range []struct {
		object map[string]any
		names  []string
	}{{at(view, "$defs", "measure"), aggNames()}, {at(training, "$defs", "feature"), featureAggs()}} {
		var aggs []string
		for _, a := range at(c.object, "properties", "agg")["enum"].([]any) {
			aggs = append(aggs, a.(string))
		}
		if !slices.Equal(aggs, c.names) {
			t.Errorf("the schema has the aggregations %v, Parse has %v", aggs, c.names)
		}
	}
}
