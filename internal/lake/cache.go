package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// cache keeps fetched objects as local files named by their SHA-256. Several processes may share its folder: a file comes into being
// by a rename, its modification time says when it was last asked for, and one that somebody else removed is fetched again.
type cache struct {
	dir  string
	max  int64
	hold time.Duration // a file asked for within it is not evicted: some query reads it

	mu      sync.Mutex
	files   map[string]*cached // by SHA-256
	total   int64              // bytes of files
	loading map[string]chan struct{}
}

type cached struct {
	id   fileIdentity // of the file that was hashed and found right; zero: not by this process yet
	size int64
	used time.Time
}

const cacheTemporary = "tmp-"

func openCache(dir string, maxBytes int64, hold time.Duration) (*cache, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("object cache: %w", err)
	}
	c := &cache{dir: dir, max: maxBytes, hold: hold, files: map[string]*cached{}, loading: map[string]chan struct{}{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("object cache: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(entry.Name(), cacheTemporary) {
			if time.Since(info.ModTime()) > time.Hour { // left by a crash, and nobody's download
				os.Remove(filepath.Join(dir, entry.Name()))
			}
			continue
		}
		c.files[entry.Name()] = &cached{size: info.Size(), used: info.ModTime()}
		c.total += info.Size()
	}
	return c, nil
}

// get returns the path of the file with that SHA-256, which download writes if it is not there. Callers of the same file wait for one download.
func (c *cache) get(ctx context.Context, key, sum string, download func(*os.File) error) (string, error) {
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("fetch %s: %w: %q is no SHA-256 in hex", key, ErrChecksum, sum)
	}
	path := filepath.Join(c.dir, sum)
	for {
		c.mu.Lock()
		if c.usable(path, sum) {
			c.mu.Unlock()
			return path, nil
		}
		wait := c.loading[sum]
		if wait == nil {
			wait = make(chan struct{})
			c.loading[sum] = wait
			c.mu.Unlock()
			err := c.load(path, key, sum, download)
			c.mu.Lock()
			delete(c.loading, sum)
			close(wait)
			c.mu.Unlock()
			if err != nil {
				return "", err
			}
			return path, nil
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// usable says whether the file is the one that was hashed before, and notes that it is used.
func (c *cache) usable(path, sum string) bool {
	file := c.files[sum]
	if file == nil || file.id == (fileIdentity{}) {
		return false
	}
	info, err := os.Stat(path)
	if err != nil || identify(info) != file.id {
		return false
	}
	c.touch(path, file)
	return true
}

// touch moves the modification time along, for other processes and for after a restart; not at every use, as it costs a write.
func (c *cache) touch(path string, file *cached) {
	now := time.Now()
	file.used = now
	if now.Sub(time.Unix(0, file.id.modified)) < c.hold/4 {
		return
	}
	if os.Chtimes(path, now, now) == nil {
		if info, err := os.Stat(path); err == nil {
			file.id = identify(info)
		}
	}
}

// load makes sure that path holds the right bytes: a file that is there is hashed, and replaced if it is wrong.
func (c *cache) load(path, key, sum string, download func(*os.File) error) error {
	err := c.check(path, key, sum)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrChecksum) {
		return err
	}
	temporary, err := os.CreateTemp(c.dir, cacheTemporary+"*")
	if err != nil {
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if err := download(temporary); err != nil {
		return err
	}
	if _, err := temporary.Seek(0, 0); err != nil {
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	if err := verify(temporary, key, sum); err != nil {
		return err
	}
	info, err := temporary.Stat()
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	c.admit(sum, info)
	return nil
}

// check hashes the file at path and admits it.
func (c *cache) check(path, key, sum string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := verify(file, key, sum); err != nil {
		return err
	}
	c.admit(sum, info)
	return nil
}

// admit enters a verified file and evicts those that were not asked for for longest.
func (c *cache) admit(sum string, info fs.FileInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.files[sum]; before != nil {
		c.total -= before.size
	}
	c.files[sum] = &cached{id: identify(info), size: info.Size(), used: time.Now()}
	c.total += info.Size()
	if c.total <= c.max {
		return
	}
	sums := make([]string, 0, len(c.files))
	for s := range c.files {
		sums = append(sums, s)
	}
	slices.SortFunc(sums, func(a, b string) int { return c.files[a].used.Compare(c.files[b].used) })
	for _, s := range sums {
		file, path := c.files[s], filepath.Join(c.dir, s)
		if c.total <= c.max || time.Since(file.used) < c.hold {
			return
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) < c.hold {
			file.used = info.ModTime() // another process asked for it
			continue
		}
		if os.Remove(path) == nil || !exists(path) {
			c.total -= file.size
			delete(c.files, s)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
