package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// TableRef says who needs a version of a table to stay: an export that is under way, a training set, a model. It is a small object under the
// version, by whose presence alone the version is kept.
type TableRef struct {
	Name string    `json:"name"` // of who refers, such as "export-1f3a" or "training-fraud-000003"
	Kind string    `json:"kind"` // "export", "training", "model", "run"
	Note string    `json:"note,omitempty"`
	Made time.Time `json:"made"`
}

// ErrExpired says that a version of a table is being deleted.
var ErrExpired = errors.New("the version is being deleted")

func tableRefsFolder(source, id string) string { return versionsFolder(source) + id + "/refs/" }

func tableExpiryKey(source, id string) string { return versionsFolder(source) + id + "/EXPIRED" }

// PutTableRef refers to a version, which is kept from then on until the reference is deleted. One of that name that stands already is success.
// ErrNotFound if there is no such version, ErrExpired if it is being deleted.
func (l *Lake) PutTableRef(ctx context.Context, source, id string, ref TableRef) error {
	fail := func(err error) error {
		return fmt.Errorf("refer to version %s of table %s: %w", id, source, err)
	}
	if err := errors.Join(checkName("source", source), checkName("version", id), checkName("reference", ref.Name)); err != nil {
		return fail(err)
	}
	ref.Made = ref.Made.UTC()
	if _, err := l.store.Create(ctx, tableRefsFolder(source, id)+ref.Name+".json", encode(ref)); err != nil && !errors.Is(err, ErrExists) {
		return fail(err)
	}
	// Whoever deletes the version marks it before it looks for references: of the two one sees the other.
	_, _, err := l.store.Get(ctx, tableExpiryKey(source, id))
	switch {
	case err == nil:
		err = ErrExpired
	case errors.Is(err, ErrNotFound):
		_, _, err = l.store.Get(ctx, versionKey(source, id))
	}
	if errors.Is(err, ErrExpired) || errors.Is(err, ErrNotFound) {
		err = errors.Join(err, l.DeleteTableRef(ctx, source, id, ref.Name))
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// TableRefs returns who refers to a version, by name.
func (l *Lake) TableRefs(ctx context.Context, source, id string) ([]TableRef, error) {
	refs := []TableRef{}
	folder := tableRefsFolder(source, id)
	for object, err := range l.store.List(ctx, folder) {
		var data []byte
		if err == nil {
			data, _, err = l.store.Get(ctx, object.Key)
		}
		if errors.Is(err, ErrNotFound) {
			continue // deleted since
		}
		ref := TableRef{}
		if err == nil {
			err = decode(object.Key, data, &ref)
		}
		if err != nil {
			return nil, fmt.Errorf("references to version %s of table %s: %w", id, source, err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// DeleteTableRef ends a reference. One that is missing is no error.
func (l *Lake) DeleteTableRef(ctx context.Context, source, id, name string) error {
	if err := l.store.Delete(ctx, tableRefsFolder(source, id)+name+".json"); err != nil {
		return fmt.Errorf("end reference %s to version %s of table %s: %w", name, id, source, err)
	}
	return nil
}

// ExpireTable deletes a version's manifest and what lies beneath it, unless somebody refers to it: false then. The current version is not to
// be expired. Its files stay: other versions may have them too.
func (l *Lake) ExpireTable(ctx context.Context, source, id string) (bool, error) {
	fail := func(err error) (bool, error) {
		return false, fmt.Errorf("delete version %s of table %s: %w", id, source, err)
	}
	mark := tableExpiryKey(source, id)
	if err := l.store.Put(ctx, mark, []byte("{}\n")); err != nil {
		return fail(err)
	}
	refs, err := l.TableRefs(ctx, source, id)
	if err != nil {
		return fail(err)
	}
	if len(refs) > 0 {
		if err := l.store.Delete(ctx, mark); err != nil {
			return fail(err)
		}
		return false, nil
	}
	var gone []string
	for object, err := range l.store.List(ctx, versionsFolder(source)+id+"/") {
		if err != nil {
			return fail(err)
		}
		if object.Key != mark {
			gone = append(gone, object.Key)
		}
	}
	// The mark goes last: what a crash leaves of it the next expiry finds by the mark.
	for _, key := range append([]string{versionKey(source, id)}, append(gone, mark)...) {
		if err := l.store.Delete(ctx, key); err != nil {
			return fail(err)
		}
	}
	l.mu.Lock()
	for key := range l.tables {
		if key == versionKey(source, id) || strings.HasPrefix(key, tableRevisionFolder(source, id)) {
			delete(l.tables, key)
		}
	}
	l.mu.Unlock()
	return true, nil
}

// SweepTable deletes what lies under versions that are gone, and manifests that were never published: what crashes left. Whoever calls it
// holds the table's lock, so that no publish is under way.
func (l *Lake) SweepTable(ctx context.Context, source string) error {
	fail := func(err error) error { return fmt.Errorf("sweep the versions of table %s: %w", source, err) }
	_, tag, err := l.CurrentTable(ctx, source)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fail(err)
	}
	manifests, beneath := map[string]bool{}, map[string][]string{}
	folder := versionsFolder(source)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return fail(err)
		}
		id, _, below := strings.Cut(strings.TrimPrefix(object.Key, folder), "/")
		if below {
			beneath[id] = append(beneath[id], object.Key)
		} else {
			manifests[strings.TrimSuffix(id, ".json")] = true
		}
	}
	leftover := slices.DeleteFunc(slices.Sorted(maps.Keys(manifests)), tag.current.published)
	if len(leftover) > 0 {
		// Whoever wrote one may only be asleep, and must not make CURRENT name what is gone.
		if err := l.FenceTable(ctx, source); err != nil {
			return fail(err)
		}
		if _, tag, err = l.CurrentTable(ctx, source); err != nil {
			return fail(err)
		}
	}
	for _, id := range leftover {
		if tag.current.published(id) {
			continue
		}
		if err := l.store.Delete(ctx, versionKey(source, id)); err != nil {
			return fail(err)
		}
	}
	for id, keys := range beneath {
		if manifests[id] {
			continue
		}
		for _, key := range keys {
			if err := l.store.Delete(ctx, key); err != nil {
				return fail(err)
			}
		}
	}
	return nil
}
