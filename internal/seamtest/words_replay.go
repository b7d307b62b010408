package seamtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/ledger"
)

// defineWord is "define NAME": the project's file holds another definition of sales from now on.
func (p *Player) defineWord(c call) (string, error) { return "", p.define(c.name(0, "")) }

// definitionsWord prints which definitions of sales are in use.
func (p *Player) definitionsWord(c call) (string, error) {
	a, _, err := p.lake.Active(p.ctx, "sales")
	if err != nil {
		return "", err
	}
	text := "answers come from " + p.nameOf(a.Definition)
	if a.Pending != "" {
		text += ", pending is " + p.nameOf(a.Pending)
	}
	if a.Previous != "" {
		text += ", previous is " + p.nameOf(a.Previous)
	}
	return text, nil
}

// replayWord is "replay RUN [switch] [grain=1h] [crash=STEP]".
func (p *Player) replayWord(c call) (string, error) {
	if at := c.settings["crash"]; at != "" {
		p.batches.crash(at)
	}
	done, err := p.replay(p.ctx, batch.ReplayOptions{RunID: c.name(0, ""), Switch: c.name(1, "") == "switch", Grain: c.settings["grain"]})
	return p.replayed(c, done, err)
}

// undoWord is "undo [crash=STEP]".
func (p *Player) undoWord(c call) (string, error) {
	if at := c.settings["crash"]; at != "" {
		p.batches.crash(at)
	}
	done, err := p.runner.Undo(p.ctx, "sales", batch.ReplayOptions{RunID: "undo", Grain: c.settings["grain"]})
	return p.replayed(c, done, p.unlockAfter(err))
}

// dropWord is "drop".
func (p *Player) dropWord(c call) (string, error) {
	done, err := p.runner.Drop(p.ctx, "sales")
	if err != nil {
		return "refused: " + brief(err), nil
	}
	var names []string
	for _, hash := range done.Definitions {
		names = append(names, p.nameOf(hash))
	}
	if len(names) == 0 {
		return "nothing to drop", nil
	}
	return "dropped: " + strings.Join(names, ", "), nil
}

// replayed prints what came of a replay: what was computed, what differs, and where answers come from.
func (p *Player) replayed(c call, done batch.Replayed, err error) (string, error) {
	switch {
	case errors.Is(err, errCrash):
		return "crashed at " + c.settings["crash"], nil
	case err != nil:
		return "refused: " + p.named(brief(err)), nil
	}
	var lines []string
	for _, v := range done.Rebuilt {
		lines = append(lines, p.ran(v))
	}
	if done.Difference != nil {
		lines = append(lines, differenceText(done.Difference)...)
	}
	said, err := p.definitionsWord(call{})
	return strings.Join(append(lines, said), "\n"), err
}

// differenceText is a ledger's answers before and after, a line each.
func differenceText(l *ledger.Ledger) []string {
	lines := []string{fmt.Sprintf("%d answers differ in %d cells of the records below %s", l.Changed, l.Cells, offsetsText(l.To))}
	if !l.Comparable {
		lines[0] += "; not comparable: " + l.Reason
	}
	for _, e := range l.Entries {
		if e.Measure != "lines" && e.Measure != "revenue" {
			continue
		}
		where := "all"
		if !e.Total {
			where = strings.Trim(string(e.Dimensions["country"]), `"`)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s -> %s, %s", e.Time.UTC().Format("01-02 15:04"), e.Grain, where, e.Measure,
			strings.Trim(string(e.Before), `"`), strings.Trim(string(e.After), `"`), strings.Trim(string(e.Parts[0].Class), `"`)))
	}
	return lines
}
