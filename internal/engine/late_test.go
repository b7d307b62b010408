package engine

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// flight is one record of the example: when it should have left, and when it did, µs UTC.
type flight struct {
	scheduled, actual int64
	key               uint32
}

// flights are those that left, in the order in which they did.
func flights(t *testing.T) []flight {
	t.Helper()
	file, err := os.Open("../../examples/flights/flights.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var list []flight
	for _, row := range rows[1:] {
		delay, err := strconv.ParseInt(row[column["dep_delay"]], 10, 64)
		if err != nil {
			continue // cancelled
		}
		at, err := time.Parse("2006-01-02T15:04:05", row[column["sched_dep_ts"]])
		if err != nil {
			t.Fatal(err)
		}
		h := fnv.New32a()
		fmt.Fprint(h, row[column["tailnum"]])
		list = append(list, flight{at.UnixMicro(), at.UnixMicro() + delay*60_000_000, h.Sum32()})
	}
	slices.SortStableFunc(list, func(a, b flight) int {
		return cmp.Or(cmp.Compare(a.actual, b.actual), cmp.Compare(a.scheduled, b.scheduled))
	})
	return list
}

// The flights of 2013, replayed by when they left: what comes an hour behind the latest one, and what comes an hour behind the watermark, which follows the
// latest of each partition, and no flight further ahead of its record's time than max_ahead. Both layers count the same, whatever the micro-batches, and
// so does a fold that goes on in the middle.
func TestLateFlightsAreCountedAlikeByBothLayers(t *testing.T) {
	list := flights(t)
	raw, latest := 0, list[0].scheduled
	for _, f := range list {
		if latest-f.scheduled > time.Hour.Microseconds() {
			raw++
		}
		latest = max(latest, f.scheduled)
	}
	if raw != 25_363 {
		t.Errorf("%d flights came more than an hour behind the latest, want 25363", raw)
	}
	for _, c := range []struct {
		partitions int
		ahead      time.Duration
		late       int64
	}{{1, time.Hour, 25_363}, {3, 5 * time.Minute, 21_984}} {
		partitions := c.partitions
		src := &view.Source{Name: "flights", Topic: "flights", Format: "json", Lateness: time.Hour, MaxAhead: c.ahead, DedupRecords: 1000, DedupHorizon: time.Hour,
			EventTime: view.EventTime{Field: "scheduled", Format: "unix_us", Timezone: "UTC"}, Fields: []view.Field{{Name: "scheduled", Type: typ(view.Timestamp)}}}
		v := &view.View{Name: "v", Source: src, Timezone: "UTC", Location: time.UTC, Grains: []view.Grain{{Name: "1mo", Unit: view.Month, Size: 30 * 24 * time.Hour}},
			Measures: []view.Measure{{Name: "flights", Agg: view.Count, Type: typ(view.Int64)}, {Name: "late", Agg: view.Count, Filter: view.LateColumn, Type: typ(view.Int64)}}}
		plan, err := algebra.Compile(v)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := intake.NewSchema(src)
		if err != nil {
			t.Fatal(err)
		}
		_, conn := openTest(t)
		all, want := intake.NewRows(src), int64(0)
		folds, offsets, watermarks := make([]*intake.Fold, partitions), make([]int64, partitions), make([]int64, partitions)
		for p := range folds {
			folds[p] = intake.NewFold(schema, intake.Start())
			watermarks[p] = -1 << 62
		}
		for i, f := range list {
			p := int(f.key) % partitions
			value, err := json.Marshal(map[string]int64{"scheduled": f.scheduled})
			if err != nil {
				t.Fatal(err)
			}
			if i == len(list)/2 { // a restart: what was noted goes on
				for p := range folds {
					folds[p] = intake.NewFold(schema, folds[p].Progress())
				}
			}
			folds[p].Append(intake.Record{Partition: p, Offset: offsets[p], Timestamp: f.actual, Value: value}, all)
			offsets[p]++
			if f.scheduled < watermarks[p]-time.Hour.Microseconds() {
				want++
			}
			watermarks[p] = max(watermarks[p], min(f.scheduled, f.actual+c.ahead.Microseconds()))
		}
		appendRows(t, conn, "late_flights", src, all, nil, all.Len())
		speed := partials(t, conn, plan, all.Len())
		var batch int64
		if err := conn.Query(context.Background(), plan.BatchSQL(algebra.BatchOptions{From: "late_flights"}), func(c *Chunk) error {
			for i := range c.Len() {
				s := plan.New()
				if err := plan.ReadState(c.Row(i), 2, s); err != nil {
					return err
				}
				batch += plan.Final(s, 1).Value.Int64()
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if batch != want || speed != want || want != c.late {
			t.Errorf("%d partitions: %d are late by a fold, batch counts %d and speed %d", partitions, want, batch, speed)
		}
	}
}

// partials is the number of late events as the speed layer counts them.
func partials(t *testing.T, conn *Conn, plan *algebra.Plan, rows int) int64 {
	t.Helper()
	total := plan.New()
	for from := 0; from < rows; from += 50_000 {
		sql := plan.PartialSQL(fmt.Sprintf("(SELECT * FROM late_flights WHERE _row >= %d AND _row < %d)", from, from+50_000))
		if err := conn.Query(context.Background(), sql, func(c *Chunk) error {
			for i := range c.Len() {
				plan.MergeRow(total, c.Row(i), 1)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return plan.Final(total, 1).Value.Int64()
}
