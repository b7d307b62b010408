package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// instance is a role that listens, at an address that it keeps over its lives.
type instance struct {
	*life
	addr string
	args []string
}

// listening starts a role that listens, and waits until it is ready.
func (s *site) listening(role string, more ...string) *instance {
	s.t.Helper()
	addr, err := testservices.FreeAddr()
	s.check(err)
	i := &instance{addr: addr}
	i.args = append([]string{"run", role, "--http", i.addr}, more...)
	i.life = s.launch(role, none, nil, i.args...)
	i.ready()
	return i
}

// ready waits until /readyz says so.
func (i *instance) ready() {
	i.s.t.Helper()
	i.s.until(i.role+" is ready", func() error {
		select {
		case <-i.ended:
			i.s.t.Fatalf("%s ended by itself: %v", i.role, i.err)
		default:
		}
		return isReady(i.addr)
	})
}

func isReady(addr string) error {
	r, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, text)
	}
	return err
}

// again starts the role anew, at the same address.
func (i *instance) again() {
	i.s.t.Helper()
	i.life = i.s.launch(i.role, none, nil, i.args...)
}

// visitors ask processes that serve, as a balancer sends them: to each in turn that its /readyz calls ready, and to another where a connection
// is refused. Nothing else is tried again.
type visitors struct {
	addrs  []string
	client *http.Client
	done   sync.WaitGroup
	stop   context.CancelFunc

	mu       sync.Mutex
	turn     int
	ready    map[string]bool
	failures []string
	answers  int
	partial  int
	served   map[int]int64     // by partition, the most that any answer held
	since    map[int]time.Time // likewise, the last answer that held more than all before
	still    time.Duration     // the longest time without such an answer
}

// visit begins to ask processes that may end. Each question has a connection of its own: one that was dialled, kept and never used is closed by a
// server's shutdown after five seconds, and net/http does not try again what is sent on it for the first time in that moment.
func visit(t *testing.T, addrs ...string) *visitors {
	t.Helper()
	return visitOver(t, &http.Transport{DisableKeepAlives: true}, addrs...)
}

// visitOver begins to ask over the connections of a transport.
func visitOver(t *testing.T, connections *http.Transport, addrs ...string) *visitors {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &visitors{addrs: addrs, client: &http.Client{Timeout: 30 * time.Second, Transport: connections}, stop: cancel, ready: map[string]bool{}, served: map[int]int64{}, since: map[int]time.Time{}}
	for _, addr := range addrs {
		v.ready[addr] = true
		v.done.Go(func() { v.watch(ctx, addr) })
	}
	for _, question := range []string{"measures=lines&grain=1m&order=-time&limit=10", "measures=revenue,users&dimensions=country&grain=1h", "measures=lines&exact=true"} {
		v.done.Go(func() { v.ask(ctx, "/v1/views/sales/query?"+question) })
	}
	t.Cleanup(v.leave)
	return v
}

// leave ends the questions.
func (v *visitors) leave() {
	v.stop()
	v.done.Wait()
	v.client.CloseIdleConnections()
}

// watch looks ten times a second whether a process is ready.
func (v *visitors) watch(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		err := isReady(addr)
		v.mu.Lock()
		v.ready[addr] = err == nil
		v.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// next is the process whose turn it is; "" where none is ready.
func (v *visitors) next() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range v.addrs {
		v.turn++
		if addr := v.addrs[v.turn%len(v.addrs)]; v.ready[addr] {
			return addr
		}
	}
	return ""
}

// errNobodyReady is what becomes of a question when no process is ready.
var errNobodyReady = errors.New("no process is ready")

// ask asks a question again and again.
func (v *visitors) ask(ctx context.Context, path string) {
	for ctx.Err() == nil {
		addr := v.next()
		err := errNobodyReady
		if addr != "" {
			err = v.once(ctx, addr, path)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, syscall.ECONNREFUSED):
			v.mu.Lock()
			v.ready[addr] = false
			v.mu.Unlock()
		case err != nil:
			v.failed(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (v *visitors) failed(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failures = append(v.failures, time.Now().Format(time.TimeOnly)+" "+err.Error())
}

func (v *visitors) once(ctx context.Context, addr, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return err
	}
	r, err := v.client.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s: %s", addr, path, r.Status, text)
	}
	var answer struct {
		Provenance struct {
			Partial    bool
			Reason     string
			Partitions []struct {
				Partition int
				Served    int64
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.answers++; answer.Provenance.Partial {
		v.partial++
	}
	for _, p := range answer.Provenance.Partitions {
		if p.Served <= v.served[p.Partition] {
			continue
		}
		if since, known := v.since[p.Partition]; known {
			v.still = max(v.still, time.Since(since))
		}
		v.served[p.Partition], v.since[p.Partition] = p.Served, time.Now()
	}
	return nil
}

// answered waits until so many more questions were answered.
func (v *visitors) answered(more int) {
	count := func() int { v.mu.Lock(); defer v.mu.Unlock(); return v.answers + len(v.failures) }
	for upTo := count() + more; count() < upTo; {
		time.Sleep(5 * time.Millisecond)
	}
}

// standstill is the longest time so far without an answer that held more of a partition than all before, and begins to look anew.
func (v *visitors) standstill() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	longest := v.still
	v.still = 0
	for p, since := range v.since {
		longest = max(longest, time.Since(since))
		v.since[p] = time.Now()
	}
	return longest
}
