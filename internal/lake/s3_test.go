package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
)

// s3Prefixes keeps the tests of this binary, and of another on the same bucket, apart.
func s3URL(t *testing.T, s testservices.S3Server) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("s3://%s/%s/%d", s.Bucket, name, time.Now().UnixNano())
}

func s3Options(t *testing.T, s testservices.S3Server) lake.Options {
	return lake.Options{CacheDir: t.TempDir(), Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, PathStyle: true}
}

func TestS3KeepsTheContract(t *testing.T) {
	server := testservices.S3(t)
	contract(t, func(t *testing.T) func() lake.Store {
		url := s3URL(t, server)
		return func() lake.Store { return openStore(t, url, s3Options(t, server)) }
	})
}

func TestTheLakeWorksInS3(t *testing.T) {
	server := testservices.S3(t)
	url := s3URL(t, server)
	open := func() *lake.Lake { return lake.New(openStore(t, url, s3Options(t, server))) }
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			a := &archiver{lake: open(), size: 13 + int64(i)*5, end: 80}
			for done := false; !done; {
				var err error
				if done, err = a.step(t.Context()); err != nil && !errors.Is(err, lake.ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	checkArchive(t, t.Context(), open().Store(), 80)
	l := open()
	tag := publish(t, l, manifest("r1", 200, 50), first(t, l))
	publish(t, open(), manifest("r2", 201, 50), tag)
	wantCurrent(t, open(), "000002-r2", 2)
}

// flaky stands before an S3 server. fault decides about each request whose method is one of its own: it may answer itself, and
// return true, or let it pass.
type flaky struct {
	*httptest.Server
	faults atomic.Pointer[func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool]
}

func newFlaky(t *testing.T, server testservices.S3Server) *flaky {
	pass := testservices.Pass(t, server.Endpoint)
	f := &flaky{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := f.faults.Load(); fault == nil || !(*fault)(w, r, pass) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// set makes do decide about the first n requests of a method.
func (f *flaky) set(method string, n int32, do func(w http.ResponseWriter, r *http.Request, pass http.Handler)) (hits *atomic.Int32) {
	hits = &atomic.Int32{}
	fault := func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if r.Method != method || hits.Add(1) > n {
			return false
		}
		do(w, r, pass)
		return true
	}
	f.faults.Store(&fault)
	return hits
}

// loseAnswer lets the server do what it is asked and breaks the connection instead of answering.
func loseAnswer(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
	pass.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func flakyStore(t *testing.T) (*flaky, lake.Store, lake.Store) {
	server := testservices.S3(t)
	f := newFlaky(t, server)
	root := s3URL(t, server)
	direct := openStore(t, root, s3Options(t, server))
	opt := s3Options(t, server)
	opt.Endpoint, opt.Timeout = f.URL, 500*time.Millisecond
	return f, openStore(t, root, opt), direct
}

func TestAPutWhoseAnswerWasLostHasSucceeded(t *testing.T) {
	f, s, direct := flakyStore(t)
	f.set(http.MethodPut, 1, loseAnswer)
	tag := must[string](t)(s.Create(t.Context(), "k", []byte("1")))
	wantContent(t, direct, "k", "1")
	f.set(http.MethodPut, 2, loseAnswer)
	tag = must[string](t)(s.Swap(t.Context(), "k", []byte("2"), tag))
	wantContent(t, direct, "k", "2")
	must[string](t)(direct.Swap(t.Context(), "k", []byte("3"), tag))
}

func TestAPutWhoseAnswerWasLostAndWhoseKeyIsAnothersHasLost(t *testing.T) {
	f, s, direct := flakyStore(t)
	intrude := func(key string) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(http.ResponseWriter, *http.Request, http.Handler) {
			if err := direct.Put(t.Context(), key, []byte("theirs")); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}
	}
	f.set(http.MethodPut, 1, intrude("k"))
	_, err := s.Create(t.Context(), "k", []byte("mine"))
	wantErr(t, err, lake.ErrExists)
	f.set(http.MethodPut, 0, nil)
	tag := must[string](t)(s.Create(t.Context(), "j", []byte("before")))
	f.set(http.MethodPut, 1, intrude("j"))
	_, err = s.Swap(t.Context(), "j", []byte("mine"), tag)
	wantErr(t, err, lake.ErrChanged)
	wantContent(t, direct, "j", "theirs")
}

func TestPassingTroubleIsWaitedOut(t *testing.T) {
	f, s, direct := flakyStore(t)
	for name, answer := range map[string]struct {
		status int
		code   string
	}{
		"conflict": {http.StatusConflict, "ConditionalRequestConflict"}, "busy": {http.StatusServiceUnavailable, "SlowDown"}, "internal": {http.StatusInternalServerError, "InternalError"},
	} {
		refuse := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(answer.status)
			fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>later</Message></Error>`, answer.code)
		}
		hits := f.set(http.MethodPut, 2, refuse)
		tag := must[string](t)(s.Create(t.Context(), name, []byte("1")))
		f.set(http.MethodPut, 2, refuse)
		must[string](t)(s.Swap(t.Context(), name, []byte("2"), tag))
		wantContent(t, direct, name, "2")
		if answer.status != http.StatusConflict {
			f.set(http.MethodGet, 2, refuse)
			wantContent(t, s, name, "2")
			f.set(http.MethodGet, 2, refuse)
			if got := list(t, s, name, ""); len(got) != 1 {
				t.Errorf("%s: listed %q", name, got)
			}
		}
		if hits.Load() != 3 {
			t.Errorf("%s: %d attempts", name, hits.Load())
		}
	}
}

func TestAnAnswerThatStallsOrBreaksOffIsAskedForAgain(t *testing.T) {
	f, s, direct := flakyStore(t)
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	must[string](t)(direct.Create(t.Context(), "k", body))
	for name, end := range map[string]func(*http.Request){
		"stalls":     func(r *http.Request) { <-r.Context().Done() },
		"breaks off": func(*http.Request) { panic(http.ErrAbortHandler) },
	} {
		hits := f.set(http.MethodGet, 1, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Header().Set("ETag", `"x"`)
			_, _ = w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			end(r)
		})
		data, _, err := s.Get(t.Context(), "k")
		if err != nil || !bytes.Equal(data, body) || hits.Load() != 2 {
			t.Errorf("%s: %d bytes, %v, %d attempts", name, len(data), err, hits.Load())
		}
	}
}

func TestABucketThatIsNotThereIsNoMissingObject(t *testing.T) {
	server := testservices.S3(t)
	s := openStore(t, "s3://no-such-bucket/x", s3Options(t, server))
	_, _, getErr := s.Get(t.Context(), "k")
	_, createErr := s.Create(t.Context(), "k", nil)
	_, swapErr := s.Swap(t.Context(), "k", nil, `"x"`)
	for _, err := range []error{getErr, createErr, swapErr} {
		if err == nil || errors.Is(err, lake.ErrNotFound) || errors.Is(err, lake.ErrChanged) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestAServerThatIsAwayIsAnErrorInTheEnd(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	s := openStore(t, "s3://bucket/x", lake.Options{CacheDir: t.TempDir(), Endpoint: away.URL, Region: "r", AccessKey: "a", SecretKey: "s"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := s.Get(ctx, "k"); err == nil || errors.Is(err, lake.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func TestTheCacheFetchesOnceForAllWhoAskAtOnce(t *testing.T) {
	f, s, direct := flakyStore(t)
	body := []byte("segment")
	must[string](t)(direct.Create(t.Context(), "k", body))
	hits := f.set(http.MethodGet, 0, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Fetch(t.Context(), "k", lake.Sum(body)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if hits.Load() != 1 {
		t.Errorf("%d downloads", hits.Load())
	}
}

// put8 creates n objects of 1,000 bytes and returns their sums.
func put8(t *testing.T, s lake.Store, n int) (sums []string) {
	for i := range n {
		body := bytes.Repeat([]byte{byte(i)}, 1000)
		must[string](t)(s.Create(t.Context(), fmt.Sprint("o", i), body))
		sums = append(sums, lake.Sum(body))
	}
	return sums
}

func cachedFiles(t *testing.T, dir string) int {
	return len(must[[]os.DirEntry](t)(os.ReadDir(dir)))
}

func TestTheCacheStaysInItsBoundsButKeepsWhatIsInUse(t *testing.T) {
	server := testservices.S3(t)
	url, opt := s3URL(t, server), s3Options(t, server)
	sums := put8(t, openStore(t, url, opt), 8)
	opt.MaxCacheBytes, opt.CacheHold = 3500, time.Nanosecond
	s := openStore(t, url, opt)
	for i, sum := range sums {
		must[string](t)(s.Fetch(t.Context(), fmt.Sprint("o", i), sum))
		must[string](t)(s.Fetch(t.Context(), "o0", sums[0])) // always the latest but one
	}
	if n := cachedFiles(t, opt.CacheDir); n != 3 {
		t.Errorf("%d files of 1,000 bytes in a cache of 3,500", n)
	}
	if _, err := os.Stat(filepath.Join(opt.CacheDir, sums[0])); err != nil {
		t.Error("what was asked for all the time was evicted:", err)
	}
	opt.CacheDir, opt.CacheHold = t.TempDir(), time.Hour
	s = openStore(t, url, opt)
	for i, sum := range sums {
		must[string](t)(s.Fetch(t.Context(), fmt.Sprint("o", i), sum))
	}
	if n := cachedFiles(t, opt.CacheDir); n != 8 {
		t.Errorf("of 8 files in use %d were kept", n)
	}
}

func TestTheCacheSurvivesARestartAndHeals(t *testing.T) {
	f, _, direct := flakyStore(t)
	server := testservices.S3(t)
	opt := s3Options(t, server)
	opt.Endpoint = f.URL
	sums := put8(t, direct, 2)
	open := func() lake.Store { return openStore(t, direct.URL(), opt) }
	must[string](t)(open().Fetch(t.Context(), "o0", sums[0]))
	hits := f.set(http.MethodGet, 0, nil)
	must[string](t)(open().Fetch(t.Context(), "o0", sums[0]))
	if hits.Load() != 0 {
		t.Error("fetched again after a restart")
	}
	path := filepath.Join(opt.CacheDir, sums[0])
	if err := os.WriteFile(path, []byte("rot"), 0o600); err != nil {
		t.Fatal(err)
	}
	must[string](t)(open().Fetch(t.Context(), "o0", sums[0]))
	if data := must[[]byte](t)(os.ReadFile(path)); len(data) != 1000 || hits.Load() != 1 {
		t.Errorf("%d bytes after %d downloads", len(data), hits.Load())
	}
	s := open()
	must[string](t)(s.Fetch(t.Context(), "o1", sums[1]))
	if err := os.Remove(filepath.Join(opt.CacheDir, sums[1])); err != nil { // another process made room
		t.Fatal(err)
	}
	must[string](t)(s.Fetch(t.Context(), "o1", sums[1]))
	left := filepath.Join(opt.CacheDir, "tmp-crashed")
	old := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(os.WriteFile(left, nil, 0o600), os.Chtimes(left, old, old)); err != nil {
		t.Fatal(err)
	}
	open()
	if _, err := os.Stat(left); err == nil {
		t.Error("what a crash left was kept")
	}
}
