package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/lake"
)

// expire deletes the snapshots that hold erased records, and their files: of the source's views, and of the definitions that these, or views that
// the project has no longer, had before. What such a definition has published is replaced by an empty snapshot first, above the records, so
// that a project that goes back to it computes its whole history again.
func (x *erasing) expire(ctx context.Context) error {
	l := x.runner.cfg.Lake
	published, err := l.Published(ctx)
	if err != nil {
		return err
	}
	for _, p := range published {
		m := p.Manifest
		if m.Topic.Name != x.topic.Name {
			continue
		}
		if !x.without(m) {
			if m, err = x.restart(ctx, p); err != nil {
				return err
			}
			x.report.view(m.View).Former = append(x.report.view(m.View).Former, m.Definition)
		}
		if err := x.runner.step("after-restart"); err != nil {
			return err
		}
		if err := x.expireOf(ctx, m); err != nil {
			return fmt.Errorf("view %s@%s: %w", m.View, m.Definition, err)
		}
		if err := x.expireSwitches(ctx, m.View); err != nil {
			return fmt.Errorf("view %s: %w", m.View, err)
		}
	}
	return nil
}

// expireSwitches deletes the ledgers of a view's switches from one definition to another: they hold answers of before.
func (x *erasing) expireSwitches(ctx context.Context, view string) error {
	l := x.runner.cfg.Lake
	a, tag, err := l.Active(ctx, view)
	if err == nil && a.Switched != nil && a.Switched.Ledger.Key != "" {
		next, switched := a, *a.Switched
		switched.Ledger = lake.ViewFile{}
		next.Sequence, next.Switched = next.Sequence+1, &switched
		_, err = l.SwingActive(ctx, view, next, tag)
	}
	if err != nil && !errors.Is(err, lake.ErrNotFound) {
		return err
	}
	var gone []string
	for object, err := range l.Store().List(ctx, strings.TrimSuffix(l.SwitchKey(view, "run"), "run.json")) {
		if err != nil {
			return err
		}
		gone = append(gone, object.Key)
	}
	for _, key := range gone {
		if err := l.Store().Delete(ctx, key); err != nil {
			return err
		}
		x.report.view(view).Files++
	}
	return nil
}

