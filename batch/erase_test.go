package batch

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// visit sends what a customer leaves behind: events of two days, one of them twice, and a record that cannot be read.
func (w *world) visit(customer string, at time.Time) {
	w.t.Helper()
	event := func(n int, at time.Time) stream.Message {
		return stream.Message{Key: []byte(customer), Value: fmt.Appendf(nil, `{"id":"%s-%d","at":%d,"country":"DE","customer":%q,"price":"17.%02d"}`, customer, n, at.UnixMilli(), customer, n)}
	}
	first := event(0, at)
	w.send([]stream.Message{first, event(1, at.Add(24*time.Hour)), event(2, at.Add(25*time.Hour)), first,
		{Key: []byte("k"), Value: fmt.Appendf(nil, `{"id":"x","customer":%q}`, customer)}})
}

// trace is where in the lake a text stands, Parquet decoded; "" = nowhere.
func (w *world) trace(text string) string {
	w.t.Helper()
	var tables []string // each of one column, the keys of the files that have it
	for object, err := range w.store.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		data, _, err := w.store.Get(w.t.Context(), object.Key)
		if err != nil {
			w.t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(object.Key, ".parquet"):
			path, err := w.lake.Fetch(w.t.Context(), object.Key, lake.Sum(data))
			if err != nil {
				w.t.Fatal(err)
			}
			tables = append(tables, fmt.Sprintf("SELECT %s FROM (SELECT * FROM read_parquet(%s, hive_partitioning = false)) AS q WHERE contains(CAST(q AS VARCHAR), %s)",
				sqltext.Text(object.Key), lake.PathList([]string{path}), sqltext.Text(text)))
		case strings.Contains(string(data), text):
			return object.Key
		}
	}
	if len(tables) > 0 {
		for _, key := range queryRows(w.t, strings.Join(tables, " UNION ALL ")) {
			return key
		}
	}
	return ""
}

