package table

import (
	"errors"
	"sync"

	"github.com/caudal/caudal/internal/lake"
)

// parallelPuts bounds how many files are on their way into the lake while the next are sorted.
const parallelPuts = 4

// puts are files on their way into the lake.
type puts struct {
	slots chan struct{}
	wg    sync.WaitGroup

	mu    sync.Mutex
	files []lake.TableFile
	errs  []error
}

func newPuts() *puts { return &puts{slots: make(chan struct{}, parallelPuts)} }

// put calls f beside the caller, who waits only where too many are under way.
func (p *puts) put(f func() (lake.TableFile, error)) {
	p.slots <- struct{}{}
	p.wg.Go(func() {
		defer func() { <-p.slots }()
		file, err := f()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.files, p.errs = append(p.files, file), append(p.errs, err)
	})
}

// wait returns the files once all are there, in no order.
func (p *puts) wait() ([]lake.TableFile, error) {
	p.wg.Wait()
	return p.files, errors.Join(p.errs...)
}
