package seamtest

import (
	"fmt"
	"strings"
)

// A script is a text of paragraphs. Each begins with a command and its lines of input; behind a line of four dashes stands what it
// prints. Lines that begin with # before a command are for people.
type paragraph struct {
	comment []string
	command string
	input   []string
	output  []string
}

const dashes = "----"

// parseScript reads a script.
func parseScript(text string) (all []paragraph, err error) {
	var p paragraph
	answered := false
	flush := func() error {
		switch {
		case p.command != "" && !answered:
			return fmt.Errorf("command %q has no %s", p.command, dashes)
		case p.command != "" || len(p.comment) > 0:
			all = append(all, p)
		}
		p, answered = paragraph{}, false
		return nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch {
		case line == "":
			if err := flush(); err != nil {
				return nil, err
			}
		case answered:
			p.output = append(p.output, line)
		case line == dashes:
			answered = true
		case p.command == "" && strings.HasPrefix(line, "#"):
			p.comment = append(p.comment, line)
		case p.command == "":
			p.command = line
		default:
			p.input = append(p.input, line)
		}
	}
	return all, flush()
}

// formatScript writes a script as parseScript reads it.
func formatScript(all []paragraph) string {
	var b strings.Builder
	for i, p := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		lines := append([]string{}, p.comment...)
		if p.command != "" {
			lines = append(append(append(append(lines, p.command), p.input...), dashes), p.output...)
		}
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// call is a command taken apart: a word, then names and settings such as crash=after-cut.
type call struct {
	word     string
	names    []string
	settings map[string]string
	input    []string
}

func parseCall(p paragraph) call {
	c := call{settings: map[string]string{}, input: p.input}
	for i, part := range strings.Fields(p.command) {
		name, value, setting := strings.Cut(part, "=")
		switch {
		case i == 0:
			c.word = part
		case setting:
			c.settings[name] = value
		default:
			c.names = append(c.names, part)
		}
	}
	return c
}

// name is the i-th name, or a default.
func (c call) name(i int, otherwise string) string {
	if i < len(c.names) {
		return c.names[i]
	}
	return otherwise
}

// step is the setting of that name with spaces for dashes, where the speed layer's steps have spaces.
func (c call) step(name string) string { return strings.ReplaceAll(c.settings[name], "-", " ") }
