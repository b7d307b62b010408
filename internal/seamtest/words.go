package seamtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving"
)

// Player plays a script. The words are explained in testdata/README.md.
type Player struct {
	*World
	newest time.Time // event time so far: the default of a record's own time
}

// words of a script.
func (p *Player) words() map[string]func(call) (string, error) {
	return map[string]func(call) (string, error){
		"produce": p.produce, "worker": p.worker, "zombie": p.zombie, "flush": p.flush, "archive": p.archive, "chunks": p.chunks,
		"batch": p.runBatch, "rollback": p.rollBack, "snapshots": p.snapshots, "query": p.query, "state": p.state, "redis": p.redisWord,
		"lake": p.lakeWord, "log": p.logWord, "dead-letters": p.deadLetters, "retention": p.retention, "ledger": p.ledger, "asked": p.asked,
		"heal": p.heal, "erase": p.erase, "find": p.find,
		"recreate-topic": p.recreateTopic, "add-partitions": p.morePartitions,
		"define": p.defineWord, "definitions": p.definitionsWord, "replay": p.replayWord, "undo": p.undoWord, "drop": p.dropWord,
	}
}

// play carries out one command and returns what it prints.
func (p *Player) play(para paragraph) (string, error) {
	c := parseCall(para)
	word := p.words()[c.word]
	if word == nil {
		return "", fmt.Errorf("no word %q; there are %s", c.word, strings.Join(slices.Sorted(maps.Keys(p.words())), ", "))
	}
	return word(c)
}

// parseTime reads 10:00, 10:00:30 (of 28 March 2026) or 03-27T10:00.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{"15:04", "15:04:05", "01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			if layout != "01-02T15:04" {
				return time.Date(2026, 3, 28, at.Hour(), at.Minute(), at.Second(), 0, time.UTC), nil
			}
			return time.Date(2026, at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 10:00 or 03-27T10:00", text)
}

// message makes the record of a line "id time country user amount [@record-time] [key=text…]", or of "broken text".
func (p *Player) message(line string) (stream.Message, error) {
	if text, ok := strings.CutPrefix(line, "broken "); ok {
		return stream.Message{Key: []byte("ann"), Value: []byte(text), Timestamp: p.newest.UnixMicro()}, nil
	}
	f, more := strings.Fields(line), ""
	for len(f) > 5 && strings.Contains(f[len(f)-1], "=") {
		key, value, _ := strings.Cut(f[len(f)-1], "=")
		f, more = f[:len(f)-1], more+fmt.Sprintf(",%q:%q", key, value)
	}
	if len(f) != 5 && len(f) != 6 {
		return stream.Message{}, fmt.Errorf("%q is not: id time country user amount [@record-time] [key=text…]", line)
	}
	at, err := parseTime(f[1])
	if err != nil {
		return stream.Message{}, err
	}
	if at.After(p.newest) {
		p.newest = at
	}
	recorded := p.newest
	if len(f) == 6 {
		if recorded, err = parseTime(strings.TrimPrefix(f[5], "@")); err != nil {
			return stream.Message{}, err
		}
	}
	country := ""
	if f[2] != "-" {
		country = fmt.Sprintf(`"country":%q,`, f[2])
	}
	body := fmt.Sprintf(`{"id":%q,"at":%d,%s"user":%q,"amount":%s%s}`, f[0], at.UnixMilli(), country, f[3], f[4], more)
	return stream.Message{Key: []byte(f[3]), Value: []byte(body), Timestamp: recorded.UnixMicro()}, nil
}

func (p *Player) produce(c call) (string, error) {
	before, err := p.ends()
	if err != nil {
		return "", err
	}
	producer := p.stream.Producer(topic)
	defer producer.Close()
	for _, line := range c.input {
		m, err := p.message(line)
		if err != nil {
			return "", err
		}
		if err := producer.Write(p.ctx, []stream.Message{m}); err != nil {
			return "", err
		}
	}
	after, err := p.ends()
	if err != nil {
		return "", err
	}
	var parts []string
	for n := range p.partitions() {
		if after[n] > before[n] {
			parts = append(parts, fmt.Sprintf("p%d [%d, %d)", n, before[n], after[n]))
		}
	}
	return strings.Join(parts, ", "), nil
}

// worker is "worker NAME start|stop|crash=STEP|freeze=STEP|wake".
func (p *Player) worker(c call) (string, error) { return p.workerOf(c, "") }

// zombie is worker for one that believes that it owns all partitions, whatever the group says.
func (p *Player) zombie(c call) (string, error) { return p.workerOf(c, "zombies-"+c.name(0, "")) }

