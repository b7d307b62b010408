package view

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

func sourceKeys() []string {
	return []string{
		"topic", "partitions", "format", "key", "event_time", "event_id", "dedup_horizon", "dedup_records", "batch_dedup", "lateness", "max_ahead", "idle", "fields",
	}
}
func eventTimeKeys() []string { return []string{"field", "format", "timezone"} }

// allSources reads the sources of caudal.yaml.
func (p *linter) allSources(r *reader, n *node) {
	if n == nil {
		return
	}
	if n.shape != mapping || len(n.pairs) == 0 {
		r.add(n, "sources is "+n.word(), "write it as a mapping from a source's name to its definition")
		return
	}
	topics := map[string]string{}
	for _, pr := range n.pairs {
		name := *pr.at
		name.text = pr.key
		s := p.source(r, r.name(&name, "source", ""), pr)
		if s == nil {
			continue
		}
		if other, ok := topics[s.Topic]; ok && s.Topic != "" {
			r.add(pr.at, fmt.Sprintf("sources %s and %s read the same topic %q", other, s.Name, s.Topic),
				"the lake keeps a topic under one definition: give each source a topic of its own")
			continue
		}
		topics[s.Topic] = s.Name
		if s.FullDedup && p.project.Batch.Engine == EngineTrino {
			r.add(pr.at, fmt.Sprintf("source %s: batch_dedup: full looks at every id of the lake in this process, and batch.engine is trino, for lakes beyond it", s.Name),
				"leave it out and give dedup_horizon the time in which repeats come, or take batch.engine: duckdb")
		}
		p.project.Sources = append(p.project.Sources, s)
	}
}

