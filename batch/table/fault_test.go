package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
)

var errCrash = errors.New("crash")

// faulty is a store whose process dies at the n-th write: before it, or after it but before the answer.
type faulty struct {
	lake.Store
	mu    sync.Mutex
	left  int // writes until the crash
	after bool
	dead  bool
}

func (f *faulty) write(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errCrash
	}
	if f.left--; f.left > 0 {
		return do()
	}
	f.dead = true
	if f.after {
		_ = do() // nobody learns how it went
	}
	return errCrash
}

func (f *faulty) Create(ctx context.Context, key string, data []byte) (tag string, err error) {
	err = f.write(func() error { tag, err = f.Store.Create(ctx, key, data); return err })
	return tag, err
}

func (f *faulty) Swap(ctx context.Context, key string, data []byte, old string) (tag string, err error) {
	err = f.write(func() error { tag, err = f.Store.Swap(ctx, key, data, old); return err })
	return tag, err
}

func (f *faulty) Put(ctx context.Context, key string, data []byte) error {
	return f.write(func() error { return f.Store.Put(ctx, key, data) })
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	return f.write(func() error { return f.Store.Delete(ctx, key) })
}

func TestACompactionThatDiesBetweenAnyTwoStepsLeavesTheOldVersionAndIsFinishedByTheNext(t *testing.T) {
	w := newWorld(t, 21)
	w.archive(0, 60, 0, 2)
	w.compact(Options{})
	reached := false
	for n := 1; !reached; n++ {
		for _, after := range []bool{false, true} {
			w.archive(n%2, 30, n%3, 2)
			before := w.open("")
			rows := w.rows(before, All)
			store := &faulty{Store: w.store, left: n, after: after}
			_, err := w.compactor(func(c *Config) { c.Lake = lake.New(store) }).Compact(t.Context(), Options{Now: day})
			if err == nil {
				reached = true // the crash would come later than the last write
			} else if !errors.Is(err, errCrash) {
				t.Fatalf("crash at write %d: %v", n, err)
			}
			w.unlock()
			now := w.open("")
			if now.ID == before.ID && !slices.Equal(w.rows(now, All), rows) {
				t.Fatalf("crash at write %d: the old version holds something else", n)
			}
			if now.ID != before.ID {
				w.sameAsLog(now, nil)
			}
			w.sameAsLog(w.compact(Options{}), nil)
		}
		if n > 60 {
			t.Fatal("it never comes to an end")
		}
	}
	pruned, err := w.compactor(nil).Prune(t.Context(), PruneOptions{Now: time.Now().Add(48 * time.Hour)})
	if err != nil || pruned[0].Files == 0 {
		t.Errorf("%+v, %v", pruned, err)
	}
	w.sameAsLog(w.open(""), nil)
}

