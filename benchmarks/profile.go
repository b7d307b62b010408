package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
)

// profileVariable names a folder into which each process of the benchmark writes where its processor time goes.
const profileVariable = "CAUDAL_BENCH_PROFILE"

// startProfile begins to write a profile under a name of this process, where that is asked for. The returned function ends it; SIGTERM does
// too, and ends the process.
func startProfile(name string) (stop func() error, err error) {
	dir := os.Getenv(profileVariable)
	if dir == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	stop = func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(0)
	}()
	return stop, nil
}
