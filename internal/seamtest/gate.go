package seamtest

import (
	"io"
	"net"
	"sync"
)

// gate stands between the roles and Redis, so that Redis can be away without losing what it holds, and so that answers can be lost on
// their way back.
type gate struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu    sync.Mutex
	shut  bool
	pairs map[net.Conn]net.Conn
}

func openGate(target string) (*gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{listener: l, target: target, pairs: map[net.Conn]net.Conn{}}
	g.done.Go(g.accept)
	return g, nil
}

func (g *gate) addr() string { return g.listener.Addr().String() }

func (g *gate) accept() {
	for {
		in, err := g.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.target)
		if err != nil || !g.keep(in, out) {
			in.Close()
			if err == nil {
				out.Close()
			}
			continue
		}
		g.done.Go(func() { io.Copy(out, in); out.Close() })
		g.done.Go(func() { io.Copy(in, out); in.Close(); g.forget(in) })
	}
}

func (g *gate) keep(in, out net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.pairs[in] = out
	return true
}

func (g *gate) forget(in net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pairs, in)
}

// set opens or shuts the gate. Shutting it breaks the connections off; what Redis has read of them by then it carries out, and nobody
// learns of it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		g.breakOff()
	}
}

// hiccup breaks the connections off; new ones are let in.
func (g *gate) hiccup() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.breakOff()
}

func (g *gate) breakOff() {
	for in := range g.pairs {
		in.Close()
	}
}

func (g *gate) close() error {
	g.mu.Lock()
	g.shut = true
	for in, out := range g.pairs {
		in.Close()
		out.Close()
	}
	g.mu.Unlock()
	err := g.listener.Close()
	g.done.Wait()
	return err
}
