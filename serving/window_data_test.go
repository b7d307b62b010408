package serving

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// eachLine calls take for every line of an example's file, with what finds the text of a column.
func eachLine(t *testing.T, path string, take func(of func(column string) string)) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	must(t, err)
	lines := csv.NewReader(unzipped)
	lines.ReuseRecord = true
	header, err := lines.Read()
	must(t, err)
	at := map[string]int{}
	for i, name := range header {
		at[strings.Clone(name)] = i
	}
	for {
		line, err := lines.Read()
		if err == io.EOF {
			return
		}
		must(t, err)
		take(func(column string) string { return strings.Clone(line[at[column]]) })
	}
}

// within moves the week that begins at a Monday to one of 2024 that ends with a change of London's clocks.
func within(at, monday time.Time, length time.Duration) (time.Time, bool) {
	since := at.Sub(monday)
	return time.Date(2024, 3, 25, 0, 0, 0, 0, time.UTC).Add(since), since >= 0 && since < length
}

// retailSales are order lines of a day and a half, by customer, disordered.
func retailSales(t *testing.T) []event {
	var events []event
	eachLine(t, "../examples/retail/online_retail.csv.gz", func(of func(string) string) {
		at, err := time.Parse("2006-01-02 15:04:05", of("InvoiceDate"))
		must(t, err)
		customer := of("CustomerID")
		at, ok := within(at, time.Date(2011, 3, 7, 0, 0, 0, 0, time.UTC), 36*time.Hour)
		if !ok || customer == "" {
			return
		}
		price, err := strconv.ParseFloat(of("UnitPrice"), 64)
		must(t, err)
		events = append(events, event{partition: partitionOf(customer), at: at, country: of("Country"), product: customer, order: of("InvoiceNo"), pence: int64(math.Round(price * 100))})
	})
	r := rand.New(rand.NewPCG(1, 1))
	for block := range slices.Chunk(events, 300) {
		r.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
	}
	return events
}

// flightsByDeparture are the flights of two days by origin, of the times at which they should have left, in the order in which they did.
func flightsByDeparture(t *testing.T) []event {
	type flight struct {
		event
		left time.Time
	}
	var flights []flight
	eachLine(t, "../examples/flights/flights.csv.gz", func(of func(string) string) {
		at, err := time.Parse("2006-01-02T15:04:05", of("sched_dep_ts"))
		left := of("actual_dep_ts")
		if err != nil || left == "" {
			return // it has no time, or never left
		}
		departed, err := time.Parse("2006-01-02T15:04:05", left)
		must(t, err)
		moved, ok := within(at, time.Date(2013, 3, 4, 0, 0, 0, 0, time.UTC), 40*time.Hour)
		if !ok {
			return
		}
		distance, err := strconv.ParseFloat(of("distance"), 64)
		must(t, err)
		e := event{partition: partitionOf(of("tailnum")), at: moved, country: of("carrier"), product: of("origin"), order: of("tailnum"), pence: int64(distance)}
		flights = append(flights, flight{e, departed})
	})
	slices.SortStableFunc(flights, func(a, b flight) int { return a.left.Compare(b.left) })
	events := make([]event, len(flights))
	behind := 0
	for i := range flights {
		if events[i] = flights[i].event; i > 0 && events[i].at.Before(events[i-1].at) {
			behind++
		}
	}
	if behind*4 < len(events) {
		t.Fatalf("%d of %d flights come out of order: the data set is meant for that", behind, len(events))
	}
	return events
}

func partitionOf(key string) int { return int(crc32.ChecksumIEEE([]byte(key)) % 2) }

// Sessions of customers and hops by origin, of real data, in each state that the layers can be in.
func TestWindowsOfRetailAndFlightsAreWhatAFoldSays(t *testing.T) {
	for name, data := range map[string]struct {
		events  []event
		windows []string
	}{
		"retail":  {retailSales(t), []string{"visits"}},
		"flights": {flightsByDeparture(t), []string{"last_3h", "week"}},
	} {
		w := newWorld(t, windowsYAML)
		w.serve()
		ask := func(stage string, exact bool) {
			t.Helper()
			for _, window := range data.windows {
				r := w.query(Query{Window: window, Dimensions: []string{"product"}, Exact: exact, Limit: 100_000})
				checkWindow(t, fmt.Sprintf("%s, %s, %s, exact %t", name, stage, window, exact), r, folded(w, window, w.events))
			}
		}
		half := len(data.events) / 2
		w.inEveryState(data.events[:half], data.events[half:], ask)
		t.Logf("%s: %d events", name, len(data.events))
	}
}
