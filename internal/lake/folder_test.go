package lake_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"pgregory.net/rapid"
)

func TestFolderDoesNotListWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, lake.Options{NoSync: true})
	must[string](t)(s.Create(t.Context(), "lake/a", []byte("a")))
	if err := os.WriteFile(filepath.Join(dir, "lake", ".caudal-12345"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, "", ""); !slices.Equal(got, []string{"lake/a"}) {
		t.Fatalf("listed %q", got)
	}
}

func TestFolderLeavesNoTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, lake.Options{NoSync: true})
	tag := must[string](t)(s.Create(t.Context(), "lake/a", []byte("a")))
	for range 3 {
		if _, err := s.Create(t.Context(), "lake/a", []byte("b")); err == nil {
			t.Fatal("created twice")
		}
		if _, err := s.Swap(t.Context(), "lake/a", []byte("b"), "wrong"); err == nil {
			t.Fatal("swapped with a wrong tag")
		}
	}
	must[string](t)(s.Swap(t.Context(), "lake/a", []byte("b"), tag))
	entries, err := os.ReadDir(filepath.Join(dir, "lake"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("folder holds %v, %v", entries, err)
	}
}

// A folder's names sort otherwise than keys do, as "/" is neither the lowest nor the highest of bytes.
func TestFolderListsInTheOrderOfKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := must[string](t)(os.MkdirTemp(t.TempDir(), ""))
		s := openStore(t, dir, lake.Options{NoSync: true})
		drawn := rapid.SliceOfNDistinct(rapid.StringMatching(`[a0.\-=~]{1,2}(/[a0.\-=~]{1,2}){0,3}`), 0, 12, rapid.ID).Draw(rt, "keys")
		var keys []string
		for _, key := range drawn {
			// Skipped: keys that are refused, and a key that is another's folder.
			if _, err := s.Create(t.Context(), key, nil); err == nil {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		prefix := rapid.StringMatching(`[a0.\-=~/]{0,3}`).Draw(rt, "prefix")
		after := rapid.OneOf(rapid.StringMatching(`[a0.\-=~/]{0,5}`), rapid.SampledFrom(append(keys, ""))).Draw(rt, "after")
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) && key > after {
				want = append(want, key)
			}
		}
		if got := list(t, s, prefix, after); !slices.Equal(got, want) {
			rt.Fatalf("prefix %q after %q of %q: listed %q, want %q", prefix, after, keys, got, want)
		}
	})
}
