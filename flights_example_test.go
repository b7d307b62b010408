package main

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/speed"
)

const flightsFile = "examples/flights/flights.csv.gz"

// flight is one line of the file, read without any of what is tested.
type flight struct {
	cancelled      bool
	left           time.Time // by the clocks of New York, as is the time when it should have left
	should         time.Time
	origin         string
	late, distance int64 // minutes, miles
}

func readFlights(t *testing.T) []flight {
	t.Helper()
	file, err := os.Open(flightsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	var all []flight
	for _, row := range rows[1:] {
		f := flight{origin: row[column["origin"]], cancelled: row[column["sched_dep_ts"]] == ""}
		if !f.cancelled {
			var errs [4]error
			f.should, errs[0] = time.ParseInLocation("2006-01-02T15:04:05", row[column["sched_dep_ts"]], zone)
			f.left, errs[1] = time.ParseInLocation("2006-01-02T15:04:05", row[column["actual_dep_ts"]], zone)
			f.late, errs[2] = strconv.ParseInt(row[column["dep_delay"]], 10, 64)
			f.distance, errs[3] = strconv.ParseInt(row[column["distance"]], 10, 64)
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatalf("%v: %v", row, err)
			}
		}
		all = append(all, f)
	}
	return all
}

// within are the flights of the first weeks.
func within(flights []flight, weeks int) []flight {
	end := flights[0].left.AddDate(0, 0, 7*weeks)
	for i, f := range flights {
		if !f.cancelled && !f.left.Before(end) {
			return flights[:i]
		}
	}
	return flights
}

// tally is what one hour, or all of them, is to answer of an airport.
type tally struct{ flights, minutes, miles, came int64 }

// add counts a flight; late: it came later than an hour behind the newest.
func (a *tally) add(f flight, late bool) {
	a.flights++
	if late {
		a.came++
	}
	a.minutes += f.late
	a.miles += f.distance
}

// departed is the naive fold: what had left by an hour of the replay.
type departed struct {
	airports map[string]*tally
	hours    map[string]*tally // by airport and the hour when they should have left
	late     int64             // later than an hour behind the newest before them
	newest   time.Time
}

func (d *departed) add(f flight) {
	if f.cancelled {
		return
	}
	late := f.should.Before(d.newest.Add(-time.Hour))
	hour := f.origin + " " + f.should.UTC().Truncate(time.Hour).Format(time.RFC3339)
	for _, at := range []struct {
		m   map[string]*tally
		key string
	}{{d.airports, f.origin}, {d.hours, hour}} {
		if at.m[at.key] == nil {
			at.m[at.key] = &tally{}
		}
		at.m[at.key].add(f, late)
	}
	if late {
		d.late++
	}
	if f.should.After(d.newest) {
		d.newest = f.should
	}
}

// flightsReplay sends the flights as they left and compares what is answered.
type flightsReplay struct {
	t        *testing.T
	w        *whole
	server   *serving.Server
	year     bool // what is sent is the whole file
	sent     int64
	batched  int64 // records that batch has to have in an answer
	truth    departed
	compared int
}

