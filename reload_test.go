package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// hangup reads the definitions of a role again, and waits until it has said that it did, or why not.
func (s *site) hangup(i *instance, says string) {
	s.t.Helper()
	before := s.said(i.role)
	i.signal(syscall.SIGHUP)
	s.awaitSaid(i.role, says, before)
}

// TestDefinitionsAreReadAgainOnAHangup: a view is added and a mistake saved while all roles run and visitors ask over connections that they keep: what is
// right is taken up without a question that fails, what is not is told and changes nothing.
func TestDefinitionsAreReadAgainOnAHangup(t *testing.T) {
	t.Parallel()
	s := siteOf(t, where{})
	s.produce(200)
	archive, speed, serve := s.listening("archive"), s.listening("speed"), s.listening("serve", "--sql", "")
	s.heals()
	v := visitOver(t, &http.Transport{}, serve.addr)
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
	t.Parallel()
	s := siteOf(t, where{})
	speed := s.listening("speed")
	path := filepath.Join(s.dir, "caudal.yaml")
	text, err := os.ReadFile(path)
	s.check(err)
	s.check(os.WriteFile(path, []byte(strings.Replace(string(text), "project: "+s.name, "project: other_"+fmt.Sprint(time.Now().UnixNano()), 1)), 0o644))
	s.hangup(speed, "is now named")
	speed.terminate()
}

// TestManyReloadsFailNobody reads the definitions of one process that serves again and again, while visitors ask over connections that they keep, and
// psql in one session: no question fails, no connection is lost, the session goes on, and what was asked before each reload has its answer.
func TestManyReloadsFailNobody(t *testing.T) {
	long(t)
	s := siteOf(t, where{})
	s.produce(200)
	s.listening("archive")
	s.listening("speed")
	port, err := net.Listen("tcp", "127.0.0.1:0")
	s.check(err)
	s.check(port.Close())
	serve := s.listening("serve", "--sql", port.Addr().String())
	s.heals()
	s.batch()
	dialled := &dials{}
	v := visitOver(t, &http.Transport{DialContext: dialled.dial, MaxIdleConnsPerHost: 10}, serve.addr)
	session := talk(t, "postgres://ann@"+port.Addr().String()+"/"+s.name+"?sslmode=disable")
	before := session.ask("SELECT sum(lines) FROM sales_1d")
	const reloads = 12
	for range reloads {
		s.hangup(serve, "read again")
		v.answered(20)
		if after := session.ask("SELECT sum(lines) FROM sales_1d"); after != before {
			t.Errorf("psql: %q, and before the reload %q", after, before)
		}
	}
	v.leave()
	t.Logf("%d reloads, %d answers over %d connections", reloads, v.answers, dialled.count.Load())
	if len(v.failures) > 0 || v.partial > 0 {
		t.Errorf("of %d questions these failed: %q; %d answers were partial", v.answers, v.failures, v.partial)
	}
	if n := dialled.count.Load(); n > 6 { // three visitors, and a connection that was dialled while another became free
		t.Errorf("%d connections were made: some were lost", n)
	}
	serve.terminate()
}

// dials counts the connections that are made.
type dials struct{ count atomic.Int64 }

func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.count.Add(1)
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// conversation is one session of psql.
type conversation struct {
	t       *testing.T
	say     io.Writer
	answers *bufio.Scanner
}

// talk begins a session.
func talk(t *testing.T, at string) *conversation {
	t.Helper()
	c := exec.Command(testservices.Psql(t), "-X", "-A", "-t", "-q", at)
	say, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = c.Stdout // the same pipe: what goes wrong is the answer
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		say.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("psql: %v", err)
		}
	})
	return &conversation{t, say, bufio.NewScanner(hear)}
}

// ask returns the line that answers a statement.
func (c *conversation) ask(sql string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.say, sql+";"); err != nil {
		c.t.Fatal(err)
	}
	if !c.answers.Scan() {
		c.t.Fatalf("psql has ended: %v", c.answers.Err())
	}
	return c.answers.Text()
}
