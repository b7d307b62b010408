package view

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// fakeChecker types expressions by simple rules: enough to test what the linter makes of a checker's answers.
type fakeChecker struct{ fail bool }

func (f fakeChecker) Check(cols []Column, exprs []string) ([]Checked, error) {
	if f.fail {
		return nil, errors.New("the engine is gone")
	}
	out := make([]Checked, len(exprs))
	for i, e := range exprs {
		out[i] = fakeCheck(cols, e)
	}
	return out, nil
}

func fakeCheck(cols []Column, expr string) Checked {
	ls, m := lex(expr)
	if m != nil {
		return Checked{Err: "Parser Error: " + m.what}
	}
	for i, l := range ls {
		if l.kind == word && strings.HasPrefix(l.text, "cunt") || l.kind == word && strings.HasPrefix(l.text, "no_such") && !called(ls, i) {
			return Checked{Err: `Binder Error: Referenced column "` + l.raw + `" not found in FROM clause!`, Candidates: []string{"quantity"}}
		}
		if called(ls, i) && l.text == "uper" {
			return Checked{Err: "Catalog Error: Scalar Function with name uper does not exist!\nmore", Candidates: []string{"upper"}}
		}
	}
	for _, suffix := range []struct {
		text string
		kind Kind
	}{{"::varchar", String}, {"::double", Double}, {"::hugeint", Int128}, {"::bigint", Int64}, {"::interval", Invalid}} {
		if strings.HasSuffix(expr, suffix.text) {
			return Checked{Type: Type{Kind: suffix.kind}}
		}
	}
	for _, c := range cols {
		if strings.EqualFold(strings.Trim(expr, `"`), c.Name) {
			return Checked{Type: c.Type}
		}
	}
	lower := strings.ToLower(expr)
	switch {
	case strings.HasPrefix(lower, "case") || strings.Contains(lower, "split_part") || strings.HasPrefix(lower, "upper"):
		return Checked{Type: Type{Kind: String}}
	case strings.ContainsAny(lower, "<>=") || strings.Contains(lower, " like ") || strings.Contains(lower, " is not null"):
		return Checked{Type: Type{Kind: Bool}}
	case strings.Contains(lower, "unit_price"):
		return Checked{Type: Type{Kind: Decimal, Precision: 31, Scale: 3}}
	case strings.Contains(lower, "/"):
		return Checked{Type: Type{Kind: Double}}
	}
	return Checked{Type: Type{Kind: Int64}}
}

// Condition knows the columns that stand in the text as words, and takes the first word for a name.
func (f fakeChecker) Condition(text, noun, of string, cols []Column) (names []string, wrong *Mistake) {
	ls, m := lex(text)
	if m != nil {
		return nil, &Mistake{m.pos, m.what, m.mend}
	}
	if ls[0].kind == word && !slices.ContainsFunc(cols, func(c Column) bool { return c.Name == ls[0].text }) {
		return nil, &Mistake{0, fmt.Sprintf("%q is no %s of %s", ls[0].text, noun, of), "mend"}
	}
	for _, c := range cols {
		if mentions(ls, c.Name) >= 0 {
			names = append(names, c.Name)
		}
	}
	return names, nil
}
