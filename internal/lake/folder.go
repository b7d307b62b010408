package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// folder is a Store in a folder of a local file system. An object is a file; one comes into being by link(2), which fails if the name is
// taken, from a temporary file that is complete and synced. A crash can only leave temporary files, which no listing shows.
type folder struct {
	root string
	sync bool

	mu       sync.Mutex
	verified map[string]fileIdentity // by path and SHA-256: the file that was hashed and found right
}

// fileIdentity changes whenever a file is replaced or written to.
type fileIdentity struct {
	inode, size, modified int64
}

func openFolder(root string, opt Options) (Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	return &folder{root: root, sync: !opt.NoSync, verified: map[string]fileIdentity{}}, nil
}

// URL is the folder's absolute path as a file URL.
func (f *folder) URL() string { return "file://" + filepath.ToSlash(f.root) }

func (f *folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// Get reads the file.
func (f *folder) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(f.path(key))
	if err != nil {
		return nil, "", fmt.Errorf("get %s: %w", key, notFound(err))
	}
	return data, tagOf(data), nil
}

// notFound maps what the system says of a missing file, or of a file where a folder should be, to ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return ErrNotFound
	}
	return err
}

// tagOf is a function of the content: safe for Swap since no object that is swapped has the same content twice.
func tagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// Create writes a temporary file and links it to its name.
func (f *folder) Create(ctx context.Context, key string, data []byte) (string, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return "", err
	}
	path := f.path(key)
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("create %s: %w", key, ErrExists)
	}
	temporary, err := f.writeTemporary(path, data)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", key, err)
	}
	err = os.Link(temporary, path)
	os.Remove(temporary)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("create %s: %w", key, ErrExists)
	}
	if err == nil {
		err = f.syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return "", fmt.Errorf("create %s: %w", key, err)
	}
	return tagOf(data), nil
}

// Swap compares and replaces under a lock that all processes on this folder share.
func (f *folder) Swap(ctx context.Context, key string, data []byte, tag string) (string, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return "", err
	}
	err := f.locked(func() error {
		standing, err := os.ReadFile(f.path(key))
		if err != nil {
			if err = notFound(err); errors.Is(err, ErrNotFound) {
				err = ErrChanged
			}
			return err
		}
		if tagOf(standing) != tag {
			return ErrChanged
		}
		return f.replace(key, data)
	})
	if err != nil {
		return "", fmt.Errorf("swap %s: %w", key, err)
	}
	return tagOf(data), nil
}

// Put replaces under the lock, so that it cannot come between a Swap's comparison and its rename.
func (f *folder) Put(ctx context.Context, key string, data []byte) error {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	if err := f.locked(func() error { return f.replace(key, data) }); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// Delete removes the file; folders that fall empty stay.
func (f *folder) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	err := f.locked(func() error {
		path := f.path(key)
		if err := os.Remove(path); err != nil {
			if errors.Is(notFound(err), ErrNotFound) {
				return nil
			}
			return err
		}
		return f.syncFolder(filepath.Dir(path))
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (f *folder) replace(key string, data []byte) error {
	path := f.path(key)
	temporary, err := f.writeTemporary(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return f.syncFolder(filepath.Dir(path))
}

// writeTemporary writes data, complete and synced, beside where it will stand.
func (f *folder) writeTemporary(path string, data []byte) (name string, err error) {
	dir := filepath.Dir(path)
	if err := f.makeFolder(dir); err != nil {
		return "", err
	}
	t, err := os.CreateTemp(dir, reserved+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := t.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			os.Remove(t.Name())
		}
	}()
	if _, err := io.Copy(t, bytes.NewReader(data)); err != nil {
		return "", err
	}
	if err := t.Chmod(0o644); err != nil {
		return "", err
	}
	if f.sync {
		if err := t.Sync(); err != nil {
			return "", err
		}
	}
	return t.Name(), nil
}

// makeFolder makes a folder and its parents and syncs each parent that gained an entry: a file that was synced is lost all the same if the folder is.
func (f *folder) makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := f.makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncFolder(filepath.Dir(dir))
}

func (f *folder) syncFolder(dir string) error {
	if !f.sync {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// locked runs do under the folder's lock. Each call opens the file anew, so that goroutines of one process exclude each other too.
func (f *folder) locked(do func() error) error {
	lock, err := os.OpenFile(filepath.Join(f.root, reserved+"lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return fmt.Errorf("lock %s: %w", f.root, err)
		}
	}
	return do()
}

// List walks the folder.
func (f *folder) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return f.ListFrom(ctx, prefix, "")
}

// ListFrom walks the part of the folder that can hold such keys.
func (f *folder) ListFrom(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if dir != "" && checkKey(strings.TrimSuffix(dir, "/")) != nil {
			return // no key begins so, and the path could lead out of the root
		}
		f.walk(ctx, dir, prefix, after, yield)
	}
}

// walk yields the objects below dir ("" or ending in a slash); false if the caller wants no more.
func (f *folder) walk(ctx context.Context, dir, prefix, after string, yield func(Object, error) bool) bool {
	entries, err := os.ReadDir(f.path(dir))
	if err = errors.Join(ctx.Err(), err); err != nil {
		if errors.Is(notFound(err), ErrNotFound) {
			return true
		}
		yield(Object{}, fmt.Errorf("list %s: %w", prefix, err))
		return false
	}
	keys := make([]string, 0, len(entries))
	byKey := make(map[string]fs.DirEntry, len(entries))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), reserved) {
			continue
		}
		key := dir + entry.Name()
		if entry.IsDir() {
			key += "/"
		}
		keys = append(keys, key)
		byKey[key] = entry
	}
	slices.Sort(keys) // with the slash, a folder stands where the keys below it do
	for _, key := range keys {
		entry := byKey[key]
		if entry.IsDir() {
			below := strings.HasPrefix(key, prefix) || strings.HasPrefix(prefix, key)
			if past := key < after && !strings.HasPrefix(after, key); below && !past && !f.walk(ctx, key, prefix, after, yield) {
				return false
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			yield(Object{}, fmt.Errorf("list %s: %w", prefix, err))
			return false
		}
		if !yield(Object{Key: key, Size: info.Size(), Modified: info.ModTime().UTC()}, nil) {
			return false
		}
	}
	return true
}

// Fetch hashes the file, unless it is one that was hashed before.
func (f *folder) Fetch(ctx context.Context, key, sum string) (string, error) {
	if err := errors.Join(ctx.Err(), checkKey(key)); err != nil {
		return "", err
	}
	path := f.path(key)
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", key, notFound(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", key, err)
	}
	if info.IsDir() {
		return "", fmt.Errorf("fetch %s: %w", key, ErrNotFound)
	}
	id, memo := identify(info), path+"\x00"+sum
	f.mu.Lock()
	known := f.verified[memo]
	f.mu.Unlock()
	if known == id {
		return path, nil
	}
	if err := verify(file, key, sum); err != nil {
		return "", err
	}
	f.mu.Lock()
	f.verified[memo] = id
	f.mu.Unlock()
	return path, nil
}

func identify(info fs.FileInfo) fileIdentity {
	id := fileIdentity{size: info.Size(), modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.inode = int64(stat.Ino)
	}
	return id
}

// verify reads r to its end and compares its SHA-256.
func verify(r io.Reader, key, sum string) error {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("fetch %s: %w: SHA-256 is %s and should be %s", key, ErrChecksum, got, sum)
	}
	return nil
}
