package view

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxElements is how many elements an array of one record may have: those that a path can reach.
const MaxElements = MaxElement + 1

// Element is the type of a list's elements.
func (t Type) Element() Type { return Type{Kind: t.Item, Precision: t.Precision, Scale: t.Scale} }

// Times applies an expression of DuckDB, over a name, to a column of times, or to each element of a column of arrays of them. A column without
// times stays as it is.
func (t Type) Times(column string, each func(name string) string) string {
	switch {
	case t.Kind == Timestamp:
		return each(column)
	case t.Kind == List && t.Item == Timestamp:
		return "list_transform(" + column + ", lambda x: " + each("x") + ")"
	}
	return column
}

// list is the type of a list as a definition writes it.
func (t Type) list() string {
	if t.Holes {
		return "array<" + t.Element().String() + "?>"
	}
	return "array<" + t.Element().String() + ">"
}

// elementText is what stands between the brackets of array<…>.
func elementText(name string) (element string, ok bool) {
	inner, ok := strings.CutPrefix(name, "array")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutPrefix(strings.TrimSpace(inner), "<")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, ">")
	return strings.TrimSpace(inner), ok
}

// parseList reads the type of a list, written as whole, by that of its elements.
func parseList(whole, element string) (Type, error) {
	element, holes := strings.CutSuffix(element, "?")
	if _, nested := elementText(element); nested {
		return Type{}, fmt.Errorf("type %q is an array of arrays, which is no column: take one of them by its path, e.g. `{type: %s, from: \"matrix[0]\"}`", whole, quoted(element))
	}
	t, err := ParseType(element)
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", whole, err)
	}
	return Type{Kind: List, Item: t.Kind, Precision: t.Precision, Scale: t.Scale, Holes: holes}, nil
}

var (
	bracketed = regexp.MustCompile(`^(.+)\[\s*\]$`)
	otherList = regexp.MustCompile(`^(?:array|list|repeated|set)\s*[(<\s]\s*(.+?)\s*[)>]?$`)
)

// listMend is how an array is written that was written as elsewhere; "" where the name is none.
func listMend(name string) string {
	for _, m := range []*regexp.Regexp{bracketed, otherList} {
		if of := m.FindStringSubmatch(name); of != nil {
			if t, err := ParseType(of[1]); err == nil && t.Kind != List {
				return "write array<" + t.String() + ">"
			}
		}
	}
	if isOneOf(name, "array", "list", "json[]", "object[]", "array<>") {
		return "say of what: array<string>, array<int64>"
	}
	return ""
}

// noList is what to write in place of an array where one value of an event is wanted.
const noList = "an expression has one value for an event: one of the elements, `tags[1]`, how many they are, `len(tags)`, whether one is among them, `contains(tags, 'vip')`, " +
	"or what they come to, `list_sum(…)`, `list_min(…)`, `list_max(…)`"

// lists are the names of the columns that are lists, in lower case.
func lists(columns []Column) map[string]bool {
	out := map[string]bool{}
	for _, c := range columns {
		if c.Type.Kind == List {
			out[strings.ToLower(c.Name)] = true
		}
	}
	return out
}

// fromZero finds where an expression asks a list for element 0, as a path does: SQL counts from 1, and 0 is none. It would be null for ever.
func fromZero(ls []lexeme, columns []Column) *mistake {
	known := lists(columns)
	for i := 0; i+3 < len(ls); i++ {
		if named := ls[i].kind == word || ls[i].kind == quotedName; named && known[strings.ToLower(ls[i].text)] && ls[i+1].text == "[" && ls[i+2].text == "0" && ls[i+3].text == "]" {
			return &mistake{ls[i+2].pos, fmt.Sprintf("%s has no element 0: SQL counts elements from 1", ls[i].raw), fmt.Sprintf("the first is %s[1]; only a path, `from`, counts from 0", ls[i].raw)}
		}
	}
	return nil
}
