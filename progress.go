package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// progress shows how far long work has come: one line that is rewritten on a terminal, a plain line every few seconds elsewhere.
type progress struct {
	out      *os.File
	what     string
	unit     string
	total    int64 // 0: not known
	began    time.Time
	shown    time.Time
	terminal bool
	width    int
}

func newProgress(out *os.File, what, unit string, total int64) *progress {
	return &progress{out: out, what: what, unit: unit, total: total, began: time.Now(), shown: time.Now(), terminal: isatty.IsTerminal(out.Fd())}
}

// at shows that done units of the work are done; extra is added to the line.
func (p *progress) at(done int64, extra string) {
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.shown) < every {
		return
	}
	p.shown = time.Now()
	p.line(done, extra)
}

// end shows the final figure and leaves the line.
func (p *progress) end(done int64, extra string) {
	p.line(done, extra)
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

func (p *progress) line(done int64, extra string) {
	text := fmt.Sprintf("%s: %s", p.what, grouped(done))
	if p.total > 0 {
		text += fmt.Sprintf(" of %s", grouped(p.total))
	}
	text += " " + p.unit
	if seconds := time.Since(p.began).Seconds(); seconds > 0.05 {
		text += fmt.Sprintf(", %s/s", grouped(int64(float64(done)/seconds)))
	}
	if extra != "" {
		text += ", " + extra
	}
	if !p.terminal {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprintf(p.out, "\r%-*s", p.width, text)
	p.width = len(text)
}

// grouped writes n with thin groups of three digits: 541,909.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
