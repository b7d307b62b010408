// Package workdir makes the folders on local disk that a batch or a compaction works in, and removes those that killed processes left.
package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Dir is a run's folder on local disk: for files on their way into the lake, and for what DuckDB spills. It holds a locked file, so that the
// folder of a run that was killed can be told from that of one at work, whoever's it is.
type Dir struct {
	Path string
	lock *os.File
}

const (
	prefix   = "caudal-batch-"
	lockName = "LOCK"
	// abandoned is how old a folder without its lock must be before it is taken for abandoned, and not for one in the making.
	abandoned = time.Hour
)

// New makes a folder in parent ("" = the system's for temporary files) after it has removed those that killed runs left there.
func New(parent string) (*Dir, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if err := sweep(parent); err != nil {
		return nil, err
	}
	for range 3 {
		dir, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, fmt.Errorf("make a folder to work in: %w", err)
		}
		held, err := lock(dir)
		if err == nil {
			return &Dir{dir, held}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("lock folder %s: %w", dir, err), os.RemoveAll(dir))
		}
		// Another run took it for abandoned between the two steps, and removes it.
	}
	return nil, fmt.Errorf("make a folder to work in in %s: other runs remove it", parent)
}

// lock locks a folder until the file is closed, or the process gone.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close removes the folder.
func (d *Dir) Close() error { return errors.Join(os.RemoveAll(d.Path), d.lock.Close()) }

// sweep removes the folders of runs that are no more.
func sweep(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return fmt.Errorf("list the folders of earlier runs in %s: %w", parent, err)
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() {
			continue // somebody else's, or just removed
		}
		if _, err := os.Stat(filepath.Join(dir, lockName)); err != nil && time.Since(info.ModTime()) < abandoned {
			continue
		}
		held, err := lock(dir)
		if err != nil {
			continue // at work, or another user's
		}
		if err := errors.Join(os.RemoveAll(dir), held.Close()); err != nil {
			return fmt.Errorf("remove the folder of a run that was killed: %w", err)
		}
	}
	return nil
}
