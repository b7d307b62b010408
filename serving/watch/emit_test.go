package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
)

// sent are the rows of the topic, as "anna@0 11 closed 1": user, bucket, events, state and sequence.
func (w *world) sent() []string {
	w.t.Helper()
	var rows []string
	ids := map[string]bool{}
	for _, r := range w.read("sales.rows") {
		var e Emitted
		must(w.t, json.Unmarshal(r.Value, &e))
		if ids[e.ID] || string(r.Key) != e.rowKey() {
			w.t.Errorf("row %s has the key %s, or its id was there before", r.Value, r.Key)
		}
		ids[e.ID] = true
		user, _ := e.Dimensions.Get("user")
		events, known := e.Measures.Get("events")
		state := map[bool]string{true: "closed", false: "open"}[e.Closed]
		if e.Revision {
			state = "revision"
		}
		if !known {
			state += " removed"
			events = new(string)
		}
		rows = append(rows, fmt.Sprintf("%s@%s %s %s %d", *user, e.Time[11:16], *events, state, e.Sequence))
	}
	return rows
}

// awaits waits until the topic holds these rows.
func (w *world) awaits(want ...string) {
	w.t.Helper()
	var got []string
	w.eventually(fmt.Sprintf("the topic holds %q", want), func() bool {
		got = w.sent()
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		w.t.Errorf("the topic holds %q, want %q", got, want)
	}
}

func TestRowsGoToTheirTopicOnceAndAgainWhenTheyDiffer(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML+"emit: {to: sales.rows}\n")
	stop := w.start(nil)
	w.cells.set("anna", 0, 11)
	w.cells.set("bob", 0, 2)
	w.cells.until(4)
	w.cells.set("anna", 1, 3)
	w.cells.until(5)
	w.awaits("anna@00:00 11 closed 1", "bob@00:00 2 closed 1")
	must(t, stop())
	stop = w.start(nil) // the topic is the memory
	w.cells.set("anna", 0, 12)
	w.awaits("anna@00:00 11 closed 1", "bob@00:00 2 closed 1", "anna@00:00 12 revision 2")
	w.cells.change(func() { delete(w.cells.values, "bob"); w.cells.watermark = 10 })
	w.awaits("anna@00:00 11 closed 1", "bob@00:00 2 closed 1", "anna@00:00 12 revision 2", "bob@00:00  revision removed 2", "anna@00:05 3 closed 1")
	must(t, stop())
}

func TestRowsGoToTheirTopicAsTheyChange(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML+"emit: {to: sales.rows, on: both}\n")
	stop := w.start(nil)
	w.cells.change(func() { w.cells.values["anna"] = map[int64]int64{0: 1}; w.cells.watermark = 1 })
	w.awaits("anna@00:00 1 open 1")
	w.cells.set("anna", 0, 2)
	w.awaits("anna@00:00 1 open 1", "anna@00:00 2 open 2")
	w.cells.until(5)
	w.awaits("anna@00:00 1 open 1", "anna@00:00 2 open 2", "anna@00:00 2 closed 3")
	must(t, stop())
}

func TestACrashWhileRowsAreSentRepeatsNone(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML+"emit: {to: sales.rows}\n")
	var met atomic.Int32
	stop := w.start(func(step string) error {
		if step == "emitted" && met.Add(1) == 2 {
			return errors.New(step)
		}
		return nil
	})
	w.cells.change(func() {
		w.cells.values["anna"] = map[int64]int64{}
		for i := range int64(2500) {
			w.cells.values["anna"][i] = i
		}
		w.cells.watermark = 5 * 2500
	})
	w.eventually("it has crashed", func() bool { return met.Load() >= 2 })
	if err := stop(); !errors.Is(err, errCrash) {
		t.Fatalf("it ended with %v", err)
	}
	stop = w.start(nil)
	w.eventually("all rows are there", func() bool { return len(w.sent()) >= 2500 })
	must(t, stop())
	if got := len(w.sent()); got != 2500 {
		t.Errorf("the topic has %d rows", got)
	}
}
