package condition

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a condition: what people and dashboards write is far below them.
const (
	maxBytes  = 16 << 10
	maxDepth  = 64
	maxValues = 2000
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenName             // bare word, keywords among them, or "quoted"
	tokenText             // 'quoted'
	tokenNumber           // -12.5
	tokenSign             // ( ) , = != <> < <= > >=
)

type token struct {
	kind   tokenKind
	text   string // unquoted
	quoted bool   // a name in double quotes, which is no keyword
	at     int    // byte position in the filter
}

func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// keyword says whether the token is the given word, in any case.
func (t token) keyword(word string) bool {
	return t.kind == tokenName && !t.quoted && strings.EqualFold(t.text, word)
}

// Mistake is what is wrong with a condition: an error.
type Mistake struct {
	At         int // byte, from 0
	Reason     string
	Suggestion string   // what to write instead
	Nearest    []string // names that were perhaps meant
}

func (e *Mistake) Error() string { return fmt.Sprintf("at byte %d: %s", e.At+1, e.Reason) }

// scan splits a filter into tokens. The last one is the end.
func scan(s string) ([]token, error) {
	if len(s) > maxBytes {
		return nil, &Mistake{Reason: fmt.Sprintf("the filter has %d bytes", len(s)), Suggestion: fmt.Sprintf("at most %d are allowed", maxBytes)}
	}
	if !utf8.ValidString(s) {
		return nil, &Mistake{Reason: "the filter is not UTF-8", Suggestion: "encode it as UTF-8"}
	}
	var tokens []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'' || c == '"':
			text, end, err := scanQuoted(s, i)
			if err != nil {
				return nil, err
			}
			t := token{kind: tokenText, text: text, at: i}
			if c == '"' {
				t.kind, t.quoted = tokenName, true
			}
			tokens, i = append(tokens, t), end
		case c == '-' || c == '.' || isDigit(c):
			end := i + 1
			for end < len(s) && (isWord(s[end]) || s[end] == '.' || (s[end] == '-' || s[end] == '+') && (s[end-1] == 'e' || s[end-1] == 'E')) {
				end++
			}
			tokens, i = append(tokens, token{kind: tokenNumber, text: s[i:end], at: i}), end
		case isWord(c):
			end := i + 1
			for end < len(s) && isWord(s[end]) {
				end++
			}
			tokens, i = append(tokens, token{kind: tokenName, text: s[i:end], at: i}), end
		default:
			sign := scanSign(s[i:])
			if sign == "" {
				r, _ := utf8.DecodeRuneInString(s[i:])
				return nil, &Mistake{At: i, Reason: fmt.Sprintf("%q has no meaning in a filter", r), Suggestion: "write dimension = 'value'; combine with and, or, not and parentheses"}
			}
			tokens = append(tokens, token{kind: tokenSign, text: sign, at: i})
			i += len(sign)
		}
	}
	return append(tokens, token{at: len(s)}), nil
}

// scanQuoted reads a quoted text that begins at i; the quote is written twice inside.
func scanQuoted(s string, i int) (text string, end int, err error) {
	quote := s[i]
	var b strings.Builder
	for j := i + 1; j < len(s); j++ {
		if s[j] != quote {
			b.WriteByte(s[j])
			continue
		}
		if j+1 < len(s) && s[j+1] == quote {
			b.WriteByte(quote)
			j++
			continue
		}
		return b.String(), j + 1, nil
	}
	return "", 0, &Mistake{At: i, Reason: fmt.Sprintf("the quote %c is not closed", quote), Suggestion: fmt.Sprintf("add %c after the text; inside it, write it twice", quote)}
}

func scanSign(s string) string {
	for _, sign := range [...]string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(s, sign) {
			return sign
		}
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c >= utf8.RuneSelf
}
