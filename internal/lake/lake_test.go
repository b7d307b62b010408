package lake_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

func TestAFileThatStandsIsHashedAndNotRewritten(t *testing.T) {
	l, s := newLake(t)
	a := must[lake.File](t)(l.PutFile(t.Context(), "lake/f", []byte("theirs")))
	b := must[lake.File](t)(l.PutFile(t.Context(), "lake/f", []byte("mine")))
	if a != b || b.SHA256 != lake.Sum([]byte("theirs")) || b.Bytes != 6 {
		t.Errorf("first %+v, then %+v", a, b)
	}
	wantContent(t, s, "lake/f", "theirs")
}

func TestDefinitionsAreKeptByTheirHash(t *testing.T) {
	l, s := newLake(t)
	_, err := l.Definition(t.Context(), hash)
	wantErr(t, err, lake.ErrNotFound)
	for range 2 {
		if err := l.PutDefinition(t.Context(), hash, []byte(`{"view":"sales"}`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, reader := range []*lake.Lake{l, l, lake.New(s)} {
		if got := must[[]byte](t)(reader.Definition(t.Context(), hash)); string(got) != `{"view":"sales"}` {
			t.Errorf("got %q", got)
		}
	}
	wantContent(t, s, "definitions/"+hash+".json", `{"view":"sales"}`)
	if _, err := l.Definition(t.Context(), "../x"); err == nil || errors.Is(err, lake.ErrNotFound) {
		t.Error("a hash that leaves the folder was looked for:", err)
	}
}

func TestWhatIsAskedToBeClosedOnlyRises(t *testing.T) {
	l, s := newLake(t)
	if got := must[map[int]int64](t)(l.CloseAsked(t.Context(), topic)); len(got) != 0 {
		t.Fatalf("asked %v", got)
	}
	var wg sync.WaitGroup
	for i := range int64(4) {
		wg.Go(func() {
			if err := lake.New(s).AskClose(t.Context(), topic, map[int]int64{0: 100 + i, 1: 200 - i, int(10 + i): 0}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := map[int]int64{0: 103, 1: 200, 10: 0, 11: 0, 12: 0, 13: 0}
	if got := must[map[int]int64](t)(l.CloseAsked(t.Context(), topic)); !maps.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}

const lockTTL = 40 * time.Millisecond

func TestALockIsHeldUntilItIsReleasedOrRunsOut(t *testing.T) {
	l, s := newLake(t)
	a := must[*lake.Lock](t)(l.Lock(t.Context(), "batch", "host-a/1", night, time.Minute))
	_, err := lake.New(s).Lock(t.Context(), "batch", "host-b/2", night.Add(59*time.Second), time.Minute)
	wantErr(t, err, lake.ErrLocked)
	var locked *lake.LockedError
	if !errors.As(err, &locked) || locked.Owner != "host-a/1" || !locked.Until.Equal(night.Add(time.Minute)) {
		t.Errorf("error is %v", err)
	}
	if err := a.Renew(t.Context(), night.Add(50*time.Second), time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = l.Lock(t.Context(), "batch", "host-a/1", night.Add(100*time.Second), time.Minute) // its own name is no excuse
	wantErr(t, err, lake.ErrLocked)
	if err := a.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := must[*lake.Lock](t)(l.Lock(t.Context(), "batch", "host-b/2", night.Add(2*time.Second), lockTTL))
	c := must[*lake.Lock](t)(l.Lock(t.Context(), "batch", "host-c/3", night.Add(time.Hour), lockTTL)) // b slept
	wantErr(t, b.Renew(t.Context(), night.Add(time.Hour), lockTTL), lake.ErrLocked)
	wantErr(t, b.Release(t.Context()), lake.ErrLocked)
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOfRacingLockersOneWins(t *testing.T) {
	_, s := newLake(t)
	for round := range 3 { // the first creates, the others take over what ran out
		now := night.Add(time.Duration(round) * time.Hour)
		won := race(t, 8, lake.ErrLocked, func(i int) error {
			_, err := lake.New(s).Lock(t.Context(), "batch", "the same owner", now, lockTTL)
			return err
		})
		if won != 1 {
			t.Fatalf("round %d: %d won", round, won)
		}
	}
}

// seen is a store that tells when somebody has read an object.
type seen struct {
	lake.Store
	then func()
}

func (s seen) Get(ctx context.Context, key string) ([]byte, string, error) {
	defer s.then()
	return s.Store.Get(ctx, key)
}

// TestNoClockTakesALockFromAnOwnerThatLives has an owner that renews while others look whose clocks are hours off.
func TestNoClockTakesALockFromAnOwnerThatLives(t *testing.T) {
	l, s := newLake(t)
	held := must[*lake.Lock](t)(l.Lock(t.Context(), "batch", "host-a/1", night, lockTTL))
	for _, off := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		other := lake.New(seen{s, func() {
			if err := held.Renew(t.Context(), night, lockTTL); err != nil {
				t.Errorf("the owner lost its lock: %v", err)
			}
		}})
		_, err := other.Lock(t.Context(), "batch", "host-b/2", night.Add(off), lockTTL)
		wantErr(t, err, lake.ErrLocked)
	}
}

// mute is a store whose swaps are done, and nobody learns of it.
type mute struct{ lake.Store }

var errMute = errors.New("no answer")

func (m mute) Swap(ctx context.Context, key string, data []byte, tag string) (string, error) {
	if _, err := m.Store.Swap(ctx, key, data, tag); err != nil {
		return "", err
	}
	return "", errMute
}

// TestALockOutlivesAnAnswerThatWasLost: an interrupted renewal, as SIGTERM may do it, must not keep an owner from its own lock.
func TestALockOutlivesAnAnswerThatWasLost(t *testing.T) {
	_, s := newLake(t)
	held := must[*lake.Lock](t)(lake.New(mute{s}).Lock(t.Context(), "batch", "host-a/1", night, time.Minute))
	for range 3 {
		wantErr(t, held.Renew(t.Context(), night, time.Minute), errMute)
	}
	wantErr(t, held.Release(t.Context()), errMute)
	if _, err := lake.New(s).Lock(t.Context(), "batch", "host-b/2", night, time.Minute); err != nil {
		t.Errorf("the lock was not released: %v", err)
	}
}

func TestNoClockKeepsTheLockOfAnOwnerThatDied(t *testing.T) {
	l, _ := newLake(t)
	for _, off := range []time.Duration{5 * time.Hour, -10 * time.Hour, lockTTL} {
		if _, err := l.Lock(t.Context(), "batch", "host-b/2", night.Add(off), lockTTL); err != nil {
			t.Errorf("with a clock %v off: %v", off, err)
		}
	}
}

func TestAFileThatWasDamagedAfterItWasFetchedIsNotBelievedAgain(t *testing.T) {
	dir := t.TempDir()
	l := lake.New(openStore(t, dir, lake.Options{NoSync: true}))
	f := must[lake.File](t)(l.PutFile(t.Context(), "lake/f", []byte("0123456789")))
	path := must[string](t)(l.Fetch(t.Context(), f.Key, f.SHA256))
	if path != filepath.Join(dir, "lake", "f") {
		t.Fatalf("a folder's file was copied to %s", path)
	}
	if err := os.WriteFile(path, []byte("0123x56789"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The clock of a file system may be coarse: make sure that the times differ, as hours between would.
	if err := os.Chtimes(path, night, night); err != nil {
		t.Fatal(err)
	}
	_, err := l.Fetch(t.Context(), f.Key, f.SHA256)
	wantErr(t, err, lake.ErrChecksum)
}
