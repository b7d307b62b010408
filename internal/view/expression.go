package view

import (
	"fmt"
	"strings"
)

// expression is one SQL text of a view that is still to be checked.
type expression struct {
	at    *node
	text  string
	of    string       // what it is, for messages: "filter of measure net of view sales"
	where string       // "view sales"
	typed func(t Type) // called with the type of a sound expression
	into  Type         // it is cast to; Invalid: it is not
}

// checking binds the expressions of a view over one row type.
type checking struct {
	r       *reader
	columns []Column
	broken  map[string]bool   // names whose type is not known
	word    string            // what a column is called here: "field" or "measure"
	hints   map[string]string // names that exist, but not here: why
	porter  Porter            // of the engine that computes batches; nil: it is the one that checks
	todo    []expression
	lexed   [][]lexeme
}

// add queues one expression, unless its text alone shows that it is wrong.
func (c *checking) add(e expression) {
	e.text = strings.TrimSpace(e.text)
	ls, m := lex(e.text)
	if m != nil {
		c.r.addAt(e.at, m.pos, e.of+": "+m.what, m.mend)
		return
	}
	bad := refuse(ls, c.names())
	if m := fromZero(ls, c.columns); m != nil {
		bad = append(bad, *m)
	}
	told := map[string]bool{} // a window function is one mistake, not one for each of its words
	for _, m := range bad {
		if !told[m.mend] {
			c.r.addAt(e.at, m.pos, e.of+": "+m.what, m.mend)
		}
		told[m.mend] = true
	}
	for name := range c.broken {
		if mentions(ls, name) >= 0 {
			return
		}
	}
	if len(bad) > 0 {
		return
	}
	c.todo, c.lexed = append(c.todo, e), append(c.lexed, ls)
}

// run checks all queued expressions at once.
func (c *checking) run(checker Checker, whole *node) {
	if len(c.todo) == 0 {
		return
	}
	texts := make([]string, len(c.todo))
	for i := range c.todo {
		texts[i] = c.todo[i].text
	}
	results, err := checker.Check(c.columns, texts)
	if err != nil || len(results) != len(texts) {
		c.r.add(whole, fmt.Sprintf("%s: expressions could not be checked: %v", c.todo[0].where, err), "")
		return
	}
	for i, got := range results {
		e := &c.todo[i]
		switch {
		case got.Err != "":
			c.explain(e, c.lexed[i], got)
		case got.Volatile:
			c.r.add(e.at, e.of+": its result is not a function of the event alone", "use the event's own fields: batch evaluates the expression again, later")
		case got.Type.Kind == Invalid:
			c.r.add(e.at, e.of+": its type is none that this version can keep", "cast it, e.g. `(…)::varchar`")
		case got.Type.Kind == List:
			c.r.add(e.at, fmt.Sprintf("%s is an %s", e.of, got.Type), noList)
		default:
			e.typed(got.Type)
			c.port(e, got.Type)
		}
	}
}

// port refuses what the engine that computes batches would compute otherwise than the speed layer.
func (c *checking) port(e *expression, of Type) {
	if c.porter == nil {
		return
	}
	to := e.into
	if to.Kind == Invalid {
		to = of
	}
	if problem, mend := c.porter.Port(c.columns, e.text, of, to); problem != "" {
		c.r.add(e.at, e.of+": batch.engine is trino, and "+problem, mend)
	}
}

// explain turns the checker's refusal into a problem: an unknown column is named with the nearest one that exists.
func (c *checking) explain(e *expression, ls []lexeme, got Checked) {
	for _, l := range ls {
		if l.kind == word && isKeyword(l.text) && contains(c.names(), l.text) && strings.HasPrefix(got.Err, "syntax error") {
			c.r.addAt(e.at, l.pos, e.of+": "+firstLine(got.Err), fmt.Sprintf("%q is a word of SQL: write it in double quotes", l.text))
			return
		}
	}
	for i, l := range ls {
		if l.kind != word && l.kind != quotedName || called(ls, i) || contains(c.names(), l.text) || l.kind == word && isKeyword(l.text) {
			continue
		}
		name := strings.Trim(l.raw, `"`)
		if !strings.Contains(strings.ToLower(got.Err), `"`+l.text+`"`) {
			continue
		}
		mend := c.hints[l.text]
		if mend == "" {
			mend = suggest(name, c.names())
		}
		c.r.addAt(e.at, l.pos, fmt.Sprintf("unknown %s %q in %s", c.word, name, e.where), mend)
		return
	}
	mend := ""
	for _, candidate := range got.Candidates {
		if contains(c.names(), candidate) || !strings.ContainsAny(candidate, ".(") {
			mend = didYouMean(candidate)
			break
		}
	}
	c.r.add(e.at, e.of+": "+firstLine(got.Err), mend)
}

func (c *checking) names() []string {
	out := make([]string, len(c.columns))
	for i := range c.columns {
		out[i] = c.columns[i].Name
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
