package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Forgotten lists the hashes of the definitions of a view of which the lake has snapshots and which are not in use.
func (l *Lake) Forgotten(ctx context.Context, view string, a Active) ([]string, error) {
	var list []string
	folder := "views/" + view + "/"
	for after := folder; ; {
		next := ""
		for object, err := range l.store.ListFrom(ctx, folder, after) {
			if err != nil {
				return nil, fmt.Errorf("definitions of %s: %w", view, err)
			}
			next = strings.TrimPrefix(object.Key, folder)
			break
		}
		if next == "" {
			return list, nil
		}
		name, _, inside := strings.Cut(next, "/")
		if !inside {
			after = folder + next
			continue
		}
		after = folder + name + "/~" // the rest of the folder is skipped
		if slices.ContainsFunc(a.InUse(), func(hash string) bool { return shortHash(hash) == name }) {
			continue
		}
		p, err := l.publishedIn(ctx, folder+name)
		if errors.Is(err, ErrNotFound) {
			continue // not the folder of a definition, or of one that has published nothing
		}
		if err != nil {
			return nil, fmt.Errorf("definitions of %s: %w", view, err)
		}
		list = append(list, p.Manifest.Definition)
	}
}

// Forget deletes all that the lake holds of a view under a definition, and says how much that was. CURRENT and what it names go last, so
// that who stops half-way finds the rest again. A dry run deletes nothing. The caller has made sure that the definition is not in use.
func (l *Lake) Forget(ctx context.Context, view, definition string, dry bool) (objects int, bytes int64, err error) {
	fail := func(err error) (int, int64, error) {
		return objects, bytes, fmt.Errorf("forget definition %s of %s: %w", shortHash(definition), view, err)
	}
	m, _, err := l.Current(ctx, view, definition)
	if err != nil {
		return fail(err)
	}
	last := []string{currentKey(view, definition), snapshotKey(view, definition, m.ID)}
	var keys []string
	for object, err := range l.store.List(ctx, viewFolder(view, definition)+"/") {
		if err != nil {
			return fail(err)
		}
		objects, bytes = objects+1, bytes+object.Size
		if !slices.Contains(last, object.Key) {
			keys = append(keys, object.Key)
		}
	}
	if dry {
		return objects, bytes, nil
	}
	for _, key := range append(keys, last...) {
		if err := l.store.Delete(ctx, key); err != nil {
			return fail(err)
		}
		l.mu.Lock()
		delete(l.manifests, key)
		delete(l.views, key)
		l.mu.Unlock()
	}
	return objects, bytes, nil
}
