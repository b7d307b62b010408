package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/caudal/caudal/internal/view"
)

// running is what a `caudal dev` or `caudal demo` leaves in its folder, so that other commands find its embedded services.
type running struct {
	PID     int      `json:"pid"`
	Brokers []string `json:"brokers"`
	Cluster string   `json:"cluster"` // id of the brokers' cluster
	Redis   []string `json:"redis"`
	HTTP    string   `json:"http"`          // base URL of the API
	SQL     string   `json:"sql,omitempty"` // what psql is called with; absent where SQL is not served
}

func newRunning(p *view.Project, url string) running {
	return running{PID: os.Getpid(), Brokers: p.Kafka.Brokers, Cluster: p.Kafka.Cluster, Redis: p.Redis.Addrs, HTTP: url}
}

func runningPath(dir string) string { return filepath.Join(stateDir(dir), "running.json") }

// announce writes r for other commands; the returned function takes it back.
func (r running) announce(dir string) (withdraw func() error, err error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", runningPath(dir), err)
	}
	temp := runningPath(dir) + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return nil, fmt.Errorf("announce the embedded services: %w", err)
	}
	if err := os.Rename(temp, runningPath(dir)); err != nil {
		return nil, fmt.Errorf("announce the embedded services: %w", err)
	}
	return func() error { return os.Remove(runningPath(dir)) }, nil
}

// errNotRunning says that nobody runs the embedded services of a project.
var errNotRunning = errors.New("the project names no Kafka or no Redis, and no `caudal dev` runs in it: start one in another terminal, or name the services in caudal.yaml")

// findRunning reads what the live `caudal dev` of the project announced.
func findRunning(dir string) (running, error) {
	var r running
	data, err := os.ReadFile(runningPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("%s: %w", dir, errNotRunning)
	}
	if err != nil {
		return r, fmt.Errorf("find the running services: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", runningPath(dir), err)
	}
	if err := syscall.Kill(r.PID, 0); errors.Is(err, syscall.ESRCH) {
		return r, fmt.Errorf("%s (process %d has ended): %w", dir, r.PID, errNotRunning)
	}
	return r, nil
}

// fill sets the addresses that the project leaves out.
func (r running) fill(p *view.Project) {
	if len(p.Kafka.Brokers) == 0 {
		p.Kafka.Brokers, p.Kafka.Cluster = r.Brokers, r.Cluster
	}
	if len(p.Redis.Addrs) == 0 {
		p.Redis.Addrs = r.Redis
	}
}