func (p *Player) workerOf(c call, group string) (string, error) {
	name := c.name(0, "")
	if c.name(1, "") == "start" {
		at := calmPace()
		if c.settings["memory"] == "none" {
			at.memory = 1
		}
		if text := c.settings["coarse"]; text != "" {
			var err error
			if at.coarse, err = time.ParseDuration(text); err != nil {
				return "", err
			}
		}
		if c.settings["cells"] == "few" {
			at.cells = 3
		}
		return "", p.startWorker(name, group, at)
	}
	r := p.workers[name]
	if r == nil {
		return "", fmt.Errorf("no worker %q runs", name)
	}
	switch {
	case c.name(1, "") == "stop":
		r.stop()
		delete(p.workers, name)
	case c.name(1, "") == "dies":
		err := p.awaitEnd(r)
		delete(p.workers, name)
		return "", err
	case c.name(1, "") == "wake":
		r.steps.wake()
	case c.name(1, "") == "frozen":
		return "", r.steps.awaitHeld(p.ctx)
	case c.settings["crash"] != "":
		r.steps.crash(c.step("crash"))
	case c.settings["freeze"] != "":
		r.steps.hold(c.step("freeze"))
	default:
		return "", fmt.Errorf("worker %s: what?", name)
	}
	return "", nil
}

func (p *Player) flush(c call) (string, error) {
	if err := p.flushed(); err != nil {
		return "", err
	}
	ends, err := p.ends()
	return "Redis holds up to " + offsetsText(ends), err
}

// archive is "archive", which waits until the lake holds the log, or "archive NAME start|stop|ended|crash=STEP|freeze=STEP|frozen|wake".
func (p *Player) archive(c call) (string, error) {
	if len(c.names) == 0 {
		if err := p.archived(); err != nil {
			return "", err
		}
		ends, err := p.ends()
		return "the lake holds up to " + offsetsText(ends), err
	}
	name, group := c.names[0], ""
	if _, ok := c.settings["zombie"]; ok {
		group = "zombie-" + name
	}
	switch c.name(1, "") {
	case "start":
		size := 0
		if text := c.settings["records"]; text != "" {
			if _, err := fmt.Sscan(text, &size); err != nil {
				return "", err
			}
		}
		return "", p.startArchive(name, group, size)
	case "stop":
		return "", p.stopArchive(name)
	}
	k := p.keepers[name]
	switch {
	case k == nil:
		return "", fmt.Errorf("no archive %q runs", name)
	case c.settings["crash"] != "":
		k.steps.crash(c.settings["crash"])
	case c.settings["freeze"] != "":
		k.steps.hold(c.settings["freeze"])
	case c.name(1, "") == "ended":
		select {
		case <-k.ended:
			return p.named(brief(p.stopArchive(name))), nil
		case <-time.After(20 * time.Second):
			return "", errors.New("the archive goes on")
		}
	case c.name(1, "") == "frozen":
		p.closeChunks()
		return "", k.steps.awaitHeld(p.ctx)
	case c.name(1, "") == "wake":
		k.steps.wake()
	case c.name(1, "") == "crashed":
		p.closeChunks()
		return "", p.until("the crash", func() error {
			if k.steps.crashed() == 0 {
				return errors.New("the archive goes on")
			}
			return nil
		})
	default:
		return "", fmt.Errorf("archive %s: what?", name)
	}
	return "", nil
}

// runBatch is "batch RUN [full] [crash=STEP] [later=2h] [meanwhile=produce]".
func (p *Player) runBatch(c call) (string, error) {
	if at := c.settings["crash"]; at != "" {
		p.batches.crash(at)
	}
	o := batch.RunOptions{RunID: c.name(0, ""), Full: c.name(1, "") == "full"}
	if o.RunID == "" {
		return "", errors.New("a batch needs a name")
	}
	if text := c.settings["later"]; text != "" {
		later, err := time.ParseDuration(text)
		if err != nil {
			return "", err
		}
		o.Now = time.Now().Add(later)
	}
	if text := c.settings["meanwhile"]; text != "" {
		// The speed layer goes on while the batch works: produced between its cut and its publish.
		p.batches.passed = func(step string) {
			if step == "after-cut" {
				if _, err := p.produce(call{input: c.input}); err != nil {
					p.t.Error(err)
				}
			}
		}
		defer func() { p.batches.passed = nil }()
	}
	report, err := p.batch(o)
	switch {
	case errors.Is(err, errCrash):
		return "crashed at " + c.settings["crash"], nil
	case err != nil:
		return "refused: " + brief(err), nil
	}
	var lines []string
	for _, v := range report.Views {
		lines = append(lines, p.ran(v))
	}
	return strings.Join(lines, "\n"), nil
}

// ran says what a run did for a view, under one definition.
func (p *Player) ran(v batch.ViewReport) string {
	line := earlierText(v.Earlier) + v.View
	if v.Role != batch.Answering {
		line += fmt.Sprintf(" (%s %s)", v.Role, p.nameOf(v.Definition))
	}
	line += fmt.Sprintf(": snapshot %s of the records below %s: %d events, %d duplicates, %d late, %d dead letters", v.Snapshot, offsetsText(v.Cuts),
		v.Events-v.Duplicates, v.Duplicates, v.Late, v.Dead)
	if v.Merged > 0 {
		line += fmt.Sprintf("; %d epochs merged", v.Merged)
	}
	if v.Dropped > 0 {
		line += fmt.Sprintf("; %d epochs dropped", v.Dropped)
	}
	if v.Classes["coverage"] > 0 && len(v.Earlier) > 0 {
		line += "; answers changed by coverage"
	}
	if v.Unexplained > 0 {
		line += fmt.Sprintf("; %d answers changed and nobody knows why", v.Unexplained)
	}
	if strings.HasPrefix(v.Note, "this run") { // other notes are about the ledger, which has a word of its own
		line += "; " + v.Note
	}
	return line
}

