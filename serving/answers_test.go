package serving

import (
	"context"
	"testing"
	"time"

	"github.com/caudal/caudal/serving/auth"
)

// sharing is a world whose answers are shared for an hour of its clock, with events in batch and in the speed layer.
func sharing(t *testing.T) *world {
	w := newWorld(t, viewYAML)
	events := random(3, 200)
	w.add(events[:100]...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(events[100:]...)
	w.speed(cuts)
	w.shares = time.Hour
	w.serve()
	return w
}

// askAs is what somebody with a grant is answered.
func (w *world) askAs(g auth.Grant, q Query) *Result {
	w.t.Helper()
	r, err := w.server.Query(auth.With(context.Background(), auth.Caller{Name: "somebody", Grant: g}), q)
	must(w.t, err)
	return r
}

func TestAnAnswerIsSharedAmongThoseWhoAskTheSameAndSeeTheSame(t *testing.T) {
	w := sharing(t)
	q := Query{View: "sales", Dimensions: []string{"country"}, Measures: []string{"lines"}}
	all, french := auth.Grant{Role: auth.Read}, auth.Grant{Role: auth.Read, Where: map[string]string{"sales": "country = 'France'"}}
	first := w.askAs(all, q)
	if w.askAs(all, q) != first || w.askAs(auth.Grant{Role: auth.Admin}, q) != first {
		t.Error("the same question is answered anew")
	}
	mine := w.askAs(french, q)
	if mine == first || len(mine.Rows) != 1 || len(first.Rows) != 5 {
		t.Errorf("%d rows of all, %d of France", len(first.Rows), len(mine.Rows))
	}
	if w.askAs(french, q) != mine {
		t.Error("those who see the same rows do not share")
	}
	q.Measures = []string{"revenue"}
	if w.askAs(all, q) == first {
		t.Error("another question has the same answer")
	}
	w.pass(time.Hour)
	q.Measures = []string{"lines"}
	if w.askAs(all, q) == first {
		t.Error("an answer is shared after its time")
	}
}

func TestAnswersThatMustNotBeOldAreTheirOwn(t *testing.T) {
	w := sharing(t)
	page := Query{View: "sales", Dimensions: []string{"country"}, Measures: []string{"lines"}, Limit: 2}
	next := page
	next.Cursor = w.query(page).Statistics.Next
	for name, q := range map[string]Query{"the rest of an answer": next, "a snapshot's answer": {AsOf: w.query(Query{}).Provenance.Snapshot, Measures: []string{"lines"}}} {
		if first := w.query(q); w.query(q) == first {
			t.Errorf("%s is shared", name)
		}
	}
	w.redis.Close()
	w.pass(2 * time.Hour)
	q := Query{Measures: []string{"lines"}}
	if r := w.query(q); !r.Provenance.Partial || w.query(q) == r {
		t.Errorf("partial %t, or shared", r.Provenance.Partial)
	}
}
