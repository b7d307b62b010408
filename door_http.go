package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/caudal/caudal/internal/handover"
)

// httpDoor is where HTTP comes in: one listener and one server for as long as the process lives, and behind them who answers at the moment.
type httpDoor struct {
	listener net.Listener
	log      *slog.Logger
	post     *handover.Post[host] // nil before the first is let
}

// host answers over HTTP.
type host struct {
	handler    http.Handler
	encryption *tls.Config // of connections that begin; nil: none
	endStreams func()      // ends answers that would go on for ever
}

// Why a request is broken off that takes longer than drainTime to finish.
var (
	errReplaced = errors.New("the definitions have changed, and the request took too long to finish over those before")
	errEnding   = errors.New("the process is being stopped, and the request took too long to finish")
)

func openHTTP(address string, log *slog.Logger) (*httpDoor, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	return &httpDoor{listener: l, log: log}, nil
}

// url is the base address; somebody was let.
func (d *httpDoor) url() string {
	if d.post.Now().encryption != nil {
		return "https://" + d.listener.Addr().String()
	}
	return "http://" + d.listener.Addr().String()
}

// let has p answer from now on; see doors.let.
func (d *httpDoor) let(p *parts) (left func(ctx context.Context)) {
	next := host{handler: p.handler(), endStreams: func() {}}
	if p.server != nil {
		next.endStreams = p.server.EndStreams
	}
	if p.certificate != nil {
		next.encryption = p.certificate.Config()
		next.encryption.NextProtos = []string{"h2", "http/1.1"}
	}
	if d.post == nil {
		d.post = handover.New(next)
		return func(context.Context) {}
	}
	before := d.post.Take(next)
	return func(ctx context.Context) {
		before.Is.endStreams()
		if !before.Dismiss(ctx, drainTime, errReplaced) {
			d.log.Warn("requests that took too long to finish over the definitions before were broken off", "after", drainTime)
		}
	}
}

// Accept is the listener's, with encryption as it is asked for now.
func (d *httpDoor) Accept() (net.Conn, error) {
	conn, err := d.listener.Accept()
	if err != nil {
		return nil, err
	}
	if encryption := d.post.Now().encryption; encryption != nil {
		return tls.Server(conn, encryption), nil
	}
	return conn, nil
}

// Close stops listening.
func (d *httpDoor) Close() error { return d.listener.Close() }

// Addr is where it listens.
func (d *httpDoor) Addr() net.Addr { return d.listener.Addr() }

// ServeHTTP answers by who is there at the moment.
func (d *httpDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	by, ok := d.post.Enter()
	if !ok {
		panic("BUG: the post of the HTTP door was closed")
	}
	defer by.Leave()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(by.Broken, func() { cancel(context.Cause(by.Broken)) })()
	if (r.TLS != nil) != (by.Is.encryption != nil) { // the connection is of another time
		w.Header().Set("Connection", "close")
	}
	by.Is.handler.ServeHTTP(w, r.WithContext(ctx))
}

// serve answers until ctx ends, and then finishes what was asked before: requests that take longer than drainTime are broken off.
func (d *httpDoor) serve(ctx context.Context) error {
	asked, breakOff := context.WithCancelCause(context.Background())
	defer breakOff(nil)
	server := &http.Server{
		Handler: d, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return asked },
	}
	server.RegisterOnShutdown(func() { d.post.Now().endStreams() })
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(d) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", d.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(asked, drainTime)
	defer cancel()
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		d.log.Warn("requests that took too long to finish were broken off", "after", drainTime)
		breakOff(errEnding)
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop serving %s: %w", d.Addr(), err)
	}
	return nil
}
