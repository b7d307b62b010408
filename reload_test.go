package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hangup reads the definitions of a role again, and waits until it has said that it did, or why not.
func (s *site) hangup(i *instance, says string) {
	s.t.Helper()
	before := s.said(i.role)
	i.signal(syscall.SIGHUP)
	s.awaitSaid(i.role, says, before)
}

// TestDefinitionsAreReadAgainOnAHangup: a view is added, a limit changed and a mistake saved while all roles run and visitors ask: what is right
// is taken up without a question that fails, what is not is told and changes nothing.
func TestDefinitionsAreReadAgainOnAHangup(t *testing.T) {
	s := siteOf(t, where{})
	s.produce(200)
	archive, speed, serve := s.listening("archive"), s.listening("speed"), s.listening("serve", "--sql", "")
	s.heals()
	v := visit(t, serve.addr)
	edit := func(path string, change func(text string) string) {
		path = filepath.Join(s.dir, path)
		text, err := os.ReadFile(path)
		if !errors.Is(err, os.ErrNotExist) {
			s.check(err)
		}
		s.check(os.WriteFile(path, []byte(change(string(text))), 0o644))
	}
	const read, refused = "read again", "cannot be run"
	edit("views/sales.yaml", func(text string) string { return strings.Replace(text, "agg: sum", "agg: summ", 1) })
	for _, i := range []*instance{speed, serve} {
		s.hangup(i, refused)
		s.check(isReady(i.addr))
	}
	edit("views/sales.yaml", func(text string) string { return strings.Replace(text, "agg: summ", "agg: sum", 1) })
	edit("views/rich.yaml", func(string) string {
		return "view: rich\nsource: orders\nwhere: amount >= 100\ndimensions: []\ngrains: [1d]\nmeasures:\n  - {name: lines, agg: count}\n"
	})
	for _, i := range []*instance{archive, speed, serve} {
		s.hangup(i, read)
		i.ready()
	}
	s.produce(200)
	s.until("the new view has its first batch", func() error {
		if _, err := s.tryBatch(); err != nil {
			return err
		}
		return v.once(t.Context(), serve.addr, "/v1/views/rich/query")
	})
	s.heals()
	v.leave()
	if len(v.failures) > 0 || v.partial > 0 || v.answers < 20 {
		t.Errorf("of %d questions these failed: %q; %d answers were partial", v.answers, v.failures, v.partial)
	}
	for _, i := range []*instance{archive, speed, serve} {
		i.terminate()
	}
}

// TestAReloadRefusesAnotherProject: a process goes on being what it is.
func TestAReloadRefusesAnotherProject(t *testing.T) {
	s := siteOf(t, where{})
	speed := s.listening("speed")
	path := filepath.Join(s.dir, "caudal.yaml")
	text, err := os.ReadFile(path)
	s.check(err)
	s.check(os.WriteFile(path, []byte(strings.Replace(string(text), "project: "+s.name, "project: other_"+fmt.Sprint(time.Now().UnixNano()), 1)), 0o644))
	s.hangup(speed, "is now named")
	speed.terminate()
}
