package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// adminFlag explains --admin.
const adminFlag = "loopback address for profiles (/debug/pprof/) and the log level (/log-level), e.g. 127.0.0.1:6060; empty: nowhere"

// mayAdmin refuses an address of the admin port that other machines reach: it asks for no password.
func mayAdmin(address string) error {
	if address != "" && !isLoopback(address) {
		return usageError{fmt.Errorf("--admin %s can be reached from other machines, and asks for no password: name a loopback address such as 127.0.0.1:6060, "+
			"and reach it by ssh -L, kubectl port-forward or ecs execute-command", address)}
	}
	return nil
}

// listenAdmin opens the admin port.
func listenAdmin(address string) (net.Listener, error) {
	if err := mayAdmin(address); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for --admin: %w", err)
	}
	return l, nil
}

// adminHandler answers what who looks after a process asks of it: Go's profiles, and the level of its logs, which PUT changes. A request that
// names another host than this machine comes from a page in somebody's browser, and is refused.
func adminHandler(level *slog.LevelVar) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // heap, goroutine, allocs, block, mutex, threadcreate by their names
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /log-level", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, level.Level()) })
	mux.HandleFunc("PUT /log-level", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 100))
		if err == nil {
			err = level.UnmarshalText(text)
		}
		if err != nil {
			http.Error(w, "a level is debug, info, warn or error: "+err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, level.Level())
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "this port answers to loopback addresses only", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serveAdmin answers on the admin port until ctx ends. A profile that is being taken then is cut off.
func serveAdmin(ctx context.Context, l net.Listener, level *slog.LevelVar) error {
	server := &http.Server{Handler: adminHandler(level), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
