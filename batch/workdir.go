package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// workDir is a run's folder on local disk: for view files on their way into the lake, and for what DuckDB spills. It holds a locked file,
// so that the folder of a run that was killed can be told from that of one at work, whoever's it is.
type workDir struct {
	path string
	lock *os.File
}

const (
	workDirPrefix = "caudal-batch-"
	workDirLock   = "LOCK"
	// workDirAge is how old a folder without its lock must be before it is taken for abandoned, and not for one in the making.
	workDirAge = time.Hour
)

// newWorkDir makes a folder in parent ("" = the system's for temporary files) after it has removed those that killed runs left there.
func newWorkDir(parent string) (*workDir, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if err := sweepWorkDirs(parent); err != nil {
		return nil, err
	}
	for range 3 {
		dir, err := os.MkdirTemp(parent, workDirPrefix)
		if err != nil {
			return nil, fmt.Errorf("make a folder for view files: %w", err)
		}
		lock, err := lockWorkDir(dir)
		if err == nil {
			return &workDir{dir, lock}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("lock folder %s: %w", dir, err), os.RemoveAll(dir))
		}
		// Another run took it for abandoned between the two steps, and removes it.
	}
	return nil, fmt.Errorf("make a folder for view files in %s: other runs remove it", parent)
}

// lockWorkDir locks a folder until the file is closed, or the process gone.
func lockWorkDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, workDirLock)
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

// close removes the folder.
func (d *workDir) close() error { return errors.Join(os.RemoveAll(d.path), d.lock.Close()) }

// sweepWorkDirs removes the folders of runs that are no more.
func sweepWorkDirs(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, workDirPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list the folders of earlier runs in %s: %w", parent, err)
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() {
			continue // somebody else's, or just removed
		}
		if _, err := os.Stat(filepath.Join(dir, workDirLock)); err != nil && time.Since(info.ModTime()) < workDirAge {
			continue
		}
		lock, err := lockWorkDir(dir)
		if err != nil {
			continue // at work, or another user's
		}
		if err := errors.Join(os.RemoveAll(dir), lock.Close()); err != nil {
			return fmt.Errorf("remove the folder of a run that was killed: %w", err)
		}
	}
	return nil
}
