package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// AlgebraVersion is part of every view's hash: a change of what a state holds, or of how it is computed, is a new definition of all views.
const AlgebraVersion = 1

// canonicalSource is what decides which events a record becomes. The order of the fields is the order of the bytes: it must not change.
type canonicalSource struct {
	Name          string           `json:"name"`
	Topic         string           `json:"topic"`
	Format        string           `json:"format"`
	TimeField     string           `json:"time_field"`
	TimeFormat    string           `json:"time_format"`
	TimeZone      string           `json:"time_zone"`
	TimeZoneRules string           `json:"time_zone_rules"`
	EventID       string           `json:"event_id"`
	HorizonUS     int64            `json:"dedup_horizon_us"`
	DedupRecords  int64            `json:"dedup_records"`
	LatenessUS    int64            `json:"lateness_us"`
	MaxAheadUS    int64            `json:"max_ahead_us"`
	Fields        []canonicalField `json:"fields"`
}

type canonicalField struct {
	Name     string   `json:"name"`
	Type     Type     `json:"type"`
	Nullable bool     `json:"nullable"`
	From     Path     `json:"from"`
	Was      []string `json:"was,omitempty"`
	Default  *string  `json:"default"`
}

type canonicalView struct {
	Algebra    int                  `json:"algebra"`
	Source     json.RawMessage      `json:"source"`
	Where      string               `json:"where"`
	Zone       string               `json:"zone"`
	ZoneRules  string               `json:"zone_rules"`
	Dimensions []canonicalDimension `json:"dimensions"`
	Grains     []string             `json:"grains"`
	Measures   []canonicalMeasure   `json:"measures"`
	BatchDedup string               `json:"batch_dedup,omitempty"`
	Times      bool                 `json:"times,omitempty"`
}

type canonicalDimension struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
	Type Type   `json:"type"`
}

type canonicalMeasure struct {
	Name   string   `json:"name"`
	Agg    Agg      `json:"agg"`
	Expr   string   `json:"expr"`
	Filter string   `json:"filter"`
	Type   Type     `json:"type"`
	Input  string   `json:"input"`
	P      float64  `json:"p"`
	K      int      `json:"k,omitempty"`
	Bounds []string `json:"bounds,omitempty"`
}

// Canonical returns the bytes that are hashed and kept in the lake: all that decides how a record is decoded, which are duplicates
// and which are late. Partitions and Key, which matter only to producers, are not in it, nor is Idle, which moves no record, nor FullDedup, which only batch looks at when
// it answers: a chunk is the same with and without it. Equal definitions have equal bytes.
func (s *Source) Canonical() []byte {
	c := canonicalSource{
		Name: s.Name, Topic: s.Topic, Format: s.Format,
		TimeField: s.EventTime.Field, TimeFormat: s.EventTime.Format, TimeZone: s.EventTime.Timezone, TimeZoneRules: rules(s.EventTime.Timezone),
		EventID: s.EventID, HorizonUS: s.DedupHorizon.Microseconds(), DedupRecords: s.DedupRecords,
		LatenessUS: s.Lateness.Microseconds(), MaxAheadUS: s.MaxAhead.Microseconds(),
	}
	for _, f := range s.Fields {
		c.Fields = append(c.Fields, canonicalField(f))
	}
	return canonicalJSON(c)
}

// Hash is the SHA-256, in hex, of Canonical: the name of the source's definition.
func (s *Source) Hash() string { return hashOf(s.Canonical()) }

// ParseSource rebuilds a source from the bytes that Canonical wrote, perhaps an older release of caudal. Partitions, Key and
// Idle are zero. The zone's rules are those of this machine, so that an old chunk can always be finished.
func ParseSource(canonical []byte) (*Source, error) {
	var c canonicalSource
	d := json.NewDecoder(bytes.NewReader(canonical))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("read stored source definition: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("read stored source definition: there is more after it")
	}
	if c.Topic == "" || c.TimeField == "" || len(c.Fields) == 0 {
		return nil, fmt.Errorf("read stored source definition: topic, time_field or fields are missing")
	}
	s := &Source{
		Name: c.Name, Topic: c.Topic, Format: c.Format,
		EventTime: EventTime{Field: c.TimeField, Format: c.TimeFormat, Timezone: c.TimeZone},
		EventID:   c.EventID, DedupHorizon: time.Duration(c.HorizonUS) * time.Microsecond, DedupRecords: c.DedupRecords,
		Lateness: time.Duration(c.LatenessUS) * time.Microsecond, MaxAhead: time.Duration(c.MaxAheadUS) * time.Microsecond,
	}
	for _, f := range c.Fields {
		s.Fields = append(s.Fields, Field(f))
	}
	if s.Field(c.TimeField) < 0 {
		return nil, fmt.Errorf("read stored source definition: time_field %q is no field", c.TimeField)
	}
	return s, nil
}

// seal fills in what follows from the definition: canonical bytes, hash, base. Descriptions, units, derived measures and services are not in
// them: changing those leaves every cell what it is. Nor is max_values: batch has no such limit, and a cell of the speed layer says itself
// what it stands for, so that cells that were made with another limit merge with these. Nor are windows, whose rows are made of cells when they are asked
// for; that cells know the times of their events is, so that a view's first window of sessions makes it another view. batch_dedup is in them although the speed layer is the same with and without it: it
// decides what a cell of batch holds, and under one hash an incremental run has to find the periods of the snapshot before counted its way.
func (v *View) seal() {
	c := canonicalView{
		Algebra: AlgebraVersion, Source: v.Source.Canonical(), Where: v.Where, Zone: v.Timezone, ZoneRules: rules(v.Timezone),
		Dimensions: []canonicalDimension{}, Measures: []canonicalMeasure{}, Times: v.Times,
	}
	if v.Source.FullDedup {
		c.BatchDedup = "full"
	}
	for _, d := range v.Dimensions {
		c.Dimensions = append(c.Dimensions, canonicalDimension{d.Name, d.Expr, d.Type})
	}
	for _, g := range v.Grains {
		c.Grains = append(c.Grains, g.Name)
	}
	for _, m := range v.Measures {
		if !m.Agg.Stored() {
			continue
		}
		input := ""
		if m.Input.Kind != Invalid {
			input = m.Input.String()
		}
		c.Measures = append(c.Measures, canonicalMeasure{m.Name, m.Agg, m.Expr, m.Filter, m.Type, input, m.P, m.K, m.Bounds})
	}
	v.Canonical = canonicalJSON(c)
	v.Hash = hashOf(v.Canonical)
	v.base = baseOf(v.Grains, v.Location)
}

// rules is the fingerprint of a zone by name; "" for UTC, which has none.
func rules(zone string) string {
	loc, err := loadZone(zone)
	if err != nil || loc == time.UTC {
		return ""
	}
	return fingerprint(loc)
}

func canonicalJSON(x any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(x); err != nil {
		panic("BUG: canonical definition: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