// restart publishes the empty snapshot that a definition begins with again, and forgets what the speed layer held under it.
func (x *erasing) restart(ctx context.Context, p lake.Published) (*lake.Manifest, error) {
	before := p.Manifest
	cuts := maps.Clone(before.Cuts)
	for i := range x.erasures {
		for partition, below := range x.erasures[i].Below {
			if x.erasures[i].Topic != before.Topic || cuts[partition].Offset >= below {
				continue
			}
			next, at, _, err := x.runner.cfg.Lake.Next(ctx, before.Topic, partition)
			if err != nil {
				return nil, err
			}
			if cuts == nil {
				cuts = map[int]lake.Cut{}
			}
			cuts[partition] = lake.Cut{Offset: next, Progress: at}
		}
	}
	between, err := x.runner.cfg.Lake.Uncomputed(ctx, before.Topic, cuts)
	if err != nil {
		return nil, err
	}
	m, _, err := x.runner.cfg.Lake.Publish(ctx, lake.Manifest{View: before.View, Definition: before.Definition, Run: lake.FirstRun, Created: x.options.Now, Topic: before.Topic,
		Cuts: cuts, Uncomputed: between, Parent: before.ID, Erasures: len(x.erasures)}, p.Tag)
	if err != nil {
		return nil, err
	}
	for partition := range cuts {
		if _, err := x.runner.cfg.Live.Forget(ctx, x.runner.groupOf(before.Topic, partition, before.View, before.Definition)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// expireOf deletes what a view has under one definition of snapshots that hold erased records, published or not. The manifest goes first: a
// snapshot that can be seen has its files.
func (x *erasing) expireOf(ctx context.Context, current *lake.Manifest) error {
	l := x.runner.cfg.Lake
	report := x.report.view(current.View)
	folder := strings.TrimSuffix(l.RunKey(current.View, current.Definition, "run", "name"), "run/name")
	named := map[string]bool{}
	for object, err := range l.Store().List(ctx, folder+"snapshots/") {
		if err != nil {
			return err
		}
		id := strings.TrimSuffix(strings.TrimPrefix(object.Key, folder+"snapshots/"), ".json")
		m, err := l.Snapshot(ctx, current.View, current.Definition, id)
		if err != nil {
			return err
		}
		if m.ID == current.ID || x.without(m) {
			for _, f := range slices.Concat(m.Files, m.Ledger) {
				named[f.Key] = true
			}
			continue
		}
		if err := l.DeleteSnapshot(ctx, m.View, m.Definition, m.ID); err != nil {
			return err
		}
		report.Expired = append(report.Expired, m.ID)
	}
	if err := x.runner.step("after-manifests"); err != nil {
		return err
	}
	var gone []lake.Object
	for object, err := range l.Store().List(ctx, folder) {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(object.Key, folder)
		if strings.Count(name, "/") == 1 && !strings.HasPrefix(name, "snapshots/") && !strings.HasSuffix(name, "/cut.json") && !named[object.Key] {
			gone = append(gone, object)
		}
	}
	for _, object := range gone {
		if err := l.Store().Delete(ctx, object.Key); err != nil {
			return err
		}
		report.Files++
	}
	return nil
}

// dropEpochs forgets the speed layer's epochs below the boundaries of the views at once: no rollback is promised into them any more.
func (x *erasing) dropEpochs(ctx context.Context) error {
	r := x.runner
	views, err := x.views(ctx)
	if err != nil {
		return err
	}
	for _, v := range views {
		m, _, err := r.cfg.Lake.Current(ctx, v.Name, v.Hash)
		if err != nil {
			return err
		}
		for _, p := range slices.Sorted(maps.Keys(m.Cuts)) {
			g, at := r.groupOf(m.Topic, p, v.Name, v.Hash), m.Cuts[p].Offset
			err := r.patiently(ctx, func() (string, error) {
				gone, _, err := r.cfg.Live.Drop(ctx, g, at, at)
				if err != nil {
					return "", err
				}
				x.report.view(v.Name).Epochs += len(gone)
				held, ok, err := r.cfg.Live.Peek(ctx, g)
				if err != nil || !ok || held.Starts[0] >= at {
					return "", err
				}
				return fmt.Sprintf("the speed layer holds epochs from %v of view %s, partition %d, and the boundary is %d; does `caudal run speed` run?", held.Starts, v.Name, p, at), nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// look counts what there is to erase, and changes nothing.
func (x *erasing) look(ctx context.Context) error {
	l, o := x.runner.cfg.Lake, x.options
	e := lake.Erasure{Source: x.source.Name, Definition: x.source.Hash(), Topic: x.topic, Where: o.Where, Contains: o.Contains, AllDead: o.AllDead, Below: map[int]int64{}}
	if err := l.PutDefinition(ctx, e.Definition, x.source.Canonical()); err != nil {
		return err
	}
	for p := range x.starts {
		next, _, _, err := l.Next(ctx, x.topic, p)
		if err != nil {
			return err
		}
		_, end, err := x.runner.cfg.Stream.Bounds(ctx, x.topic.Name, p)
		if err != nil {
			return err
		}
		e.Below[p] = max(next, 0)
		x.report.Unarchived += max(0, end-e.Below[p])
	}
	x.report.Below = e.Below
	there := &found{}
	if err := x.files.each(ctx, &e, there.add); err != nil {
		return err
	}
	x.report.Events, x.report.DeadLetters, x.report.Files, x.report.Dates = there.events, there.dead, there.files, slices.Sorted(maps.Keys(there.dates))
	x.report.DeadKept = there.letters - there.dead
	e.DeadOnly = e.Where == ""
	if err := x.lookAtTables(ctx, &e); err != nil {
		return err
	}
	views, err := x.views(ctx)
	if err != nil {
		return err
	}
	for _, v := range views {
		x.report.view(v.Name)
	}
	return x.remains(ctx)
}

// remains notes what no erasure of the lake and of Redis reaches.
func (x *erasing) remains(ctx context.Context) error {
	for _, p := range slices.Sorted(maps.Keys(x.report.Below)) {
		first, _, err := x.runner.cfg.Stream.Bounds(ctx, x.topic.Name, p)
		if err != nil {
			return err
		}
		if below := x.report.Below[p]; first < below {
			x.report.Remains = append(x.report.Remains, fmt.Sprintf("Kafka holds the offsets from %d to %d of partition %d of topic %s until its retention takes them", first, below, p, x.topic.Name))
		}
	}
	x.report.Remains = append(x.report.Remains,
		"what was exported of the lake, and copies that this program does not know of: backups, old versions of objects in a versioned bucket, Redis' own files on disk until it rewrites them",
		"local copies of fetched files on the machines that serve and compute, until they are evicted or their cache folder is deleted")
	if x.report.DeadKept > 0 {
		x.report.Remains = append(x.report.Remains, fmt.Sprintf("%d dead letters, as their bytes do not contain what was given; `caudal dead-letters list %s` shows them", x.report.DeadKept, x.source.Name))
	}
	return nil
}

// found counts what files hold of an erasure.
type found struct {
	events, dead int64
	letters      int64 // dead letters in all
	files        int
	dates        map[string]bool
}

func (f *found) add(g *group) error {
	if f.dates == nil {
		f.dates = map[string]bool{}
	}
	for i := range g.chunks {
		for k := range g.chunks[i].Files {
			file, taken := &g.chunks[i].Files[k], g.taken[fileOf{i, k}]
			if file.Dead {
				f.letters += file.Rows
			}
			if taken == nil {
				continue
			}
			f.files++
			f.dates[file.Date] = true
			if file.Dead {
				f.dead += int64(len(taken.offsets))
			} else {
				f.events += int64(len(taken.offsets))
			}
		}
	}
	return nil
}
