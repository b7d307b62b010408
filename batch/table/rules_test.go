package table

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/lake"
)

func TestTheSameSegmentsMakeTheSameBytes(t *testing.T) {
	var versions [2]*Version
	for i := range versions {
		w := newWorld(t, 31)
		w.archive(0, 3000, 0, 2)
		w.archive(1, 3000, 1, 2)
		c := w.compactor(func(c *Config) { c.Engine.Threads, c.FileBytes = 1+i*3, 20_000 }) // whatever the threads
		if _, err := c.Compact(t.Context(), Options{Now: day}); err != nil {
			t.Fatal(err)
		}
		versions[i] = w.open("")
	}
	a, b := versions[0], versions[1]
	if a.ID != b.ID || len(a.Files) < 6 {
		t.Fatalf("%s of %d files, %s of %d", a.ID, len(a.Files), b.ID, len(b.Files))
	}
	for i, f := range a.Files[1:] { // those of a date and run follow upon one another
		if before := a.Files[i]; before.Date == f.Date && before.Run == f.Run && before.Last >= f.First {
			t.Errorf("files %s and %s overlap", before.Key, f.Key)
		}
	}
}

func TestAnyHistoryOfCompactionsHoldsTheLog(t *testing.T) {
	rounds := 0
	rapid.Check(t, func(r *rapid.T) {
		if rounds++; rounds > 12 { // each takes a tenth of a second
			return
		}
		w := newWorld(t, rapid.Uint64().Draw(r, "seed"))
		w.source.FullDedup = rapid.Bool().Draw(r, "full dedup")
		var kept []*Version
		var held [][]string
		for n := range rapid.IntRange(2, 6).Draw(r, "rounds") {
			for range rapid.IntRange(0, 3).Draw(r, "chunks") {
				w.archive(rapid.IntRange(0, 1).Draw(r, "partition"), rapid.IntRange(1, 60).Draw(r, "events"), rapid.IntRange(0, 3).Draw(r, "from"), 1+rapid.IntRange(0, 2).Draw(r, "days"))
			}
			if len(w.log) == 0 {
				continue
			}
			if rapid.IntRange(0, 9).Draw(r, "life") == 0 {
				w.live(fmt.Sprint(n))
			}
			v := w.compact(Options{Full: rapid.IntRange(0, 5).Draw(r, "full") == 0})
			w.sameAsLog(v, nil)
			kept, held = append(kept, v), append(held, w.rows(v, All))
		}
		for i, v := range kept { // each is what it was
			if now := w.rows(w.open(v.ID), All); !slices.Equal(now, held[i]) {
				r.Fatalf("version %s changed: %s", v.ID, difference(now, held[i]))
			}
		}
	})
}

func TestRepeatsOfTheWholeHistoryAreLeftOutWhereTheSourceAsksForIt(t *testing.T) {
	repeat := func(partition int, offset, timestamp int64, id string) record {
		return record{incarnation: 1, partition: partition, offset: offset, at: timestamp, timestamp: timestamp, id: id, country: "DE", price: 100}
	}
	at := func(hours int) int64 { return day.Add(time.Duration(hours) * time.Hour).UnixMicro() }
	history := func(t *testing.T, between bool) *world {
		w := newWorld(t, 33)
		w.source.FullDedup = true
		w.next = map[int]int64{0: 0, 1: 0}
		w.commit(0, []record{repeat(0, 0, at(10), "a"), repeat(0, 1, at(30), "b"), repeat(0, 2, at(50), "c")}, 3)
		if between {
			w.compact(Options{})
		}
		// "a" comes again later; "b" had come earlier, of another partition, archived later.
		w.commit(1, []record{repeat(1, 0, at(80), "a"), repeat(1, 1, at(5), "b"), repeat(1, 2, at(81), "d")}, 3)
		return w
	}
	keep := func(r *record) bool {
		return !(r.partition == 1 && r.id == "a") && !(r.partition == 0 && r.id == "b")
	}
	for _, between := range []bool{false, true} {
		w := history(t, between)
		v := w.compact(Options{})
		w.sameAsLog(v, keep)
		if v.Repeats != 2 || v.Dedup != "full" {
			t.Errorf("between: %t: %d repeats, dedup %s", between, v.Repeats, v.Dedup)
		}
		w.source.FullDedup = false // the rule changes, and with it the table, though nothing is new
		w.sameAsLog(w.compact(Options{}), nil)
	}
}

