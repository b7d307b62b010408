package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandsHelpHasAnExampleThatParses holds every command to an example, and every example to the command's flags and arguments.
func TestEveryCommandsHelpHasAnExampleThatParses(t *testing.T) {
	examples := 0
	each(newRoot(os.Stdout, os.Stderr, adjust{}), func(c *cobra.Command) {
		if strings.TrimSpace(c.Short) == "" || strings.TrimSpace(c.Example) == "" {
			t.Errorf("%s has no example, or says nothing of itself", c.CommandPath())
		}
		mine := false
		for _, words := range commandsIn(c.Example) {
			examples++
			found, err := parse(words)
			if err != nil {
				t.Errorf("the example %q of %s: %v", words, c.CommandPath(), err)
				continue
			}
			mine = mine || strings.HasPrefix(found.CommandPath(), c.CommandPath())
		}
		if !mine {
			t.Errorf("no example of %s is one of it", c.CommandPath())
		}
	})
	if examples < 40 {
		t.Errorf("%d examples were seen", examples)
	}
}

// parse finds the command that is called, and holds the call to its flags and arguments.
func parse(words []string) (*cobra.Command, error) {
	found, args, err := newRoot(os.Stdout, os.Stderr, adjust{}).Find(words[1:])
	if err == nil {
		err = found.ParseFlags(args)
	}
	if err == nil && found.Args != nil {
		err = found.Args(found, found.Flags().Args())
	}
	if err == nil {
		err = found.ValidateRequiredFlags()
	}
	return found, err
}

// TestTheCommandsOfTheReadmeParse holds the page that everybody reads first to what the binary takes.
func TestTheCommandsOfTheReadmeParse(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "    caudal ") {
			continue
		}
		for _, words := range commandsIn(line) {
			seen++
			if _, err := parse(words); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d commands were seen", seen)
	}
}

// each calls do for a command of ours and all below it.
func each(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		each(sub, do)
	}
}

// commandsIn are the calls of caudal in an example, as a shell takes them apart.
func commandsIn(example string) (calls [][]string) {
	for line := range strings.Lines(example) {
		var call []string
		for _, word := range shellWords(line) {
			if word == "|" || strings.HasPrefix(word, ">") || strings.HasPrefix(word, "#") {
				break
			}
			if call = append(call, word); call[0] != "caudal" {
				call = nil // a command before it
			}
		}
		if len(call) > 0 {
			calls = append(calls, call)
		}
	}
	return calls
}

// shellWords splits at blanks outside of quotes.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}
