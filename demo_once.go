package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/lake"
)

// once goes through the stages of `demo --once` from where an earlier run of the same folder was stopped, and reports every check. A
// stage that was stopped half way is gone through again: each is safe to repeat.
func (d *demonstration) once(ctx context.Context) error {
	data, err := retail.ReadFile(retailFolder + "/known_answers.json")
	if err != nil {
		return fmt.Errorf("read the known answers: %w", err)
	}
	answers, err := readAnswers(data)
	if err != nil {
		return err
	}
	questions := checks(answers)
	stages := []func() error{
		func() error { return d.send(ctx, retailLines/2, 0) },
		func() error { return d.batch(ctx) },
		func() error { return d.send(ctx, 0, 0) },
		func() error { return d.ask(ctx, "batched to the middle", questions) },
		func() error { return d.batch(ctx) },
		func() error { return d.ask(ctx, "everything batched", questions) },
		func() error { return d.account(ctx) },
		func() error { return d.rollbackToNothing(ctx) },
		func() error { return d.ask(ctx, "nothing batched", questions) },
	}
	for i := d.state.Stage; i < len(stages); i++ {
		if err := stages[i](); err != nil {
			return err
		}
		if err := d.keep(func(s *demoState) { s.Stage = i + 1 }); err != nil {
			return err
		}
	}
	return d.report()
}

