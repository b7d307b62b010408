package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// defaultNotice is how long a process that serves goes on taking questions after SIGTERM, while /readyz says that it is about to stop: balancers that
// look every second or two have gone elsewhere by then.
const defaultNotice = 3 * time.Second

// drainTime is how long open requests may take to finish at shutdown.
const drainTime = 10 * time.Second

// errDraining is what /readyz says of a process that has been told to stop.
var errDraining = errors.New("the process is being stopped")

// takeLeave waits for ctx to end, and then as long as those who ask may take to learn that the process is about to stop; where only what answers is
// changed, until connections have been left.
func (p *parts) takeLeave(ctx context.Context) error {
	<-ctx.Done()
	ends := !errors.Is(context.Cause(ctx), errReload)
	p.draining.Store(ends)
	if p.server != nil {
		p.server.TakeLeave(ends)
		switch {
		case p.http == nil && p.sql == nil: // whoever asks within the process has its answers
		case ends:
			<-time.After(p.notice)
		default:
			<-time.After(min(p.notice, reloadNotice))
		}
	}
	if !ends {
		return nil
	}
	return p.sockets.close()
}

// followTime is how long those who come may wait until what answers after a change of definitions has loaded what it answers from.
const followTime = 5 * time.Second

// follow waits until who takes the place of others in this process is ready, as they were.
func (p *parts) follow(ctx context.Context) {
	if !p.again || p.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.server.Ready() != nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serveHTTP answers until ctx ends, and then finishes what was asked before: requests that take longer than drainTime are broken off.
func (p *parts) serveHTTP(ctx context.Context) error {
	asked, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	server := &http.Server{
		Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return asked },
	}
	if p.server != nil {
		server.RegisterOnShutdown(p.server.EndStreams)
	}
	failed := make(chan error, 1)
	go func() {
		if p.certificate == nil {
			failed <- server.Serve(p.http)
			return
		}
		server.TLSConfig = p.certificate.Config()
		failed <- server.ServeTLS(p.http, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", p.http.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(asked, drainTime)
	defer cancel()
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		p.log.Warn("requests that took too long to finish were broken off", "after", drainTime)
		breakOff()
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop serving %s: %w", p.http.Addr(), err)
	}
	return nil
}
