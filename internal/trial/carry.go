package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving"
)

// carryOut sends the events of all trials and asks, with one batch in between.
func (l *layers) carryOut(ctx context.Context, all []*trial) error {
	if err := l.settle(ctx, all); err != nil { // the speed layer has taken every partition
		return err
	}
	trials, alerts := apart(all)
	if err := l.watchBefore(ctx, alerts); err != nil {
		return err
	}
	if err := eachPath(trials, func(w *path) error { return l.send(ctx, w, 0, w.seam) }); err != nil {
		return err
	}
	if err := l.settle(ctx, trials); err != nil {
		return err
	}
	for _, t := range trials {
		t.speed = l.ask(ctx, t, t.paths[0])
		l.countSpeed(ctx, t)
	}
	if err := l.batch(ctx, all); err != nil {
		return err
	}
	if err := l.watchAfter(ctx, alerts); err != nil {
		return err
	}
	if err := eachPath(trials, func(w *path) error { return l.send(ctx, w, w.seam, len(w.given)) }); err != nil {
		return err
	}
	if err := l.settle(ctx, trials); err != nil {
		return err
	}
	l.ahead.Add(int64(time.Hour))
	for _, t := range trials {
		t.batch = l.ask(ctx, t, t.paths[0])
		l.countBatch(ctx, t)
		for _, w := range t.paths[1:] {
			w.merged = l.ask(ctx, t, w)
		}
	}
	return nil
}

// send sends the events [from, to) of a path.
func (l *layers) send(ctx context.Context, w *path, from, to int) error {
	if from == to {
		return nil
	}
	messages := make([]stream.Message, to-from)
	for i, e := range w.given[from:to] {
		messages[i] = stream.Message{Value: e.Value, Timestamp: e.Timestamp, Partition: &e.Partition}
		w.sent[e.Partition]++
	}
	out := l.stream.Producer(w.view.Source.Topic)
	return errors.Join(out.Write(ctx, messages), out.Close())
}

// lookAgain is how often the layers are asked whether they have got through.
const lookAgain = 5 * time.Millisecond

// until waits for the layers to get so far.
func until(ctx context.Context, reached func() (bool, error)) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		if ok, err := reached(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// settle waits until the speed layer holds all that was sent.
func (l *layers) settle(ctx context.Context, trials []*trial) error {
	var groups []live.Group
	var want []int64
	err := eachPath(trials, func(w *path) error {
		for p := range w.view.Source.Partitions {
			groups = append(groups, l.group(w, p))
			want = append(want, w.sent[p])
		}
		return nil
	})
	if err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		for i, h := range l.live.Heads(ctx, groups) {
			if h.Err != nil {
				return false, h.Err
			}
			if !h.OK || h.Off < want[i] || h.Coarse < want[i] {
				return false, nil
			}
		}
		return true, nil
	})
}

func (l *layers) group(w *path, partition int) live.Group {
	return live.Group{Project: l.project.Name, Topic: w.view.Source.Topic, Incarnation: 1, Partition: partition, View: w.view.Name, Hash: w.view.Hash}
}

// batch has the archive close its chunks, and runs the batch layer over them.
func (l *layers) batch(ctx context.Context, trials []*trial) error {
	err := eachPath(trials, func(w *path) error {
		l.archive.Close(w.view.Source.Topic, maps.Clone(w.sent))
		return nil
	})
	if err != nil {
		return err
	}
	if err := eachPath(trials, func(w *path) error { return l.archived(ctx, w) }); err != nil {
		return err
	}
	_, err = l.runner.Run(ctx, batch.RunOptions{})
	return err
}

// archived waits until the lake holds what was sent of a path.
func (l *layers) archived(ctx context.Context, w *path) error {
	return until(ctx, func() (bool, error) {
		for p, n := range w.sent {
			id := lake.Topic{Name: w.view.Source.Topic, Incarnation: 1}
			next, _, _, err := l.lake.Next(ctx, id, p)
			if err != nil || next < n {
				return false, err
			}
		}
		return true, nil
	})
}

// ask asks the query of a test about one of its paths.
func (l *layers) ask(ctx context.Context, t *trial, w *path) reading {
	var q serving.Query
	if err := json.Unmarshal(t.Test.Query, &q); err != nil {
		return reading{err: fmt.Errorf("read the query: %w", err)}
	}
	q.View = w.view.Name
	r := reading{seam: w.seam}
	if r.result, r.err = l.server.Query(ctx, q); r.err != nil {
		return r
	}
	if r.result.Provenance.Partial {
		r.err = fmt.Errorf("the answer is partial: %s", r.result.Provenance.Reason)
		return r
	}
	text, err := json.Marshal(r.result)
	if err != nil {
		return reading{err: fmt.Errorf("encode the answer: %w", err)}
	}
	var body struct {
		Data []map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return reading{err: fmt.Errorf("read the answer: %w", err)}
	}
	r.rows = body.Data
	return r
}

// countSpeed notes what the speed layer has counted of the first path's records.
func (l *layers) countSpeed(ctx context.Context, t *trial) {
	var c live.Counts
	for p := range t.Test.Partitions {
		for _, h := range l.live.Heads(ctx, []live.Group{l.group(t.paths[0], p)}) {
			t.speed.err = errors.Join(t.speed.err, h.Err)
			c.Add(h.Counts)
		}
	}
	l.count(ctx, &t.speed, t.paths[0], c.Duplicates, c.Dead)
}

// countBatch notes what batch has counted of them.
func (l *layers) countBatch(ctx context.Context, t *trial) {
	w := t.paths[0]
	m, _, err := l.lake.Current(ctx, w.view.Name, w.view.Hash)
	if err != nil {
		t.batch.err = errors.Join(t.batch.err, fmt.Errorf("read what batch has counted: %w", err))
		return
	}
	l.count(ctx, &t.batch, w, m.Duplicates, m.Dead)
}

// count notes the counts of a reading: of the intake what is no event of the view, and of an answer about everything its events.
func (l *layers) count(ctx context.Context, r *reading, w *path, duplicates, dead int64) {
	if r.err != nil {
		return
	}
	all, err := l.server.Query(ctx, serving.Query{View: w.view.Name})
	if err != nil {
		r.err = fmt.Errorf("count the events: %w", err)
		return
	}
	r.counts = map[string]int64{"events": all.Statistics.Events, "late": all.Statistics.Late, "duplicates": duplicates, "dead_letters": dead}
}
