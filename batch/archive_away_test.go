package batch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// awayOnce is a store whose first write fails.
type awayOnce struct {
	lake.Store
	writes atomic.Int64
}

func (s *awayOnce) Create(ctx context.Context, key string, data []byte) (string, error) {
	if s.writes.Add(1) == 1 {
		return "", errors.New("503")
	}
	return s.Store.Create(ctx, key, data)
}

func TestAnArchiveThatStartsWhileTheLakeIsAwayWaitsForIt(t *testing.T) {
	w := newWorld(t)
	w.produce(50, 3, 1)
	w.lake = lake.New(&awayOnce{Store: w.store})
	a := w.archive(nil)
	a.Close(w.topic.Name, w.sent)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		reached := true
		for p, next := range w.sent {
			at, _, _, err := w.lake.Next(t.Context(), w.topic, p)
			reached = reached && err == nil && at >= next
		}
		if reached {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the archive gave up: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the archive did not come back")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
