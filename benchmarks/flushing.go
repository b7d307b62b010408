package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/speed"
)

const (
	limitFlush     = "the same cells by pipelined HSET, nothing checked, one connection"
	cellsPerSecond = "cells/s"
)

// flushPath measures what becomes of the rows of the compiled queries: merged into the cells in memory, and written to a real Redis.
func flushPath(ctx context.Context, n int) (_ []row, err error) {
	var server *testservices.RedisServer
	s, err := openStage(ctx, rollups, embeddedBroker, func() (addr string, stop func() error, err error) {
		if server, err = testservices.StartRedis(); err != nil {
			return "", nil, err
		}
		return server.Addr(), server.Stop, nil
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.fill(ctx, newEvents(1), n); err != nil {
		return nil, err
	}
	var merging, flushing time.Duration
	var last time.Time
	metrics := prometheus.NewRegistry()
	worker, err := speed.New(speed.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, Metrics: metrics, Loops: 1, // one at a time, so that one step's time is not another's
		Steps: func(step string) error {
			now := time.Now()
			switch step {
			case "before flush":
				merging += now.Sub(last)
			case "after flush":
				flushing += now.Sub(last)
			}
			last = now
			return nil
		}})
	if err != nil {
		return nil, err
	}
	if _, err := until(ctx, worker.Run, func(ctx context.Context) (bool, error) { return s.counted(ctx), nil }); err != nil {
		return nil, err
	}
	cells, err := total(metrics, "caudal_speed_cells_written_total")
	if err != nil {
		return nil, err
	}
	plain, err := rewrite(server, int(cells))
	if err != nil {
		return nil, err
	}
	both := (merging + flushing).Seconds()
	return []row{
		{Item: "c", Name: limitFlush, Value: cells / plain.Seconds(), Unit: cellsPerSecond},
		{Item: "c", Name: "merge and flush to Redis, one loop, checked and with the offset", Value: cells / both, Unit: cellsPerSecond, Limit: limitFlush},
		{Item: "c", Name: "flush alone", Value: cells / flushing.Seconds(), Unit: cellsPerSecond, Limit: limitFlush},
		{Item: "c", Name: "merge and flush, events", Value: float64(n) / both, Unit: perSecond},
		{Item: "c", Name: "cells that an event writes", Value: cells / float64(n), Unit: "cells"},
	}, nil
}

// total adds up a counter over its labels.
func total(metrics prometheus.Gatherer, name string) (sum float64, err error) {
	families, err := metrics.Gather()
	if err != nil {
		return 0, fmt.Errorf("read the metrics of the speed layer: %w", err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("the speed layer counts no %s", name)
	}
	return sum, nil
}

// plainCells is how many cells one HSET takes, as many as one of a flush does; plainCommands how many of these are sent before their answers are read.
const (
	plainCells    = 500
	plainCommands = 40
)

// rewrite empties Redis and writes what it held again and again until so many cells are written, and says how long that took.
func rewrite(server *testservices.RedisServer, cells int) (time.Duration, error) {
	keys, err := server.List("KEYS", "*")
	if err != nil {
		return 0, err
	}
	var commands [][]byte
	var sizes []int
	for _, key := range keys {
		if strings.HasSuffix(key, ":meta") || strings.HasSuffix(key, ":chunks") || strings.Contains(key, ":"+live.Limits+":") {
			continue
		}
		flat, err := server.List("HGETALL", key)
		if err != nil {
			return 0, err
		}
		for i := 1; i < len(flat); i += 2 {
			held, err := live.CellsIn([]byte(flat[i]))
			if err != nil {
				return 0, fmt.Errorf("%s: %w", key, err)
			}
			for names := held.Fields; len(names) > 0; {
				n := min(len(names), plainCells)
				command := fmt.Appendf(nil, "*%d\r\n$4\r\nHSET\r\n$%d\r\n%s\r\n", 2+2*n, len(key), key)
				for j, name := range names[:n] {
					command = fmt.Appendf(command, "$%d\r\n%s\r\n$%d\r\n%s\r\n", len(name), name, len(held.Values[j]), held.Values[j])
				}
				commands, sizes = append(commands, command), append(sizes, n)
				names, held.Values = names[n:], held.Values[n:]
			}
		}
	}
	if len(commands) == 0 {
		return 0, errors.New("redis holds no cells")
	}
	if _, err := server.Do("FLUSHALL"); err != nil {
		return 0, err
	}
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	began := time.Now()
	pending := net.Buffers{}
	for i := 0; cells > 0; i = (i + 1) % len(commands) {
		pending = append(pending, commands[i])
		if cells -= sizes[i]; len(pending) < plainCommands && cells > 0 {
			continue
		}
		expected := len(pending)
		if _, err := io.Copy(conn, &pending); err != nil {
			return 0, fmt.Errorf("write cells plainly: %w", err)
		}
		for range expected {
			line, err := answers.ReadString('\n')
			if err == nil && !strings.HasPrefix(line, ":") {
				err = errors.New(strings.TrimSpace(line))
			}
			if err != nil {
				return 0, fmt.Errorf("write cells plainly: %w", err)
			}
		}
	}
	return time.Since(began), nil
}
