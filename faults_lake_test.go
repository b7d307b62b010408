package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of so many bytes that can be filled.
func smallDisk(t *testing.T, bytes string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes); err != nil {
		t.Skipf("SKIP a full disk: no file system may be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ballast fills a file system but for some bytes, and returns what takes it away.
func ballast(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(max(0, info.Size()-leave))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultTheDiskUnderTheLakeIsFull: the archive waits and says so, answers go on, a batch fails and leaves the old snapshot, and all
// goes on by itself once there is room. Archived reads every file of the lake against the checksum of its commit.
func TestFaultTheDiskUnderTheLakeIsFull(t *testing.T) {
	long(t)
	t.Parallel()
	disk := smallDisk(t, "24m")
	lake := filepath.Join(disk, "lake")
	s := siteOf(t, where{lake: lake})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	s.archived()
	s.batch()
	s.ask()
	for _, leave := range []int64{0, 12 << 10, 40 << 10} {
		before, tried := s.said("archive"), s.said("batch")
		free := ballast(t, disk, leave)
		for range 3 {
			s.produce(300)
		}
		s.awaitSaid("archive", "no space left on device", before)
		s.heals()
		if _, err := s.tryBatch(); err == nil {
			t.Errorf("a batch published on a full disk with %d bytes left", leave)
		} else if said := strings.TrimPrefix(s.said("batch"), tried); !strings.Contains(said, "no space left on device") {
			t.Errorf("a batch on a full disk says: %s", said)
		}
		s.heals()
		free()
		s.heals()
		s.archived()
	}
	s.settles()
	speed.terminate()
	archive.terminate()
	err := filepath.WalkDir(lake, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") && d.Name() != ".caudal-lock" {
			t.Errorf("%s was left", path)
		}
		return err
	})
	s.check(err)
}
