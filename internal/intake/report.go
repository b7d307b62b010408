package intake

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/view"
)

// How much of a record and of an error is quoted in a dead letter: the record itself is kept beside it.
const (
	maxQuote  = 64
	maxDetail = 240
)

// fail notes why field i cannot be typed. A later repetition of its key may still mend it.
func (d *decoder) fail(i int, why Reason, detail string) state {
	d.bad[i] = Dead{Reason: why, Field: d.schema.source.Fields[i].Name, Detail: short(detail)}
	return broken
}

// wrong is a value of a JSON type that the field does not take.
func (d *decoder) wrong(i int, found string) state {
	if i == d.schema.eventTime {
		return d.fail(i, UnparsableEventTime, found+" is not "+d.clock.format.String())
	}
	return d.fail(i, WrongType, found+" is no "+d.rows.Columns[i].Type.String())
}

// unfit is the text of a number that the column cannot hold.
func (d *decoder) unfit(i int, t view.Type, b []byte, f fault) state {
	switch {
	case f == notNumber:
		return d.fail(i, WrongType, quote(b)+" is no number")
	case f == tooFine && t.Kind == view.Int64:
		return d.fail(i, OutOfRange, clip(b)+" is out of range of its int64: it is not whole")
	case f == tooFine:
		return d.fail(i, OutOfRange, fmt.Sprintf("%s is out of range of its decimal: %s has %d digits behind the point", clip(b), t, t.Scale))
	case t.Kind == view.Decimal:
		return d.fail(i, OutOfRange, fmt.Sprintf("%s is out of range of its decimal: %s has %d digits before the point", clip(b), t, t.Precision-t.Scale))
	}
	return d.fail(i, OutOfRange, clip(b)+" is out of range of its "+t.String())
}

// notObject tells JSON that is no object from what is no JSON.
func (d *decoder) notObject() *Dead {
	defer d.json.reset(nil)
	if d.json.end() {
		return &Dead{Reason: Empty, Detail: fmt.Sprintf("%d bytes of white space", len(d.json.b))}
	}
	kind := kindOf(d.json.space())
	if d.json.skip() && (d.json.end() || d.json.unexpected("the end of the record")) {
		return &Dead{Reason: NotObject, Detail: "the record is " + kind.String()}
	}
	return &Dead{Reason: BrokenJSON, Detail: short(d.json.wrong)}
}

func invalidUTF8(value []byte) *Dead {
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRune(value[i:])
		if r == utf8.RuneError && n == 1 {
			return &Dead{Reason: InvalidUTF8, Detail: fmt.Sprintf("byte 0x%02x at %d", value[i], i)}
		}
		i += n
	}
	panic("BUG: invalidUTF8 of valid text")
}

// quote returns text as Go writes it, cut to a bounded length.
func quote(b []byte) string {
	if len(b) > maxQuote {
		return strconv.Quote(string(whole(b[:maxQuote]))) + "…"
	}
	return strconv.Quote(string(b))
}

// clip returns the text of a number, cut to a bounded length.
func clip(b []byte) string {
	if len(b) > maxQuote {
		return string(b[:maxQuote]) + "…"
	}
	return string(b)
}

// short cuts a detail to a bounded length.
func short(s string) string {
	if len(s) > maxDetail {
		return string(whole([]byte(s[:maxDetail]))) + "…"
	}
	return s
}

// whole drops a rune that was cut in two at the end.
func whole(b []byte) []byte {
	for i := 0; i < utf8.UTFMax-1 && len(b) > 0; i++ {
		if r, n := utf8.DecodeLastRune(b); r != utf8.RuneError || n != 1 {
			break
		}
		b = b[:len(b)-1]
	}
	return b
}
