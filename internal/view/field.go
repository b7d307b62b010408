package view

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

func fieldKeys() []string { return []string{"type", "from", "was", "default"} }

// fields reads a source's columns, `name: type` or `name: {type: …, from: …, default: …}`.
func (r *reader) fields(n *node, of string, d *definedSource) {
	if n == nil {
		return
	}
	if n.shape != mapping || len(n.pairs) == 0 {
		r.add(n, of+": fields is "+n.word(), "write it as a mapping from a field's name to its type")
		return
	}
	seen := map[string]string{}
	for _, pr := range n.pairs {
		lower := strings.ToLower(pr.key)
		if first, ok := seen[lower]; ok {
			r.add(pr.at, fmt.Sprintf("%s: fields %q and %q differ only by case", of, first, pr.key),
				"SQL does not tell them apart: rename one, and say with `from` where its value stands")
			continue
		}
		seen[lower] = pr.key
		f, ok := r.field(pr, of)
		if !ok {
			d.broken[lower] = true
			continue
		}
		d.source.Fields = append(d.source.Fields, f)
		r.inside(pr.at, of, d.source.Fields)
	}
	r.renames(n, of, d.source.Fields)
}

// renames checks that each name that a column had is no other column's, now or before: rows of before would be read as two columns.
func (r *reader) renames(n *node, of string, fields []Field) {
	claimed := map[string]string{}
	for _, f := range fields {
		for _, name := range f.Was {
			at, lower := n.get(f.Name).get("was"), strings.ToLower(name)
			if other, twice := claimed[lower]; twice {
				r.add(at, fmt.Sprintf("%s: fields %s and %s both were %s", of, other, f.Name, name), "one of them was: take the name from the other")
				continue
			}
			claimed[lower] = f.Name
			for _, g := range fields {
				switch {
				case strings.EqualFold(g.Name, name):
					r.add(at, fmt.Sprintf("%s: field %s was %s, which is a field too", of, f.Name, name),
						"rows of before have one column of that name: give the new column another name, and say with `from` where its value stands")
				case len(f.Keys()) > 0 && g.From[0].Key == name:
					r.add(at, fmt.Sprintf("%s: field %s was %s, and records hold field %s there", of, f.Name, name, g.Name),
						fmt.Sprintf("say where this one stands: `%s: {type: …, from: …, was: …}`", f.Name))
				}
			}
		}
	}
}

// earlier reads the names that a column had: one, or a list.
func (r *reader) earlier(n *node, of string) []string {
	items := []*node{n}
	if n.shape == sequence {
		items = n.items
	}
	var names []string
	for _, item := range items {
		name := r.filled(item, of+": was")
		if name != "" && (!isName(name) || name[0] == '_' || len(name) > 63) {
			r.add(item, quote(of+": was", name)+" is no name", "write the name that the column had, or a list of them")
			continue
		}
		names = append(names, name)
	}
	return names
}

// field reads one column.
func (r *reader) field(pr pair, of string) (Field, bool) {
	f := Field{Name: pr.key, From: Keys(pr.key)}
	if !isName(f.Name) || f.Name[0] == '_' || len(f.Name) > 63 {
		r.add(pr.at, quote(of+": field", f.Name)+" is no name",
			"a name is letters, digits and _, begins with a letter, and has at most 63 characters; `from` says where the value stands")
		return f, false
	}
	of = of + ": field " + f.Name
	at := pr.value
	if pr.value.shape == mapping {
		if !r.mapping(pr.value, of, fieldKeys()) {
			return f, false
		}
		r.require(pr.value, of, "type")
		at = pr.value.get("type")
		if v := pr.value.get("from"); v != nil {
			if f.From = r.path(v, of); f.From == nil {
				return f, false
			}
		}
		if v := pr.value.get("was"); v != nil {
			f.Was = r.earlier(v, of)
		}
	}
	text := r.filled(at, of)
	if text == "" {
		return f, false
	}
	var err error
	text, f.Nullable = strings.CutSuffix(text, "?")
	if f.Type, err = ParseType(text); err != nil {
		r.refused(at, of, err)
		return f, false
	}
	if v := pr.value.get("default"); v != nil && f.Type.Kind == List {
		r.add(v, of+": an array has no default", fmt.Sprintf("write `%s?`: it is null where it is missing, and an expression says what then counts, e.g. coalesce(len(%s), 0)", f.Type, f.Name))
	} else if v != nil {
		f.Default = r.fallback(v, of, f.Type)
	}
	return f, true
}

// fallback reads a default value of type t and returns it as JSON.
func (r *reader) fallback(n *node, of string, t Type) *string {
	if n.shape != scalar {
		r.add(n, of+": default is "+n.word(), "write a value of the type; a value that may be missing is declared with `?`")
		return nil
	}
	out, ok := jsonOf(n.text, t)
	if !ok {
		r.add(n, fmt.Sprintf("%s: default %q is no %s", of, n.text, t), "write a value of the type")
		return nil
	}
	return &out
}

// jsonOf writes text as the JSON of a value of type t.
func jsonOf(text string, t Type) (string, bool) {
	ok := true
	switch t.Kind {
	case String:
		b, err := json.Marshal(text)
		return string(b), err == nil
	case Timestamp:
		_, err := time.Parse(time.RFC3339Nano, text)
		return strconv.Quote(text), err == nil
	case Date:
		_, err := time.Parse(time.DateOnly, text)
		return strconv.Quote(text), err == nil
	case Bool:
		ok = text == "true" || text == "false"
	case Int64:
		_, err := strconv.ParseInt(text, 10, 64)
		ok = err == nil
	case Decimal:
		ok = fitsDecimal(text, t)
	case Double:
		_, err := strconv.ParseFloat(text, 64)
		ok = err == nil
	}
	return text, ok && (t.Kind == Bool || json.Valid([]byte(text)))
}

// fitsDecimal says whether the number is exactly a value of the decimal type.
func fitsDecimal(text string, t Type) bool {
	x, ok := new(big.Rat).SetString(text)
	if !ok {
		return false
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)
	x.Mul(x, new(big.Rat).SetInt(unit))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision)), nil)
	return x.IsInt() && x.Num().CmpAbs(limit) < 0
}
