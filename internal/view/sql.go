package view

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexeme is one token of an SQL expression.
type lexeme struct {
	kind  lexKind
	text  string // of words lower-cased, of quoted names unquoted, of strings and symbols as written
	raw   string // as written
	pos   int    // byte position of raw in the expression
	depth int    // of parentheses and brackets around it
}

type lexKind uint8

const (
	word       lexKind = iota // keyword, function or column
	quotedName                // "column"
	literal                   // string or number
	symbol                    // one character
)

// mistake is something wrong at a byte position of an expression.
type mistake struct {
	pos        int
	what, mend string
}

// lex cuts an SQL expression into tokens. It knows as much of the language as is needed to see names, calls and nesting, and
// refuses what would let an expression reach beyond itself: comments, statements, parameters, unbalanced parentheses.
func lex(expr string) ([]lexeme, *mistake) {
	var out []lexeme
	var open []byte
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '\'' || c == '"':
			escapes := c == '\'' && i > 0 && (expr[i-1] == 'e' || expr[i-1] == 'E') && (i == 1 || !wordByte(expr[i-2]))
			end := closing(expr, i, escapes)
			if end < 0 {
				return nil, &mistake{i, "a quote that is not closed", "close it; a quote inside one is written twice"}
			}
			l := lexeme{kind: literal, text: expr[i:end], raw: expr[i:end], pos: i, depth: len(open)}
			if c == '"' {
				l.kind, l.text = quotedName, strings.ReplaceAll(expr[i+1:end-1], `""`, `"`)
			}
			out, i = append(out, l), end
			continue
		case strings.HasPrefix(expr[i:], "--") || strings.HasPrefix(expr[i:], "/*"):
			return nil, &mistake{i, "a comment inside an expression", "write it as a YAML comment: # …"}
		case strings.IndexByte(";?$#", c) >= 0:
			return nil, &mistake{i, quote("unexpected", string(c)), "write one SQL expression over the columns"}
		}
		if end := wordEnd(expr, i); end > i {
			l := lexeme{kind: word, text: strings.ToLower(expr[i:end]), raw: expr[i:end], pos: i, depth: len(open)}
			if c >= '0' && c <= '9' {
				l.kind = literal
			}
			out, i = append(out, l), end
			continue
		}
		if m := nest(&open, c, i); m != nil {
			return nil, m
		}
		out = append(out, lexeme{kind: symbol, text: expr[i : i+1], raw: expr[i : i+1], pos: i, depth: len(open)})
		i++
	}
	if len(open) > 0 {
		return nil, &mistake{len(expr), "a parenthesis that is not closed", "close it"}
	}
	if len(out) == 0 {
		return nil, &mistake{0, "the expression is empty", "write one SQL expression over the columns"}
	}
	return out, nil
}

// nest follows opening and closing parentheses.
func nest(open *[]byte, c byte, pos int) *mistake {
	switch c {
	case '(', '[', '{':
		*open = append(*open, c)
	case ')', ']', '}':
		n := len(*open)
		want := map[byte]byte{')': '(', ']': '[', '}': '{'}[c]
		if n == 0 || (*open)[n-1] != want {
			return &mistake{pos, quote("unexpected", string(c)), "parentheses are to be balanced"}
		}
		*open = (*open)[:n-1]
	}
	return nil
}

// closing returns the position after the quote that closes the one at start, or -1.
func closing(s string, start int, escapes bool) int {
	q := s[start]
	for i := start + 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return -1
}

// wordEnd returns the position after the word or number at i; i where none begins there.
func wordEnd(s string, i int) int {
	number := s[i] >= '0' && s[i] <= '9'
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !(r == '_' || r >= '0' && r <= '9' || r < 128 && unicode.IsLetter(r) || r >= 128 || number && r == '.') {
			break
		}
		i += n
	}
	return i
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 128
}

// isName says whether s is letters, digits and _, and begins with none of the digits.
func isName(s string) bool {
	for i := range len(s) {
		if !wordByte(s[i]) || s[i] >= 128 || i == 0 && s[i] >= '0' && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}

// called says whether token i is the name of a function that is called.
func called(ls []lexeme, i int) bool {
	return i+1 < len(ls) && (ls[i].kind == word || ls[i].kind == quotedName) && ls[i+1].text == "(" && ls[i+1].kind == symbol
}

// mentions returns the position of the column in the tokens, or -1. Columns are alike in upper and lower case, as in the engine.
func mentions(ls []lexeme, column string) int {
	for i, l := range ls {
		if (l.kind == word || l.kind == quotedName) && !called(ls, i) && strings.EqualFold(l.text, column) {
			return l.pos
		}
	}
	return -1
}