func TestALateEventDoesNotRewriteItsDate(t *testing.T) {
	w := newWorld(t, 34)
	w.archive(0, 4000, 0, 1)
	w.compact(Options{})
	written, runs := int64(0), 0
	c := w.compactor(nil)
	for range 40 {
		w.archive(0, 10, 0, 1)
		reports, err := c.Compact(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		written += reports[0].WrittenRows
		runs = max(runs, reports[0].Files)
	}
	v := w.open("")
	w.sameAsLog(v, nil)
	limit := 1 + math.Log2(float64(v.Rows)/9)
	if amplification := float64(written) / 400; amplification > limit {
		t.Errorf("each new row was written %.1f times, the bound is %.1f", amplification, limit)
	}
	if float64(runs) > limit {
		t.Errorf("%d runs, the bound is %.1f", runs, limit)
	}
}

func TestRunsOfAPlaceGrowByHalves(t *testing.T) {
	file := func(run, rows int64) lake.TableFile {
		return lake.TableFile{Date: "d", Incarnation: 1, Run: run, Rows: rows, Key: fmt.Sprint(run)}
	}
	fresh := func(rows int64) []segment { return []segment{{lake.ChunkFile{Date: "d", Rows: rows}, 1, "x"}} }
	for name, c := range map[string]struct {
		files []lake.TableFile
		rows  int64
		again bool
		want  int // runs that are merged
	}{
		"nothing before":      {nil, 5, false, 0},
		"a larger one stays":  {[]lake.TableFile{file(1, 100)}, 5, false, 0},
		"an equal one goes":   {[]lake.TableFile{file(1, 5)}, 5, false, 1},
		"one after the other": {[]lake.TableFile{file(1, 100), file(2, 8), file(3, 4)}, 5, false, 2},
		"none behind another": {[]lake.TableFile{file(1, 3), file(2, 50)}, 5, false, 0},
		"all where they must": {[]lake.TableFile{file(1, 1000), file(2, 50)}, 5, true, 2},
	} {
		units, untouched := planUnits(fresh(c.rows), append(c.files, lake.TableFile{Date: "other", Incarnation: 1}), map[place]bool{{"d", 1}: c.again})
		if !c.again {
			units, untouched = planUnits(fresh(c.rows), append(c.files, lake.TableFile{Date: "other", Incarnation: 1}), nil)
		}
		if len(units) != 1 || len(untouched) != 1 || len(units[0].merged) != c.want || len(units[0].kept) != len(c.files)-c.want {
			t.Errorf("%s: %+v", name, units)
		}
	}
}

func TestPruneKeepsWhatIsCurrentYoungOrReferredTo(t *testing.T) {
	w := newWorld(t, 35)
	var ids []string
	for i := range 6 {
		w.archive(0, 200, i, 1)
		ids = append(ids, w.compact(Options{Now: day.Add(time.Duration(i) * 24 * time.Hour)}).ID)
	}
	w.compact(Options{Full: true, Now: day.Add(6 * 24 * time.Hour)})
	if err := w.lake.PutTableRef(t.Context(), "sales", ids[1], lake.TableRef{Name: "model-fraud-3", Kind: "model", Made: day}); err != nil {
		t.Fatal(err)
	}
	rows := w.rows(w.open(ids[1]), All)
	w.project.Lake.Versions.Keep, w.project.Lake.Versions.Age = 2, 3*24*time.Hour
	c := w.compactor(nil)
	o := PruneOptions{Now: day.Add(7*24*time.Hour + time.Hour), DryRun: true}
	dry, err := c.Prune(t.Context(), o)
	if err != nil || !slices.Equal(dry[0].Versions, []string{ids[0], ids[2], ids[3], ids[4]}) || !slices.Equal(dry[0].Referred, ids[1:2]) {
		t.Fatalf("%+v, %v", dry, err)
	}
	o.DryRun = false
	if pruned, err := c.Prune(t.Context(), o); err != nil || !slices.Equal(pruned[0].Versions, dry[0].Versions) || pruned[0].Files != 0 {
		t.Fatalf("%+v, %v", pruned, err) // a file was written just now, by the store's clock
	}
	o.Now = time.Now().Add(48 * time.Hour)
	if _, err := c.Prune(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	versions, err := c.List(t.Context(), nil)
	if err != nil || len(versions) != 3 || versions[0].ID != ids[1] || len(versions[0].Refs) != 1 || !versions[2].Current {
		t.Fatalf("%+v, %v", versions, err)
	}
	if now := w.rows(w.open("2"), All); !slices.Equal(now, rows) {
		t.Error("the version that a model refers to changed")
	}
	w.sameAsLog(w.open(""), nil)
	if err := w.lake.DeleteTableRef(t.Context(), "sales", ids[1], "model-fraud-3"); err != nil {
		t.Fatal(err)
	}
	if pruned, err := c.Prune(t.Context(), o); err != nil || len(pruned[0].Versions) != 1 {
		t.Errorf("%+v, %v", pruned, err)
	}
	w.sameAsLog(w.open(""), nil)
}

func TestAnErasureRevisesEveryVersionAndLeavesTheOthersRows(t *testing.T) {
	w := newWorld(t, 36)
	w.archive(0, 200, 0, 3)
	first := w.compact(Options{})
	w.archive(1, 200, 0, 3)
	second := w.compact(Options{})
	e := w.tombstone("country = 'DE'")
	keep := func(r *record) bool { return r.country != "DE" }
	if got := w.rows(w.open(""), All); !slices.Equal(got, w.naive(keep)) {
		t.Error("before the files are revised: ", difference(got, w.naive(keep)))
	}
	c := w.compactor(nil)
	found, err := c.FindErased(t.Context(), e)
	if err != nil || found[0].Rows == 0 || len(found[0].Versions) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	var steps []string
	for crash := 0; ; crash++ { // between every two steps, each once
		n := 0
		_, err := c.Erase(t.Context(), e, func(step string) error {
			if n++; n > crash {
				steps = append(steps, step)
				return errCrash
			}
			return nil
		})
		if err == nil {
			break
		}
		if got := w.rows(w.open(""), All); !slices.Equal(got, w.naive(keep)) {
			t.Fatalf("stopped at %s: %s", steps[len(steps)-1], difference(got, w.naive(keep)))
		}
	}
	if len(steps) < 3 {
		t.Errorf("only the steps %q", steps)
	}
	left, err := c.FindErased(t.Context(), e)
	if err != nil || left[0].Rows != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	w.sameAsLog(w.open(""), keep)
	for _, v := range []*Version{first, second} {
		now := w.open(v.ID)
		if now.Erasures != e.Number || now.Rows+now.Erased != v.Rows || now.Erased == 0 {
			t.Errorf("version %s: %d rows of %d, erased %d, erasures %d", v.ID, now.Rows, v.Rows, now.Erased, now.Erasures)
		}
	}
	for object, err := range w.store.List(t.Context(), "tables/shop.sales/inc=") {
		if err != nil {
			t.Fatal(err)
		}
		path, err := w.lake.Fetch(t.Context(), object.Key, sumOf(t, w, object.Key))
		if err != nil {
			t.Fatal(err)
		}
		if n := queryTexts(t, "SELECT count(*)::VARCHAR FROM read_parquet('"+path+"', hive_partitioning = false) WHERE country = 'DE'"); n[0] != "0" {
			t.Errorf("%s holds %s of them", object.Key, n[0])
		}
	}
}

func sumOf(t *testing.T, w *world, key string) string {
	t.Helper()
	data, _, err := w.store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return lake.Sum(data)
}
