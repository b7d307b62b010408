package view

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// shape is what a node is.
type shape uint8

const (
	scalar shape = iota
	mapping
	sequence
	null
)

// node is one value of a YAML document with its place. Scalars stay text: each reader decides what the text has to be.
type node struct {
	shape        shape
	line, column int
	text         string // of a scalar, with variables put in
	quoted       bool   // written in quotes or as a block: text, never a number or a boolean
	direct       bool   // the text stands in the file as it is, from `column` on, so that places inside it are known
	pairs        []pair
	items        []*node
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	at    *node // the key's place
	value *node
}

// get returns the value under key, or nil.
func (n *node) get(key string) *node {
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}

// word names the shape for a message.
func (n *node) word() string {
	switch n.shape {
	case mapping:
		return "a mapping"
	case sequence:
		return "a list"
	case null:
		return "empty"
	}
	return "a single value"
}

// document parses one YAML file, with the variables of the environment put in. It returns nil where nothing can be read.
func (r *reader) document(data []byte) *node {
	r.lines = strings.Split(string(data), "\n")
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		r.add(&node{line: 1, column: 1}, "the file is empty", "")
		return nil
	case 1:
		return r.convert(bodies[0])
	}
	r.add(r.at(bodies[1].GetToken()), "a second document after ---", "one file holds one definition")
	return nil
}

// syntax reports what the YAML parser refused; it stops at the first mistake of a file.
func (r *reader) syntax(err error) {
	at, what := &node{line: 1, column: 1}, err.Error()
	var se *yaml.SyntaxError
	if errors.As(err, &se) {
		what = se.Message
		if t := se.Token; t != nil && t.Position != nil {
			at = r.at(t)
		}
	}
	mend := ""
	if at.line <= len(r.lines) {
		line := r.lines[at.line-1]
		switch {
		case strings.Contains(line, "${") && strings.ContainsAny(line, "{["):
			mend = `inside {…} and […] write a variable in quotes: "${NAME}"`
		case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
			mend = "indent with spaces, not with tabs"
		}
	}
	r.add(at, "no valid YAML: "+what, mend)
}

// at is an empty node at the token's place.
func (r *reader) at(t *token.Token) *node {
	return &node{line: t.Position.Line, column: max(t.Position.Column, 1)}
}

// convert turns a YAML node into ours.
func (r *reader) convert(n ast.Node) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		out := r.at(n.GetToken())
		if len(n.Values) > 0 && !n.IsFlowStyle {
			out = r.at(n.Values[0].Key.GetToken())
		}
		out.shape = mapping
		for _, v := range n.Values {
			r.entry(out, v)
		}
		return out
	case *ast.MappingValueNode: // a mapping of one entry
		out := r.at(n.Key.GetToken())
		out.shape = mapping
		r.entry(out, n)
		return out
	case *ast.SequenceNode:
		out := r.at(n.GetToken())
		out.shape = sequence
		for _, v := range n.Values {
			out.items = append(out.items, r.convert(v))
		}
		return out
	case *ast.NullNode:
		out := r.at(n.GetToken())
		out.shape = null
		return out
	case *ast.LiteralNode:
		out := r.at(n.Start)
		out.quoted, out.text = true, strings.TrimRight(n.Value.Value, "\n")
		return r.expand(out)
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		out := r.at(n.GetToken())
		out.shape = null
		r.add(out, "anchors, aliases and tags are not read here", "write the value out")
		return out
	}
	t := n.GetToken()
	out := r.at(t)
	out.text = t.Value
	out.quoted = t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
	if out.quoted {
		out.column++
	}
	r.align(out)
	out.direct = strings.Contains(t.Origin, t.Value) && !strings.Contains(strings.TrimSpace(t.Origin), "\n")
	return r.expand(out)
}

// align corrects the column of a plain value, which the YAML parser puts too far to the right where blanks follow the value.
func (r *reader) align(n *node) {
	if n.line > len(r.lines) || n.text == "" {
		return
	}
	line, text := []rune(r.lines[n.line-1]), []rune(n.text)
	for c := n.column - 1; c >= 0; c-- {
		if c+len(text) <= len(line) && string(line[c:c+len(text)]) == n.text {
			n.column = c + 1
			return
		}
	}
}

// entry adds one key and its value to a mapping.
func (r *reader) entry(out *node, v *ast.MappingValueNode) {
	t := v.Key.GetToken()
	at := r.at(t)
	if _, ok := v.Key.(*ast.MappingKeyNode); ok || v.Key.IsMergeKey() {
		r.add(at, "a key that is no plain name", "write `name: value`")
		return
	}
	if strings.HasSuffix(t.Value, ")") && !strings.Contains(t.Value, "(") {
		r.add(at, "a comma ends a value inside {…}", `put a type with a comma in quotes: "decimal(12,3)"`)
		return
	}
	for i := range out.pairs {
		if out.pairs[i].key == t.Value {
			r.add(at, quote("key", t.Value)+" is there twice", "keep one of them")
			return
		}
	}
	out.pairs = append(out.pairs, pair{key: t.Value, at: at, value: r.convert(v.Value)})
}
