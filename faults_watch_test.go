package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/watch"
)

// watchedSite makes a site whose minutes are watched: an alert of those with more than two lines, and all rows to a topic once they are over.
func watchedSite(t *testing.T) *site {
	t.Helper()
	s := siteOf(t, where{})
	add := func(name, text string) {
		path := filepath.Join(s.dir, name)
		before, err := os.ReadFile(path)
		if !errors.Is(err, os.ErrNotExist) {
			s.check(err)
		}
		write(t, path, string(before)+text)
	}
	add("caudal.yaml", fmt.Sprintf("sinks: {ops: {kafka: %s.alerts}}\n", s.name))
	add("views/sales.yaml", fmt.Sprintf("emit: {to: %s.rows, on: close, measures: [lines, revenue], look_back: 30d}\n", s.name))
	add("alerts/busy.yaml", "alert: busy\nview: sales\nby: [country]\nwhen: \"lines > 2\"\non: close\nlook_back: 30d\nto: [ops]\n")
	return s
}

// topicOf reads all of a topic.
func (s *site) topicOf(name string) (values []json.RawMessage, err error) {
	ctx := s.t.Context()
	topic, err := s.parts.stream.Topic(ctx, s.name+"."+name)
	if err != nil {
		return nil, err
	}
	for _, p := range topic.Partitions {
		first, end, err := s.parts.stream.Bounds(ctx, topic.Name, p)
		if err != nil {
			return nil, err
		}
		r := s.parts.stream.Reader(topic.Name, p, first)
		for r.Offset() < end && err == nil {
			var records []stream.Record
			records, err = r.Fetch(ctx, 1000, 100*time.Millisecond, nil)
			for _, record := range records {
				values = append(values, append(json.RawMessage{}, record.Value...))
			}
		}
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// minutes are the rows of the minutes that are over, by time and country, as they are answered now.
func (s *site) minutes() (lines map[string]string, err error) {
	project, err := loadProject(s.t.Context(), s.dir)
	if err != nil {
		return nil, err
	}
	server, err := serving.New(serving.Config{Project: project, Lake: s.parts.lake, Live: s.parts.live, Stream: s.parts.stream, CacheDir: s.t.TempDir()})
	if err != nil {
		return nil, err
	}
	r, err := server.Query(s.t.Context(), serving.Query{View: "sales", Grain: "1m", Dimensions: []string{"country"}, Measures: []string{"lines"}, Limit: 1_000_000})
	if err = errors.Join(err, server.Close()); err != nil {
		return nil, err
	}
	if r.Provenance.Partial {
		return nil, errors.New("the answer is partial: " + r.Provenance.Reason)
	}
	watermark, err := time.Parse(time.RFC3339Nano, r.Provenance.Watermark)
	lines = map[string]string{}
	for _, row := range r.Rows {
		if at := time.UnixMicro(row[0].Int64()).UTC(); !at.Add(time.Minute).After(watermark) {
			lines[at.Format(time.RFC3339Nano)+" "+row[1].String()] = row[2].String()
		}
	}
	return lines, err
}

func labelOf(l alert.Labels, name string) string {
	if v, ok := l.Get(name); ok && v != nil {
		return *v
	}
	return "null"
}

// emitted compares the last word of the topic of rows with what is answered: each id is there once, and each row as it is.
func (s *site) emitted(lines map[string]string) error {
	values, err := s.topicOf("rows")
	if err != nil {
		return err
	}
	ids, last := map[string]bool{}, map[string]watch.Emitted{}
	for _, v := range values {
		var e watch.Emitted
		s.check(json.Unmarshal(v, &e))
		key := e.Time + " " + labelOf(e.Dimensions, "country")
		if ids[e.ID] || e.Sequence != last[key].Sequence+1 || e.Revision != (e.Sequence > 1) {
			s.t.Fatalf("row %s after %+v", v, last[key])
		}
		ids[e.ID], last[key] = true, e
	}
	for key, n := range lines {
		if got := labelOf(last[key].Measures, "lines"); got != n {
			return fmt.Errorf("of %s the topic has %s lines, and the answer %s", key, got, n)
		}
	}
	if len(last) != len(lines) {
		return fmt.Errorf("the topic has %d rows, and the answer %d", len(last), len(lines))
	}
	return nil
}

// alerted compares the topic of notices with what is kept, and that with what is answered: each notice is there once, and each minute that holds is told.
func (s *site) alerted(lines map[string]string) error {
	values, err := s.topicOf("alerts")
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, v := range values {
		var m struct{ Notices []alert.Notice }
		s.check(json.Unmarshal(v, &m))
		for _, n := range m.Notices {
			if told[n.ID] {
				s.t.Fatalf("notice %s is in the topic twice", n.ID)
			}
			told[n.ID] = true
		}
	}
	data, _, err := s.parts.lake.Note(s.t.Context(), serving.AlertNote("busy"))
	if err != nil {
		return err
	}
	var state alert.State
	if err := json.Unmarshal(data, &state); err != nil {
		return err
	}
	covered, notices := map[string]bool{}, 0
	for _, c := range state.Causes {
		if c.Fired.IsZero() {
			continue
		}
		notices++
		if !told[c.ID+"-firing"] {
			return fmt.Errorf("cause %s was not told", c.ID)
		}
		if c.Phase != alert.Firing {
			if told[c.ID+"-recovered"] {
				notices++
			}
			if told[c.ID+"-corrected"] {
				notices++
			}
			if !told[c.ID+"-"+string(c.Phase)] {
				return fmt.Errorf("the end of cause %s was not told", c.ID)
			}
		}
		for at := c.First(); at <= c.Last && c.Phase != alert.Corrected; at += time.Minute.Microseconds() {
			covered[time.UnixMicro(at).UTC().Format(time.RFC3339Nano)+" "+labelOf(c.Labels, "country")] = true
		}
	}
	if len(told) != notices {
		return fmt.Errorf("%d notices were told of %d that are kept", len(told), notices)
	}
	for key, n := range lines {
		if holds := len(n) > 1 || n > "2"; holds && !covered[key] {
			return fmt.Errorf("of %s with %s lines nobody was told", key, n)
		}
	}
	return nil
}

// watchedWell waits until the topics hold what is answered.
func (s *site) watchedWell() {
	s.t.Helper()
	s.until("the topics hold what is answered", func() error {
		lines, err := s.minutes()
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return errors.New("no minute is over")
		}
		return errors.Join(s.emitted(lines), s.alerted(lines))
	})
}

// TestFaultWatcherKilledBetweenAnyTwoSteps: kill -9 of who watches, at every step, while events come and batches run. No alert is lost and none told twice,
// and each row is in its topic once.
func TestFaultWatcherKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	s := watchedSite(t)
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(300)
	watcher := s.start("watch", none)
	s.watchedWell()
	watcher.kill()
	var cases []stepFault
	for _, step := range []string{"judged", "kept", "sent", "taken", "emitted"} {
		cases = append(cases, stepFault{step, 2, "kill"})
	}
	for i, c := range handful(cases, 1) {
		dying := s.start("watch", c)
		dying.killed(func() { s.produce(60) })
		if i%3 == 1 {
			s.batch()
		}
	}
	watcher = s.start("watch", none)
	s.produce(100)
	s.watchedWell()
	watcher.terminate()
	speed.terminate()
	archive.terminate()
}
