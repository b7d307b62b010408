package table

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

func TestAScheduleCompactsAtOnceAndEverySoOften(t *testing.T) {
	w := newWorld(t, 41)
	w.archive(0, 20, 0, 1)
	published := make(chan struct{}, 8)
	c := w.compactor(func(c *Config) {
		c.Lake = lake.New(&hooked{Store: w.store, before: func(key string) {
			if len(key) > 22 && key[:22] == "tables/sales/versions/" {
				published <- struct{}{}
			}
		}})
	})
	s, err := NewSchedule(c, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-published
	w.archive(0, 20, 0, 1)
	<-published
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := NewSchedule(c, 0); err == nil {
		t.Error("a schedule of no time")
	}
}
