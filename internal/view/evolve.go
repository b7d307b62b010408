package view

import (
	"fmt"
	"slices"
	"strings"
)

// Holder returns the position of the column that holds, in rows written with s, what field f of another definition of the source names: the
// column of its name, or the one that a rename, on either side, says it was. -1: those rows have no such column.
func (s *Source) Holder(f *Field) int {
	if i := s.Field(f.Name); i >= 0 {
		return i
	}
	return slices.IndexFunc(s.Fields, func(g Field) bool { return slices.Contains(f.Was, g.Name) || slices.Contains(g.Was, f.Name) })
}

// Keys lists the JSON keys of before a rename, where a value is looked for that stands nowhere else: none where `from` says where it stands.
func (f *Field) Keys() []string {
	if len(f.From) > 1 || len(f.From) == 1 && f.From[0].Key != f.Name {
		return nil
	}
	return f.Was
}

// Widens says whether every value of type from is a value of type t, and every engine that reads the lake's files reads it as that one: the same
// type, a decimal of more digits at the same scale, or a decimal of at least 19 digits before the point for int64; and a list whose elements are
// those of from, or widen them, and may be null where they may be in from.
func (t Type) Widens(from Type) bool {
	switch {
	case t == from:
		return true
	case t.Kind == List:
		return from.Kind == List && (t.Holes || !from.Holes) && t.Element().Widens(from.Element())
	case t.Kind != Decimal:
		return false
	case from.Kind == Int64:
		return t.Precision >= 19+t.Scale
	}
	return from.Kind == Decimal && t.Scale == from.Scale && t.Precision >= from.Precision
}

// Evolves says why rows that were written with an earlier definition of the source cannot be read with s: a problem for each column, with the way
// out. None: every column of before is one of s, of its type or a wider one, and what is new may be missing.
func (s *Source) Evolves(earlier *Source) Problems {
	e := evolution{source: s, earlier: earlier, hash: earlier.Hash()[:12]}
	if held := earlier.Holder(&s.Fields[s.Field(s.EventTime.Field)]); held < 0 || earlier.Fields[held].Name != earlier.EventTime.Field {
		e.add(fmt.Sprintf("event_time is %s, and was %s", s.EventTime.Field, earlier.EventTime.Field),
			"rows of before are filed under that time: give the source a topic of its own")
	}
	for i := range earlier.Fields {
		before := &earlier.Fields[i]
		if now := s.Holder(before); now >= 0 {
			e.column(&s.Fields[now], before)
			continue
		}
		kept := before.Type.String() + "?"
		e.add(fmt.Sprintf("field %s is gone", before.Name),
			fmt.Sprintf("a column that was renamed says so, `new_name: {type: …, was: %s}`; one that is no longer sent stays, as `%s: \"%s\"`", before.Name, before.Name, kept))
	}
	for i := range s.Fields {
		if f := &s.Fields[i]; earlier.Holder(f) < 0 && !f.Nullable && f.Default == nil {
			mend := fmt.Sprintf("rows of before have no value of it: write `%s: \"%s?\"`", f.Name, f.Type)
			if f.Type.Kind != List {
				mend += ", or give it a default"
			}
			e.add(fmt.Sprintf("field %s is new, and has to be in every record", f.Name), mend)
		}
	}
	return e.problems
}

// evolution is the comparison of two definitions of a source.
type evolution struct {
	source, earlier *Source
	hash            string // of the earlier one, as much as people need
	problems        Problems
}

func (e *evolution) add(what, mend string) {
	e.problems = append(e.problems, Problem{File: projectFile, Mend: mend,
		What: fmt.Sprintf("source %s: %s (in definition %s, which the lake holds rows of)", e.source.Name, what, e.hash)})
}

// column compares a column with what it was.
func (e *evolution) column(now, before *Field) {
	anew := fmt.Sprintf("a column of another name can have it: `%s_2: {type: %s, from: %s}`", now.Name, quoted(now.Type.String()+"?"), now.From)
	switch id := e.earlier.EventID == before.Name || e.source.EventID == now.Name; {
	case id && now.Type != before.Type:
		e.add(fmt.Sprintf("event_id %s is of type %s, and was %s", now.Name, now.Type, before.Type),
			"a repeat of an event of before would not be known as one: keep the type of the id")
	case !now.Type.Widens(before.Type):
		mend := "an int64 becomes a decimal of at least 19 digits before the point, a decimal one of more digits at the same scale"
		from, to := before.Type, now.Type
		if from.Kind == List && to.Kind == List {
			from, to = from.Element(), to.Element()
		}
		switch {
		case to.Widens(from):
			mend = fmt.Sprintf("rows of before may hold null elements: write %s", Type{Kind: List, Item: to.Kind, Precision: to.Precision, Scale: to.Scale, Holes: true})
		case from.Kind != Int64 && from.Kind != Decimal || to.Kind != Decimal && to.Kind != Int64:
			mend = "no type is read as another here"
		}
		e.add(fmt.Sprintf("field %s is of type %s, and was %s", now.Name, now.Type, before.Type), mend+"; "+anew)
	}
	if before.Nullable && !now.Nullable {
		e.add(fmt.Sprintf("field %s has to be in every record, and could be null", now.Name), fmt.Sprintf("rows of before may hold nulls: write `%s?`", now.Type))
	}
	for _, name := range before.Was {
		if !slices.Contains(now.Was, name) && now.Name != name {
			e.add(fmt.Sprintf("field %s was %s, and does not say so any more", now.Name, name),
				fmt.Sprintf("rows of before have it under that name: write `was: [%s]`", strings.Join(append(slices.Clone(now.Was), name), ", ")))
		}
	}
}

// quoted puts a type with a comma in quotes, as YAML's {…} needs it.
func quoted(t string) string {
	if strings.Contains(t, ",") {
		return `"` + t + `"`
	}
	return t
}