// compact brings the table up to what is archived.
func (w *world) compact() *lake.TableVersion {
	w.t.Helper()
	c, err := w.runner(nil).compactor()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.Compact(w.t.Context(), table.Options{}); err != nil {
		w.t.Fatal(err)
	}
	v, _, err := w.lake.CurrentTable(w.t.Context(), "sales")
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) erase(o EraseOptions) EraseReport {
	w.t.Helper()
	report, err := w.runner(nil).Erase(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func of(customer string) EraseOptions {
	return EraseOptions{Source: "sales", Where: "customer = '" + customer + "'", Contains: customer}
}

func TestAnErasureLeavesNothingOfACustomerAndAllOfTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(400, 91, 3)
	w.visit("Zacharias", day)
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	early := w.current()
	before := w.compact()
	w.produce(200, 92, 3)
	w.visit("Zacharias Z", day.Add(time.Hour)) // not he
	w.send([]stream.Message{{Key: []byte("Zacharias"), Value: []byte(fmt.Sprintf(`{"id":"late-Zach","at":%d,"country":"FR","customer":"Zacharias","price":"3.00"}`, day.UnixMilli()))}})
	w.accelerate()
	w.archiveAll(nil)
	w.compact()
	if w.trace("Zacharias-0") == "" {
		t.Fatal("the test finds nothing before")
	}
	dry := of("Zacharias")
	dry.DryRun, dry.Contains = true, `"Zacharias"`
	if r := w.erase(dry); r.Events != 5 || r.DeadLetters != 1 || r.DeadKept == 0 || len(r.Dates) < 2 || len(r.Views) != 1 || len(r.Tables) != 1 || r.Tables[0].Rows != 4 || w.trace("Zacharias-0") == "" {
		t.Fatalf("dry run: %+v", r)
	}
	dry.DryRun = false
	report := w.erase(dry)
	if report.Events != 5 || report.DeadLetters != 1 || report.Left != 0 || report.Erasure != 1 || len(report.Remains) < 3 {
		t.Fatalf("%+v", report)
	}
	if !strings.Contains(report.String(), "5 events and 1 dead letters") || !strings.Contains(report.String(), "Kafka holds the offsets") {
		t.Fatal(report)
	}
	for _, text := range []string{"Zacharias-0", `"Zacharias"`, `'Zacharias'`, "Zacharias, 17", "late-Zach"} {
		if key := w.trace(text); key != "" {
			t.Errorf("%q stands in %s", text, key)
		}
	}
	if w.trace("Zacharias Z") == "" {
		t.Error("another customer is gone too")
	}
	w.sameAsNaive(w.current())
	if tables := report.Tables; len(tables) != 1 || tables[0].Rows != 4 || len(tables[0].Versions) != 2 || tables[0].Deleted == 0 {
		t.Errorf("%+v", tables)
	}
	if v, err := w.lake.TableVersion(t.Context(), "sales", before.ID); err != nil || v.Erased != 3 || v.Erasures != 1 || v.Rows != before.Rows-3 {
		t.Errorf("version %s is %+v (%v)", before.ID, v, err)
	}
	l := w.ledger()
	if l.Unexplained != 0 || !l.Comparable || l.Classes[ledger.Erasure] == 0 {
		t.Errorf("ledger: %v, %d unexplained, %s", l.Classes, l.Unexplained, l.Reason)
	}
	if e := w.entry(l, "1mo", "lines", ""); string(e.Difference) != "-4" || e.Parts[len(e.Parts)-1].Class != ledger.Erasure {
		t.Errorf("%s", text(e))
	}
	for _, e := range l.Entries {
		if !e.Total && slices.ContainsFunc(e.Parts, func(p ledger.Part) bool { return p.Class == ledger.Erasure }) {
			t.Errorf("the ledger lists %s", text(&e))
		}
	}
	if _, err := w.runner(nil).Rollback(t.Context(), "revenue", early.ID); !errors.Is(err, lake.ErrNotFound) && !errors.Is(err, lake.ErrErased) {
		t.Errorf("rollback: %v", err)
	}
	for p := range 2 {
		if m, ok, err := w.live.Peek(t.Context(), w.group(p)); err != nil || ok && m.Starts[0] < w.current().Cuts[p].Offset {
			t.Errorf("partition %d: Redis holds the epochs %v (%v)", p, m.Starts, err)
		}
	}
	content := w.content(w.current())
	w.run(RunOptions{Full: true})
	if after := w.content(w.current()); !slices.Equal(content, after) {
		t.Error("a full run afterwards answers otherwise")
	}
	w.visit("Zacharias", day.Add(48*time.Hour))
	w.accelerate()
	w.archiveAll(nil)
	w.run(RunOptions{})
	if w.sameAsNaive(w.current()); w.trace("Zacharias-1") == "" {
		t.Error("what came after the erasure is gone too")
	}
}

func TestAnErasureThatIsStoppedAnywhereIsFinishedByTheSameCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	var steps []string
	prepare := func(i int) EraseOptions {
		w.produce(20, uint64(200+i), 2)
		customer := fmt.Sprintf("Anna%dAnna", i)
		w.visit(customer, day)
		w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 12 })
		for p := range 2 {
			w.speedAt(p, w.sent[p])
		}
		if i%4 == 0 {
			w.run(RunOptions{})
		}
		w.compact()
		return of(customer)
	}
	watch := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
			return nil
		}
	})
	if _, err := watch.Erase(t.Context(), prepare(0)); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 20 {
		t.Fatalf("only the steps %q", steps)
	}
	every := 3 // of the steps; all in CI
	if os.Getenv("CI") == "true" || os.Getenv("CAUDAL_TEST_FAULTS") != "" {
		every = 1
	}
	for i := 0; i < len(steps); i += every {
		crash := steps[i]
		o := prepare(i + 1)
		broken := w.runner(func(c *Config) {
			c.Steps = func(step string) error {
				if step == crash {
					return errors.New("crash")
				}
				return nil
			}
		})
		if _, err := broken.Erase(t.Context(), o); !errors.Is(err, errCrash) && crash != "after-drop" {
			t.Fatalf("crash at %s: %v", crash, err)
		}
		w.unlock()
		if i/every%3 == 1 {
			w.produce(20, uint64(300+i), 2)
			w.archiveAll(nil)
			for p := range 2 {
				w.speedAt(p, w.sent[p])
			}
			w.run(RunOptions{Full: i%2 == 1}) // the night comes before anybody calls again
		}
		report := w.erase(o)
		if key := w.trace(o.Contains); key != "" || report.Left != 0 {
			t.Fatalf("crash at %s: the customer stands in %s (%+v)", crash, key, report)
		}
		w.sameAsNaive(w.current())
	}
	before := w.content(w.current())
	w.run(RunOptions{Full: true})
	if !slices.Equal(before, w.content(w.current())) {
		t.Error("a full run afterwards answers otherwise")
	}
	all, err := w.lake.Erasures(t.Context(), w.topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Open() || e.Where != "" || e.Contains != "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestAnErasureFinishesOneThatWasStoppedBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(40, 96, 1)
	w.visit("Dora", day)
	w.visit("Emil", day)
	w.archiveAll(nil)
	broken := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if step == "after-revision" {
				return errors.New("crash")
			}
			return nil
		}
	})
	if _, err := broken.Erase(t.Context(), of("Dora")); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	w.unlock()
	if report := w.erase(of("Emil")); report.Erasure != 2 || report.Resumed || report.Events != 4 || report.Left != 0 {
		t.Errorf("%+v", report)
	}
	for _, customer := range []string{"Dora", "Emil"} {
		if key := w.trace(customer); key != "" {
			t.Errorf("%s stands in %s", customer, key)
		}
	}
	w.sameAsNaive(w.current())
}

