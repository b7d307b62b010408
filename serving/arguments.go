package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// arguments are what a request gives for the parameters of its route: string, []string, int or bool, as the parameter's kind says. What is
// absent was not given.
type arguments map[string]any

func (a arguments) text(name string) string {
	text, _ := a[name].(string)
	return text
}

func (a arguments) list(name string) []string {
	list, _ := a[name].([]string)
	return list
}

func (a arguments) truth(name string) bool {
	truth, _ := a[name].(bool)
	return truth
}

// whole is a number that was given, or else another.
func (a arguments) whole(name string, otherwise int) int {
	if n, ok := a[name].(int); ok {
		return n
	}
	return otherwise
}

func (a arguments) has(name string) bool { return a[name] != nil }

// readArguments reads the parameters from the URL, or from a JSON body where the request is a POST of one. What is not known is refused, so
// that a slip is not an answer to another question. more reads a parameter that the route does not name; nil: there are none.
func (rt *route) readArguments(r *http.Request, more func(name, text string) error) (arguments, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("", "percent-encode what is not plain text", "the query string cannot be read: %v", err)
	}
	names := sortedNames(given)
	a := arguments{}
	if rt.body != nil && !rt.body.events {
		if len(names) > 0 {
			return nil, invalid(names[0], "put everything into the body", "parameters in the URL of a POST are not read")
		}
		err = rt.readBody(r, a)
	} else {
		for _, name := range names {
			if err = rt.readText(a, name, given[name], more); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for _, p := range rt.parameters {
		if p.required && p.in == inQuery && !a.has(p.name) {
			return nil, invalid(p.name, "give "+p.description, "%s is not given", p.name)
		}
	}
	return a, nil
}

// readText reads one parameter of the URL.
func (rt *route) readText(a arguments, name string, values []string, more func(name, text string) error) error {
	p := rt.find(name)
	switch {
	case p == nil && more == nil:
		return unknown(name, "parameter", name, rt.names())
	case p != nil && p.kind == isList:
		list := splitList(values)
		for _, text := range list {
			if !utf8.ValidString(text) {
				return notText(name)
			}
		}
		a[name] = list
		return nil
	case len(values) > 1:
		return invalid(name, "give it once", "%s is given %d times", name, len(values))
	}
	text := values[0]
	if !utf8.ValidString(text) {
		return notText(name)
	}
	if p == nil {
		return more(name, text)
	}
	switch p.kind {
	case isTruth:
		if text != "true" && text != "false" {
			return p.notTruth(text)
		}
		a[name] = text == "true"
	case isWhole:
		n, err := strconv.Atoi(text)
		if err != nil || n < p.least || n > p.most {
			return p.notWhole(text)
		}
		a[name] = n
	default:
		return p.put(a, text)
	}
	return nil
}

func notText(name string) error {
	return invalid(name, "send UTF-8", "%s holds bytes that are no text", name)
}

func (p *parameter) put(a arguments, text string) error {
	if p.values != nil && !slices.Contains(p.values, text) {
		return unknown(p.name, "value", text, p.values)
	}
	a[p.name] = text
	return nil
}

func (p *parameter) notTruth(text string) error {
	return invalid(p.name, "give true or false", "%q is neither true nor false", text)
}

func (p *parameter) notWhole(text string) error {
	return invalid(p.name, fmt.Sprintf("give %d to %d", p.least, p.most), "%q is no whole number in that range", text)
}

// splitList reads a=x,y&a=z as x, y, z. What begins with a quote goes on to the next one, commas and all; two of them stand for one.
func splitList(values []string) []string {
	list := []string{}
	for _, v := range values {
		for rest, more := v, true; more; {
			var part string
			if quoted, after, ok := cutQuoted(strings.TrimSpace(rest)); ok {
				list, rest, more = append(list, quoted), after, after != ""
				continue
			}
			part, rest, more = strings.Cut(rest, ",")
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// cutQuoted reads a text in quotes, up to the comma after it; false where there is none, so that a quote within a text is a letter like others.
func cutQuoted(text string) (quoted, after string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
			b.WriteByte(text[i])
		case strings.HasPrefix(text[i+1:], `"`):
			b.WriteByte('"')
			i++
		default:
			after = strings.TrimSpace(text[i+1:])
			if after != "" && after[0] != ',' {
				return "", "", false
			}
			return b.String(), strings.TrimPrefix(after, ","), true
		}
	}
	return "", "", false
}

// readBody reads the parameters from one JSON object. The names of the path's parameters may stand in it too, if they say the same.
func (rt *route) readBody(r *http.Request, a arguments) error {
	if err := rt.checkMedia(r); err != nil {
		return err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyProblem(err)
	}
	if !utf8.Valid(text) {
		return invalid("", "send UTF-8", "the body is no text")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		reason := "it is null"
		if err != nil {
			reason = strings.TrimPrefix(err.Error(), "json: ")
		}
		return invalid("", `send one object such as {"measures": ["revenue"], "grain": "1d"}`, "the body is no JSON query: %s", reason)
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := rt.readMember(r, a, name, members[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkMedia refuses a body that says to be something else than the route reads. One that says nothing is taken for the first that it reads.
func (rt *route) checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil || !slices.Contains(rt.body.types, media) {
		p := newProblem(http.StatusUnsupportedMediaType, "unsupported-media-type", "The body is of a type that is not read here", "",
			fmt.Sprintf("the body is of type %q", given), "send "+strings.Join(rt.body.types, " or "))
		p.Nearest = rt.body.types
		return p
	}
	return nil
}

// readMember reads one member of the object.
func (rt *route) readMember(r *http.Request, a arguments, name string, raw json.RawMessage) error {
	p := rt.find(name)
	wrong := func(want string) error {
		return invalid(name, "see docs/api.md for the types", "%s stands where %s is expected", clipped(raw), want)
	}
	switch {
	case p == nil && r.PathValue(name) != "":
		var same string
		if json.Unmarshal(raw, &same) != nil || same != r.PathValue(name) {
			return invalid(name, "leave it out of the body", "the body names %s %s, the path %q", name, clipped(raw), r.PathValue(name))
		}
		return nil
	case p == nil:
		return unknown(name, "field", name, rt.names())
	case string(raw) == "null":
		return wrong("a value")
	case p.kind == isList:
		list := []string{}
		if err := readTexts(raw, &list); err != nil {
			return wrong("a list of texts")
		}
		a[name] = list
	case p.kind == isTruth:
		var truth bool
		if err := json.Unmarshal(raw, &truth); err != nil {
			return wrong("true or false")
		}
		a[name] = truth
	case p.kind == isWhole:
		var n json.Number
		if raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
			return wrong("a whole number")
		}
		at, ok := wholeOf(n)
		if !ok || at < p.least || at > p.most {
			return p.notWhole(string(n))
		}
		a[name] = at
	default:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return wrong("a text")
		}
		return p.put(a, text)
	}
	return nil
}

// readTexts reads a list of which no element is null.
func readTexts(raw json.RawMessage, list *[]string) error {
	var elements []*string
	if err := json.Unmarshal(raw, &elements); err != nil {
		return err
	}
	for _, e := range elements {
		if e == nil {
			return errors.New("null in a list")
		}
		*list = append(*list, *e)
	}
	return nil
}

// wholeOf is a JSON number that is whole, however written.
func wholeOf(n json.Number) (int, bool) {
	if i, err := strconv.Atoi(string(n)); err == nil {
		return i, true
	}
	f, err := n.Float64()
	return int(f), err == nil && f == float64(int32(f))
}

// clipped is a JSON value as an error quotes it.
func clipped(raw json.RawMessage) string {
	const most = 64
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "…"
	}
	return string(raw)
}

// bodyProblem says why a body could not be read.
func bodyProblem(err error) error {
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", "The request is too large", "", fmt.Sprintf("the body has more than %d bytes", tooBig.Limit), "send less at once")
	}
	return invalid("", "send it again", "the body could not be read: %v", err)
}
