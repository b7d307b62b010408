package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// One sentinel per cause, tested with errors.Is.
var (
	// ErrNotFound says that there is no object of that key.
	ErrNotFound = errors.New("no such object")
	// ErrExists says that a create-once put came second: the object that stands is somebody's.
	ErrExists = errors.New("object exists already")
	// ErrChanged says that a conditional put lost: the object is not, or no longer, the one that the tag names.
	ErrChanged = errors.New("object was changed by somebody else")
	// ErrChecksum says that an object's bytes are not those that its SHA-256 promises.
	ErrChecksum = errors.New("checksum differs")
)

// Object is one entry of a listing.
type Object struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // UTC, by the store's clock; for housekeeping only, never for deciding what is true
}

// Store keeps objects by key. Keys are slash-separated and relative to the store's root. Every implementation is strongly
// consistent: what a put has acknowledged, the next get and list of anybody shows. The contract suite in store_test.go is what each must pass.
type Store interface {
	// Get reads a whole object and the tag that Swap takes. ErrNotFound if there is none.
	Get(ctx context.Context, key string) (data []byte, tag string, err error)
	// Create writes an object that must not exist yet; of racing writers exactly one wins, the others get ErrExists.
	Create(ctx context.Context, key string, data []byte) (tag string, err error)
	// Swap replaces the object whose tag is given. ErrChanged if the object is another by now, or is missing.
	Swap(ctx context.Context, key string, data []byte, tag string) (newTag string, err error)
	// Put writes unconditionally; the last writer wins. Only for what nothing rests on.
	Put(ctx context.Context, key string, data []byte) error
	// List yields the objects whose keys begin with prefix, recursively, in the byte order of their keys.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// ListFrom is List of the keys greater than after.
	ListFrom(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
	// Delete removes an object; one that is missing is no error.
	Delete(ctx context.Context, key string) error
	// Fetch returns the path of a local file that holds the object, checked against the SHA-256 (hex) before it is believed. The file
	// is read-only for the caller and stays for at least some minutes. ErrNotFound, ErrChecksum.
	Fetch(ctx context.Context, key, sha256 string) (path string, err error)
	// URL names the store, as Open takes it.
	URL() string
}

// Options of Open. The zero value works for a folder, and for S3 with the credentials of the SDK's default chain.
type Options struct {
	NoSync        bool          // folder: leave out fsync; for throw-away lakes only, as a power cut may then lose what was acknowledged
	CacheDir      string        // S3: folder of fetched objects; default: a folder of the user's cache directory
	MaxCacheBytes int64         // S3: the cache's size; default 10 GiB
	CacheHold     time.Duration // S3: a fetched file is not evicted for so long; default 15 minutes
	Endpoint      string        // S3: base URL of a server that is not AWS
	Region        string        // S3: default from the environment, then us-east-1
	AccessKey     string        // S3: with SecretKey, instead of the default chain
	SecretKey     string
	PathStyle     bool          // S3: bucket in the path and not in the host name; implied by Endpoint
	Timeout       time.Duration // S3: of one attempt of a small request; default 15 s, and a second more per MiB
}

// Open opens the store at url: "s3://bucket/prefix", "file:///folder", or the path of a folder, which is made if it is missing.
func Open(ctx context.Context, url string, opt Options) (Store, error) {
	switch {
	case strings.HasPrefix(url, "s3://"):
		return openS3(ctx, url, opt)
	case strings.HasPrefix(url, "file://"):
		return openFolder(strings.TrimPrefix(url, "file://"), opt)
	case strings.Contains(url, "://"):
		return nil, fmt.Errorf("open lake %q: scheme is neither s3:// nor file://", url)
	case url == "":
		return nil, errors.New("open lake: no URL and no folder given")
	}
	return openFolder(url, opt)
}

// reserved begins the names of files that are no objects: temporary files and locks of a folder store.
const reserved = ".caudal-"

// checkKey refuses keys that could leave the root, or that a store could not list again as they were given.
func checkKey(key string) error {
	if key == "" || len(key) > 900 {
		return fmt.Errorf("object key %q: must have 1 to 900 bytes", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 250 || strings.HasPrefix(part, reserved) {
			return fmt.Errorf("object key %q: bad part %q", key, part)
		}
		if strings.ContainsFunc(part, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }) {
			return fmt.Errorf("object key %q: control character or backslash", key)
		}
	}
	return nil
}

// Sum is the SHA-256 of data in hex, as files are named by in commits and manifests.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