func TestOfTwoCompactionsAtOnceOneIsRefusedAndBothAgree(t *testing.T) {
	w := newWorld(t, 22)
	w.archive(0, 200, 0, 5)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		c := w.compactor(nil)
		wg.Go(func() { _, errs[i] = c.Compact(t.Context(), Options{}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, lake.ErrLocked) {
			t.Error(err)
		}
	}
	if won == 0 {
		t.Error("nobody won")
	}
	w.sameAsLog(w.open(""), nil)
}

func TestACompactionThatLostItsLockAsleepPublishesNothing(t *testing.T) {
	w := newWorld(t, 23)
	w.archive(0, 50, 0, 2)
	first := w.compact(Options{})
	w.archive(0, 50, 0, 2)
	asleep, woken := make(chan struct{}), make(chan struct{})
	store := &hooked{Store: w.store, before: func(key string) {
		if strings.HasSuffix(key, ".parquet") {
			select {
			case <-asleep:
			default:
				close(asleep)
				<-woken
			}
		}
	}}
	ended := make(chan error, 1)
	sleeper := w.compactor(func(c *Config) { c.Lake = lake.New(store) })
	go func() { _, err := sleeper.Compact(t.Context(), Options{}); ended <- err }()
	<-asleep
	w.unlock()
	w.archive(1, 20, 0, 2)
	second := w.compact(Options{})
	close(woken)
	if err := <-ended; !errors.Is(err, lake.ErrChanged) {
		t.Errorf("the sleeper ended with %v", err)
	}
	if now := w.open(""); now.ID != second.ID || now.Parent != first.ID {
		t.Errorf("current is %s", now.ID)
	}
	w.sameAsLog(w.open(""), nil)
}

func TestACompactionThatSleptThroughAPruneCannotPublishWhatIsGone(t *testing.T) {
	w := newWorld(t, 27)
	w.archive(0, 50, 0, 2)
	first := w.compact(Options{})
	w.archive(0, 50, 0, 2)
	asleep, woken := make(chan struct{}), make(chan struct{})
	store := &hooked{Store: w.store, before: func(key string) {
		if strings.HasPrefix(key, "tables/sales/versions/") {
			close(asleep)
			<-woken
		}
	}}
	ended := make(chan error, 1)
	sleeper := w.compactor(func(c *Config) { c.Lake = lake.New(store) })
	go func() { _, err := sleeper.Compact(t.Context(), Options{}); ended <- err }()
	<-asleep
	w.unlock()
	pruned, err := w.compactor(nil).Prune(t.Context(), PruneOptions{Now: time.Now().Add(48 * time.Hour)})
	if err != nil || pruned[0].Files == 0 {
		t.Errorf("%+v, %v", pruned, err)
	}
	close(woken)
	if err := <-ended; !errors.Is(err, lake.ErrChanged) {
		t.Errorf("the sleeper ended with %v", err)
	}
	if now := w.open(""); now.ID != first.ID {
		t.Errorf("current is %s", now.ID)
	}
	w.sameAsLog(w.compact(Options{}), nil)
}

// hooked is a store that calls somebody before it creates an object.
type hooked struct {
	lake.Store
	before func(key string)
}

func (h *hooked) Create(ctx context.Context, key string, data []byte) (string, error) {
	h.before(key)
	return h.Store.Create(ctx, key, data)
}

func TestAFileThatIsDamagedTruncatedOrMissingIsRefusedByName(t *testing.T) {
	w := newWorld(t, 24)
	w.archive(0, 100, 0, 3)
	v := w.compact(Options{})
	root := strings.TrimPrefix(w.store.URL(), "file://")
	for name, damage := range map[string]func(path string, data []byte) error{
		"damaged":   func(path string, data []byte) error { data[len(data)/2] ^= 1; return os.WriteFile(path, data, 0o644) },
		"truncated": func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)-1], 0o644) },
		"missing":   func(path string, _ []byte) error { return os.Remove(path) },
	} {
		path := filepath.Join(root, v.Files[1].Key)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(path, slices.Clone(whole)); err != nil {
			t.Fatal(err)
		}
		_, err = w.open("").Query(t.Context(), w.source, All)
		if err == nil || !strings.Contains(err.Error(), v.Files[1].Key) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.open("").Query(t.Context(), w.source, Span{v.Files[2].First, v.Files[2].Last + 1}); err != nil {
			t.Errorf("%s: other dates: %v", name, err)
		}
		w.archive(0, 300, 1, 1) // of the same date: the file is to be merged
		if _, err := w.compactor(nil).Compact(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), v.Files[1].Key) {
			t.Errorf("%s: it was compacted: %v", name, err)
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.sameAsLog(w.compact(Options{}), nil)
}

func TestASegmentThatIsDamagedIsNotTakenIn(t *testing.T) {
	w := newWorld(t, 25)
	w.archive(0, 100, 0, 1)
	key := w.lake.SegmentKey(w.topic, "2026-03-01", 0, w.log[0].offset)
	path := filepath.Join(strings.TrimPrefix(w.store.URL(), "file://"), key)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 4
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.compactor(nil).Compact(t.Context(), Options{}); !errors.Is(err, lake.ErrChecksum) || !strings.Contains(err.Error(), key) {
		t.Errorf("%v", err)
	}
}

func TestATableInS3IsThatOfAFolder(t *testing.T) {
	server := testservices.S3(t)
	store, err := lake.Open(t.Context(), fmt.Sprintf("s3://%s/table/%d", server.Bucket, time.Now().UnixNano()),
		lake.Options{CacheDir: t.TempDir(), Endpoint: server.Endpoint, Region: server.Region, AccessKey: server.AccessKey, SecretKey: server.SecretKey, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	var ids [2][]string
	for i, w := range []*world{newWorld(t, 26), newWorldIn(t, 26, store)} {
		for n := range 3 {
			w.archive(n%2, 80, n, 2)
			v := w.compact(Options{Now: day})
			w.sameAsLog(v, nil)
			ids[i] = append(ids[i], v.ID)
		}
		w.project.Lake.Versions.Keep = 1
		pruned, err := w.compactor(nil).Prune(t.Context(), PruneOptions{Now: time.Now().Add(48 * time.Hour)})
		if err != nil || len(pruned[0].Versions) != 2 {
			t.Errorf("%+v, %v", pruned, err)
		}
		w.sameAsLog(w.open(""), nil)
		j := w.export(ExportOptions{Format: "parquet", Out: filepath.Join(t.TempDir(), "x")})
		ids[i] = append(ids[i], fmt.Sprint(j.Parts))
	}
	if !slices.Equal(ids[0], ids[1]) {
		t.Errorf("a folder has %v, S3 %v", ids[0], ids[1])
	}
}
