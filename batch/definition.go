package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// sourceDefinition is what decides the rows of a source's segments, as the lake keeps it under its hash, so that whoever finishes a
// chunk makes the rows that were promised. Its JSON must never change meaning: chunks name it by its bytes.
type sourceDefinition struct {
	Version      int               `json:"version"`
	Name         string            `json:"name"`
	Format       string            `json:"format"`
	EventTime    view.EventTime    `json:"event_time"`
	EventID      string            `json:"event_id,omitempty"`
	DedupHorizon string            `json:"dedup_horizon"`
	DedupRecords int64             `json:"dedup_records"`
	Lateness     string            `json:"lateness"`
	MaxAhead     string            `json:"max_ahead"`
	Fields       []fieldDefinition `json:"fields"`
}

type fieldDefinition struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Nullable bool     `json:"nullable,omitempty"`
	From     []string `json:"from,omitempty"`
	Default  *string  `json:"default,omitempty"`
}

const sourceVersion = 1

// describeSource returns a source's definition and its hash.
func describeSource(src *view.Source) (hash string, body []byte, err error) {
	d := sourceDefinition{
		Version: sourceVersion, Name: src.Name, Format: src.Format, EventTime: src.EventTime, EventID: src.EventID,
		DedupHorizon: src.DedupHorizon.String(), DedupRecords: src.DedupRecords, Lateness: src.Lateness.String(), MaxAhead: src.MaxAhead.String(),
	}
	for _, f := range src.Fields {
		d.Fields = append(d.Fields, fieldDefinition{Name: f.Name, Type: f.Type.String(), Nullable: f.Nullable, From: f.From, Default: f.Default})
	}
	if body, err = json.Marshal(d); err != nil {
		return "", nil, fmt.Errorf("describe source %s: %w", src.Name, err)
	}
	return lake.Sum(body), body, nil
}

// parseFeed reads a definition that describeSource wrote.
func parseFeed(body []byte, hash string) (*feed, error) {
	fail := func(err error) (*feed, error) {
		return nil, fmt.Errorf("read definition %s of a source: %w", hash, err)
	}
	if got := lake.Sum(body); got != hash {
		return fail(fmt.Errorf("its bytes have the hash %s", got))
	}
	var d sourceDefinition
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return fail(err)
	}
	if d.Version != sourceVersion {
		return fail(fmt.Errorf("version %d is not known", d.Version))
	}
	src := &view.Source{Name: d.Name, Format: d.Format, EventTime: d.EventTime, EventID: d.EventID, DedupRecords: d.DedupRecords}
	for _, span := range []struct {
		text string
		to   *time.Duration
	}{{d.DedupHorizon, &src.DedupHorizon}, {d.Lateness, &src.Lateness}, {d.MaxAhead, &src.MaxAhead}} {
		var err error
		if *span.to, err = time.ParseDuration(span.text); err != nil {
			return fail(err)
		}
	}
	for _, f := range d.Fields {
		t, ok := typeOf(f.Type)
		if !ok {
			return fail(fmt.Errorf("field %s: type %q is not known", f.Name, f.Type))
		}
		src.Fields = append(src.Fields, view.Field{Name: f.Name, Type: t, Nullable: f.Nullable, From: f.From, Default: f.Default})
	}
	schema, err := intake.NewSchema(src)
	if err != nil {
		return fail(err)
	}
	return &feed{source: src, schema: schema, definition: hash}, nil
}

// typeOf reads what view.Type's String wrote.
func typeOf(text string) (view.Type, bool) {
	for kind := view.String; kind <= view.Int128; kind++ {
		if t := (view.Type{Kind: kind}); kind != view.Decimal && t.String() == text {
			return t, true
		}
	}
	t := view.Type{Kind: view.Decimal}
	if _, err := fmt.Sscanf(text, "decimal(%d,%d)", &t.Precision, &t.Scale); err != nil || t.String() != text {
		return view.Type{}, false
	}
	return t, true
}
