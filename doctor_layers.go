package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caudal/caudal/serving"
)

// From when on the layers are late: records that neither is so far behind with while it runs, seconds, and the share of dead letters.
const (
	lateSpeed   = 30.0 // seconds
	lateArchive = 1_000_000
	manyDead    = 0.01
)

// checkLayers asks each layer how far it is: what stands still does not run.
func (d *doctor) checkLayers(ctx context.Context) bool {
	text, err := d.app.call(ctx, http.MethodGet, "/v1/status", "")
	if err != nil {
		d.fail("serving", "see the message", "how far the layers are is not known: %v", err)
		return false
	}
	var status serving.Status
	if err := json.Unmarshal(text, &status); err != nil {
		d.fail("serving", "use the same version of caudal as the server", "the status cannot be read: %v", err)
		return false
	}
	for _, v := range status.Views {
		if v.Error != "" {
			d.fail("view "+v.View, "see the message", "%s", v.Error)
			continue
		}
		d.checkSpeed(v)
		d.checkArchive(v)
		d.checkBatch(v)
		d.checkDead(v)
	}
	for _, b := range status.Batch {
		d.warn("batch asked", "run caudal batch run, or caudal run batch with batch.every", "since %s, for want of %s: %s", b.Since, b.Cause, b.Reason)
	}
	return true
}

// checkSpeed finds partitions that the speed layer does not serve, or is late with.
func (d *doctor) checkSpeed(v serving.ViewStatus) {
	check := "speed " + v.View
	var wrong []string
	for _, p := range v.Partitions {
		switch {
		case !p.Healthy:
			wrong = append(wrong, fmt.Sprintf("partition %d: %s", p.Partition, p.Reason))
		case p.BehindSeconds != nil && *p.BehindSeconds > lateSpeed:
			wrong = append(wrong, fmt.Sprintf("partition %d is %.0f s behind", p.Partition, *p.BehindSeconds))
		}
	}
	if len(wrong) > 0 {
		d.fail(check, "see that caudal run speed runs, and its log", "%d of %d partitions are not served as they should be, the first: %s", len(wrong), len(v.Partitions), wrong[0])
		return
	}
	d.ok(check, "every partition is served, %s records behind", number(v.Lag.Speed))
}

func (d *doctor) checkArchive(v serving.ViewStatus) {
	check := "archive " + v.Topic
	if slices.ContainsFunc(d.findings, func(f finding) bool { return f.Check == check }) {
		return // another view of the topic
	}
	if v.Lag.Archive != nil && *v.Lag.Archive > lateArchive {
		d.fail(check, "see that caudal run archive runs, and its log; what Kafka's retention takes before it is archived is lost", "%d records are not in the lake yet", *v.Lag.Archive)
		return
	}
	d.ok(check, "%s records are not in the lake yet", number(v.Lag.Archive))
}

// checkBatch compares the age of the snapshot with the time between batches.
func (d *doctor) checkBatch(v serving.ViewStatus) {
	check := "batch " + v.View
	every := d.project.Batch.Every
	if every == 0 {
		every = dayOfGrace
	}
	made, err := time.Parse(time.RFC3339, v.Published)
	switch age := d.now().Sub(made).Round(time.Second); {
	case err != nil || v.Sequence <= 0:
		d.warn(check, "run caudal batch run; cron or batch.every should", "no batch has run yet: every number is the speed layer's")
	case age > 2*every:
		d.warn(check, "see why caudal batch run was not called, or failed", "the last batch is %v old, and one is due every %v", age, every)
	default:
		d.ok(check, "the last batch is %v old", age)
	}
}

func (d *doctor) checkDead(v serving.ViewStatus) {
	check := "dead letters " + v.Topic
	if slices.ContainsFunc(d.findings, func(f finding) bool { return f.Check == check }) {
		return
	}
	var dead, events int64
	for _, p := range v.Partitions {
		dead, events = dead+p.DeadLetters, events+p.Events
	}
	if share := float64(dead) / float64(max(1, dead+events)); share > manyDead {
		d.warn(check, "caudal dead-letters list shows why", "%d of the last %d records could not be read (%.1f %%)", dead, dead+events, 100*share)
		return
	}
	d.ok(check, "%d of the last %d records", dead, dead+events)
}
