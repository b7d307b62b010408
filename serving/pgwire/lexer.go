package pgwire

import "strings"

// token is one word, number, quoted text, operator sign or mark of a statement, without the blanks and comments around it.
type token struct {
	text  string
	at    int  // byte at which it begins
	quote bool // a text or a quoted name
}

// lex splits SQL into tokens as PostgreSQL does: comments nest, texts may be dollar-quoted, and E'…' knows the backslash. What is not
// closed reaches to the end; DuckDB then says so.
func lex(sql string) []token {
	var tokens []token
	for i := 0; i < len(sql); {
		next := skip(sql, i)
		if next > i {
			i = next
			continue
		}
		end, quoted := i+1, false
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			end, quoted = closing(sql, i+1, c, false), true
		case (c == 'e' || c == 'E') && i+1 < len(sql) && sql[i+1] == '\'':
			end, quoted = closing(sql, i+2, '\'', true), true
		case c == '$':
			end, quoted = dollar(sql, i)
		case isLetter(c):
			for end < len(sql) && (isLetter(sql[end]) || isDigit(sql[end]) || sql[end] == '$') {
				end++
			}
		case isDigit(c):
			for end < len(sql) && (isLetter(sql[end]) || isDigit(sql[end]) || sql[end] == '.') {
				end++
			}
		}
		tokens = append(tokens, token{sql[i:end], i, quoted})
		i = end
	}
	return tokens
}

// skip is the byte after the blank or comment that begins at i; i where there is none.
func skip(sql string, i int) int {
	switch {
	case strings.IndexByte(" \t\r\n\f\v", sql[i]) >= 0:
		return i + 1
	case strings.HasPrefix(sql[i:], "--"):
		if end := strings.IndexByte(sql[i:], '\n'); end >= 0 {
			return i + end + 1
		}
		return len(sql)
	case strings.HasPrefix(sql[i:], "/*"):
		depth := 0
		for ; i < len(sql); i++ {
			switch {
			case strings.HasPrefix(sql[i:], "/*"):
				depth++
				i++
			case strings.HasPrefix(sql[i:], "*/"):
				depth--
				i++
			}
			if depth == 0 {
				return i + 1
			}
		}
		return len(sql)
	}
	return i
}

// closing is the byte after the quote that closes what stands from i on; a doubled one closes nothing.
func closing(sql string, i int, quote byte, backslash bool) int {
	for ; i < len(sql); i++ {
		switch {
		case backslash && sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}

// dollar is the byte after a dollar-quoted text, or after a parameter such as $1.
func dollar(sql string, i int) (end int, quoted bool) {
	end = i + 1
	for end < len(sql) && (isLetter(sql[end]) || isDigit(sql[end])) {
		end++
	}
	if end < len(sql) && sql[end] == '$' && (end == i+1 || !isDigit(sql[i+1])) {
		tag := sql[i : end+1]
		if at := strings.Index(sql[end+1:], tag); at >= 0 {
			return end + 1 + at + len(tag), true
		}
		return len(sql), true
	}
	return end, false
}

func isLetter(c byte) bool { return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// split cuts SQL at its semicolons. Statements without a token are left out.
func split(sql string) [][]token {
	var statements [][]token
	var now []token
	for _, t := range append(lex(sql), token{text: ";"}) {
		if t.quote || t.text != ";" {
			now = append(now, t)
		} else if len(now) > 0 {
			statements, now = append(statements, now), nil
		}
	}
	return statements
}

// text is a statement without its comments. OPERATOR(pg_catalog.~) is written as the sign alone, which is all that DuckDB reads of it, and a type
// without the schema of PostgreSQL's own.
func text(tokens []token) string {
	var b strings.Builder
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if i > 0 && tokens[i-1].at+len(tokens[i-1].text) != t.at {
			b.WriteByte(' ')
		}
		if sign, after := operator(tokens, i); after > i {
			b.WriteString(" " + sign + " ")
			i = after - 1
			continue
		}
		if word(tokens, i) == "pg_catalog" && word(tokens, i+1) == "." && i > 0 && (tokens[i-1].text == ":" || word(tokens, i-1) == "as") {
			i++
			continue
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// operator reads OPERATOR ( name . sign ) at i: its sign, and the token after it; i where something else stands.
func operator(tokens []token, i int) (sign string, after int) {
	if i+4 >= len(tokens) || !strings.EqualFold(tokens[i].text, "operator") || tokens[i+1].text != "(" || tokens[i+3].text != "." {
		return "", i
	}
	for k := i + 4; k < len(tokens) && k < i+8; k++ {
		if tokens[k].text == ")" {
			return sign, k + 1
		}
		sign += tokens[k].text
	}
	return "", i
}

// word is token i in lower case; "" where there is none, or a quoted one.
func word(tokens []token, i int) string {
	if i >= len(tokens) || tokens[i].quote {
		return ""
	}
	return strings.ToLower(tokens[i].text)
}
