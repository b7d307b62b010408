package view

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// A view that nobody has a file of any more answers as it did.
func TestViewComesBackFromItsStoredBytes(t *testing.T) {
	p := sound(t, soundServices, strings.Replace(soundView, "measures:\n", "measures:\n  - {name: first, expr: \"lines + 1\", unit: u}\n", 1))
	v := p.Views[0]
	back, err := ParseView("sales", v.Canonical, v.Presentation())
	if err != nil {
		t.Fatal(err)
	}
	source := *v.Source
	source.Partitions, source.Key, source.Idle = 0, "", 0
	want := *v
	want.Source = &source
	if back.Hash != v.Hash || !reflect.DeepEqual(*back, want) {
		t.Errorf("got  %+v\nwant %+v", *back, want)
	}
	bare, err := ParseView("sales", v.Canonical, nil)
	if err != nil || bare.Hash != v.Hash || len(bare.Measures) != len(v.Measures)-2 || bare.Measure("avg_line") >= 0 {
		t.Errorf("without its presentation: %+v, %v", bare, err)
	}
}

func TestStoredViewThatMeansSomethingElseByNowIsRefused(t *testing.T) {
	v := sound(t, soundServices, soundView).Views[0]
	good, shown := v.Canonical, v.Presentation()
	replace := func(in []byte, old, new string) []byte {
		if !bytes.Contains(in, []byte(old)) {
			t.Fatalf("no %q in %s", old, in)
		}
		return bytes.Replace(in, []byte(old), []byte(new), 1)
	}
	for _, c := range []struct {
		canonical, presentation []byte
		want                    string
	}{
		{replace(good, `"algebra":1`, `"algebra":7`), shown, "version 7 of the algebra"},
		{replace(good, `"zone_rules":"`, `"zone_rules":"other`), shown, "rules of a time zone have changed"},
		{replace(good, `"where":`, `"whence":`), shown, "unknown field"},
		{replace(good, `"grains":["1m","1h","1d"]`, `"grains":[]`), shown, "grains or measures are missing"},
		{append(bytes.Clone(good), good...), shown, "more after it"},
		{good, replace(shown, `"name":"revenue"`, `"name":"turnover"`), "not among those"},
		{good, replace(shown, `"dimensions":["",`, `"dimensions":[`), "dimensions are described"},
		{good, []byte("{"), "unexpected EOF"},
	} {
		if _, err := ParseView("sales", c.canonical, c.presentation); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q in it", err, c.want)
		}
	}
}