// ask waits until the layers have read all that was sent, asks every question, and keeps how they came out.
func (d *demonstration) ask(ctx context.Context, stage string, questions []check) error {
	if err := d.settle(ctx); err != nil {
		return err
	}
	began := time.Now()
	var results []checked
	for _, q := range questions {
		r, err := q.run(ctx, d.parts.server, stage)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	fmt.Fprintf(d.stderr, "%s: %d questions asked in %v\n", stage, len(questions), time.Since(began).Round(time.Millisecond))
	return d.keep(func(s *demoState) { s.Checked = append(s.Checked, results...) })
}

// settle waits until the speed layer has read all that was sent, and continues the snapshot that is current now.
func (d *demonstration) settle(ctx context.Context) error {
	began := time.Now()
	bar := newProgress(d.stderr, "waiting for the speed layer", "records behind", 0)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		behind, settled, err := d.behind(ctx)
		if err != nil {
			return err
		}
		if settled {
			fmt.Fprintf(d.stderr, "the speed layer is up to date after %v\n", time.Since(began).Round(time.Millisecond))
			return nil
		}
		bar.at(behind, "")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// behind is how many records the speed layer has not read, and whether nothing is left to wait for.
func (d *demonstration) behind(ctx context.Context) (records int64, settled bool, err error) {
	settled = true
	status, err := d.parts.server.Status(ctx)
	if err != nil {
		return 0, false, err
	}
	for i, v := range d.project.Views {
		current, _, err := d.lake.Current(ctx, v.Name, v.Hash)
		if errors.Is(err, lake.ErrNotFound) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("read the snapshot of %s: %w", v.Name, err)
		}
		seen := status.Views[i]
		settled = settled && seen.Snapshot == current.ID && seen.Lag.Speed != nil && *seen.Lag.Speed == 0 && *seen.Lag.Coarse == 0
		for _, p := range seen.Partitions {
			// What the status knows of the log's end may be some seconds old.
			_, end, err := d.stream.Bounds(ctx, v.Source.Topic, p.Partition)
			if err != nil {
				return 0, false, fmt.Errorf("look at the log: %w", err)
			}
			settled = settled && p.Healthy && p.LogEnd != nil && *p.LogEnd == end
		}
		if seen.Lag.Speed != nil {
			records = max(records, *seen.Lag.Speed)
		}
	}
	return records, settled, nil
}

// demoLockTTL is short, so that a demo that was killed in its batch goes on soon.
const demoLockTTL = 4 * time.Second

// batch runs the batch layer over all that was sent. The lock of a run that was killed has to expire first.
func (d *demonstration) batch(ctx context.Context) error {
	if err := d.settle(ctx); err != nil {
		return err
	}
	runner, err := d.runner(demoLockTTL)
	if err != nil {
		return err
	}
	for {
		report, err := runner.Run(ctx, batch.RunOptions{})
		if errors.Is(err, lake.ErrLocked) {
			fmt.Fprintf(d.stderr, "waiting for the lock of a run that did not end: %v\n", err)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("run the batch: %w", err)
		}
		fmt.Fprint(d.stderr, report)
		return nil
	}
}

// rollbackToNothing makes the empty first snapshot current, so that every answer comes from the speed layer, rebuilt from the log.
func (d *demonstration) rollbackToNothing(ctx context.Context) error {
	runner, err := d.runner(demoLockTTL)
	if err != nil {
		return err
	}
	lists, err := runner.List(ctx, nil)
	if err != nil {
		return fmt.Errorf("list the snapshots: %w", err)
	}
	for _, l := range lists {
		if _, err := runner.Rollback(ctx, l.View, l.Snapshots[0].ID); err != nil {
			return fmt.Errorf("roll %s back to the empty snapshot: %w", l.View, err)
		}
	}
	return nil
}

// account checks that every record is exactly one of event, duplicate and dead letter: what was sent, what the log holds, and what
// the batch counted are the same.
func (d *demonstration) account(ctx context.Context) error {
	var results []checked
	for _, t := range topicsOfRetail {
		src := findSource(d.project, t.source)
		topic, err := d.stream.Topic(ctx, src.Topic)
		if err != nil {
			return fmt.Errorf("count the records of %s: %w", src.Topic, err)
		}
		var logged, kept, duplicates, dead int64
		for _, p := range topic.Partitions {
			first, next, err := d.stream.Bounds(ctx, src.Topic, p)
			if err != nil {
				return fmt.Errorf("count the records of %s: %w", src.Topic, err)
			}
			logged += next - first
		}
		for _, v := range d.project.Views {
			if v.Source != src {
				continue
			}
			m, _, err := d.lake.Current(ctx, v.Name, v.Hash)
			if err != nil {
				return fmt.Errorf("read the snapshot of %s: %w", v.Name, err)
			}
			kept, duplicates, dead = m.Events-m.Duplicates, m.Duplicates, m.Dead
			r := checked{Stage: "everything batched", Reading: v.Name, What: "records in = events + duplicates + dead letters", Values: 1, Exact: 1}
			if logged != kept+duplicates+dead || dead != 0 || t.source == "orders" && kept != retailLines {
				r.wrong(fmt.Sprintf("%d records in the log, %d events, %d duplicates, %d dead letters", logged, kept, duplicates, dead))
			}
			results = append(results, r)
		}
		fmt.Fprintf(d.stderr, "%s: %s records in = %s events + %s duplicates + %s dead letters\n", src.Name, grouped(logged), grouped(kept), grouped(duplicates), grouped(dead))
	}
	return d.keep(func(s *demoState) { s.Checked = append(s.Checked, results...) })
}

// report prints what was checked, and fails if anything was wrong.
func (d *demonstration) report() error {
	rows := make([][]string, len(d.state.Checked))
	values, exact, wrong := 0, 0, 0
	for i, r := range d.state.Checked {
		verdict := "ok"
		if r.Wrong > 0 {
			verdict = fmt.Sprintf("%d WRONG: %s", r.Wrong, r.First)
		}
		worst := "-"
		if r.Exact < r.Values {
			worst = fmt.Sprintf("%.2f %%", 100*r.Worst)
		}
		rows[i] = []string{r.Stage, r.Reading, r.What, strconv.Itoa(r.Values), strconv.Itoa(r.Exact), worst, verdict}
		values, exact, wrong = values+r.Values, exact+r.Exact, wrong+r.Wrong
	}
	if err := d.print(d.state.Checked, []string{"stage", "reading", "question", "known", "exact", "worst error", "verdict"}, rows); err != nil {
		return err
	}
	if d.output == "table" {
		fmt.Fprintf(d.stdout, "\n%s known answers compared, %s of them exact, the others inside their bound; %d wrong\n", grouped(int64(values)), grouped(int64(exact)), wrong)
	}
	if wrong > 0 {
		return errReported
	}
	return nil
}