// TestTheFlightsAreRightAtEveryHourOfTheReplay sends the year hour by hour of the actual departures. After each step the merged answer has to be
// that of the naive fold: in all by airport, and of each of the last 26 hours when they should have left; batches run in between.
// CAUDAL_TEST_FLIGHTS is the step in hours, and 1 compares every hour of the year; without it the first ten weeks are sent, one at a time.
func TestTheFlightsAreRightAtEveryHourOfTheReplay(t *testing.T) {
	t.Parallel()
	step, weeks := 7*24, 10
	if text := os.Getenv("CAUDAL_TEST_FLIGHTS"); text != "" {
		var err error
		if step, err = strconv.Atoi(text); err != nil || step < 1 {
			t.Fatalf("CAUDAL_TEST_FLIGHTS=%s is no number of hours", text)
		}
		weeks = 53
	}
	all := readFlights(t)
	flights := within(all, weeks)
	dir := t.TempDir()
	for _, name := range []string{"caudal.yaml", filepath.Join("views", "airports.yaml")} {
		text, err := os.ReadFile(filepath.Join("examples", "flights", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{projectDir: dir, output: "json", stdout: os.Stdout, stderr: os.Stderr,
		adjust: adjust{speed: func(c *speed.Config) { c.BatchWait = min(c.BatchWait, time.Duration(step)*time.Millisecond) }}}
	err = a.whole(t.Context(), project, dir, addresses{}, func(ctx context.Context, w *whole) error {
		server, err := serving.New(serving.Config{Project: project, Lake: w.lake, Live: w.live, Stream: w.stream, CacheDir: t.TempDir()})
		if err != nil {
			return err
		}
		r := &flightsReplay{t: t, w: w, server: server, year: len(flights) == len(all), truth: departed{airports: map[string]*tally{}, hours: map[string]*tally{}}}
		return errors.Join(r.run(ctx, flights, time.Duration(step)*time.Hour), server.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// flightBatches is how many batches run during the replay.
const flightBatches = 5

func (r *flightsReplay) run(ctx context.Context, flights []flight, step time.Duration) error {
	file, err := os.Open(flightsFile)
	if err != nil {
		return err
	}
	defer file.Close()
	source := r.w.project.Sources[0]
	in, err := feed.Open(file, flightsFile, source, feed.ByLine)
	if err != nil {
		return err
	}
	out := r.w.stream.Producer(source.Topic)
	runner, err := r.w.runner(0)
	if err != nil {
		return err
	}
	hour := flights[0].left.Truncate(time.Hour)
	hours, next := 0, len(flights)/(flightBatches+1)
	for at := 0; at < len(flights); hour = hour.Add(step) {
		var messages []stream.Message
		for ; at < len(flights) && (flights[at].cancelled || flights[at].left.Before(hour.Add(step))); at++ {
			m, err := in.Next()
			if err != nil {
				return err
			}
			messages = append(messages, stream.Message{Value: m.Value})
			r.truth.add(flights[at])
		}
		if err := out.Write(ctx, messages); err != nil {
			return err
		}
		r.sent += int64(len(messages))
		if at >= next {
			next += len(flights) / (flightBatches + 1)
			if _, err := runner.Run(ctx, batch.RunOptions{}); err != nil {
				return err
			}
		}
		if err := r.compare(ctx, hour.Add(step), step); err != nil {
			return fmt.Errorf("at %s: %w", hour.Add(step), err)
		}
		hours++
	}
	if _, err := in.Next(); r.year && err != io.EOF {
		return fmt.Errorf("the producer has more than the file: %v", err)
	}
	whole := flights[0].left.Truncate(time.Hour).Add(-26 * time.Hour)
	if err := r.compareHours(ctx, hour, whole); err != nil {
		return err
	}
	if len(r.truth.hours)*len(flightMeasures) > r.compared {
		r.t.Errorf("only %d answers were compared", r.compared)
	}
	if _, err := runner.Run(ctx, batch.RunOptions{}); err != nil {
		return err
	}
	r.batched = r.sent
	if err := r.compareHours(ctx, hour, whole); err != nil {
		return fmt.Errorf("after the last batch: %w", err)
	}
	came := int64(0)
	for _, a := range r.truth.airports {
		came += a.came
	}
	if came != r.truth.late || came == 0 {
		r.t.Errorf("%d flights came late, and %d by their airports", r.truth.late, came)
	}
	if left := r.truth.airports["EWR"].flights + r.truth.airports["JFK"].flights + r.truth.airports["LGA"].flights; r.year && (came != 25363 || left != 328521) {
		r.t.Errorf("the fold says %d late, %+v", r.truth.late, r.truth.airports)
	}
	r.t.Logf("%d moments of the replay, %d answers compared", hours, r.compared)
	return out.Close()
}

var flightMeasures = []string{"flights", "minutes", "miles", "came_late"}

// compare holds the answers after a step of the replay to the fold.
func (r *flightsReplay) compare(ctx context.Context, now time.Time, step time.Duration) error {
	all, result, err := r.ask(ctx, serving.Query{Dimensions: []string{"origin"}})
	if err != nil {
		return err
	}
	for origin, want := range r.truth.airports {
		r.equal(now, origin, all[origin+" "], *want)
	}
	r.compared++
	if result.Statistics.Late != r.truth.late || len(all) != len(r.truth.airports) {
		r.t.Errorf("at %s: %d late of %d airports, want %d of %d", now, result.Statistics.Late, len(all), r.truth.late, len(r.truth.airports))
	}
	return r.compareHours(ctx, now, now.Add(-step-25*time.Hour))
}

// compareHours holds the answers of the hours from one on to the fold.
func (r *flightsReplay) compareHours(ctx context.Context, now, from time.Time) error {
	answered, _, err := r.ask(ctx, serving.Query{Dimensions: []string{"origin"}, Grain: "1h", From: from.UTC().Format(time.RFC3339), Limit: 100_000})
	if err != nil {
		return err
	}
	hours := 0
	for hour := from; !hour.After(now.Add(2 * time.Hour)); hour = hour.Add(time.Hour) {
		for origin := range r.truth.airports {
			key := origin + " " + hour.UTC().Format(time.RFC3339)
			if want := r.truth.hours[key]; want != nil {
				hours++
				r.equal(now, key, answered[key], *want)
			}
		}
	}
	if hours != len(answered) {
		r.t.Errorf("at %s: %d hours of airports are answered, want %d", now, len(answered), hours)
	}
	return nil
}

func (r *flightsReplay) equal(now time.Time, what string, got, want tally) {
	r.compared += len(flightMeasures)
	if got != want {
		r.t.Errorf("at %s, %s: answered %+v, want %+v", now, what, got, want)
	}
}

// ask asks until the answer holds all that was sent, and rests on the last batch where that has to have all.
func (r *flightsReplay) ask(ctx context.Context, q serving.Query) (map[string]tally, *serving.Result, error) {
	q.View, q.Measures = "airports", flightMeasures
	for {
		result, err := r.server.Query(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		if parts := result.Provenance.Partitions; len(parts) == 1 && parts[0].Served == r.sent && parts[0].Batch >= r.batched && !result.Provenance.Partial {
			rows, err := talliesOf(result)
			return rows, result, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(5 * time.Millisecond): // so that asking leaves the machine to what is asked about
		}
	}
}

// talliesOf reads an answer by airport and, with a grain, hour.
func talliesOf(result *serving.Result) (map[string]tally, error) {
	text, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var body struct {
		Data []struct {
			Time                    time.Time
			Origin                  string
			Flights, Minutes, Miles int64
			Came                    int64 `json:"came_late"`
		}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	rows := map[string]tally{}
	for _, d := range body.Data {
		key := d.Origin + " "
		if result.Meta.Grain != "" {
			key += d.Time.UTC().Format(time.RFC3339)
		}
		rows[key] = tally{d.Flights, d.Minutes, d.Miles, d.Came}
	}
	return rows, nil
}
