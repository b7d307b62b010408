package testservices

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Browser is a headless Chromium. It is driven over two pipes by its DevTools protocol: JSON messages that end in a zero byte.
type Browser struct {
	process *process
	to      *os.File

	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	tabs    map[string]*Tab // by session
	ended   error
}

// message is what goes over the pipes: a command, the reply to one, or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

type reply struct {
	result json.RawMessage
	err    error
}

var sharedChromium = sync.OnceValues(StartChromium)

// Chromium returns the browser that the tests of one binary share. A machine that has none skips the test, loudly; under CI=true it fails.
func Chromium(tb testing.TB) *Browser {
	tb.Helper()
	b, err := sharedChromium()
	if err != nil {
		Missing(tb, "Chromium", err)
	}
	return b
}

// Axe returns the script of axe-core, which finds what keeps people from using a page. A machine that has none skips the test, loudly; under
// CI=true it fails.
func Axe(tb testing.TB) string {
	tb.Helper()
	root, err := Root()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(root, ".services", "axe", "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(path); err != nil {
		Missing(tb, "axe-core", fmt.Errorf("it is not installed: %w", err))
	}
	return path
}

// StartChromium starts Debian's chromium, or the program that CAUDAL_TEST_CHROMIUM names.
func StartChromium() (*Browser, error) {
	program := os.Getenv("CAUDAL_TEST_CHROMIUM")
	if program == "" {
		program = "chromium"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not on the path: run make services", ErrNotInstalled, program)
	}
	p, err := newProcess("chromium")
	if err != nil {
		return nil, err
	}
	fromUs, toBrowser, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe to the browser: %w", err)
	}
	fromBrowser, toUs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe from the browser: %w", err)
	}
	p.args = []string{path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-first-run", "--hide-scrollbars", "--font-render-hinting=none", "--lang=en-GB", "--user-data-dir=" + filepath.Join(p.dir, "profile"), "--remote-debugging-pipe", "about:blank"}
	p.extra = []*os.File{fromUs, toUs}
	if err := p.start(); err != nil {
		return nil, err
	}
	fromUs.Close()
	toUs.Close()
	b := &Browser{process: p, to: toBrowser, waiting: map[int]chan reply{}, tabs: map[string]*Tab{}}
	go b.read(fromBrowser)
	if err := b.call("", "Browser.getVersion", nil, nil); err != nil {
		p.Kill()
		return nil, fmt.Errorf("start chromium: %w: %s", err, p.tail())
	}
	return b, nil
}

// read takes what the browser says until it ends.
func (b *Browser) read(from *os.File) {
	defer from.Close()
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.end(fmt.Errorf("the browser has ended: %w", err))
			return
		}
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m); err != nil {
			b.end(fmt.Errorf("the browser says what is no JSON: %w", err))
			return
		}
		b.mu.Lock()
		waits, tab := b.waiting[m.ID], b.tabs[m.Session]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case waits != nil && m.Error != nil:
			waits <- reply{err: errors.New(m.Error.Message)}
		case waits != nil:
			waits <- reply{result: m.Result}
		case tab != nil:
			tab.note(m.Method, m.Params)
		}
	}
}

func (b *Browser) end(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = why
	for id, waits := range b.waiting {
		waits <- reply{err: why}
		delete(b.waiting, id)
	}
}

// callTime is how long the browser may take for one command.
const callTime = 30 * time.Second

// call gives a command to a session, to the browser itself where it is "", and reads the result into a value, unless that is nil.
func (b *Browser) call(session, method string, params, into any) error {
	waits := make(chan reply, 1)
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return b.ended
	}
	b.next++
	id := b.next
	b.waiting[id] = waits
	text, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: params})
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case r := <-waits:
		if r.err != nil {
			return fmt.Errorf("%s: %w", method, r.err)
		}
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(r.result, into); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		return nil
	case <-time.After(callTime):
		return fmt.Errorf("%s: no answer within %v", method, callTime)
	}
}
