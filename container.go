package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// Of the memory that a container may take, a tenth is for what neither Go's heap nor DuckDB's limit counts: the binary's pages, stacks of threads, and what lies
// unused between allocations. Go's share is a third at least: with less it would do little but collect garbage, and DuckDB rarely takes all that it may.
const (
	uncounted   = 10
	leastShared = 3
)

// boundHeap makes the garbage collector work harder before the process takes more memory than its container may, of which outside are bytes that DuckDB may
// take beside Go's heap. GOMEMLIMIT has the last word; where nothing bounds the container, nothing changes.
func boundHeap(outside int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, bounded := containerMemory(os.DirFS("/")); bounded {
		debug.SetMemoryLimit(heapOf(limit, outside))
	}
}

// heapOf is Go's part of so many bytes.
func heapOf(limit, outside int64) int64 {
	return max(limit-limit/uncounted-outside, limit/leastShared)
}

// containerMemory is how many bytes the control groups of this process let it take, as root, the system's files, says; false: any number.
func containerMemory(root fs.FS) (limit int64, bounded bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[1] == "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case fields[1] != "":
			continue
		}
		// a group is bounded by those that it is in, too; in a container the path may be that of the machine outside
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if n, ok := bytesIn(root, path.Join(base, group, file)); ok && (!bounded || n < limit) {
				limit, bounded = n, true
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, bounded
}

// unbounded is what the older control groups say where there is no limit, or more.
const unbounded = 1 << 60

// bytesIn reads a limit; not ok: there is none.
func bytesIn(root fs.FS, file string) (n int64, ok bool) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0 && n < unbounded
}

// outsideHeap is how many bytes DuckDB may take in a process of these roles. Scans of the lake for exact=true, which spill, are not in it.
func (r roles) outsideHeap(project *view.Project) (n int64) {
	if r.speed {
		n += engineBytes
	}
	if r.serve || r.watch {
		n += engineBytes
	}
	if r.batch && project.Batch.Every > 0 {
		n += batchBytes(project)
	}
	return n
}

// engineBytes is what DuckDB may take in the speed layer and in serving, by their defaults.
const engineBytes = 512_000_000

// batchBytes is what it may take in a batch.
func batchBytes(project *view.Project) int64 {
	n, err := view.ParseBytes(project.Batch.MemoryLimit)
	if err != nil {
		return 0 // no batch begins with that
	}
	return n
}
