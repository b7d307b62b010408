package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// shift is one set of parts at work, over services of its own, until others take its place or the process ends.
type shift struct {
	*parts
	services           *services
	writing, answering *crew // nil: not at work
}

// shift makes the parts that r names over s, which is the shift's from here on: it is closed with it, and where this fails.
func (s *services) shift(r roles) (*shift, error) {
	p, err := s.assemble(r)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &shift{parts: p, services: s}, nil
}

// crew are parts at work that are ended together. One that fails ends the process, by its group.
type crew struct {
	group *errgroup.Group
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
}

func newCrew(g *errgroup.Group) *crew {
	c := &crew{group: g}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *crew) start(name string, run func(context.Context) error) {
	c.work.Add(1)
	c.group.Go(func() error {
		defer c.work.Done()
		return endOf(name, run(c.ctx))
	})
}

// end stops all and waits for them.
func (c *crew) end() {
	if c != nil {
		c.stop()
		c.work.Wait()
	}
}

// endOf says which part an error is of; that a part was told to end is none.
func endOf(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// begin makes the parts that r names over s, and doors before them; nobody is at work yet. s is the shift's from here on, also where it fails.
func (a *app) begin(s *services, r roles) (_ *shift, _ *doors, err error) {
	l, err := s.shift(r)
	if err != nil {
		return nil, nil, err
	}
	d, err := openDoors(r, s.project.Name, &a.log.level, s.log)
	if err != nil {
		return nil, nil, errors.Join(err, l.end())
	}
	if _, err := d.let(l.parts); err != nil {
		return nil, nil, errors.Join(err, d.abandon(), l.end())
	}
	return l, d, nil
}

// answer starts what brings answers up to date.
func (l *shift) answer(g *errgroup.Group) {
	l.answering = newCrew(g)
	for _, server := range l.servers() {
		l.answering.start("serving", server.Run)
	}
}

// write starts what reads the log and writes.
func (l *shift) write(g *errgroup.Group) {
	l.writing = newCrew(g)
	if l.speed != nil {
		l.writing.start("speed", l.speed.Run)
	}
	if l.archive != nil {
		l.writing.start("archive", l.archive.Run)
	}
	if l.schedule != nil {
		l.writing.start("batch", l.schedule.Run)
	}
	if l.tables != nil {
		l.writing.start("tables", l.tables.Run)
	}
	if l.watcher != nil {
		l.writing.start("watch", l.watcher.Run)
	}
}

// end ends all parts, those that answer last, and closes what they hold. Nobody may come in to them any more.
func (l *shift) end() error {
	l.writing.end()
	l.answering.end()
	return errors.Join(l.parts.close(), l.services.close())
}

// live has l at work behind the doors until ctx ends or a part fails, and whenever the process is sent a hangup what next makes in its place.
func (a *app) live(ctx context.Context, d *doors, l *shift, notice time.Duration, hangup <-chan os.Signal, next func(ctx context.Context, now *shift) (*shift, error)) error {
	g, ctx := errgroup.WithContext(ctx)
	l.answer(g)
	l.write(g)
	d.serve(g)
	for {
		select {
		case <-ctx.Done():
			err := l.leave(d, notice)
			return errors.Join(g.Wait(), err)
		case <-hangup:
			l = succeed(ctx, g, d, l, next)
		}
	}
}

// succeed has what next makes take the place of before, and returns it. Questions are answered all the while: those that have come by who was there
// when they came. Where nothing can take its place, before goes on.
func succeed(ctx context.Context, g *errgroup.Group, d *doors, before *shift, next func(context.Context, *shift) (*shift, error)) *shift {
	l, err := next(ctx, before)
	var left func(context.Context)
	if err == nil {
		l.answer(g)
		l.awaitReady(ctx)
		if left, err = d.let(l.parts); err != nil {
			err = errors.Join(err, l.end())
		}
	}
	if err != nil {
		before.log.Error("the definitions that are saved cannot be run; what runs goes on", "error", err)
		return before
	}
	left(ctx)
	if err := before.end(); err != nil {
		l.log.Warn("what ran before did not end well", "error", err)
	}
	l.write(g)
	l.log.Info("the definitions were read again, and are what runs")
	return l
}

// leave ends a shift, and with it the process: what writes at once, what answers when those who ask had the time to learn of it.
func (l *shift) leave(d *doors, notice time.Duration) error {
	l.writing.stop()
	l.draining.Store(true)
	if l.server != nil {
		l.server.TakeLeave()
		if d.http != nil || d.sql != nil { // whoever asks within the process has its answers
			<-time.After(notice)
		}
	}
	err := d.close()
	err = errors.Join(err, l.end())
	d.closeAdmin()
	return err
}
