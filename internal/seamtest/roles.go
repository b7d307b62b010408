package seamtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/speed"
)

// worker is one process of the speed layer.
type worker struct {
	speed  *speed.Worker
	steps  *stepper
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended
}

// pace of a worker: how much it takes at once, and how much it may keep.
type pace struct {
	records, cells int
	memory         int64
	coarse         time.Duration // how often it flushes the coarser grains; 0: with the finest
}

func calmPace() pace { return pace{records: 400, cells: 100, memory: 1 << 20} }

// startWorker starts a process of the speed layer. Workers of one group share the partitions; one of another group is a zombie, which
// believes that it owns them all.
func (w *World) startWorker(name, group string, at pace) error {
	r := &worker{steps: &stepper{}, ended: make(chan struct{})}
	project := *w.project()
	project.Speed.CoarseFlush = at.coarse
	w.lags = at.coarse > 0
	var err error
	r.speed, err = speed.New(speed.Config{
		Project: &project, ConsumerGroup: group, Stream: w.stream, Live: w.dialRedis(w.gate.addr()), Lake: w.lakeOf(name), Logger: w.log.With("worker", name),
		BatchRecords: at.records, BatchWait: 2 * time.Millisecond, FlushCells: at.cells, Memory: at.memory, Poll: 20 * time.Millisecond, MemoryPoll: 50 * time.Millisecond,
		Backoff: 5 * time.Millisecond, EngineMemory: "128MB", Steps: r.steps.step,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	r.cancel = cancel
	go func() { r.err = r.speed.Run(ctx); close(r.ended) }()
	w.workers[name] = r
	return nil
}

func (r *worker) stop() error {
	r.cancel()
	<-r.ended
	return r.err
}

// awaitEnd waits until a worker has died by itself.
func (w *World) awaitEnd(r *worker) error {
	select {
	case <-r.ended:
		if r.steps.crashed() == 0 {
			return fmt.Errorf("the worker was to crash, and ended with: %w", r.err)
		}
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the worker was to crash, and goes on")
	}
}

// keeper is one process of the archive.
type keeper struct {
	archive *batch.Archive
	steps   *stepper
	cancel  context.CancelFunc
	ended   chan struct{}
	err     error // once ended
}

// startArchive starts a process of the archive. One with a group of its own is a zombie, which believes that it owns all partitions.
func (w *World) startArchive(name, group string, chunkRecords int) error {
	k := &keeper{steps: &stepper{}, ended: make(chan struct{})}
	project := *w.project()
	if group != "" {
		project.Name = group // the archive takes nothing from it but its group's name
	}
	var err error
	k.archive, err = batch.NewArchive(batch.ArchiveConfig{Project: &project, Stream: w.stream, Lake: w.lakeOf(name), Logger: w.log.With("archive", name),
		ChunkRecords: chunkRecords, AskEvery: 20 * time.Millisecond, Steps: k.steps.step, Clock: w.clockOf(name)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	k.cancel = cancel
	go func() { k.err = k.archive.Run(ctx); close(k.ended) }()
	w.mu.Lock()
	w.keepers[name] = k
	w.mu.Unlock()
	return nil
}

func (k *keeper) stop() error {
	k.cancel()
	<-k.ended
	return k.err
}

func (w *World) stopArchive(name string) error {
	w.mu.Lock()
	k := w.keepers[name]
	delete(w.keepers, name)
	w.mu.Unlock()
	if k == nil {
		return fmt.Errorf("no archive %q runs", name)
	}
	return k.stop()
}

// archived waits until the lake holds every record of the log.
func (w *World) archived() error {
	ends, err := w.ends()
	if err != nil {
		return err
	}
	t, err := w.incarnation()
	if err != nil {
		return err
	}
	w.closeChunks()
	return w.until("that the lake holds the whole log", func() error {
		for p, end := range ends {
			next, _, open, err := w.lake.Next(w.ctx, t, p)
			if err != nil {
				return err
			}
			if end > 0 && (next < end || open != nil) {
				w.closeChunks()
				return fmt.Errorf("partition %d is archived up to %d of %d", p, next, end)
			}
		}
		return nil
	})
}

// flushed waits until Redis holds every record of the log, of every view, from the boundary of CURRENT on; in the finest grain only, where the
// worker that was started last flushes the others seldom.
func (w *World) flushed() error {
	ends, err := w.ends()
	if err != nil {
		return err
	}
	return w.until("that Redis holds the whole log", func() error {
		views, err := w.inUse()
		if err != nil {
			return err
		}
		for _, v := range views {
			m, _, err := w.lake.Current(w.ctx, v.Name, v.Hash)
			if err != nil {
				return err
			}
			cuts, _ := m.CutsOf(w.inLife())
			for p, end := range ends {
				meta, ok, err := w.live.Peek(w.ctx, w.group(v, p))
				switch {
				case err != nil:
					return err
				case !ok:
					return fmt.Errorf("nothing of %s of partition %d is in Redis", v.Name, p)
				case !meta.Holds(cuts[p].Offset):
					return fmt.Errorf("no epoch of %s of partition %d in Redis starts at %d", v.Name, p, cuts[p].Offset)
				case meta.Off != end || meta.Coarse != end && !w.lags:
					return fmt.Errorf("view %s of partition %d is in Redis up to %d and %d of %d", v.Name, p, meta.Off, meta.Coarse, end)
				}
			}
		}
		return nil
	})
}
