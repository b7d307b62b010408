package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"
)

// doors are where those come in who ask a process. They stay open, with the connections that came through them, while what answers behind them is
// changed (docs/adr/0033).
type doors struct {
	http  *httpDoor    // nil: none
	sql   *sqlDoor     // nil: none
	admin net.Listener // nil: none
	level *slog.LevelVar
	log   *slog.Logger

	shut      context.CancelFunc // HTTP and SQL; set by serve
	shutAdmin context.CancelFunc
	open      sync.WaitGroup // HTTP and SQL
}

// openDoors listens where r says, but lets nobody in before let.
func openDoors(r roles, database string, level *slog.LevelVar, log *slog.Logger) (_ *doors, err error) {
	d := &doors{level: level, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.abandon())
		}
	}()
	if r.admin != "" {
		if d.admin, err = listenAdmin(r.admin); err != nil {
			return nil, err
		}
	}
	if r.http != "" {
		if d.http, err = openHTTP(r.http, log); err != nil {
			return nil, err
		}
	}
	if r.serve && r.sql.listen != "" {
		if d.sql, err = openSQL(r, database, log); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// abandon closes doors that nobody was let in through.
func (d *doors) abandon() error {
	var errs []error
	if d.admin != nil {
		errs = append(errs, d.admin.Close())
	}
	if d.http != nil {
		errs = append(errs, d.http.listener.Close())
	}
	if d.sql != nil {
		errs = append(errs, d.sql.listener.Close())
		if d.sql.server != nil {
			errs = append(errs, d.sql.close())
		}
	}
	return errors.Join(errs...)
}

// url is the base address of the API; "" without HTTP.
func (d *doors) url() string {
	if d.http == nil {
		return ""
	}
	return d.http.url()
}

// let has p answer from now on those who come in, and who have come in. The returned function waits for what was asked before of others, who may be closed
// after it; what takes too long, or longer than ctx lasts, is broken off.
func (d *doors) let(p *parts) (left func(ctx context.Context), err error) {
	leftSQL := func(context.Context) {}
	if d.sql != nil {
		if leftSQL, err = d.sql.let(p); err != nil {
			return nil, err
		}
	}
	leftHTTP := func(context.Context) {}
	if d.http != nil {
		leftHTTP = d.http.let(p)
	}
	return func(ctx context.Context) {
		var both sync.WaitGroup
		both.Go(func() { leftSQL(ctx) })
		both.Go(func() { leftHTTP(ctx) })
		both.Wait()
	}, nil
}

// serve answers in goroutines of g until close. Somebody is behind the doors already.
func (d *doors) serve(g *errgroup.Group) {
	start := func(name string, serve func(context.Context) error) (shut context.CancelFunc) {
		ctx, shut := context.WithCancel(context.Background())
		d.open.Add(1)
		g.Go(func() error {
			defer d.open.Done()
			return endOf(name, serve(ctx))
		})
		return shut
	}
	var shut []context.CancelFunc
	if d.http != nil {
		shut = append(shut, start("http", d.http.serve))
	}
	if d.sql != nil {
		shut = append(shut, start("sql", d.sql.serve))
	}
	d.shut = func() {
		for _, f := range shut {
			f()
		}
	}
	if d.admin != nil {
		ctx, shut := context.WithCancel(context.Background())
		d.shutAdmin = shut
		g.Go(func() error { return endOf("admin", serveAdmin(ctx, d.admin, d.level)) })
	}
}

// close refuses who comes from now on, and finishes what was asked before.
func (d *doors) close() error {
	d.shut()
	d.open.Wait()
	if d.sql == nil {
		return nil
	}
	return d.sql.close()
}

// closeAdmin ends what close leaves open, so that a process can be looked into until its end.
func (d *doors) closeAdmin() {
	if d.shutAdmin != nil {
		d.shutAdmin()
	}
}
