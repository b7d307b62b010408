package view

import (
	"encoding/json"
	"slices"
)

// As returns v under the hash of a definition that the lake keeps of it, where the two differ by nothing but changes of the source that no cell of
// the view can tell: columns that the view does not read were added, widened, renamed or are found elsewhere in the JSON. Its source is v's. Nil
// where the cells of the two may differ.
func (v *View) As(stored *View) *View {
	if v.Hash == stored.Hash {
		return v
	}
	var c canonicalView
	if json.Unmarshal(stored.Canonical, &c) != nil {
		return nil
	}
	source, err := ParseSource(c.Source)
	if err != nil {
		return nil
	}
	source.FullDedup = c.BatchDedup == "full"
	if !v.sameRows(source) {
		return nil
	}
	same := *v
	same.Source = source
	same.seal()
	if same.Hash != stored.Hash {
		return nil
	}
	same.Source = v.Source
	return &same
}

// sameRows says whether the source of v makes, of every record that it and another definition of the source both take, rows that v sees alike.
func (v *View) sameRows(other *Source) bool {
	s := v.Source
	time, id := s.Field(s.EventTime.Field), s.Field(s.EventID)
	switch held := other.Holder(&s.Fields[time]); {
	case s.Name != other.Name || s.Topic != other.Topic || s.Format != other.Format || s.DedupHorizon != other.DedupHorizon || s.DedupRecords != other.DedupRecords ||
		s.FullDedup != other.FullDedup || s.Lateness != other.Lateness || s.MaxAhead != other.MaxAhead:
		return false
	case s.EventTime.Format != other.EventTime.Format || s.EventTime.Timezone != other.EventTime.Timezone:
		return false
	case held < 0 || other.Fields[held].Name != other.EventTime.Field || !sameValue(&s.Fields[time], &other.Fields[held]):
		return false
	case (id < 0) != (other.EventID == ""):
		return false
	case id >= 0:
		held := other.Holder(&s.Fields[id])
		if held < 0 || other.Fields[held].Name != other.EventID || !sameValue(&s.Fields[id], &other.Fields[held]) {
			return false
		}
	}
	if len(s.Evolves(other)) > 0 {
		return false
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if !v.reads(f.Name) {
			continue
		}
		held := other.Field(f.Name)
		if held < 0 || !sameValue(f, &other.Fields[held]) || !slices.Equal(f.Was, other.Fields[held].Was) {
			return false
		}
	}
	return true
}

// sameValue says whether two fields are the same value of every record.
func sameValue(a, b *Field) bool {
	same := a.Type == b.Type && a.Nullable == b.Nullable && slices.Equal(a.From, b.From) && slices.Equal(a.Keys(), b.Keys())
	if a.Default == nil || b.Default == nil {
		return same && a.Default == b.Default
	}
	return same && *a.Default == *b.Default
}

// reads says whether some expression of the view, over the columns of its source, names the column.
func (v *View) reads(column string) bool {
	expressions := []string{v.Where}
	for _, d := range v.Dimensions {
		expressions = append(expressions, d.Expr)
	}
	for _, m := range v.Measures {
		if m.Agg != Derived {
			expressions = append(expressions, m.Expr, m.Filter)
		}
	}
	return slices.ContainsFunc(expressions, func(expression string) bool {
		if expression == "" {
			return false
		}
		tokens, mistake := lex(expression)
		return mistake != nil || mentions(tokens, column) >= 0
	})
}
