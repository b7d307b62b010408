package main

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// copyLake copies a lake as docs/operations/backup.md says, while it is written: first what names files, then the files; what is there already
// stays.
func copyLake(t *testing.T, from, to string) {
	t.Helper()
	for _, data := range []bool{false, true} {
		err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || data != strings.HasSuffix(path, ".parquet") {
				return err
			}
			name, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			write(t, filepath.Join(to, name), string(text))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ownRedis is a Redis of the test's own, and empty.
func ownRedis(t *testing.T) *testservices.RedisServer {
	t.Helper()
	redis, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	t.Cleanup(func() { redis.Stop() })
	return redis
}

// TestACopyOfTheLakeIsAllThatABackupNeeds: a lake is copied while everything writes; then Redis, the lake and every process are lost. The copy,
// an empty Redis and what Kafka keeps give every number back.
func TestACopyOfTheLakeIsAllThatABackupNeeds(t *testing.T) {
	long(t)
	t.Parallel()
	lake, saved := t.TempDir(), t.TempDir()
	s := siteOf(t, where{lake: lake, redis: ownRedis(t).Addr()})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(1000)
	s.heals()
	s.underLoad(func() {
		s.batch()
		copyLake(t, lake, saved)
		s.batch() // of which the copy knows nothing
	})
	speed.kill()
	archive.kill()

	restored := siteOf(t, where{name: s.name, lake: saved, redis: ownRedis(t).Addr()})
	begun := time.Now()
	speed, archive = restored.start("speed", none), restored.start("archive", none)
	restored.until("the answers are whole", func() error { return restored.shop.UpToDate(t.Context()) })
	t.Logf("answers were whole %v after the roles were started over the copy and an empty Redis", time.Since(begun).Round(time.Millisecond))
	restored.settles()
	speed.terminate()
	archive.terminate()
}

// TestTheLakeAnswersWhereKafkaIsLostToo: of Kafka, too, nothing is left. The lake alone gives back all that the archive had, and the topic begins
// its next life.
func TestTheLakeAnswersWhereKafkaIsLostToo(t *testing.T) {
	long(t)
	t.Parallel()
	lake, saved := t.TempDir(), t.TempDir()
	s := siteOf(t, where{lake: lake, redis: ownRedis(t).Addr()})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(1000)
	s.settles()
	serve := s.listening("serve", "--sql", "")
	answers := func(of *instance) string { return rowsOf(t, of) }
	before := answers(serve)
	copyLake(t, lake, saved)
	for _, l := range []*life{speed, archive, serve.life} {
		l.kill()
	}
	topics := testservices.Topics{Brokers: s.parts.project.Kafka.Brokers}
	s.check(topics.Delete(t.Context(), s.name))
	s.check(topics.Create(t.Context(), s.name, 2))

	restored := siteOf(t, where{name: s.name, lake: saved, redis: ownRedis(t).Addr()})
	begun := time.Now()
	speed, archive = restored.start("speed", none), restored.start("archive", none)
	serve = restored.listening("serve", "--sql", "")
	restored.until("the answers are those of before", func() error { return differ(before, answers(serve)) })
	t.Logf("answers were whole %v after the roles were started over the copy, an empty Redis and an empty Kafka", time.Since(begun).Round(time.Millisecond))
	restored.batch()
	restored.until("the answers are those of before", func() error { return differ(before, answers(serve)) })
	for _, l := range []*life{speed, archive, serve.life} {
		l.terminate()
	}
}

// TestALostLakeIsMadeAgainFromWhatKafkaKeeps: the lake is empty, Redis holds what belongs to the one that was lost.
func TestALostLakeIsMadeAgainFromWhatKafkaKeeps(t *testing.T) {
	long(t)
	t.Parallel()
	redis := ownRedis(t).Addr()
	s := siteOf(t, where{lake: t.TempDir(), redis: redis})
	speed, archive := s.start("speed", none), s.start("archive", none)
	for range 2 {
		s.produce(500)
		s.heals()
		s.batch()
	}
	speed.kill()
	archive.kill()

	anew := siteOf(t, where{name: s.name, lake: t.TempDir(), redis: redis})
	begun := time.Now()
	speed, archive = anew.start("speed", none), anew.start("archive", none)
	anew.until("the answers are whole", func() error { return anew.shop.UpToDate(t.Context()) })
	t.Logf("answers were whole %v after the roles were started over an empty lake", time.Since(begun).Round(time.Millisecond))
	anew.settles()
	speed.terminate()
	archive.terminate()
}

// rowsOf are the rows of an answer with all measures by country and hour, of a process that serves.
func rowsOf(t *testing.T, serve *instance) string {
	t.Helper()
	r, err := http.Get("http://" + serve.addr + "/v1/views/sales/query.csv?dimensions=country&grain=1h&measures=revenue,lines,low,top,opener,closing,sizes")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", r.Status, text, err)
	}
	var rows strings.Builder
	for line := range strings.Lines(string(text)) {
		for range 2 { // which layer it comes from and how sure it is
			line = line[:strings.LastIndexByte(line, ',')]
		}
		rows.WriteString(line + "\n")
	}
	return rows.String()
}

// differ says that two answers are not the same.
func differ(want, got string) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%d bytes, want %d:\n%.600s\nwant\n%.600s", len(got), len(want), got, want)
}
