package intake

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// FuzzLexer: the lexer takes what encoding/json takes, and its strings say the same.
func FuzzLexer(f *testing.F) {
	for _, s := range []string{
		`"plain"`, `"\"\\\/\b\f\n\r\t\u0041"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\n"`, `"\ude00\ud83d"`, `"\u12"`, `"\x"`, `"\`, `"`,
		"\"\x1f\"", "\"\x7f\"", `"é日本語"`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1e`, `1e+`, `1E-7`, `-1.50e+10`, `true`, `tru`, `nul`, `nulll`, `{}`, `{"a":1,}`, `{"a" 1}`, `{,}`, `[1,]`,
		`[]`, `[[[]]]`, `{"a":{"b":[null,true,false,{}]}}`, " \t\r\n1 ", "\v1", `1 2`, `{"a":1}}`, ``, "\x00", `"12345678901234567\"890"`, `"1234567\u0000"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			return
		}
		l := lexer{b: b}
		ok := l.skip() && (l.end() || l.unexpected("the end"))
		if ok != json.Valid(b) {
			t.Fatalf("%q: got %v (%s)", b, ok, l.wrong)
		}
		if ok == (l.wrong != "") || !utf8.ValidString(l.wrong) {
			t.Fatalf("%q: %v, because %q", b, ok, l.wrong)
		}
		var want string
		if trimmed := bytes.TrimSpace(b); ok && trimmed[0] == '"' {
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			l.reset(b)
			l.space()
			if got, ok := l.str(); !ok || string(got) != want {
				t.Fatalf("%q: got %q, want %q", b, got, want)
			}
		}
	})
}

// Texts made of pieces that matter, where random bytes seldom come to be JSON.
func TestTheLexerTakesWhatEncodingJSONTakes(t *testing.T) {
	pieces := rapid.SampledFrom([]string{`"`, `"a"`, `"key":`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, `0`, `12`, `-`, `.5`, `e3`, `E+`, `true`, `null`, `fals`, `\`, `\u00`, `\ud800`, `\n`, "\n", "\x01", "é", `abcdefgh`, `{}`, `[1]`})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "pieces"), "")
		if rapid.Bool().Draw(t, "as a string") {
			s = `"` + s + `"`
		}
		l := lexer{b: []byte(s)}
		if ok := l.skip() && l.end(); ok != json.Valid([]byte(s)) {
			t.Fatalf("%q: got %v (%s)", s, ok, l.wrong)
		}
		l.reset([]byte(s))
		if got, ok := l.str2(); ok {
			var want string
			if err := json.Unmarshal([]byte(s), &want); err != nil || string(got) != want {
				t.Fatalf("%q: got %q, want %q, %v", s, got, want, err)
			}
		}
	})
}

// str2 reads a text that is one string.
func (l *lexer) str2() ([]byte, bool) {
	if l.space() != '"' {
		return nil, false
	}
	s, ok := l.str()
	return s, ok && l.end()
}

func TestNestingIsLimitedAsInEncodingJSON(t *testing.T) {
	for _, n := range []int{maxDepth, maxDepth + 1} {
		b := []byte(strings.Repeat("[", n) + strings.Repeat("]", n))
		l := lexer{b: b}
		if ok := l.skip(); ok != json.Valid(b) {
			t.Errorf("%d deep: got %v", n, ok)
		}
	}
}
