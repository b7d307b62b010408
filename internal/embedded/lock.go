package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrDirInUse: another process, or another broker of this one, works in the folder.
var ErrDirInUse = errors.New("folder is in use")

// dirLock is a lock on a folder that ends with the process, whatever ends it.
type dirLock struct{ f *os.File }

// lockDir makes the folder and locks it, or says who holds it.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder, _ := io.ReadAll(io.LimitReader(f, 100))
			return nil, fmt.Errorf("%w: %s is held by process %s; stop it, or use another folder", ErrDirInUse, dir, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid()) // for people and for the message above; the lock does not depend on it
	}
	return &dirLock{f}, nil
}

func (l *dirLock) unlock() {
	if l != nil {
		l.f.Close()
	}
}
