package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peak is the most memory that the process has had resident so far, in bytes.
func (l *life) peak() int64 {
	l.s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	l.s.check(err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			l.s.check(err)
			return kib << 10
		}
	}
	l.s.t.Fatal("the kernel does not say how much memory the process had")
	return 0
}

// TestAFloodIsReadInBoundedMemory: ten times the records come at once that came before. Kafka holds what is not yet read, so the roles take
// no more memory for ten times the backlog; the lag is made up, and every number is right.
func TestAFloodIsReadInBoundedMemory(t *testing.T) {
	long(t)
	const usual, more = 4000, 128 << 20 // orders; bytes that ten times their cells may take
	s := siteOf(t, where{asShipped: true})
	s.produce(200)
	roles := []*instance{s.listening("speed"), s.listening("archive")}
	s.heals()
	flood := func(orders int) (peaks []int64) {
		begun := time.Now()
		for range 10 {
			s.produce(orders / 10)
		}
		produced := time.Since(begun)
		s.until("the lag is made up", func() error { return s.shop.UpToDate(t.Context()) })
		for _, r := range roles {
			peaks = append(peaks, r.peak())
		}
		t.Logf("%d orders in %v, in the answers after %v; peak memory of speed %d MiB, of archive %d MiB",
			orders, produced.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), peaks[0]>>20, peaks[1]>>20)
		return peaks
	}
	before := flood(usual)
	for i, after := range flood(10 * usual) {
		if grown := after - before[i]; grown > more {
			t.Errorf("%s took %d MiB more for ten times the backlog", roles[i].role, grown>>20)
		}
	}
	s.batch()
	s.heals()
	for _, r := range roles {
		r.terminate()
	}
}
