// Package lake keeps what caudal must never lose: raw segments and dead letters in Parquet, the commits of their chunks, definitions,
// and the snapshots of views, as immutable objects in a folder or in S3.
//
// Every object is create-once except the few that are swung by a conditional put (a chunk's commit, CURRENT, locks) and one hint.
// It is the only package that imports parquet-go and the AWS SDK.
package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/caudal/caudal/internal/view"
)

// Lake is the lake of one project in a store. Its methods may be called from many goroutines.
type Lake struct {
	store          Store
	chunksPerIndex int

	mu        sync.Mutex
	chains    map[chainKey]*chain          // committed chunks, which never change
	manifests map[string]*Manifest         // by key; they never change
	bodies    map[string][]byte            // definitions by hash; they never change
	views     map[string]*view.View        // made from definitions, by the key of their presentation
	same      map[[2]*view.View]*view.View // the first as the second; nil where their cells may differ
	erasures  map[string]*Erasure          // by key; those that are done, which never change
	revisions map[string]Revision          // by key; they never change
	tables    map[string]*TableVersion     // by key; they never change

	incarnations map[string]incarnation   // by key; they never change
	begins       map[string]map[int]int64 // by key; they never change
}

// New returns the lake in a store.
func New(store Store) *Lake {
	return &Lake{
		store:          store,
		chunksPerIndex: chunksPerIndex,
		chains:         map[chainKey]*chain{},
		manifests:      map[string]*Manifest{},
		bodies:         map[string][]byte{},
		erasures:       map[string]*Erasure{},
		revisions:      map[string]Revision{},
		tables:         map[string]*TableVersion{},
		incarnations:   map[string]incarnation{},
		begins:         map[string]map[int]int64{},
		views:          map[string]*view.View{},
		same:           map[[2]*view.View]*view.View{},
	}
}

// Store is where the lake's objects are.
func (l *Lake) Store() Store { return l.store }

// File is an object as commits and manifests name it.
type File struct {
	Key    string
	Bytes  int64
	SHA256 string // hex
}

// PutFile writes an immutable file once. One that is there already was written by somebody who did the same work: it is read back and
// hashed, not rewritten, and what stands is returned.
func (l *Lake) PutFile(ctx context.Context, key string, data []byte) (File, error) {
	_, err := l.store.Create(ctx, key, data)
	if errors.Is(err, ErrExists) {
		data, _, err = l.store.Get(ctx, key)
	}
	if err != nil {
		return File{}, fmt.Errorf("put file: %w", err)
	}
	return File{Key: key, Bytes: int64(len(data)), SHA256: Sum(data)}, nil
}

// Fetch returns the path of a local file that holds the object, checked against its SHA-256 (hex).
func (l *Lake) Fetch(ctx context.Context, key, sha256 string) (string, error) {
	return l.store.Fetch(ctx, key, sha256)
}

// encode is JSON as the lake writes it: indented, since people read it, and a function of the value alone.
func encode(v any) []byte {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(fmt.Sprintf("BUG: encode %T: %v", v, err))
	}
	return append(data, '\n')
}

// decode reads what encode wrote. Unknown keys are refused: they come from a newer version, whose meaning would be lost.
func decode(key string, data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}
