package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
)

// errNewLife says that the topic was created again while a run was at work: what it has cut is no longer the newest life.
var errNewLife = errors.New("the topic was created again meanwhile; run again, with a new run id")

// lives finds the lives of the topic before its newest, and what each snapshot that is kept says of records that they took with them.
func (j *job) lives(ctx context.Context, snapshots []*lake.Manifest) error {
	lives, err := j.runner.cfg.Lake.Lives(ctx, j.topic.Name)
	if err != nil {
		return err
	}
	j.tails = map[int]int64{}
	for i := range lives {
		if lives[i].Incarnation >= j.topic.Incarnation {
			break
		}
		j.past = append(j.past, lives[i])
		for _, m := range snapshots {
			cuts, _ := m.CutsOf(lives[i].Incarnation)
			for p, gaps := range m.MissingOf(lives[i].Incarnation) {
				if last := gaps[len(gaps)-1]; last[0] >= cuts[p].Offset {
					slot := j.slot(lives[i].Incarnation, p)
					j.tails[slot] = max(j.tails[slot], last[1])
				}
			}
		}
	}
	return nil
}

// closed says whether the snapshot before covers a life to its end.
func (j *job) closed(life lake.Topic) bool {
	_, known := j.current.CutsOf(life.Incarnation)
	return known && life.Incarnation < j.current.Topic.Incarnation
}

// eachPast calls f for each partition of the lives before the newest.
func (j *job) eachPast(f func(life *lake.Life, slot int) error) error {
	for i := range j.past {
		life := &j.past[i]
		partitions := life.Partitions
		for slot := range j.was {
			if of, p := j.unslot(slot); of == life.Topic {
				partitions = max(partitions, p+1)
			}
		}
		for p := range partitions {
			if err := f(life, j.slot(life.Incarnation, p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutPast closes the lives before the newest: V is where the archive ended, and what the speed layer had counted beyond it is missing for
// good, as the log is gone. An archive may still be writing the last records that it read, and is waited for a little; what it writes later
// the next run adds.
func (j *job) cutPast(ctx context.Context, cuts map[int]lake.Cut) error {
	counted := map[int]int64{}
	err := j.eachPast(func(life *lake.Life, slot int) error {
		if j.closed(life.Topic) {
			return nil
		}
		off, _, ok, err := j.runner.cfg.Live.Seal(ctx, j.group(slot), rand.Text())
		if ok {
			counted[slot] = off
		}
		return err
	})
	if err == nil {
		err = j.awaitPast(ctx, counted)
	}
	if err != nil {
		return err
	}
	return j.eachPast(func(life *lake.Life, slot int) error {
		_, partition := j.unslot(slot)
		next, at, _, err := j.runner.cfg.Lake.Next(ctx, life.Topic, partition)
		if err != nil {
			return err
		}
		was, known := j.was[slot]
		switch {
		case next > was.Offset:
			cuts[slot] = lake.Cut{Offset: next, Progress: at}
		case !known:
			cuts[slot] = lake.Cut{Progress: intake.Start()} // nothing of it was ever archived
		}
		j.tails[slot] = max(j.tails[slot], counted[slot])
		if j.beside != nil && j.beside.topic == j.topic {
			// A definition that takes its place answers without what this one had counted, and has to say so too.
			j.tails[slot] = max(j.tails[slot], j.beside.tails[slot])
		}
		return nil
	})
}

// awaitPast waits for the archive's last words about records that the speed layer has counted.
func (j *job) awaitPast(ctx context.Context, counted map[int]int64) error {
	until := time.Now().Add(j.runner.cfg.EndedWait)
	for {
		behind := int64(0)
		for slot, off := range counted {
			of, partition := j.unslot(slot)
			next, _, _, err := j.runner.cfg.Lake.Next(ctx, of, partition)
			if err != nil {
				return err
			}
			behind += max(0, off-max(next, j.was[slot].Offset))
		}
		if behind == 0 || time.Now().After(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(firstPoll):
		}
	}
}

// stillNewest says whether the topic is in the life that the jobs have cut.
func (r *Runner) stillNewest(ctx context.Context, t lake.Topic) error {
	lives, err := r.cfg.Lake.Lives(ctx, t.Name)
	if err != nil {
		return err
	}
	if n := len(lives); n == 0 || lives[n-1].Topic != t {
		return fmt.Errorf("%s is over: %w", t, errNewLife)
	}
	return nil
}

// tail is what a life that is over took with it in one of its partitions; false: nothing that anybody knows of.
func (j *job) tail(slot int) (gap [2]int64, ok bool) {
	gap = [2]int64{j.cuts[slot].Offset, j.tails[slot]}
	return gap, !newest(slot) && gap[1] > gap[0]
}

// takes says whether this run is the one that closes a slot's life without records that the speed layer had counted.
func (j *job) takes(slot int) bool {
	_, ok := j.tail(slot)
	of, _ := j.unslot(slot)
	return ok && !j.closed(of)
}

// allMissing are the offsets that the lake has not, by slot: those that chunks state, and what ended lives took with them.
func (j *job) allMissing() map[int][][2]int64 {
	all := map[int][][2]int64{}
	for slot := range j.cuts {
		gaps := j.missing[slot]
		if gap, ok := j.tail(slot); ok {
			gaps = append(gaps[:len(gaps):len(gaps)], gap)
		}
		if len(gaps) > 0 {
			all[slot] = gaps
		}
	}
	return all
}

// lostPeriods are the periods of what the speed layer had counted and the lake has not, of lives that are over or because of retention: their
// answers change with the publish, which the ledger is to show.
func (j *job) lostPeriods(ctx context.Context) ([]period, error) {
	dates := map[string]bool{}
	grain := comparedGrains(j.view)[0].grain
	for slot := range j.cuts {
		if !j.takes(slot) && j.lost[slot] == 0 {
			continue
		}
		g := j.group(slot)
		m, ok, err := j.runner.cfg.Live.Peek(ctx, g)
		if err != nil || !ok || !m.Holds(j.from(slot)) {
			continue // nobody was answered from it, or the ledger will say why it could not be read
		}
		request := live.ReadRequest{V: j.from(slot), Grain: grain.Name}
		first := true
		for id := range m.Chunks {
			if id.Grain == grain.Name {
				if first {
					request.MinChunk, request.MaxChunk, first = id.Chunk, id.Chunk, false
				}
				request.MinChunk, request.MaxChunk = min(request.MinChunk, id.Chunk), max(request.MaxChunk, id.Chunk)
			}
		}
		reply, err := j.runner.cfg.Live.Read(ctx, g, request)
		if err != nil {
			continue
		}
		for _, chunk := range reply.Chunks {
			for _, field := range chunk.Cells.Fields {
				bucket, _, err := live.SplitField(field)
				if err != nil {
					return nil, err
				}
				for at := bucket; at < grain.Next(bucket, j.view.Location); at += microsPerDay {
					dates[time.UnixMicro(at).UTC().Format(time.DateOnly)] = true
				}
			}
		}
	}
	return periodsOf(j.view, dates)
}
