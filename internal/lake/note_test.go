package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestANoteChangesOnlyForWhoReadIt(t *testing.T) {
	ctx := context.Background()
	store, err := Open(ctx, t.TempDir(), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	l := New(store)
	if data, tag, err := l.Note(ctx, "alerts/a"); data != nil || tag != (NoteTag{}) || err != nil {
		t.Fatalf("a note that is not there: %s, %v", data, err)
	}
	tag, err := l.SwingNote(ctx, "alerts/a", []byte("1"), NoteTag{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.SwingNote(ctx, "alerts/a", []byte("2"), NoteTag{}); !errors.Is(err, ErrChanged) {
		t.Errorf("made twice: %v", err)
	}
	if _, err := l.SwingNote(ctx, "alerts/a", []byte("2"), tag); err != nil {
		t.Error(err)
	}
	if _, err := l.SwingNote(ctx, "alerts/a", []byte("3"), tag); !errors.Is(err, ErrChanged) {
		t.Errorf("swung by who read another: %v", err)
	}
	// The same bytes once more are what a lost answer looks like.
	if _, err := l.SwingNote(ctx, "alerts/a", []byte("2"), tag); err != nil {
		t.Errorf("what was to be put stands: %v", err)
	}
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if err := l.ChangeNote(ctx, "count", func(b []byte) ([]byte, error) { return fmt.Append(b, i), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if data, _, _ := l.Note(ctx, "count"); len(data) != 5 {
		t.Errorf("of five changes there are %q", data)
	}
	names, err := l.Notes(ctx, "alerts")
	if err != nil || !slices.Equal(names, []string{"alerts/a"}) {
		t.Errorf("notes %v, %v", names, err)
	}
	if err := l.DropNote(ctx, "alerts/a"); err != nil {
		t.Error(err)
	}
	if data, _, _ := l.Note(ctx, "alerts/a"); data != nil {
		t.Errorf("a note that was dropped: %s", data)
	}
}