// source reads one source. It is registered even where something is wrong with it, so that its views are checked as far as they can be.
func (p *linter) source(r *reader, name string, pr pair) *Source {
	n, of := pr.value, "source "+pr.key
	s := &Source{Name: name, Topic: pr.key, Partitions: 4, Format: "json"}
	d := &definedSource{source: s, broken: map[string]bool{}}
	p.sources[pr.key] = d
	if !r.mapping(n, of, sourceKeys()) {
		return nil
	}
	r.require(n, of, "event_time", "fields")
	if v := n.get("topic"); v != nil {
		s.Topic = r.filled(v, of+": topic")
	}
	if v := n.get("topic"); v != nil && s.Topic != "" && (!regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`).MatchString(s.Topic) || s.Topic == "." || s.Topic == "..") {
		r.add(v, quote(of+": topic", s.Topic)+" is no topic name", "letters, digits, . _ and -, at most 249 of them")
	}
	s.Partitions = int(r.integer(n.get("partitions"), of+": partitions", 4, 1, 10_000))
	if v := n.get("format"); v != nil {
		if f := r.filled(v, of+": format"); f != "" && f != s.Format {
			mend := "write json"
			if f == "avro" || f == "protobuf" {
				mend = "this version reads json"
			}
			r.add(v, quote(of+": unknown format", f), mend)
		}
	}
	r.fields(n.get("fields"), of, d)
	r.bounds(n, of, s)
	r.eventTime(n.get("event_time"), of, d)
	if v := n.get("key"); v != nil {
		s.Key = r.fieldName(v, of, "key", d)
		if i := s.Field(s.Key); i >= 0 && s.Fields[i].Type.Kind == List {
			r.add(v, fmt.Sprintf("%s: key %q is an %s", of, s.Key, s.Fields[i].Type), "events are keyed by one value: name a field of a scalar type, perhaps an element by its path")
		}
	}
	if v := n.get("event_id"); v != nil {
		s.EventID = r.fieldName(v, of, "event_id", d)
		if i := s.Field(s.EventID); i >= 0 {
			r.eventID(v, of, &s.Fields[i])
		}
	}
	return s
}

// bounds reads the durations and counts that decide what is a duplicate and what is late.
func (r *reader) bounds(n *node, of string, s *Source) {
	s.DedupHorizon = r.duration(n.get("dedup_horizon"), of+": dedup_horizon", time.Hour, time.Second)
	s.DedupRecords = r.integer(n.get("dedup_records"), of+": dedup_records", 4_000_000, 1, 1<<31-1)
	s.Lateness = r.duration(n.get("lateness"), of+": lateness", 10*time.Minute, 0)
	s.MaxAhead = r.duration(n.get("max_ahead"), of+": max_ahead", 5*time.Minute, 0)
	s.Idle = r.duration(n.get("idle"), of+": idle", 5*time.Minute, 0)
	if v := n.get("batch_dedup"); v != nil {
		word := r.filled(v, of+": batch_dedup")
		if s.FullDedup = word == "full"; word != "" && word != "full" && word != "horizon" {
			r.add(v, quote(of+": unknown batch_dedup", word), "write full, to look for repeats in the whole history, or horizon")
		}
	}
	if n.get("event_id") != nil {
		return
	}
	for _, k := range []string{"dedup_horizon", "dedup_records", "batch_dedup"} {
		if v := n.get(k); v != nil {
			r.add(v, of+": "+k+" has no effect without event_id", "name the field that tells one event from another: `event_id: …`")
		}
	}
}

// fieldName reads the name of a field that has to exist.
func (r *reader) fieldName(n *node, of, key string, d *definedSource) string {
	name := r.filled(n, of+": "+key)
	if name == "" || d.broken[strings.ToLower(name)] {
		return ""
	}
	if d.source.Field(name) < 0 {
		r.add(n, fmt.Sprintf("unknown field %q as %s of %s", name, key, of), suggest(name, d.fieldNames()))
		return ""
	}
	return name
}

// eventID checks that the field can tell events apart.
func (r *reader) eventID(n *node, of string, f *Field) {
	switch {
	case f.Nullable:
		r.add(n, fmt.Sprintf("%s: event_id %q may be null", of, f.Name), "an event without an id cannot be told from another: write its type without `?`")
	case f.Type.Kind == Double:
		r.add(n, fmt.Sprintf("%s: event_id %q is a double", of, f.Name), "two writings of one float may differ: declare it as string")
	case f.Type.Kind == List:
		r.add(n, fmt.Sprintf("%s: event_id %q is an %s", of, f.Name, f.Type), "an event has one id: name a field of a scalar type, perhaps an element by its path")
	case f.Default != nil:
		r.add(n, fmt.Sprintf("%s: event_id %q has a default", of, f.Name), "events without an id would all be duplicates of each other: leave the default out")
	}
}

// eventTime reads which field holds the event's time, and how it is written.
func (r *reader) eventTime(n *node, of string, d *definedSource) {
	if n == nil {
		return
	}
	of += ": event_time"
	if !r.mapping(n, of, eventTimeKeys()) {
		return
	}
	r.require(n, of, "field")
	e := EventTime{Format: "rfc3339", Timezone: "UTC"}
	if v := n.get("field"); v != nil {
		e.Field = r.fieldName(v, of, "field", d)
		if i := d.source.Field(e.Field); i >= 0 {
			r.eventTimeField(v, of, &d.source.Fields[i])
		}
	}
	if v := n.get("format"); v != nil {
		e.Format = r.filled(v, of+".format")
		if mend := layoutMend(e.Format); e.Format != "" && mend != "" {
			r.add(v, quote(of+".format", e.Format)+" is no way to write a time", mend)
		}
	}
	if v := n.get("timezone"); v != nil {
		if e.Timezone = r.zone(v, of+".timezone"); namedFormat(e.Format) {
			r.add(v, of+".timezone has no effect on "+e.Format, "leave it out: such a time says itself where it stands")
		}
	}
	d.source.EventTime = e
}

func (r *reader) eventTimeField(n *node, of string, f *Field) {
	switch {
	case f.Type.Kind != Timestamp:
		r.add(n, fmt.Sprintf("%s.field %q is of type %s", of, f.Name, f.Type), "declare it as timestamp; the format says how it is written")
	case f.Nullable:
		r.add(n, fmt.Sprintf("%s.field %q may be null", of, f.Name), "an event without a time belongs to no bucket: write `timestamp`, and such records become dead letters")
	case f.Default != nil:
		r.add(n, fmt.Sprintf("%s.field %q has a default", of, f.Name), "leave it out: an event without a time becomes a dead letter")
	}
}

// zone reads the name of a time zone.
func (r *reader) zone(n *node, of string) string {
	name := r.filled(n, of)
	if name == "" {
		return "UTC"
	}
	if _, err := loadZone(name); err != nil {
		r.refused(n, of, err)
		return "UTC"
	}
	return name
}

// namedFormat says whether a format carries its own zone.
func namedFormat(f string) bool {
	return f == "rfc3339" || f == "unix_s" || f == "unix_ms" || f == "unix_us"
}

// layoutMend says what is wrong with an event time format; "" = nothing.
func layoutMend(f string) string {
	if namedFormat(f) {
		return ""
	}
	t := time.Date(2013, 12, 14, 15, 16, 17, 0, time.UTC)
	back, err := time.Parse(f, t.Format(f))
	if err == nil && back.Year() == 2013 && back.YearDay() == t.YearDay() {
		return ""
	}
	if near := nearest(f, []string{"rfc3339", "unix_s", "unix_ms", "unix_us"}); near != "" {
		return didYouMean(near)
	}
	return `write rfc3339, unix_s, unix_ms, unix_us, or how 3:04:05 pm on 2 January 2006 would be written, e.g. "2006-01-02 15:04:05"`
}

func (d *definedSource) fieldNames() []string {
	out := make([]string, len(d.source.Fields))
	for i := range d.source.Fields {
		out[i] = d.source.Fields[i].Name
	}
	return out
}

// suggest is the mend of an unknown name.
func suggest(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return didYouMean(near)
	}
	if len(known) > 12 {
		known = append(known[:12:12], "others")
	}
	return "there are " + list(known)
}
