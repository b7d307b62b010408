package seamtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// chunks prints what the lake holds of each partition.
func (p *Player) chunks(c call) (string, error) {
	t, err := p.incarnation()
	if err != nil {
		return "", err
	}
	var lines []string
	for n := range p.partitions() {
		chunks, err := p.lake.Chunks(p.ctx, t, n, 0)
		if err != nil {
			return "", err
		}
		for _, k := range chunks {
			line := fmt.Sprintf("p%d [%d, %d): %d events, %d duplicates, %d late, %d dead letters;", n, k.First, k.Next, k.Events-k.Duplicates, k.Duplicates, k.Late, k.Dead)
			for _, f := range k.Files {
				kind := "segment"
				if f.Dead {
					kind = "dead letters"
				}
				line += fmt.Sprintf(" %s %s", kind, f.Date)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n"), p.compareLake()
}

// state prints what Redis holds of the view sales, or of the one named.
func (p *Player) state(c call) (string, error) {
	v, err := p.answering(c.name(0, "sales"))
	if err != nil {
		return "", err
	}
	if of := c.settings["of"]; of != "" && p.projects[of] != nil {
		v = p.projects[of].Views[slices.IndexFunc(p.projects[of].Views, func(w *view.View) bool { return w.Name == v.Name })]
	}
	var lines []string
	for n := range p.partitions() {
		m, ok, err := p.live.Peek(p.ctx, p.group(v, n))
		switch {
		case err != nil:
			return "", err
		case !ok:
			lines = append(lines, fmt.Sprintf("p%d nothing", n))
			continue
		}
		upTo := fmt.Sprint(m.Off)
		if m.Coarse != m.Off {
			upTo += fmt.Sprintf(", but for the grain 1m up to %d", m.Coarse)
		}
		lines = append(lines, fmt.Sprintf("p%d epochs from %v up to %s: %d events, %d duplicates, %d late, %d dead letters", n, m.Starts, upTo,
			m.Counts.Events, m.Counts.Duplicates, m.Counts.Late, m.Counts.Dead)+limitsCount(m.Counts))
	}
	return strings.Join(lines, "\n"), nil
}

// redisWord is "redis loses|away|back|hiccup".
func (p *Player) redisWord(c call) (string, error) {
	switch c.name(0, "") {
	case "loses":
		p.redis.FlushAll()
		p.forgotten()
	case "away":
		p.gate.set(true)
	case "back":
		p.gate.set(false)
	case "hiccup":
		p.gate.hiccup()
	default:
		return "", fmt.Errorf("redis %s: what?", c.name(0, ""))
	}
	return "", nil
}

// retention is "retention OFFSET": Kafka forgets the records of partition 0 below it.
func (p *Player) retention(c call) (string, error) {
	before, err := strconv.ParseInt(c.name(0, ""), 10, 64)
	if err != nil {
		return "", fmt.Errorf("retention takes an offset: %w", err)
	}
	_, _, err = p.retain(0, func(int64, int64) int64 { return before })
	return "", err
}

// lakeWord is "lake of=PROCESS FAULT…": the next writes of that process fail so.
func (p *Player) lakeWord(c call) (string, error) {
	of := c.settings["of"]
	if of == "" {
		return "", errors.New("say of=batch, of=serving or of= the name of a worker or archive")
	}
	for _, name := range c.names {
		if name == "read-error" {
			name = string(readError)
		}
		p.store(of).fail(Fault(name))
	}
	return "", nil
}

// logWord prints what the naive fold says of every record.
func (p *Player) logWord(c call) (string, error) {
	ends, err := p.ends()
	if err != nil {
		return "", err
	}
	logs, err := p.foldsOfLife(ends)
	if err != nil {
		return "", err
	}
	var lines []string
	for n := range p.partitions() {
		for off, v := range logs[n].verdicts {
			text := "event"
			switch {
			case v.dead:
				text = "dead letter"
			case v.duplicate:
				text = "duplicate"
			case v.late:
				text = "late"
			}
			lines = append(lines, fmt.Sprintf("p%d@%d %s", n, off, text))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// deadLetters prints the dead letters of the lake.
func (p *Player) deadLetters(c call) (string, error) {
	t, err := p.incarnation()
	if err != nil {
		return "", err
	}
	var lines []string
	for n := range p.partitions() {
		chunks, err := p.lake.Chunks(p.ctx, t, n, 0)
		if err != nil {
			return "", err
		}
		for _, k := range chunks {
			for _, f := range k.Files {
				if !f.Dead {
					continue
				}
				path, err := p.lake.Fetch(p.ctx, f.Key, f.SHA256)
				if err != nil {
					return "", err
				}
				letters, err := lake.ReadDeadLetters(path)
				if err != nil {
					return "", err
				}
				for _, d := range letters {
					lines = append(lines, fmt.Sprintf("p%d@%d %s %s: %s", d.Partition, d.Offset, d.Reason, d.Field, d.Raw))
				}
			}
		}
	}
	return strings.Join(lines, "\n"), nil
}

// ledger prints what the current snapshot's run found out about speed versus batch.
func (p *Player) ledger(c call) (string, error) {
	v, err := p.answering("sales")
	if err != nil {
		return "", err
	}
	m, _, err := p.lake.Current(p.ctx, v.Name, v.Hash)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, f := range m.Ledger {
		path, err := p.lake.Fetch(p.ctx, f.Key, f.SHA256)
		if err != nil {
			return "", err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		l, err := ledger.Decode(body)
		if err != nil {
			return "", err
		}
		if !l.Comparable {
			lines = append(lines, "not comparable: "+l.Reason)
			continue
		}
		lines = append(lines, fmt.Sprintf("%d cells compared from %s to %s, %d unexplained", l.Cells, offsetsText(l.From), offsetsText(l.To), l.Unexplained))
		if c.settings["measures"] != "" {
			slices.SortStableFunc(l.Entries, func(a, b ledger.Entry) int {
				return cmp.Or(a.Time.Compare(b.Time), strings.Compare(entryCell(a), entryCell(b)))
			})
		}
		for _, e := range l.Entries {
			var causes []string
			for _, part := range e.Parts {
				causes = append(causes, string(part.Class))
			}
			switch measures := c.settings["measures"]; {
			case measures == "":
				lines = append(lines, fmt.Sprintf("%s %s: %s, then %s by %s", e.Time.UTC().Format("01-02 15:04"), e.Measure, compact(e.Before), compact(e.After), strings.Join(causes, " and ")))
			case slices.Contains(strings.Split(measures, ","), e.Measure):
				lines = append(lines, entryText(e))
			}
		}
	}
	return strings.Join(lines, "\n"), nil
}

// compact is JSON in one line.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return err.Error()
	}
	return b.String()
}

// entryText is a line of a ledger: the cell, the measure before and after, and what each cause has in the difference.
func entryText(e ledger.Entry) string {
	line := fmt.Sprintf("%s %s %s %s → %s:", e.Time.UTC().Format("01-02 15:04"), entryCell(e), e.Measure, e.Before, e.After)
	for _, part := range e.Parts {
		line += fmt.Sprintf(" %s %s", part.Class, part.Amount)
	}
	return line
}

// entryCell is the country of an entry. A text that looks like the value that stands for many is quoted.
func entryCell(e ledger.Entry) string {
	country, ok := e.Dimensions["country"]
	if !ok {
		return "all"
	}
	if text := strings.Trim(string(country), `"`); text != algebra.OtherText || len(e.Folded) > 0 {
		return text
	}
	return string(country)
}

// asked waits until somebody asks for a batch, and prints the views and causes.
func (p *Player) asked(c call) (string, error) {
	var lines []string
	err := p.until("that a batch is asked for", func() error {
		asks, err := p.lake.BatchAsked(p.ctx)
		if err == nil && len(asks) == 0 {
			err = errors.New("nobody asks for a batch")
		}
		lines = lines[:0]
		for _, a := range asks {
			lines = append(lines, fmt.Sprintf("a batch of %s is asked for: %s", a.View, a.Cause))
		}
		return err
	})
	return strings.Join(lines, "\n"), err
}

// heal waits until every partition of every view is served whole again, up to the log's end.
func (p *Player) heal(c call) (string, error) {
	if err := p.flushed(); err != nil {
		return "", err
	}
	ends, err := p.ends()
	return "served whole up to " + offsetsText(ends), err
}

// partitionsOf reads a script's first line "# partitions: 2", and "# views: both".
func partitionsOf(text string) (partitions int, both bool) {
	partitions = 1
	for line := range strings.Lines(text) {
		if number, ok := strings.CutPrefix(strings.TrimSpace(line), "# partitions: "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				partitions = n
			}
		}
		both = both || strings.TrimSpace(line) == "# views: both"
	}
	return partitions, both
}

// newPlayer starts the world that a script asks for.
func newPlayer(w *World) *Player {
	return &Player{World: w, newest: time.Date(2026, 3, 28, 9, 0, 0, 0, time.UTC)}
}
