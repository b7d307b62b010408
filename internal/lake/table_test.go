package lake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// tableOf is a version that covers the offsets below one, in files of ten rows.
func tableOf(below int64) lake.TableVersion {
	v := lake.TableVersion{Source: "orders", Topic: topic, Definition: hash, Created: night, Dedup: "horizon",
		Lives: []lake.TableLife{{Incarnation: topic.Incarnation, Offsets: map[int][2]int64{0: {0, below}}}}}
	for at := int64(0); at < below; at += 10 {
		sum := lake.Sum(fmt.Append(nil, at))
		v.Files = append(v.Files, lake.TableFile{Key: "tables/" + sum, Incarnation: topic.Incarnation, Date: "2026-11-20", Rows: 10, Bytes: 100, SHA256: sum,
			Definition: hash, First: at, Last: at + 9, Offsets: map[int][2]int64{0: {at, at + 9}}})
		v.Rows, v.Bytes = v.Rows+10, v.Bytes+100
	}
	return v
}

func publishTable(t *testing.T, l *lake.Lake, v lake.TableVersion, tag lake.Tag) (*lake.TableVersion, lake.Tag) {
	t.Helper()
	published, tag, err := l.PublishTable(t.Context(), v, tag)
	if err != nil {
		t.Fatal(err)
	}
	return published, tag
}

func TestAVersionOfATableIsPublishedOnceAndAnotherAgainstTheSameLoses(t *testing.T) {
	l, s := newLake(t)
	_, _, err := l.CurrentTable(t.Context(), "orders")
	wantErr(t, err, lake.ErrNotFound)
	one, tag := publishTable(t, l, tableOf(20), lake.Tag{})
	again, _ := publishTable(t, lake.New(s), tableOf(20), lake.Tag{}) // somebody who did the same work, later by the clock
	if one.ID != again.ID || !strings.HasPrefix(one.ID, "000001-") {
		t.Errorf("published %s and %s", one.ID, again.ID)
	}
	_, _, err = l.PublishTable(t.Context(), tableOf(30), lake.Tag{})
	wantErr(t, err, lake.ErrChanged)
	if _, _, err = l.PublishTable(t.Context(), tableOf(10), tag); err == nil {
		t.Error("a version that covers less was published")
	}
	two, _ := publishTable(t, l, tableOf(30), tag)
	_, _, err = l.PublishTable(t.Context(), tableOf(40), tag)
	wantErr(t, err, lake.ErrChanged)
	versions, _, err := lake.New(s).TableVersions(t.Context(), "orders")
	if err != nil || len(versions) != 2 || versions[0].ID != one.ID || versions[1].ID != two.ID || versions[1].Parent != one.ID {
		t.Errorf("%+v, %v", versions, err)
	}
	if names, err := l.Tables(t.Context()); err != nil || len(names) != 1 || names[0] != "orders" {
		t.Errorf("tables %v, %v", names, err)
	}
	if err := l.FenceTable(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if v, fenced, err := l.CurrentTable(t.Context(), "orders"); err != nil || v.ID != two.ID || fenced.Sequence() != 3 {
		t.Errorf("%v, %d, %v", v, fenced.Sequence(), err)
	}
}

func TestAVersionOfATableWhoseSumsAreWrongIsRefused(t *testing.T) {
	l, _ := newLake(t)
	for name, damage := range map[string]func(v *lake.TableVersion){
		"rows":    func(v *lake.TableVersion) { v.Rows++ },
		"sha":     func(v *lake.TableVersion) { v.Files[0].SHA256 = "" },
		"offsets": func(v *lake.TableVersion) { v.Files[1].Offsets[0] = [2]int64{10, 20} },
		"life":    func(v *lake.TableVersion) { v.Files[1].Incarnation = 9 },
	} {
		v := tableOf(20)
		damage(&v)
		if _, _, err := l.PublishTable(t.Context(), v, lake.Tag{}); err == nil {
			t.Errorf("%s: it was published", name)
		}
	}
}

func TestTheLastRevisionOfAVersionCounts(t *testing.T) {
	l, s := newLake(t)
	v, _ := publishTable(t, l, tableOf(20), lake.Tag{})
	for _, n := range []int{2, 11} {
		revised := *v
		revised.Erasures, revised.Erased = n, int64(n)
		if err := l.PutTableRevision(t.Context(), revised); err != nil {
			t.Fatal(err)
		}
	}
	for _, reader := range []*lake.Lake{l, lake.New(s)} {
		if got := must[*lake.TableVersion](t)(reader.TableVersion(t.Context(), "orders", v.ID)); got.Erased != 11 || got.ID != v.ID {
			t.Errorf("%+v", got)
		}
	}
}

func TestAVersionThatSomebodyRefersToIsNotExpired(t *testing.T) {
	l, s := newLake(t)
	v, tag := publishTable(t, l, tableOf(20), lake.Tag{})
	publishTable(t, l, tableOf(30), tag)
	ref := lake.TableRef{Name: "training-fraud-1", Kind: "training", Note: "weekly", Made: night}
	for range 2 {
		if err := l.PutTableRef(t.Context(), "orders", v.ID, ref); err != nil {
			t.Fatal(err)
		}
	}
	if refs := must[[]lake.TableRef](t)(l.TableRefs(t.Context(), "orders", v.ID)); len(refs) != 1 || refs[0] != ref {
		t.Errorf("%+v", refs)
	}
	if gone := must[bool](t)(l.ExpireTable(t.Context(), "orders", v.ID)); gone {
		t.Fatal("it was deleted")
	}
	if err := l.PutTableRef(t.Context(), "orders", v.ID, lake.TableRef{Name: "export-2", Kind: "export", Made: night}); err != nil {
		t.Fatal("after an expiry that stopped at a reference: ", err)
	}
	for _, name := range []string{ref.Name, "export-2", "nobody"} {
		if err := l.DeleteTableRef(t.Context(), "orders", v.ID, name); err != nil {
			t.Fatal(err)
		}
	}
	if gone := must[bool](t)(l.ExpireTable(t.Context(), "orders", v.ID)); !gone {
		t.Fatal("it was kept")
	}
	_, err := l.TableVersion(t.Context(), "orders", v.ID)
	wantErr(t, err, lake.ErrNotFound)
	wantErr(t, l.PutTableRef(t.Context(), "orders", v.ID, ref), lake.ErrNotFound)
	for object, err := range s.List(t.Context(), "tables/orders/versions/"+v.ID) {
		t.Errorf("%s is left (%v)", object.Key, err)
	}
}

func TestAReferenceToAVersionThatIsBeingDeletedIsRefused(t *testing.T) {
	l, s := newLake(t)
	v, _ := publishTable(t, l, tableOf(20), lake.Tag{})
	if err := s.Put(t.Context(), "tables/orders/versions/"+v.ID+"/EXPIRED", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	wantErr(t, l.PutTableRef(t.Context(), "orders", v.ID, lake.TableRef{Name: "x", Kind: "export", Made: time.Now()}), lake.ErrExpired)
	if refs := must[[]lake.TableRef](t)(l.TableRefs(t.Context(), "orders", v.ID)); len(refs) != 0 {
		t.Errorf("%+v", refs)
	}
}
