package serving

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

func TestAQueryAsOfASnapshotAnswersWhatBatchAnsweredThen(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 300)...)
	first := w.publish(w.cuts())
	w.add(random(6, 300)...)
	second := w.publish(w.cuts())
	cuts := w.cuts()
	w.add(random(7, 50)...)
	w.speed(cuts)
	w.serve()
	ask := func(id string) *Result {
		r := w.query(Query{Measures: []string{"revenue", "orders", "lines"}, Grain: "1mo", AsOf: id})
		p := r.Provenance
		if p.AsOf != id || p.Snapshot != id || !p.Exact || p.Partial || !strings.Contains(p.Note, "What batch answered with snapshot "+id) {
			t.Errorf("as of %s: %+v", id, p)
		}
		return r
	}
	for range 2 { // the second time from what is loaded
		if r := ask(first.ID); r.Statistics.Events != 300 || r.Provenance.Partitions[0].Served != first.Cuts[0].Offset || r.Provenance.Sequence != 1 {
			t.Errorf("as of the first: %d events, %+v", r.Statistics.Events, r.Provenance)
		}
		if r := ask(second.ID); r.Statistics.Events != 600 {
			t.Errorf("as of the second: %d events", r.Statistics.Events)
		}
		if r := w.query(Query{Measures: []string{"lines"}}); r.Statistics.Events != 650 || r.Provenance.AsOf != "" {
			t.Errorf("now: %d events", r.Statistics.Events)
		}
	}
	if n := len(w.server.store.tables[w.server.state(w.server.definitions.answering("sales")).plan].retired); n != 2 {
		t.Errorf("%d snapshots are kept loaded, want each once", n)
	}
	// What nobody asks for any more leaves the local copy.
	w.pass(graceTime + time.Minute)
	w.query(Query{Measures: []string{"lines"}})
	must(t, w.server.cleanUp(context.Background(), w.server.state(w.server.definitions.answering("sales"))))
	if r := ask(first.ID); r.Statistics.Events != 300 {
		t.Errorf("after a clean-up: %d events", r.Statistics.Events)
	}
}

func TestAQueryAsOfASnapshotThatIsNotKeptNamesThoseThatAre(t *testing.T) {
	w := small(t)
	must(t, w.lake.Store().Delete(context.Background(), w.lake.RunKey("sales", w.view.Hash, "snapshots", "000000-first.json")))
	w.lake = lake.New(w.lake.Store()) // as a process sees it that was started after the prune
	w.serve()
	for id, want := range map[string]int{"000000-first": http.StatusGone, "nothing": http.StatusNotFound, "../../CURRENT": http.StatusNotFound} {
		response, text := w.answer("POST", "/v1/views/sales/query", `{"as_of": "`+id+`"}`)
		if response.StatusCode != want || !strings.Contains(string(text), `"000001-run1"`) || !strings.Contains(string(text), `"field": "as_of"`) {
			t.Errorf("as of %s: status %d, want %d: %s", id, response.StatusCode, want, text)
		}
	}
	response, text := w.answer("GET", "/v1/views/sales/query?as_of=000001-run1&measures=lines", "")
	golden(t, "as_of.json", text)
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}
