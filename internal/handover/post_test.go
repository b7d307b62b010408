package handover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestNobodyIsWithWhoWasDismissed hands a post over a hundred times while others come and go: whom they are with is not dismissed before they leave.
func TestNobodyIsWithWhoWasDismissed(t *testing.T) {
	type one struct{ gone atomic.Bool }
	post := New(&one{})
	stop := make(chan struct{})
	var guests sync.WaitGroup
	for range 4 {
		guests.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				by, ok := post.Enter()
				if !ok {
					t.Error("the post is closed")
					return
				}
				if by.Is.gone.Load() {
					t.Error("entered with one who was dismissed")
				}
				by.Leave()
			}
		})
	}
	for range 100 {
		before := post.Take(&one{})
		if !before.Dismiss(t.Context(), time.Minute, nil) {
			t.Error("somebody had to be broken off")
		}
		before.Is.gone.Store(true)
	}
	close(stop)
	guests.Wait()
}

func TestWhoTakesTooLongIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errLong := errors.New("too long")
		post := New(1)
		slow, _ := post.Enter()
		left := false
		go func() {
			<-slow.Broken.Done()
			time.Sleep(time.Second) // to finish
			left = true
			slow.Leave()
		}()
		begun := time.Now()
		if post.Take(2).Dismiss(t.Context(), 10*time.Second, errLong) {
			t.Error("nobody was broken off")
		}
		if took := time.Since(begun); took != 11*time.Second || !left || !errors.Is(context.Cause(slow.Broken), errLong) {
			t.Errorf("dismissed after %v, left: %v, because of %v", took, left, context.Cause(slow.Broken))
		}
		if by, ok := post.Enter(); !ok || by.Is != 2 {
			t.Error("the next does not answer")
		}
	})
}

func TestACallerWhoGivesUpBreaksOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		post := New(1)
		slow, _ := post.Enter()
		go func() { <-slow.Broken.Done(); slow.Leave() }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		post.Take(2).Dismiss(ctx, time.Minute, nil)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("dismissed after %v", took)
		}
	})
}

func TestNobodyEntersWhatIsClosed(t *testing.T) {
	post := New(1)
	by, _ := post.Enter()
	last := post.Close()
	if _, ok := post.Enter(); ok {
		t.Error("entered")
	}
	if post.Close() != last || last.Await(t.Context(), time.Millisecond) {
		t.Error("empty while somebody is inside")
	}
	by.Leave()
	if !last.Await(t.Context(), time.Minute) {
		t.Error("not empty after the last has left")
	}
}
