package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// maxSkew is how far the clocks of the store and of this machine may be apart: a listing's times are whole seconds.
const maxSkew = 10 * time.Second

// checkLake tries what everything rests on, and compares the definitions with what the lake holds.
func (d *doctor) checkLake(ctx context.Context) bool {
	l, err := openLake(ctx, d.project, d.dir)
	if err != nil {
		d.fail("lake", lakeMend(err), "%v", err)
		return false
	}
	skew, err := l.Probe(ctx, d.now)
	if err != nil {
		d.fail("lake", lakeMend(err), "%s: %v", l.Store().URL(), err)
		return false
	}
	d.ok("lake", "%s takes conditional puts", l.Store().URL())
	if skew.Abs() > maxSkew {
		d.warn("clock", "set this machine's clock by NTP", "the lake's clock is %v off this machine's", skew.Round(time.Second))
	} else {
		d.ok("clock", "it agrees with the lake's")
	}
	err = l.CheckSources(ctx, d.project)
	var refused view.Problems
	switch {
	case errors.As(err, &refused):
		d.fail("definitions and lake", "caudal lint --lake shows each with its place", "%d sources cannot go on with what the lake holds, the first: %v", len(refused), refused[0])
	case err != nil:
		d.warn("definitions and lake", "try again", "whether the sources can go on is not known: %v", err)
	default:
		d.ok("definitions and lake", "every source can go on with what the lake holds")
	}
	for _, src := range d.project.Sources {
		open, err := l.OpenErasures(ctx, src.Topic)
		switch {
		case err != nil:
			d.warn("erasures "+src.Topic, "try again", "%v", err)
		case len(open) > 0:
			d.warn("erasures "+src.Topic, "caudal erase with the same condition goes on with each", "%d erasures are not done, the oldest asked for at %s", len(open), open[0].Asked.UTC().Format(time.RFC3339))
		}
	}
	return true
}

// lakeMends are the mends of what stores answer, by a word of the answer: the first that it has.
var lakeMends = [][2]string{
	{"does not refuse", "use a store that has conditional puts (If-None-Match, If-Match): without them two archives would write over one another"},
	{"NoSuchBucket", "make the bucket, or name in lake.url one that there is"},
	{"XAdminUserNotFound", "see lake.access_key: the store does not know it"}, // of versitygw
	{"InvalidAccessKeyId", "see lake.access_key: the store does not know it"},
	{"SignatureDoesNotMatch", "see lake.secret_key and lake.region: what they sign is refused"},
	{"AccessDenied", "give the right to put, get, list and delete objects below lake.url"},
	{"RequestTimeTooSkewed", "set this machine's clock by NTP"},
	{"PermanentRedirect", "set lake.region to the bucket's"},
	{"no such host", "see lake.endpoint; a server that is not AWS mostly needs lake.path_style: true"},
	{"connection refused", "see that lake.endpoint names a server that runs and can be reached from here"},
	{"permission denied", "give the user of this process the right to write to the folder"},
	{"not a directory", "name in lake.url a folder, or nothing yet"},
}

// lakeMend is the mend of what a store answered.
func lakeMend(err error) string {
	for _, m := range lakeMends {
		if strings.Contains(err.Error(), m[0]) {
			return m[1]
		}
	}
	return "see that lake.url, its endpoint, region and keys are right, and that it may be put, got, listed and deleted; a store without conditional puts cannot hold a lake"
}

// The share of a disk that should be free, below which warnings and failures begin.
const (
	lowDisk  = 0.15
	fullDisk = 0.03
)

// checkDisk looks at the folders on this machine that the project writes to.
func (d *doctor) checkDisk() {
	folders := []string{d.dir}
	if url := d.project.Lake.URL; url != "" && !strings.Contains(url, "://") {
		folders = append(folders, url)
	}
	for _, folder := range folders {
		var disk syscall.Statfs_t
		at := folder
		for syscall.Statfs(at, &disk) != nil && at != filepath.Dir(at) {
			at = filepath.Dir(at) // it is made when something is written
		}
		if disk.Blocks == 0 {
			continue
		}
		free := float64(disk.Bavail) / float64(disk.Blocks)
		gib := float64(disk.Bavail) * float64(disk.Bsize) / (1 << 30)
		switch check := "disk " + folder; {
		case free < fullDisk:
			d.fail(check, "make room, or move the folder to a larger disk", "%.1f GiB are free (%.0f %%)", gib, 100*free)
		case free < lowDisk:
			d.warn(check, "make room before it is full: caudal batch prune and caudal lake prune free what nobody needs", "%.1f GiB are free (%.0f %%)", gib, 100*free)
		default:
			d.ok(check, "%.1f GiB are free (%.0f %%)", gib, 100*free)
		}
	}
}
