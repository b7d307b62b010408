// Package handover lets one that answers take the place of another while questions come in: who comes is answered by the one that holds the post at that
// moment, who came before by the one that held it then.
package handover

import (
	"context"
	"sync"
	"time"
)

// Post is held by one T at a time. Its methods may be called from many goroutines.
type Post[T any] struct {
	mu  sync.Mutex // guards what follows, and the counts of every holder
	now *Holder[T]
}

// Holder is a T that holds a post, or has held it.
type Holder[T any] struct {
	Is     T
	Broken context.Context // ends when those who are still with it have taken too long

	post    *Post[T]
	breakUp context.CancelCauseFunc
	inside  int           // who entered and has not left
	closed  bool          // nobody enters any more
	empty   chan struct{} // closed once it is closed, and nobody is inside
}

// New is a post that first holds.
func New[T any](first T) *Post[T] {
	p := &Post[T]{}
	p.now = p.holder(first)
	return p
}

func (p *Post[T]) holder(is T) *Holder[T] {
	h := &Holder[T]{Is: is, post: p, empty: make(chan struct{})}
	h.Broken, h.breakUp = context.WithCancelCause(context.Background())
	return h
}

// Now holds the post at the moment.
func (p *Post[T]) Now() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Is
}

// Enter is for somebody who comes: by stands until Leave is called on it, whoever takes its place. false: the post was closed.
func (p *Post[T]) Enter() (by *Holder[T], ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.closed {
		return nil, false
	}
	p.now.inside++
	return p.now, true
}

// Leave is for who entered and has what they came for.
func (h *Holder[T]) Leave() {
	h.post.mu.Lock()
	defer h.post.mu.Unlock()
	if h.inside--; h.closed && h.inside == 0 {
		close(h.empty)
	}
}

// Take gives the post to next and returns who held it, to be dismissed.
func (p *Post[T]) Take(next T) (before *Holder[T]) {
	h := p.holder(next)
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.now = p.now, h
	before.close()
	return before
}

// Close lets nobody enter any more and returns who holds the post, to be dismissed.
func (p *Post[T]) Close() *Holder[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.close()
	return p.now
}

// close is called with the post's lock held.
func (h *Holder[T]) close() {
	if h.closed {
		return
	}
	if h.closed = true; h.inside == 0 {
		close(h.empty)
	}
}

// Await waits until nobody is inside of who was replaced or closed, for as long as patience and ctx last.
func (h *Holder[T]) Await(ctx context.Context, patience time.Duration) (empty bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-h.empty:
		return true
	case <-ctx.Done():
	}
	select { // both may have come about
	case <-h.empty:
		return true
	default:
		return false
	}
}

// Dismiss waits as Await does; who is inside after that is broken off, for cause, and waited for as long as patience again. It says whether nobody had
// to be broken off.
func (h *Holder[T]) Dismiss(ctx context.Context, patience time.Duration, cause error) (well bool) {
	defer h.breakUp(cause)
	if h.Await(ctx, patience) {
		return true
	}
	h.breakUp(cause)
	h.Await(context.WithoutCancel(ctx), patience)
	return false
}
