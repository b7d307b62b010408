package lake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// PutLocal puts a local file into the lake under the key that its SHA-256 (hex) is given, once: its pages are mapped, so that a file of
// hundreds of megabytes takes no memory of its own. An object of that key that stands is compared, and ErrChecksum if it is another.
func (l *Lake) PutLocal(ctx context.Context, path string, keyOf func(sha256 string) string) (File, error) {
	file, err := os.Open(path)
	if err != nil {
		return File{}, fmt.Errorf("put a local file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return File{}, fmt.Errorf("put a local file: %s is empty: %w", path, errors.Join(err, os.ErrInvalid))
	}
	data, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return File{}, fmt.Errorf("put a local file: map %s: %w", path, err)
	}
	defer syscall.Munmap(data)
	put := File{Bytes: info.Size(), SHA256: Sum(data)}
	put.Key = keyOf(put.SHA256)
	_, err = l.store.Create(ctx, put.Key, data)
	if errors.Is(err, ErrExists) {
		_, err = l.Fetch(ctx, put.Key, put.SHA256)
	}
	if err != nil {
		return File{}, fmt.Errorf("put a local file: %w", err)
	}
	return put, nil
}
