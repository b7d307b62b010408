package pgwire

import (
	"io"
	"net"
	"sync"
)

// readAhead bounds what a client may send before its statement is answered, in bytes.
const readAhead = 1 << 20

// pump reads a connection all the time, so that the end of it is seen while a statement is at work.
type pump struct {
	mu     sync.Mutex
	turn   sync.Cond // what was read has changed
	buffer []byte
	err    error
}

// startPump reads conn until it ends, and then calls gone.
func startPump(conn net.Conn, gone func()) *pump {
	p := &pump{}
	p.turn.L = &p.mu
	go func() {
		defer gone()
		p.run(conn)
	}()
	return p
}

func (p *pump) run(conn net.Conn) {
	chunk := make([]byte, 16<<10)
	for {
		n, err := conn.Read(chunk)
		p.mu.Lock()
		for len(p.buffer) > readAhead && p.err == nil {
			p.turn.Wait()
		}
		p.buffer = append(p.buffer, chunk[:n]...)
		if err != nil && p.err == nil {
			p.err = err
		}
		ended := p.err != nil
		p.turn.Broadcast()
		p.mu.Unlock()
		if ended {
			return
		}
	}
}

// Read gives what was read ahead.
func (p *pump) Read(to []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buffer) == 0 && p.err == nil {
		p.turn.Wait()
	}
	if len(p.buffer) == 0 {
		return 0, p.err
	}
	n := copy(to, p.buffer)
	p.buffer = append(p.buffer[:0], p.buffer[n:]...)
	p.turn.Broadcast()
	return n, nil
}

// stop ends the reads that wait.
func (p *pump) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = io.ErrClosedPipe
	}
	p.turn.Broadcast()
}
