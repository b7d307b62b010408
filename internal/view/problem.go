package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a definition.
type Problem struct {
	File   string `json:"file"`           // relative to the project
	Line   int    `json:"line"`           // from 1; 0 = the file as a whole
	Column int    `json:"column"`         // from 1, in characters
	What   string `json:"what"`           // what is wrong
	Mend   string `json:"mend,omitempty"` // what to write instead; "" = nothing better is known
}

// Error is the problem on one line, in the form that editors and CI systems link to its place.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.What)
	if p.Mend != "" {
		b.WriteString(": ")
		b.WriteString(p.Mend)
	}
	return b.String()
}

// Problems are all mistakes of a project, by file, line and column.
type Problems []Problem

// Error is one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by place, each once.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.What, b.What),
		)
	})
	return slices.Compact(p)
}
