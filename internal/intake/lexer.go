package intake

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// lexer takes JSON (RFC 8259) apart in one pass. The text must be UTF-8, which the caller has checked. Methods that return ok = false
// leave the cause in wrong.
//
// It is here, and not a library, because the verdict on a record, down to the words of a dead letter, must not change with a library's
// version; and because decoding takes 380 ns of CPU with it where it took 565 with jx, which lexes every key and asks twice what comes next
// (8 columns, 175 bytes, one busy core).
type lexer struct {
	b       []byte
	at      int
	depth   int
	wrong   string
	scratch []byte // of the last string that had escapes
}

// maxDepth is how deep values may be nested; encoding/json has the same limit.
const maxDepth = 10000

func (l *lexer) reset(b []byte) { l.b, l.at, l.depth, l.wrong = b, 0, 0, "" }

// space goes over white space and returns the byte that follows, 0 at the end.
func (l *lexer) space() byte {
	for ; l.at < len(l.b); l.at++ {
		if c := l.b[l.at]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// end says whether nothing but white space is left.
func (l *lexer) end() bool {
	l.space()
	return l.at == len(l.b)
}

// unexpected notes what stands here in place of what was wanted.
func (l *lexer) unexpected(wanted string) bool {
	if l.at >= len(l.b) {
		l.wrong = fmt.Sprintf("it ends at byte %d, where %s should stand", len(l.b), wanted)
	} else {
		r, _ := utf8.DecodeRune(l.b[l.at:])
		l.wrong = fmt.Sprintf("%q at byte %d, where %s should stand", r, l.at, wanted)
	}
	return false
}

// str reads the string that begins here. The bytes are valid until the record or the lexer is used again.
func (l *lexer) str() (s []byte, ok bool) {
	from := l.at + 1
	l.at = l.run(from)
	if l.at < len(l.b) && l.b[l.at] == '"' {
		l.at++
		return l.b[from : l.at-1], true
	}
	l.scratch = l.scratch[:0]
	for l.at < len(l.b) {
		switch l.b[l.at] {
		case '"':
			l.scratch = append(l.scratch, l.b[from:l.at]...)
			l.at++
			return l.scratch, true
		case '\\':
			l.scratch = append(l.scratch, l.b[from:l.at]...)
			if !l.escape() {
				return nil, false
			}
		default:
			return nil, l.unexpected("a character of a string (control characters are escaped)")
		}
		from = l.at
		l.at = l.run(from)
	}
	return nil, l.unexpected("the end of a string")
}

// run returns the place of the first quote, backslash or control character from i on, eight bytes at a time: in each byte of stop, the
// high bit says so, and is right in the lowest byte that has it ("Determine if a word has a byte less than n", Bit Twiddling Hacks).
func (l *lexer) run(i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(l.b); i += 8 {
		x := binary.LittleEndian.Uint64(l.b[i:])
		q, s := x^ones*'"', x^ones*'\\'
		if stop := ((q-ones)&^q | (s-ones)&^s | (x-ones*' ')&^x) & highs; stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for ; i < len(l.b); i++ {
		if c := l.b[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return i
}

// escape reads the escape that begins here into scratch. Half of a surrogate pair without the other becomes U+FFFD, as in encoding/json.
func (l *lexer) escape() bool {
	const pairs = `""\\//b` + "\b" + `f` + "\f" + `n` + "\n" + `r` + "\r" + `t` + "\t"
	if l.at++; l.at == len(l.b) {
		return l.unexpected("an escape")
	}
	c := l.b[l.at]
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == c {
			l.scratch = append(l.scratch, pairs[i+1])
			l.at++
			return true
		}
	}
	r, ok := l.unit(l.at)
	if !ok {
		return l.unexpected("an escape")
	}
	l.at += 5
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if l.at < len(l.b) && l.b[l.at] == '\\' {
			if low, ok := l.unit(l.at + 1); ok {
				pair = utf16.DecodeRune(r, low)
			}
		}
		if r = pair; pair != utf8.RuneError {
			l.at += 6
		}
	}
	l.scratch = utf8.AppendRune(l.scratch, r)
	return true
}

// unit reads uXXXX at i.
func (l *lexer) unit(i int) (r rune, ok bool) {
	if i+5 > len(l.b) || l.b[i] != 'u' {
		return 0, false
	}
	for _, c := range l.b[i+1 : i+5] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads the number that begins here and returns its text.
func (l *lexer) number() (b []byte, ok bool) {
	from := l.at
	if l.b[l.at] == '-' {
		l.at++
	}
	if l.at < len(l.b) && l.b[l.at] == '0' {
		l.at++
	} else if !l.digits() {
		return nil, false
	}
	if l.at < len(l.b) && l.b[l.at] == '.' {
		l.at++
		if !l.digits() {
			return nil, false
		}
	}
	if l.at < len(l.b) && l.b[l.at]|0x20 == 'e' {
		l.at++
		if l.at < len(l.b) && (l.b[l.at] == '+' || l.b[l.at] == '-') {
			l.at++
		}
		if !l.digits() {
			return nil, false
		}
	}
	return l.b[from:l.at], true
}

// digits goes over at least one digit.
func (l *lexer) digits() bool {
	from := l.at
	for l.at < len(l.b) && l.b[l.at]-'0' <= 9 {
		l.at++
	}
	return l.at > from || l.unexpected("a digit")
}

// literal reads true, false or null, whichever begins with the byte here.
func (l *lexer) literal() bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if word[0] == l.b[l.at] {
			for i := range len(word) {
				if l.at == len(l.b) || l.b[l.at] != word[i] {
					return l.unexpected(word)
				}
				l.at++
			}
			return true
		}
	}
	return l.unexpected("a value")
}

// skip goes over the value that begins here.
func (l *lexer) skip() (ok bool) {
	switch kindOf(l.space()) {
	case jsonString:
		_, ok = l.str()
	case jsonNumber:
		_, ok = l.number()
	case jsonTrue, jsonFalse, jsonNull:
		ok = l.literal()
	case jsonObject:
		ok = l.nested('}', func() bool {
			if l.space() != '"' {
				return l.unexpected("a key")
			}
			if _, ok := l.str(); !ok {
				return false
			}
			return l.colon() && l.skip()
		})
	case jsonArray:
		ok = l.nested(']', l.skip)
	default:
		ok = l.unexpected("a value")
	}
	return ok
}

// nested goes over what stands between the bracket here and the one that ends it.
func (l *lexer) nested(end byte, member func() bool) bool {
	if l.depth++; l.depth > maxDepth {
		l.wrong = fmt.Sprintf("values nested deeper than %d", maxDepth)
		return false
	}
	l.at++
	if l.space() == end {
		l.at++
		l.depth--
		return true
	}
	for {
		if !member() {
			return false
		}
		more, ok := l.more(end)
		if !ok {
			return false
		}
		if !more {
			l.depth--
			return true
		}
	}
}

// colon goes over the colon between a key and its value.
func (l *lexer) colon() bool {
	if l.space() != ':' {
		return l.unexpected("a colon")
	}
	l.at++
	return true
}

// more goes over the comma before the next member or over the bracket that ends all.
func (l *lexer) more(end byte) (more, ok bool) {
	switch c := l.space(); c {
	case ',', end:
		l.at++
		return c == ',', true
	}
	return false, l.unexpected(fmt.Sprintf("a comma or %c", end))
}

// jsonKind is the kind of a JSON value; its first byte says which.
type jsonKind uint8

const (
	jsonNothing jsonKind = iota
	jsonString
	jsonNumber
	jsonTrue
	jsonFalse
	jsonNull
	jsonObject
	jsonArray
)

func kindOf(first byte) jsonKind {
	switch first {
	case '"':
		return jsonString
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return jsonNumber
	case 't':
		return jsonTrue
	case 'f':
		return jsonFalse
	case 'n':
		return jsonNull
	case '{':
		return jsonObject
	case '[':
		return jsonArray
	}
	return jsonNothing
}

// String names the kind with its article.
func (k jsonKind) String() string {
	return [...]string{"nothing", "a string", "a number", "a boolean", "a boolean", "null", "an object", "an array"}[k]
}
