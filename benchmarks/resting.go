package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// collectWhenAsked collects garbage and gives it back to the system at each SIGUSR1, and prints a line then.
func collectWhenAsked() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			debug.FreeOSMemory()
			fmt.Println("collected")
		}
	}()
}

// pollsEvery is the speed layer's own pace at rest.
const pollsEvery = 900 * time.Millisecond

// restingFor returns the steps of a speed layer that prints a line once it has polled, after a SIGUSR2, as often as it would in so long a time at rest.
func restingFor(rest time.Duration, partitions int) func(step string) error {
	polls := int64(rest/pollsEvery) * int64(partitions)
	var left atomic.Int64
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		<-asked
		left.Store(polls)
	}()
	return func(step string) error {
		if step == "poll" && left.Add(-1) == 0 {
			fmt.Println("rested")
		}
		return nil
	}
}
