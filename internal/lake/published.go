package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Published is a view under one definition, of the project's or of one that it had before.
type Published struct {
	Manifest *Manifest // the current one
	Tag      Tag
}

// Published returns what the lake holds of all views under all definitions.
func (l *Lake) Published(ctx context.Context) ([]Published, error) {
	var all []Published
	const folder = "views/"
	for after := folder; ; {
		// The first key of each definition's folder names the folder; the rest of it is skipped.
		next := ""
		for object, err := range l.store.ListFrom(ctx, folder, after) {
			if err != nil {
				return nil, fmt.Errorf("list published views: %w", err)
			}
			next = object.Key
			break
		}
		if next == "" {
			return all, nil
		}
		part := strings.SplitN(next, "/", 4)
		if len(part) < 4 {
			after = next
			continue
		}
		of := strings.Join(part[:3], "/")
		after = of + "/~"
		p, err := l.publishedIn(ctx, of)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list published views: %w", err)
		}
		all = append(all, p)
	}
}

// publishedIn reads the current snapshot in a definition's folder, whose name is only the beginning of its hash.
func (l *Lake) publishedIn(ctx context.Context, folder string) (p Published, err error) {
	if p.Tag, err = l.readCurrent(ctx, folder+"/CURRENT"); err != nil {
		return p, err
	}
	key := folder + "/snapshots/" + p.Tag.current.Snapshot + ".json"
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return p, err
	}
	p.Manifest = &Manifest{}
	return p, decode(key, data, p.Manifest)
}

// DeleteSnapshot deletes the manifest of a snapshot that is not the current one. Its files stay.
func (l *Lake) DeleteSnapshot(ctx context.Context, view, definition, id string) error {
	key := snapshotKey(view, definition, id)
	if err := l.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete snapshot %s of %s: %w", id, view, err)
	}
	l.mu.Lock()
	delete(l.manifests, key)
	l.mu.Unlock()
	return nil
}
