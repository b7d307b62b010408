package view

import (
	"strings"
)

// expand puts the environment's variables into a scalar: ${NAME}, and ${NAME:-default} where NAME may be unset or empty. $${ is
// a plain ${. It works on the parsed value, so that no variable can change the structure of the file.
func (r *reader) expand(n *node) *node {
	if !strings.Contains(n.text, "${") {
		return n
	}
	var b strings.Builder
	rest := n.text
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1])
			b.WriteString("${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		end := strings.IndexByte(rest[i:], '}')
		if end < 0 {
			r.add(n, "${ without its }", "write ${NAME}, or $${ for the characters themselves")
			return n
		}
		name, fallback, ok := strings.Cut(rest[i+2:i+end], ":-")
		rest = rest[i+end+1:]
		b.WriteString(r.variable(n, name, fallback, ok))
	}
	b.WriteString(rest)
	n.text, n.direct, n.quoted = b.String(), false, false
	return n
}

// variable looks one variable up.
func (r *reader) variable(n *node, name, fallback string, hasFallback bool) string {
	if !isName(name) {
		r.add(n, quote("variable name", name)+" is none", "write ${NAME} or ${NAME:-default}, or $${ for the characters themselves")
		return ""
	}
	value, set := r.getenv(name)
	if hasFallback && value == "" {
		return fallback
	}
	if !set {
		r.add(n, "environment variable "+name+" is not set", "set it, or give a default: ${"+name+":-…}")
	}
	return value
}
