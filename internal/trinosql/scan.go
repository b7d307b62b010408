package trinosql

import (
	"fmt"
	"regexp"
	"strings"
)

// kind is what a token is.
type kind uint8

const (
	end kind = iota
	word
	quotedName
	textual
	number
	symbol
)

// token is one piece of an expression; words are lower-cased, quoted names and texts are without their quotes.
type token struct {
	kind kind
	text string
}

var pieces = regexp.MustCompile(`^(?:(\s+)|([A-Za-z_][A-Za-z0-9_]*)|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)|(::|<=|>=|<>|!=|==|\|\||//|[-+*/%=<>(),\[\]]))`)

// scan takes an expression apart.
func scan(expr string) ([]token, error) {
	var out []token
	for rest := expr; rest != ""; {
		m := pieces.FindStringSubmatchIndex(rest)
		if m == nil {
			return nil, &Error{What: fmt.Sprintf("%.1q is not known to the translation to Trino", rest)}
		}
		part := func(k int) string { return rest[m[2*k]:m[2*k+1]] }
		switch {
		case m[2*1] >= 0:
		case m[2*2] >= 0:
			out = append(out, token{word, strings.ToLower(part(2))})
			if m[1] < len(rest) && rest[m[1]] == '\'' && len(part(2)) == 1 {
				return nil, &Error{What: "texts with a letter before the quote are not known to the translation to Trino", Mend: "write the text itself"}
			}
		case m[2*3] >= 0:
			out = append(out, token{quotedName, strings.ReplaceAll(part(3), `""`, `"`)})
		case m[2*4] >= 0:
			out = append(out, token{textual, strings.ReplaceAll(part(4), "''", "'")})
		case m[2*5] >= 0:
			out = append(out, token{number, part(5)})
		default:
			out = append(out, token{symbol, part(6)})
		}
		rest = rest[m[1]:]
	}
	return out, nil
}
