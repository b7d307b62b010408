package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A note is a small object of those who watch views: what they have told, what is silenced, what nobody took. It changes by conditional puts, and
// its content is its owner's business.

// NoteTag names the note that was read, so that a swing can tell whether it still stands. The zero tag: there must be none yet.
type NoteTag struct{ etag string }

func noteKey(name string) string { return "watch/" + name + ".json" }

// Note returns a note; nil, and the zero tag, where there is none.
func (l *Lake) Note(ctx context.Context, name string) ([]byte, NoteTag, error) {
	if err := checkKey(noteKey(name)); err != nil {
		return nil, NoteTag{}, fmt.Errorf("note %q: %w", name, err)
	}
	data, etag, err := l.store.Get(ctx, noteKey(name))
	if errors.Is(err, ErrNotFound) {
		return nil, NoteTag{}, nil
	}
	if err != nil {
		return nil, NoteTag{}, fmt.Errorf("read note %s: %w", name, err)
	}
	return data, NoteTag{etag}, nil
}

// SwingNote replaces the note that tag names: ErrChanged if it no longer stands, and nothing changed. An answer that was lost on its way is found out:
// what stands is then what was to be put.
func (l *Lake) SwingNote(ctx context.Context, name string, data []byte, tag NoteTag) (NoteTag, error) {
	etag, err := l.replace(ctx, noteKey(name), data, tag.etag)
	if err != nil {
		return NoteTag{}, fmt.Errorf("write note %s: %w", name, err)
	}
	return NoteTag{etag}, nil
}

// ChangeNote swings a note from what stands, nil where there is none, to what change makes of it; nil leaves it as it is.
func (l *Lake) ChangeNote(ctx context.Context, name string, change func(standing []byte) ([]byte, error)) error {
	if err := checkKey(noteKey(name)); err != nil {
		return fmt.Errorf("note %q: %w", name, err)
	}
	return l.change(ctx, noteKey(name), change)
}

// Notes lists the names of the notes below a folder, in their order.
func (l *Lake) Notes(ctx context.Context, folder string) ([]string, error) {
	var names []string
	for o, err := range l.store.List(ctx, "watch/"+folder+"/") {
		if err != nil {
			return nil, fmt.Errorf("list the notes of %s: %w", folder, err)
		}
		if name, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, "watch/"), ".json"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// DropNote removes a note; one that is missing is no error.
func (l *Lake) DropNote(ctx context.Context, name string) error {
	if err := l.store.Delete(ctx, noteKey(name)); err != nil {
		return fmt.Errorf("drop note %s: %w", name, err)
	}
	return nil
}
