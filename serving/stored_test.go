package serving

import (
	"reflect"
	"testing"
)

// TestAnswersFromMemoryEqualThoseFromDuckDB asks the same twice, of a server that keeps rows and of one that keeps none, over one dimension
// of a view with two and beside a speed layer that touches some of the buckets.
func TestAnswersFromMemoryEqualThoseFromDuckDB(t *testing.T) {
	w := newWorld(t, viewYAML)
	events := random(3, 3_000)
	w.add(events[:2_000]...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(events[2_000:]...)
	w.speed(cuts)
	w.serve()
	for _, q := range []Query{
		{View: "sales"},
		{View: "sales", Grain: "1d"},
		{View: "sales", Dimensions: []string{"country"}, Grain: "1d"},
		{View: "sales", Grain: "1d", Where: "country = 'France'"},
		{View: "sales", Dimensions: []string{"country"}, Where: "country <> 'France'"},
	} {
		kept := newStoredRows(64 << 20)
		w.server.store.rows, w.server.derived = newStoredRows(0), newDerivedAnswers()
		want := w.query(q)
		w.server.store.rows = kept
		w.query(q)
		if len(kept.entries) == 0 {
			t.Fatalf("%+v: nothing was kept", q)
		}
		again := w.query(q)
		if !reflect.DeepEqual(again.Rows, want.Rows) || !sameOrigins(again, want) {
			t.Errorf("%+v: from memory\n%v\nfrom DuckDB\n%v", q, again.Rows, want.Rows)
		}
	}
}

func sameOrigins(a, b *Result) bool {
	return reflect.DeepEqual(a.Provenance.Rows, b.Provenance.Rows) && a.Provenance.Note == b.Provenance.Note
}

func TestWhatIsKeptStaysBelowItsLimit(t *testing.T) {
	c := newStoredRows(1_000)
	snap := &snapshot{tables: &tables{}}
	for i := range 20 {
		key := rowsKey{snap: snap, sql: string(rune('a' + i))}
		if rows, done, err := c.get(t.Context(), key); rows != nil || done == nil || err != nil {
			t.Fatalf("%d is there before it is kept", i)
		} else {
			c.keep(&keptRows{key: key, bytes: 120})
			done()
		}
	}
	if c.bytes > c.limit || len(c.entries) != 8 {
		t.Errorf("%d entries with %d bytes", len(c.entries), c.bytes)
	}
	c.only(&snapshot{tables: snap.tables})
	if c.bytes != 0 || len(c.entries) != 0 {
		t.Errorf("another snapshot is current, and %d entries with %d bytes are kept", len(c.entries), c.bytes)
	}
}
