package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader reads one file and collects what is wrong in it.
type reader struct {
	file     string
	lines    []string
	getenv   func(string) (string, bool)
	problems *Problems
}

// add notes a problem at the place of n.
func (r *reader) add(n *node, what, mend string) {
	*r.problems = append(*r.problems, Problem{File: r.file, Line: n.line, Column: n.column, What: what, Mend: mend})
}

// addAt notes a problem at a byte position inside the text of n, where that is a place in the file.
func (r *reader) addAt(n *node, pos int, what, mend string) {
	at := *n
	if n.direct && pos > 0 {
		at.column += len([]rune(n.text[:min(pos, len(n.text))]))
	}
	r.add(&at, what, mend)
}

// refused notes what one of the parsers of this package refused; their errors end in ": " and the mend.
func (r *reader) refused(n *node, of string, err error) {
	what, mend := err.Error(), ""
	if i := strings.LastIndex(what, ": "); i >= 0 {
		what, mend = what[:i], what[i+2:]
	}
	r.add(n, of+": "+what, mend)
}

// mapping checks that n is a mapping and has no key but the known ones. of names the thing, for messages.
func (r *reader) mapping(n *node, of string, known []string) bool {
	if n.shape != mapping {
		r.add(n, of+" is "+n.word(), "write it as a mapping with "+list(known))
		return false
	}
	for _, p := range n.pairs {
		if !slices.Contains(known, p.key) {
			mend := "the keys are " + list(known)
			if near := nearest(p.key, known); near != "" {
				mend = didYouMean(near)
			}
			r.add(p.at, quote("unknown key", p.key)+" in "+of, mend)
		}
	}
	return true
}

// require notes every key of want that n does not have.
func (r *reader) require(n *node, of string, want ...string) {
	for _, k := range want {
		if v := n.get(k); v == nil {
			r.add(n, of+" has no "+k, "add `"+k+": …`")
		}
	}
}

// text reads a single value; "" where it is missing or wrong.
func (r *reader) text(n *node, of string) string {
	switch {
	case n == nil:
		return ""
	case n.shape == null:
		r.add(n, of+" is empty", "give it a value, or leave the key out")
	case n.shape != scalar:
		r.add(n, of+" is "+n.word(), "write a single value")
	default:
		return n.text
	}
	return ""
}

// filled reads a single value that must not be empty text.
func (r *reader) filled(n *node, of string) string {
	s := strings.TrimSpace(r.text(n, of))
	if s == "" && n != nil && n.shape == scalar {
		r.add(n, of+" is empty", "give it a value, or leave the key out")
	}
	return s
}

// name reads a name that stands in paths, keys and SQL.
func (r *reader) name(n *node, of string, extra string) string {
	s := r.filled(n, of)
	if s == "" {
		return ""
	}
	ok := len(s) <= 63 && s[0] >= 'a' && s[0] <= 'z'
	for i := range len(s) {
		c := s[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || strings.IndexByte(extra, c) >= 0)
	}
	if !ok {
		mend := "a name is lower-case letters, digits and _, begins with a letter, and has at most 63 characters"
		r.add(n, quote(of, s)+" is no name", mend)
		return ""
	}
	return s
}

// integer reads a whole number in [low, high].
func (r *reader) integer(n *node, of string, missing, low, high int64) int64 {
	if n == nil {
		return missing
	}
	s := r.text(n, of)
	if s == "" {
		return missing
	}
	x, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n.quoted {
		r.add(n, quote(of, s)+" is no whole number", fmt.Sprintf("write one, e.g. %d", max(missing, low)))
		return missing
	}
	if x < low || x > high {
		r.add(n, fmt.Sprintf("%s %d is out of range", of, x), fmt.Sprintf("it is between %d and %d", low, high))
		return missing
	}
	return x
}

// boolean reads true or false.
func (r *reader) boolean(n *node, of string) bool {
	s := r.text(n, of)
	if n == nil || s == "" {
		return false
	}
	if n.quoted || s != "true" && s != "false" {
		r.add(n, quote(of, s)+" is neither true nor false", "write true or false")
	}
	return s == "true"
}

// duration reads a duration of at least low.
func (r *reader) duration(n *node, of string, missing, low time.Duration) time.Duration {
	s := r.text(n, of)
	if n == nil || s == "" {
		return missing
	}
	d, err := ParseDuration(s)
	if err != nil {
		r.add(n, of+": "+err.Error(), "write a number with a unit: 500ms, 90s, 10m, 1h30m, 7d")
		return missing
	}
	if d < low {
		r.add(n, quote(of, s)+" is too short", "it is at least "+FormatDuration(low))
		return missing
	}
	return d
}

// addresses reads a list of host:port. One value may hold several, split by commas, so that a variable can carry a whole list; an
// empty one holds none, so that `${BROKERS:-}` leaves the service out.
func (r *reader) addresses(n *node, of string) []string {
	if n == nil {
		return nil
	}
	if n.shape != sequence {
		r.add(n, of+" is "+n.word(), `write a list: ["host:port"]`)
		return nil
	}
	var out []string
	for _, item := range n.items {
		for s := range strings.SplitSeq(r.text(item, of), ",") {
			s = strings.TrimSpace(s)
			if s == "" {
				continue
			}
			host, port, ok := cutLast(s, ':')
			if x, err := strconv.Atoi(port); !ok || host == "" || err != nil || x < 1 || x > 65535 {
				r.add(item, quote("address", s)+" is no host:port", `write e.g. "localhost:9092"`)
				continue
			}
			out = append(out, s)
		}
	}
	return out
}

// cutLast cuts s at the last sep.
func cutLast(s string, sep byte) (string, string, bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// quote is a word and the text it speaks of.
func quote(word, text string) string { return word + " " + strconv.Quote(text) }

// list writes names as a reader says them.
func list(names []string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
