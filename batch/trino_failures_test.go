package batch

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/trino"
)

// refused runs a batch that has to fail without a new snapshot, and returns its error.
func (w *world) refused(o RunOptions, change func(*Config)) error {
	w.t.Helper()
	before := w.current()
	_, err := w.runner(change).Run(w.t.Context(), o)
	if err == nil {
		w.t.Fatal("the run did not fail")
	}
	if after := w.current(); after.ID != before.ID {
		w.t.Fatalf("a run that failed (%v) published %s over %s", err, after.ID, before.ID)
	}
	return err
}

// mortal has the world reach Trino by what kill ends, and after rise by what answers again: Trino itself where tests are thorough, else a server that hands
// on to it, as a start costs Trino half a minute of computing.
func (w *world) mortal(s *testservices.TrinoServer) (kill, rise func() error) {
	w.t.Helper()
	w.onTrino(s)
	if isThorough() {
		return s.Kill, s.Restart
	}
	way := httptest.NewServer(testservices.Pass(w.t, s.URL))
	w.t.Cleanup(way.Close)
	w.project.Batch.Trino.URL = way.URL
	kill = func() error {
		way.CloseClientConnections()
		way.Close()
		return nil
	}
	rise = func() error {
		w.project.Batch.Trino.URL = s.URL
		return nil
	}
	return kill, rise
}

func TestARunOnTrinoThatFailsLeavesTheSnapshotAndGoesOnWithTheSameCuts(t *testing.T) {
	if !isThorough() { // where it is, Trino dies, which others ask meanwhile
		t.Parallel()
	}
	s := testservices.Trino(t)
	w := newWorld(t).withRuns()
	kill, rise := w.mortal(s)
	w.produce(400, 31, 2)
	w.archiveAll(nil)
	w.run(RunOptions{RunID: "one"})
	w.sameAsNaive(w.current())
	w.produce(200, 32, 2)
	w.archiveAll(nil)

	right := w.project.Batch.Trino
	w.project.Batch.Trino.Catalog = "warehouse"
	if err := w.refused(RunOptions{RunID: "catalog"}, nil); !strings.Contains(err.Error(), "'warehouse'") {
		t.Errorf("a catalog that is not there: %v", err)
	}
	w.project.Batch.Trino = right
	w.project.Batch.Trino.Location += "/elsewhere"
	if err := w.refused(RunOptions{RunID: "location"}, nil); !strings.Contains(err.Error(), "/elsewhere/lake") {
		t.Errorf("another folder: %v", err)
	}
	w.project.Batch.Trino = right

	// the process dies before a query, and Trino in its midst; the run that is started again has the cuts of the first attempt
	at, died := 0, errors.New("the process died")
	crash := func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-trino" {
				if at++; at == 2 {
					return died
				}
			}
			return nil
		}
	}
	if err := w.refused(RunOptions{RunID: "two"}, crash); !errors.Is(err, errCrash) {
		t.Errorf("a crash: %v", err)
	}
	w.unlock()
	w.produce(100, 33, 2)
	w.archiveAll(nil)
	away := func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-trino" {
				return kill()
			}
			return nil
		}
	}
	err := w.refused(RunOptions{RunID: "two"}, away)
	if !errors.Is(err, trino.ErrAway) {
		t.Errorf("Trino that dies: %v", err)
	}
	if err := rise(); err != nil {
		t.Fatal(err)
	}
	w.run(RunOptions{RunID: "two"})
	m := w.current()
	w.sameAsNaive(m)
	if m.Run != "two" || m.Cuts[0].Offset+m.Cuts[1].Offset >= w.sent[0]+w.sent[1] {
		t.Errorf("%s of run %s covers %d and %d records of %v: not those of its first attempt", m.ID, m.Run, m.Cuts[0].Offset, m.Cuts[1].Offset, w.sent)
	}
	w.run(RunOptions{RunID: "three"})
	w.sameAsNaive(w.current())
}

func TestTrinoReadsWhatCommitsListAndNothingElse(t *testing.T) {
	t.Parallel()
	s := testservices.Trino(t)
	w := newWorld(t).withRuns()
	w.onTrino(s)
	w.produce(300, 41, 1)
	w.archiveAll(nil)
	path := w.segmentFile()
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.Chmod(path, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	// a copy beside it that no commit lists, as an interrupted archive leaves one
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "000000000000999999.parquet"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	w.project.Batch.Engine = "duckdb"
	w.run(RunOptions{Full: true, RunID: "duckdb"})
	want := w.content(w.current())
	w.onTrino(s)
	w.run(RunOptions{Full: true, RunID: "trino"})
	if got := w.content(w.current()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("with a file that no commit lists: %s", firstDifference(got, want))
	}
	// one bit of a segment, which leaves its size and its rows
	altered := bytes.Clone(data)
	altered[len(altered)/3] ^= 1
	if err := os.WriteFile(path, altered, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.refused(RunOptions{Full: true, RunID: "altered"}, nil); !errors.Is(err, lake.ErrChecksum) || !errors.Is(err, ErrGate) {
		t.Errorf("an altered segment: %v", err)
	}
	if err := os.WriteFile(path, append(data, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	w.project.Batch.Trino.VerifyBySizeAndRow = true
	if err := w.refused(RunOptions{Full: true, RunID: "longer"}, nil); !strings.Contains(err.Error(), ".parquet") {
		t.Errorf("a longer segment, not read before Trino reads it: %v", err)
	}
}

func TestTrinoComputesOverAnS3Lake(t *testing.T) {
	thorough(t)
	s, g := testservices.Trino(t), testservices.S3(t)
	w := newWorld(t).withRuns()
	url := "s3://" + g.Bucket + "/trino-lake"
	store, err := lake.Open(context.Background(), url, lake.Options{Endpoint: g.Endpoint, Region: g.Region, AccessKey: g.AccessKey, SecretKey: g.SecretKey,
		PathStyle: true, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.lake = store, lake.New(store)
	seen, err := w.stream.Topic(t.Context(), w.topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	if w.topic, err = w.lake.Incarnation(t.Context(), w.topic.Name, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions)}); err != nil {
		t.Fatal(err)
	}
	w.onTrino(s)
	w.project.Batch.Trino.Location = url
	w.produce(300, 51, 1)
	w.archiveAll(nil)
	w.run(RunOptions{RunID: "s3"})
	w.sameAsNaive(w.current())
}

func TestTrinoAnswersNothingForAPeriodWhoseRecordsHaveAllGone(t *testing.T) {
	t.Parallel()
	s := testservices.Trino(t)
	w := newWorld(t).withRuns()
	w.onTrino(s)
	w.produce(50, 61, 1)
	w.archiveAll(nil)
	r := w.runner(nil)
	j := &job{runner: r, options: &RunOptions{}, view: w.project.Views[0], plan: w.compile(w.project.Views[0]), topic: w.topic}
	c, err := r.newComputation([]*job{j})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	span := [2]int64{day.UnixMicro(), day.AddDate(0, 0, 1).UnixMicro()}
	if err := c.engine.load(t.Context(), &load{spans: [][2]int64{span}}); err != nil {
		t.Fatal(err)
	}
	n, err := c.engine.events(t.Context(), j, [][2]int64{span})
	if err != nil || n != 0 {
		t.Errorf("%d events, %v", n, err)
	}
	nothing := func(string) error { return nil }
	if err := c.engine.cells(t.Context(), &cellsQuery{job: j, grain: j.view.Grains[0], spans: [][2]int64{span}, mark: "now"}, nothing); err != nil {
		t.Error(err)
	}
}
