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

// takeLeave waits for ctx to end, and then as long as those who ask may take to learn that the process is about to stop.
func (p *parts) takeLeave(ctx context.Context) {
	<-ctx.Done()
	p.draining.Store(true)
	if p.server == nil {
		return // nobody asks it anything but how it is
	}
	p.server.TakeLeave()
	if p.http != nil || p.sql != nil {
		<-time.After(p.notice)
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
