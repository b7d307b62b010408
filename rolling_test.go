package main

import (
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestARollingRestartLeavesNoGapInTheAnswers restarts every process of every role, two of each, one after the other, while orders come in and
// visitors ask: not one question fails, no answer is partial, and each is right.
func TestARollingRestartLeavesNoGapInTheAnswers(t *testing.T) {
	long(t)
	s := siteOf(t, where{})
	s.produce(300)
	var all []*instance
	for range 2 {
		all = append(all, s.listening("archive"), s.listening("speed"), s.listening("serve", "--notice", "1s", "--sql", ""))
	}
	s.heals()
	s.batch()
	s.ask() // which compares every number
	v := visit(t, all[2].addr, all[5].addr)
	s.underLoad(func() {
		for _, i := range all {
			v.standstill()
			begun := time.Now()
			i.terminate()
			ended := time.Since(begun)
			i.again()
			i.ready()
			t.Logf("%-8s ended %4d ms after SIGTERM, ready again after %4d ms; the longest time without a newer answer: %d ms",
				i.role, ended.Milliseconds(), time.Since(begun).Milliseconds(), v.standstill().Milliseconds())
		}
		s.batch()
	})
	v.leave()
	t.Logf("%d answers, %d failures, %d partial", v.answers, len(v.failures), v.partial)
	if len(v.failures) > 0 || v.partial > 0 || v.answers < 100 {
		t.Errorf("of %d questions these failed: %q; %d answers were partial", v.answers, v.failures, v.partial)
	}
	s.settles()
	for _, i := range all {
		i.terminate()
	}
}

// TestAProcessThatIsToldToStopSaysSoFirst: from SIGTERM on /readyz says that no more questions are to be sent, and those that come are answered.
func TestAProcessThatIsToldToStopSaysSoFirst(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	c := caudal(t, "run", "serve", "--project", d.dir, "--http", "127.0.0.1:0", "--notice", "2s", "--sql", "")
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	url := listening(t, log)
	awaitOK(t, url+"/readyz")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	get := func(path string) (status int, body string, closes bool) {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(text), r.Close
	}
	for {
		if status, _, closes := get("/readyz"); status == http.StatusServiceUnavailable {
			if !closes {
				t.Error("the connection is kept for more")
			}
			break
		}
	}
	if status, body, _ := get("/v1/views/sales/query"); status != http.StatusOK {
		t.Errorf("a question after SIGTERM: %d %s", status, body)
	}
	if status, _, _ := get("/livez"); status != http.StatusOK {
		t.Errorf("/livez after SIGTERM: %d", status)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it does not end well: %v", err)
	}
}
