package algebra

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

func TestAKeyIsCutIntoItsValues(t *testing.T) {
	values := []Value{
		Null(), Other(), StringValue(""), StringValue(OtherText), StringValue(string(make([]byte, 300))), Int64Value(-1), Int64Value(1 << 60),
		BoolValue(true), FloatValue(-2.5), DateValue(20_000), TimestampValue(-5), DecimalValue(Int128Of(-12345), 2),
		DecimalValue(Int128{Lo: 1, Hi: 1 << 60}, 38), Int128Value(Int128{Lo: 7, Hi: -3}),
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		dims := make([]Value, random.IntN(5))
		for i := range dims {
			dims[i] = values[random.IntN(len(values))]
		}
		rest := AppendKey(nil, dims)
		for _, want := range dims {
			var value []byte
			value, rest = CutKey(rest)
			if !bytes.Equal(value, AppendKey(nil, []Value{want})) {
				t.Fatalf("of %v: %x is not the key of %v", dims, value, want)
			}
			text, ok := TextOfKey(value)
			if ok != (want.Kind() == view.String) || string(text) != want.Text() {
				t.Fatalf("the text of %v is %q, %v", want, text, ok)
			}
		}
		if len(rest) > 0 {
			t.Fatalf("of %v: %x is left over", dims, rest)
		}
	}
}

func TestTheOtherValueIsNoTextOfTheEvents(t *testing.T) {
	text := StringValue(OtherText)
	a, b := AppendKey(nil, []Value{Other()}), AppendKey(nil, []Value{text})
	if bytes.Equal(a, b) || Other() == text || Compare(Other(), text) == 0 {
		t.Errorf("%v and %q are one value", Other(), text)
	}
	if !bytes.Equal(a, AppendOther(nil)) {
		t.Errorf("the key of Other is %x, AppendOther writes %x", a, AppendOther(nil))
	}
	back, err := DecodeKey(append(a, b...))
	if err != nil || len(back) != 2 || !back[0].IsOther() || back[1] != text {
		t.Errorf("read back: %v, %v", back, err)
	}
	if got := string(Other().AppendJSON(nil)); got != `"__other__"` {
		t.Errorf("as JSON it is %s", got)
	}
}
