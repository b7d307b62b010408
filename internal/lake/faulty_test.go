package lake_test

import (
	"context"
	"errors"
	"iter"

	"github.com/caudal/caudal/internal/lake"
)

var errCrash = errors.New("crash")

// faulty is a store whose process dies at the n-th write: before it, or after it but before the answer.
type faulty struct {
	lake.Store
	left  int // writes until the crash
	after bool
	dead  bool
}

func (f *faulty) write(do func() error) error {
	if f.dead {
		return errCrash
	}
	f.left--
	if f.left > 0 {
		return do()
	}
	f.dead = true
	if f.after {
		_ = do() // nobody learns how it went
	}
	return errCrash
}

func (f *faulty) Create(ctx context.Context, key string, data []byte) (tag string, err error) {
	err = f.write(func() error { tag, err = f.Store.Create(ctx, key, data); return err })
	return tag, err
}

func (f *faulty) Swap(ctx context.Context, key string, data []byte, old string) (tag string, err error) {
	err = f.write(func() error { tag, err = f.Store.Swap(ctx, key, data, old); return err })
	return tag, err
}

func (f *faulty) Put(ctx context.Context, key string, data []byte) error {
	return f.write(func() error { return f.Store.Put(ctx, key, data) })
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, string, error) {
	if f.dead {
		return nil, "", errCrash
	}
	return f.Store.Get(ctx, key)
}

func (f *faulty) ListFrom(ctx context.Context, prefix, after string) iter.Seq2[lake.Object, error] {
	if f.dead {
		return func(yield func(lake.Object, error) bool) { yield(lake.Object{}, errCrash) }
	}
	return f.Store.ListFrom(ctx, prefix, after)
}
