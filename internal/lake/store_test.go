package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caudal/caudal/internal/lake"
)

// contract is what every Store must do. open returns one whose root is empty; two calls return two handles on the same root.
func contract(t *testing.T, open func(t *testing.T) func() lake.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s, other lake.Store)
	}{
		{"a missing object is not found", missingIsNotFound},
		{"what was created is read back by everybody", createdIsRead},
		{"an empty object is an object", emptyIsAnObject},
		{"the second create loses and changes nothing", secondCreateLoses},
		{"of racing creates one wins", racingCreates},
		{"a swap needs the tag of what stands", swapNeedsTag},
		{"a swap of a missing object has lost", swapOfMissing},
		{"of racing swaps one wins", racingSwaps},
		{"a counter swung by many loses no step", swapsCount},
		{"a put overwrites", putOverwrites},
		{"a deleted object is gone and can be created again", deleteRemoves},
		{"a listing is recursive and in the order of keys", listingIsOrdered},
		{"a listing is whole beyond one page", listingIsWhole},
		{"a listing can be left early", listingStops},
		{"keys that are no keys are refused", badKeys},
		{"a fetched file is verified", fetchVerifies},
		{"a cancelled context is heeded", cancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			handle := open(t)
			test.run(t, handle(), handle())
		})
	}
}

func TestFolderKeepsTheContract(t *testing.T) {
	contract(t, func(t *testing.T) func() lake.Store {
		dir := t.TempDir()
		return func() lake.Store { return openStore(t, dir, lake.Options{NoSync: true}) }
	})
}

func TestFolderThatSyncsKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the disk")
	}
	dir := t.TempDir()
	s := openStore(t, "file://"+dir, lake.Options{})
	createdIsRead(t, s, s)
	racingSwaps(t, s, s)
	deleteRemoves(t, s, s)
}

