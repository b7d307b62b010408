package main

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/caudal/caudal/internal/view"
)

func TestTheContainersLimitIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64 // 0: none
	}{
		"of the container itself": {fstest.MapFS{
			"proc/self/cgroup":         {Data: []byte("0::/\n")},
			"sys/fs/cgroup/memory.max": {Data: []byte("2147483648\n")},
		}, 2 << 30},
		"none": {fstest.MapFS{
			"proc/self/cgroup":         {Data: []byte("0::/\n")},
			"sys/fs/cgroup/memory.max": {Data: []byte("max\n")},
		}, 0},
		"the least of the groups around": {fstest.MapFS{
			"proc/self/cgroup":                                     {Data: []byte("0::/system.slice/caudal.service\n")},
			"sys/fs/cgroup/system.slice/memory.max":                {Data: []byte("1000000000\n")},
			"sys/fs/cgroup/system.slice/caudal.service/memory.max": {Data: []byte("3000000000\n")},
		}, 1_000_000_000},
		"of the older kind": {fstest.MapFS{
			"proc/self/cgroup":                           {Data: []byte("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n")},
			"sys/fs/cgroup/memory/memory.limit_in_bytes": {Data: []byte("500000000\n")},
		}, 500_000_000},
		"none of the older kind": {fstest.MapFS{
			"proc/self/cgroup":                           {Data: []byte("4:memory:/\n")},
			"sys/fs/cgroup/memory/memory.limit_in_bytes": {Data: []byte("9223372036854771712\n")},
		}, 0},
		"no control groups": {fstest.MapFS{}, 0},
	} {
		if got, bounded := containerMemory(c.files); got != c.want || bounded != (c.want > 0) {
			t.Errorf("%s: %d bytes, bounded %v; want %d", name, got, bounded, c.want)
		}
	}
}

func TestTheHeapIsBoundedByWhatDuckDBLeaves(t *testing.T) {
	project := &view.Project{Batch: view.Batch{MemoryLimit: "2GB", Every: time.Hour}}
	for _, c := range []struct {
		roles roles
		limit int64
		want  int64
	}{
		{roles{archive: true}, 1_000_000_000, 900_000_000},
		{roles{speed: true}, 2_000_000_000, 1_288_000_000},
		{roles{serve: true, watch: true}, 2_000_000_000, 1_288_000_000},
		{roles{batch: true}, 4_000_000_000, 1_600_000_000},
		{roles{batch: true}, 2_000_000_000, 666_666_666}, // DuckDB's limit alone is too much: a third
	} {
		if got := heapOf(c.limit, c.roles.outsideHeap(project)); got != c.want {
			t.Errorf("%+v in %d bytes: a heap of %d, want %d", c.roles, c.limit, got, c.want)
		}
	}
}