// brief is an error without what differs from run to run.
func brief(err error) string {
	text := err.Error()
	if i := strings.Index(text, " until "); i >= 0 {
		text = text[:i]
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

func (p *Player) rollBack(c call) (string, error) {
	if err := p.rollback("sales", c.name(0, "")); err != nil {
		return "refused: " + brief(err), nil
	}
	return "", nil
}

func (p *Player) snapshots(c call) (string, error) {
	v, err := p.answering("sales")
	if err != nil {
		return "", err
	}
	all, current, err := p.lake.Snapshots(p.ctx, v.Name, v.Hash)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, m := range all {
		line := fmt.Sprintf("%s of %sthe records below %s", m.ID, earlierText(m.Earlier), offsetsText(m.Offsets()))
		if m.ID == current.Snapshot {
			line += fmt.Sprintf(", CURRENT, publication %d", current.Sequence)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), nil
}

// query is "query [VIEW] [grain=1h] [window=visits] [by=country] [exact=yes] [from=] [to=] [as-of=]", with a condition as its input. Whatever is printed has been compared with the naive fold.
func (p *Player) query(c call) (string, error) {
	q := serving.Query{View: c.name(0, "sales"), Grain: "1h"}
	if g := c.settings["grain"]; g != "" {
		q.Grain = strings.TrimPrefix(g, "none")
	}
	if q.View == "people" {
		q.Grain = "1d"
	}
	if q.Window = c.settings["window"]; q.Window != "" {
		q.Grain = ""
	}
	if by := c.settings["by"]; by != "" {
		q.Dimensions = []string{by}
	}
	if m := c.settings["measures"]; m != "" {
		q.Measures = strings.Split(m, ",")
	} else if q.View == "sales" {
		q.Measures = []string{"lines", "revenue"}
	}
	q.From, q.To, q.AsOf, q.Where = c.settings["from"], c.settings["to"], c.settings["as-of"], strings.Join(c.input, " ")
	q.Exact = c.settings["exact"] != ""
	r, err := p.ask(q, true)
	if problem := (*serving.Problem)(nil); errors.As(err, &problem) {
		return fmt.Sprintf("%d %s", problem.Status, brief(err)), nil
	}
	if err != nil {
		return "", err
	}
	return answerText(r), nil
}

// answerText is an answer for people: a line for each row, then where it comes from.
func answerText(r *serving.Result) string {
	var lines []string
	for i, row := range r.Rows {
		line := time.UnixMicro(row[0].Int64()).UTC().Format("01-02 15:04")
		for c, col := range r.Meta.Columns {
			switch {
			case col.Role == "end":
				line += time.UnixMicro(row[c].Int64()).UTC().Format(" to 01-02 15:04")
			case col.Role == "dimension":
				line += " " + dimensionText(row[c])
			case col.Role == "measure":
				sign := "="
				if _, estimate := r.Provenance.Rows[i].Bounds[col.Name]; estimate {
					sign = "≈"
				}
				line += fmt.Sprintf(" %s%s%s", col.Name, sign, row[c])
			}
		}
		lines = append(lines, line+" ("+r.Provenance.Rows[i].Source+limitsText(r.Provenance.Rows[i])+stateText(r, i)+")")
	}
	if s := r.Provenance.Scan; s != nil {
		return strings.Join(append(lines, scanText(r)), "\n")
	}
	below, served, before, gone, partial := map[int]int64{}, map[int]int64{}, "", "", ""
	for i, c := range r.Provenance.Partitions {
		if c.Incarnation == r.Provenance.Partitions[len(r.Provenance.Partitions)-1].Incarnation {
			below[c.Partition], served[c.Partition] = c.Batch, c.Served
			if len(c.Missing) > 0 {
				gone += fmt.Sprintf(", p%d%s", c.Partition, missingText(c.Missing))
			}
			continue
		}
		if i == 0 || r.Provenance.Partitions[i-1].Incarnation != c.Incarnation {
			before += fmt.Sprintf("life %d:", c.Incarnation)
		}
		before += fmt.Sprintf(" p%d below %d, up to %d%s;", c.Partition, c.Batch, c.Served, missingText(c.Missing))
	}
	if r.Provenance.Partial {
		reason, _, _ := strings.Cut(r.Provenance.Reason, ": ")
		partial = "; partial: " + reason
	}
	if r.Statistics.Late > 0 {
		partial = fmt.Sprintf("; %d late", r.Statistics.Late) + partial
	}
	return strings.Join(append(lines, fmt.Sprintf("snapshot %s %sbelow %s, live up to %s%s%s", r.Provenance.Snapshot, before, offsetsText(below), offsetsText(served), gone, partial)), "\n")
}