func TestAnErasureReachesFormerDefinitionsAndTheirSpeedState(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, defined(t))
	w.visit("Berta", day)
	w.produce(100, 93, 2)
	w.archiving(nil)
	w.speeding()
	w.accelerate()
	w.run(RunOptions{})
	former := w.project.Views[0]
	groups := []live.Group{w.group(0), w.group(1)}
	w.declare(defined(t, "price >= 1", "price >= 2"))
	w.replay(ReplayOptions{Switch: true})
	previous := w.erase(of("Berta")) // while both are in use
	if len(previous.Views) != 1 || len(previous.Views[0].Former) != 0 || w.active().Switched.Ledger.Key != "" {
		t.Fatalf("%+v, active %+v", previous, w.active())
	}
	w.sameAsNaive(w.currentOf(former))
	w.visit("Berta", day)
	w.accelerate()
	w.run(RunOptions{})
	if _, err := w.runner(nil).Drop(t.Context(), "revenue"); err != nil {
		t.Fatal(err)
	}
	report := w.erase(of("Berta"))
	if len(report.Views[0].Former) != 1 || report.Views[0].Former[0] != former.Hash {
		t.Fatalf("%+v", report)
	}
	for _, g := range groups {
		if _, held, err := w.live.Peek(t.Context(), g); held || err != nil {
			t.Errorf("Redis holds %s (%v)", g, err)
		}
	}
	m := w.currentOf(former)
	if m.Run != lake.FirstRun || len(m.Files) != 0 || m.Cuts[0].Offset != w.sent[0] {
		t.Fatalf("%+v", m)
	}
	w.declare(defined(t)) // and back
	w.replay(ReplayOptions{Switch: true})
	w.sameAsNaive(w.current())
	if key := w.trace("Berta"); key != "" {
		t.Errorf("Berta stands in %s", key)
	}
}

// currentOf is the current snapshot of a definition.
func (w *world) currentOf(v *view.View) *lake.Manifest {
	w.t.Helper()
	m, _, err := w.lake.Current(w.t.Context(), v.Name, v.Hash)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func TestARevisedSegmentIsWhatTheArchiveWouldHaveWritten(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(300, 94, 1)
	w.archiveAll(nil)
	chunks, err := w.lake.Chunks(t.Context(), w.topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &erasing{runner: w.runner(nil)}
	if x.files, err = newEraseFiles(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	defer x.files.close()
	for _, f := range chunks[0].Files {
		left, err := x.files.without(t.Context(), &chunks[0], &f, 1, nil)
		if err != nil || left.SHA256 != f.SHA256 || left.First != f.First || left.Last != f.Last {
			t.Errorf("%s: %+v, %v", f.Key, left, err)
		}
	}
}

func TestAnArchiveThatSleptCannotWriteAnErasedFileAgain(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(40, 95, 1)
	before := maps.Clone(w.sent)
	w.visit("Carla", day)
	slept := make(chan struct{})
	woken := make(chan struct{})
	zombie := w.archive(func(c *ArchiveConfig) {
		c.Steps = func(step string) error {
			if step == "after-intent" {
				close(slept)
				<-woken
			}
			return nil
		}
	})
	partition := 0
	for p, n := range w.sent {
		if n-before[p] > 1 {
			partition = p
		}
	}
	ended := make(chan error, 1)
	zombie.Close(w.topic.Name, w.sent)
	go func() { ended <- w.partition(zombie, partition).life(t.Context()) }()
	<-slept
	w.archiveAll(nil)
	w.erase(of("Carla"))
	close(woken)
	if err := <-ended; err == nil {
		t.Fatal("the zombie wrote its chunk")
	}
	if key := w.trace("Carla"); key != "" {
		t.Errorf("Carla stands in %s", key)
	}
}

func TestWhatIsToBeErasedHasToBeAConditionOfOneEvent(t *testing.T) {
	w := newWorld(t).withRuns()
	for where, want := range map[string]string{
		"customer = ": "syntax error", "custoner = 'x'": "customer", "price > 1 AND country < now()::varchar": "not a function of the event alone",
		"price + 1": "must be true or false", "": "give a condition", "customer IN (SELECT 1)": "subquery",
	} {
		_, err := w.runner(nil).Erase(t.Context(), EraseOptions{Source: "sales", Where: where})
		if !errors.Is(err, ErrCondition) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", where, err)
		}
	}
	if _, err := w.runner(nil).Erase(t.Context(), EraseOptions{Source: "sells", Where: "TRUE"}); !errors.Is(err, ErrCondition) || !strings.Contains(err.Error(), "sales") {
		t.Errorf("%v", err)
	}
	if all, err := w.lake.Erasures(t.Context(), "sales"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}
