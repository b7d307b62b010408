package view

import (
	"fmt"
	"net/url"
	"regexp"
	"time"
)

func sinkKeys() []string { return []string{"kafka", "webhook", "slack", "secret", "give_up"} }

// defaultGiveUp is how long a notice is sent again where nobody takes it.
const defaultGiveUp = time.Hour

// topicName is what Kafka calls a topic.
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// sinks reads where notices of alerts may go. The log is among them.
func (r *reader) sinks(n *node) []Sink {
	sinks := []Sink{{Name: LogSink, Kind: SinkLog}}
	if n == nil {
		return sinks
	}
	if n.shape != mapping {
		r.add(n, "sinks is "+n.word(), "write a mapping: {ops: {kafka: ops.alerts}}")
		return sinks
	}
	seen := map[string]bool{LogSink: true}
	for _, p := range n.pairs {
		s := Sink{Name: p.key, GiveUp: defaultGiveUp}
		name := *p.at
		name.shape, name.text = scalar, p.key
		r.name(&name, "sink", "-")
		if seen[p.key] {
			r.add(p.at, "sink "+p.key+" is defined twice", "give one of them another name; every project has log")
		}
		seen[p.key] = true
		if r.mapping(p.value, "sink "+p.key, sinkKeys()) {
			r.sink(&s, p.value)
			sinks = append(sinks, s)
		}
	}
	return sinks
}

func (r *reader) sink(s *Sink, n *node) {
	of, kinds := "sink "+s.Name, 0
	for _, kind := range []SinkKind{SinkKafka, SinkWebhook, SinkSlack} {
		v := n.get(string(kind))
		if v == nil {
			continue
		}
		kinds++
		s.Kind, s.Where = kind, r.filled(v, of+": "+string(kind))
		switch {
		case s.Where == "":
		case kind == SinkKafka && !topicName.MatchString(s.Where):
			r.add(v, of+": kafka names no topic", "a topic is letters, digits, ., _ and -")
		case kind != SinkKafka && !isURL(s.Where):
			// The text is a secret, and so not repeated.
			r.add(v, fmt.Sprintf("%s: %s is no URL", of, kind), `write "https://…", or "${NAME}" for a variable that holds it`)
		}
	}
	if kinds != 1 {
		r.add(n, of+" is not of one kind", "write one of kafka, webhook and slack")
	}
	if v := n.get("secret"); v != nil {
		if s.Secret = r.filled(v, of+": secret"); s.Kind != SinkWebhook {
			r.add(v, of+": only webhooks are signed", "leave secret out")
		}
	} else if s.Kind == SinkWebhook {
		r.add(n, of+" has no secret", "webhooks are signed: add `secret: ${NAME}`")
	}
	s.GiveUp = r.duration(n.get("give_up"), of+": give_up", defaultGiveUp, time.Second)
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
