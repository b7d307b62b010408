package lake_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// definition is a stored one: counting what satisfies a condition.
func definition(t *testing.T, where string) *view.View {
	t.Helper()
	source := view.Source{Name: "orders", Topic: "orders", Format: "json", EventTime: view.EventTime{Field: "at", Format: "rfc3339", Timezone: "UTC"},
		Fields: []view.Field{{Name: "at", Type: view.Type{Kind: view.Timestamp}, From: view.Keys("at")}}}
	canonical := `{"algebra":1,"source":` + string(source.Canonical()) + `,"where":"` + where +
		`","zone":"UTC","zone_rules":"","dimensions":[],"grains":["1h"],"measures":[{"name":"n","agg":"count","expr":"","filter":"","type":"int64","input":"","p":0}]}`
	v, err := view.ParseView("sales", []byte(canonical), nil)
	if err != nil {
		t.Fatal(err)
	}
	v.Measures = append(v.Measures, view.Measure{Name: "twice", Agg: view.Derived, Expr: "2 * n", Type: view.Type{Kind: view.Int64}})
	return v
}

func open(t *testing.T) *lake.Lake {
	t.Helper()
	return lake.New(openStore(t, t.TempDir(), lake.Options{}))
}

func TestTheDefinitionThatWasFirstIsActive(t *testing.T) {
	l, of := open(t), []*view.View{definition(t, "a > 1"), definition(t, "a > 2")}
	var all sync.WaitGroup
	got := make([]lake.Active, 8)
	for i := range got {
		all.Go(func() {
			a, _, err := l.EnsureActive(t.Context(), of[i%2])
			if err != nil {
				t.Error(err)
			}
			got[i] = a
		})
	}
	all.Wait()
	for _, a := range got {
		if a.Definition != got[0].Definition || !slices.Equal(a.InUse(), []string{a.Definition}) {
			t.Fatalf("%+v and %+v", a, got[0])
		}
	}
	// The other one, now declared, leaves the first answering, which is made from the lake.
	declared := of[0]
	if got[0].Definition == declared.Hash {
		declared = of[1]
	}
	d, err := l.Definitions(t.Context(), declared)
	if err != nil || d.Refused != nil || len(d.Views) != 1 || d.Answering().Hash != got[0].Definition || d.Answering().Measure("twice") != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
}

func TestWithoutANoteTheProjectsDefinitionAnswers(t *testing.T) {
	v := definition(t, "")
	d, err := open(t).Definitions(t.Context(), v)
	if err != nil || d.Answering() != v || d.Tag != (lake.ActiveTag{}) {
		t.Fatalf("%+v, %v", d, err)
	}
}

func TestOfRacingSwitchesOneWins(t *testing.T) {
	l, old, now := open(t), definition(t, ""), definition(t, "a > 1")
	a, tag, err := l.EnsureActive(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	next := lake.Active{Sequence: a.Sequence + 1, Definition: now.Hash, Previous: old.Hash}
	if _, err := l.SwingActive(t.Context(), "sales", next, tag); err != nil {
		t.Fatal(err)
	}
	// The same once more is what was to be; another one has lost.
	if _, err := l.SwingActive(t.Context(), "sales", next, tag); err != nil {
		t.Fatal(err)
	}
	_, err = l.SwingActive(t.Context(), "sales", lake.Active{Sequence: 1, Definition: old.Hash, Pending: now.Hash}, tag)
	wantErr(t, err, lake.ErrChanged)
	if a, _, err := l.Active(t.Context(), "sales"); err != nil || a.Definition != now.Hash {
		t.Fatalf("%+v, %v", a, err)
	}
}

// A stored definition that this release computes otherwise stops nothing but itself.
func TestADefinitionThatCannotBeUsedIsToldApart(t *testing.T) {
	l, v := open(t), definition(t, "")
	_, tag, err := l.EnsureActive(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(v.Canonical), `"algebra":1`, `"algebra":0`, 1)
	if err := l.PutDefinition(t.Context(), "0ld", []byte(old)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.SwingActive(t.Context(), "sales", lake.Active{Sequence: 1, Definition: "0ld", Pending: v.Hash, Previous: "nowhere"}, tag); err != nil {
		t.Fatal(err)
	}
	d, err := l.Definitions(t.Context(), v)
	if err != nil || d.Answering() != nil || len(d.Views) != 1 || d.Views[0] != v || !errors.Is(d.Refused, lake.ErrOutdated) || !errors.Is(d.Refused, lake.ErrNotFound) {
		t.Fatalf("%+v, %v", d, err)
	}
}

func TestDefinitionsThatAreNotInUseAreFoundAndForgotten(t *testing.T) {
	l := open(t)
	var hashes []string
	for _, where := range []string{"", "a > 1", "a > 2"} {
		v := definition(t, where)
		hashes = append(hashes, v.Hash)
		if _, _, err := l.EnsureActive(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if err := l.PutView(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.EnsureFirst(t.Context(), "sales", v.Hash, topic, map[int]int64{0: 1}, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.PutFile(t.Context(), l.SwitchKey("sales", "r1"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	a, _, err := l.Active(t.Context(), "sales")
	if err != nil || a.Definition != hashes[0] {
		t.Fatalf("%+v, %v", a, err)
	}
	a.Previous = hashes[2]
	found, err := l.Forgotten(t.Context(), "sales", a)
	if err != nil || !slices.Equal(found, hashes[1:2]) {
		t.Fatalf("%v, %v", found, err)
	}
	if n, size, err := l.Forget(t.Context(), "sales", hashes[1], false); err != nil || n != 3 || size == 0 {
		t.Fatalf("%d objects of %d bytes, %v", n, size, err)
	}
	if found, err = l.Forgotten(t.Context(), "sales", a); err != nil || len(found) != 0 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, hash := range []string{hashes[0], hashes[2]} {
		if _, _, err := l.Current(t.Context(), "sales", hash); err != nil {
			t.Fatal(err)
		}
	}
}
