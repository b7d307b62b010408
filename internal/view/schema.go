package view

import _ "embed"

//go:embed caudal.schema.json
var projectSchema string

//go:embed view.schema.json
var viewSchema string

//go:embed training.schema.json
var trainingSchema string

//go:embed alert.schema.json
var alertSchema string

// ProjectSchema returns the JSON Schema of caudal.yaml, for editors. It accepts all that Parse accepts; Parse is stricter.
func ProjectSchema() string { return projectSchema }

// ViewSchema returns the JSON Schema of the files of views/, for editors.
func ViewSchema() string { return viewSchema }

// TrainingSchema returns the JSON Schema of the files of training/, for editors.
func TrainingSchema() string { return trainingSchema }

// AlertSchema returns the JSON Schema of the files of alerts/, for editors.
func AlertSchema() string { return alertSchema }