func openStore(tb testing.TB, url string, opt lake.Options) lake.Store {
	tb.Helper()
	s, err := lake.Open(tb.Context(), url, opt)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func must[T any](tb testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func wantErr(tb testing.TB, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Fatalf("error is %v, want %v", err, want)
	}
}

func wantContent(tb testing.TB, s lake.Store, key, want string) {
	tb.Helper()
	data, _, err := s.Get(tb.Context(), key)
	if err != nil || string(data) != want {
		tb.Fatalf("%s holds %q (%v), want %q", key, data, err, want)
	}
}

func missingIsNotFound(t *testing.T, s, _ lake.Store) {
	_, _, err := s.Get(t.Context(), "a/b/c.json")
	wantErr(t, err, lake.ErrNotFound)
	_, err = s.Fetch(t.Context(), "a/b/c.json", lake.Sum(nil))
	wantErr(t, err, lake.ErrNotFound)
	if err := s.Delete(t.Context(), "a/b/c.json"); err != nil {
		t.Fatal(err)
	}
	for object, err := range s.List(t.Context(), "a/") {
		t.Fatalf("listed %v, %v", object, err)
	}
}

func createdIsRead(t *testing.T, s, other lake.Store) {
	tag := must[string](t)(s.Create(t.Context(), "lake/x/inc=1/dt=2026-11-20/p=003/0.parquet", []byte("body")))
	data, got, err := other.Get(t.Context(), "lake/x/inc=1/dt=2026-11-20/p=003/0.parquet")
	if err != nil || string(data) != "body" || got != tag || tag == "" {
		t.Fatalf("got %q, tag %q, %v; created with tag %q", data, got, err, tag)
	}
}

func emptyIsAnObject(t *testing.T, s, other lake.Store) {
	tag := must[string](t)(s.Create(t.Context(), "empty", nil))
	wantContent(t, other, "empty", "")
	must[string](t)(other.Swap(t.Context(), "empty", []byte("full"), tag))
	wantContent(t, s, "empty", "full")
}

func secondCreateLoses(t *testing.T, s, other lake.Store) {
	must[string](t)(s.Create(t.Context(), "k", []byte("first")))
	_, err := other.Create(t.Context(), "k", []byte("second"))
	wantErr(t, err, lake.ErrExists)
	_, err = other.Create(t.Context(), "k", []byte("first")) // equal bytes are no excuse: somebody else was first
	wantErr(t, err, lake.ErrExists)
	wantContent(t, s, "k", "first")
}

// race runs n writers at once and returns how many won; every other must have lost with want.
func race(t *testing.T, n int, want error, write func(i int) error) int {
	t.Helper()
	var won atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if err := write(i); err == nil {
				won.Add(1)
			} else if !errors.Is(err, want) {
				t.Errorf("writer %d: %v, want %v", i, err, want)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load())
}

func racingCreates(t *testing.T, s, other lake.Store) {
	for round := range 5 {
		key := fmt.Sprintf("d/%d", round)
		won := race(t, 16, lake.ErrExists, func(i int) error {
			_, err := [2]lake.Store{s, other}[i%2].Create(t.Context(), key, []byte(fmt.Sprint(i)))
			return err
		})
		if won != 1 {
			t.Fatalf("%d creates won", won)
		}
	}
}

func swapNeedsTag(t *testing.T, s, other lake.Store) {
	first := must[string](t)(s.Create(t.Context(), "k", []byte("1")))
	second := must[string](t)(other.Swap(t.Context(), "k", []byte("2"), first))
	_, err := s.Swap(t.Context(), "k", []byte("3"), first)
	wantErr(t, err, lake.ErrChanged)
	_, err = s.Swap(t.Context(), "k", []byte("3"), "")
	wantErr(t, err, lake.ErrChanged)
	wantContent(t, s, "k", "2")
	must[string](t)(s.Swap(t.Context(), "k", []byte("3"), second))
	_, read, err := other.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	must[string](t)(other.Swap(t.Context(), "k", []byte("4"), read))
	wantContent(t, s, "k", "4")
}

func swapOfMissing(t *testing.T, s, other lake.Store) {
	tag := must[string](t)(s.Create(t.Context(), "k", []byte("1")))
	if err := other.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Swap(t.Context(), "k", []byte("2"), tag)
	wantErr(t, err, lake.ErrChanged)
	_, err = s.Swap(t.Context(), "never/was", []byte("2"), tag)
	wantErr(t, err, lake.ErrChanged)
}

func racingSwaps(t *testing.T, s, other lake.Store) {
	tag := must[string](t)(s.Create(t.Context(), "races/k", []byte("start")))
	won := race(t, 16, lake.ErrChanged, func(i int) error {
		_, err := [2]lake.Store{s, other}[i%2].Swap(t.Context(), "races/k", []byte(fmt.Sprint(i)), tag)
		return err
	})
	if won != 1 {
		t.Fatalf("%d swaps won", won)
	}
}

func swapsCount(t *testing.T, s, other lake.Store) {
	must[string](t)(s.Create(t.Context(), "k", nil))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			store := [2]lake.Store{s, other}[i%2]
			for range 5 {
				for {
					data, tag, err := store.Get(t.Context(), "k")
					if err == nil {
						_, err = store.Swap(t.Context(), "k", append(data, 'x'), tag)
					}
					if err == nil {
						break
					}
					if !errors.Is(err, lake.ErrChanged) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	wantContent(t, s, "k", strings.Repeat("x", 20))
}

func putOverwrites(t *testing.T, s, other lake.Store) {
	for _, body := range []string{"1", "2"} {
		if err := s.Put(t.Context(), "hints/k", []byte(body)); err != nil {
			t.Fatal(err)
		}
		wantContent(t, other, "hints/k", body)
	}
	_, err := other.Create(t.Context(), "hints/k", []byte("3"))
	wantErr(t, err, lake.ErrExists)
}

func deleteRemoves(t *testing.T, s, other lake.Store) {
	must[string](t)(s.Create(t.Context(), "gone/k", []byte("1")))
	for range 2 {
		if err := other.Delete(t.Context(), "gone/k"); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := s.Get(t.Context(), "gone/k")
	wantErr(t, err, lake.ErrNotFound)
	must[string](t)(s.Create(t.Context(), "gone/k", []byte("2")))
	wantContent(t, other, "gone/k", "2")
}

func list(t testing.TB, s lake.Store, prefix, after string) []string {
	t.Helper()
	var keys []string
	for object, err := range s.ListFrom(t.Context(), prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

func listingIsOrdered(t *testing.T, s, other lake.Store) {
	keys := []string{"a-b", "a.json", "a/b", "a/b-c/d", "a/b.c", "a/bb/c/d", "a0", "a=1/x", "b/1", "b/10", "b/2", "_x/y"}
	for _, key := range keys {
		must[string](t)(s.Create(t.Context(), key, []byte(key)))
	}
	slices.Sort(keys)
	prefixes := []string{"", "a", "a/", "a/b", "a/b-", "a/b-c/d", "b/1", "c", "a/b/"}
	for _, prefix := range prefixes {
		for _, after := range append([]string{"", "a/", "a/b", "a/b-zzz", "zzz"}, keys...) {
			var want []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, key)
				}
			}
			if got := list(t, other, prefix, after); !slices.Equal(got, want) {
				t.Errorf("prefix %q after %q: listed %q, want %q", prefix, after, got, want)
			}
		}
	}
	for object, err := range s.List(t.Context(), "a/b-c/") {
		if err != nil || object.Size != int64(len(object.Key)) || object.Modified.IsZero() {
			t.Errorf("listed %+v, %v", object, err)
		}
	}
}

func listingIsWhole(t *testing.T, s, other lake.Store) {
	const n = 1100 // S3 lists 1,000 at a time
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.Put(t.Context(), fmt.Sprintf("many/%06d", i), []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	keys := list(t, other, "many/", "")
	if len(keys) != n || !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != n {
		t.Fatalf("listed %d keys, sorted: %v", len(keys), slices.IsSorted(keys))
	}
	if got := list(t, other, "many/", "many/000049"); len(got) != n-50 || got[0] != "many/000050" {
		t.Fatalf("after the fiftieth: %d keys, from %q", len(got), got[0])
	}
}

func listingStops(t *testing.T, s, _ lake.Store) {
	for _, key := range []string{"d/e/1", "d/e/2", "d/f/1", "g"} {
		must[string](t)(s.Create(t.Context(), key, nil))
	}
	seen := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		break
	}
	if seen != 1 {
		t.Fatalf("saw %d", seen)
	}
}

func badKeys(t *testing.T, s, _ lake.Store) {
	for _, key := range []string{"", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", ".", "a/./b", "a\x00b", "a\nb", `a\b`, "a/.caudal-x", strings.Repeat("x", 251)} {
		_, _, getErr := s.Get(t.Context(), key)
		_, createErr := s.Create(t.Context(), key, nil)
		_, swapErr := s.Swap(t.Context(), key, nil, "x")
		_, fetchErr := s.Fetch(t.Context(), key, lake.Sum(nil))
		for i, err := range []error{getErr, createErr, swapErr, s.Put(t.Context(), key, nil), s.Delete(t.Context(), key), fetchErr} {
			if err == nil || errors.Is(err, lake.ErrNotFound) || errors.Is(err, lake.ErrChanged) {
				t.Errorf("key %q, call %d: %v", key, i, err)
			}
		}
	}
}

func fetchVerifies(t *testing.T, s, other lake.Store) {
	body := bytes.Repeat([]byte("segment "), 50_000)
	must[string](t)(s.Create(t.Context(), "lake/f", body))
	for range 2 { // the second time from what is known
		path := must[string](t)(other.Fetch(t.Context(), "lake/f", lake.Sum(body)))
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, body) {
			t.Fatalf("%s holds %d bytes, %v", path, len(data), err)
		}
	}
	_, err := other.Fetch(t.Context(), "lake/f", lake.Sum([]byte("other")))
	wantErr(t, err, lake.ErrChecksum)
	_, err = other.Fetch(t.Context(), "lake/f", "")
	wantErr(t, err, lake.ErrChecksum)
	// A file that is truncated after it was verified must not be believed a second time.
	if err := s.Put(t.Context(), "lake/g", body); err != nil {
		t.Fatal(err)
	}
	path := must[string](t)(other.Fetch(t.Context(), "lake/g", lake.Sum(body)))
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	path, err = other.Fetch(t.Context(), "lake/g", lake.Sum(body))
	if err == nil { // fetched again
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, body) {
			t.Fatalf("%s holds %d bytes, %v", path, len(data), err)
		}
	} else {
		wantErr(t, err, lake.ErrChecksum)
	}
}

func cancelled(t *testing.T, s, _ lake.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Get(ctx, "k")
	wantErr(t, err, context.Canceled)
	_, err = s.Create(ctx, "k", nil)
	wantErr(t, err, context.Canceled)
	for _, err := range s.List(ctx, "") {
		wantErr(t, err, context.Canceled)
	}
	_, _, err = s.Get(t.Context(), "k")
	wantErr(t, err, lake.ErrNotFound)
}

func TestOpenRefusesWhatIsNoLake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"", "http://bucket/x", "s3://", "s3:///x", "s3://b/../x", file} {
		if _, err := lake.Open(t.Context(), url, lake.Options{}); err == nil {
			t.Errorf("%q was opened", url)
		}
	}
}
