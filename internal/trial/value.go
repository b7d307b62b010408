package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// floatNoise is the relative difference of doubles that is none: the order of their sums differs between the layers.
const floatNoise = 1e-9

// column is one column of an answer.
type column struct {
	name string
	kind view.Kind
	zone *time.Location
}

// json is a value of the column that is told as text, as people read it; nil: null.
func (c column) json(text *string) json.RawMessage {
	switch {
	case text == nil:
		return json.RawMessage("null")
	case c.kind == view.Bool:
		return json.RawMessage(*text)
	}
	quoted, err := json.Marshal(*text)
	if err != nil {
		panic(fmt.Sprintf("BUG: the text %q as JSON: %v", *text, err))
	}
	return quoted
}

// same says whether two values of the column are equal.
func (c column) same(a, b json.RawMessage) bool { return c.within(a, b, 0) }

// within says whether a value is off another by no more than a share of it, or of 1 where that is less.
func (c column) within(got, want json.RawMessage, share float64) bool {
	if c.kind == view.Timestamp || c.kind == view.Date {
		return c.instant(got) == c.instant(want)
	}
	if c.kind == view.Double {
		share = math.Max(share, floatNoise)
	}
	x, y := decode(got), decode(want)
	if c.kind == view.String || c.kind == view.Bool {
		return x == y
	}
	return alike(x, y, share)
}

// instant is a time as one instant has it, however it is written; what is none is itself.
func (c column) instant(v json.RawMessage) any {
	text, ok := decode(v).(string)
	if !ok {
		return string(v)
	}
	if us, ok := view.ParseTestTime(text, c.zone); ok {
		return us
	}
	return text
}

func decode(v json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var out any
	if d.Decode(&out) != nil {
		return string(v)
	}
	return out
}

// alike compares JSON values; numbers by their value, whether they are written as numbers or as text, as decimals are.
func alike(x, y any, share float64) bool {
	switch x := x.(type) {
	case []any:
		y, ok := y.([]any)
		return ok && slices.EqualFunc(x, y, func(a, b any) bool { return alike(a, b, share) })
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !alike(v, w, share) {
				return false
			}
		}
		return true
	}
	a, okA := number(x)
	b, okB := number(y)
	if !okA || !okB {
		return x == y
	}
	if share == 0 {
		return a.Cmp(b) == 0
	}
	g, _ := a.Float64()
	w, _ := b.Float64()
	return math.Abs(g-w) <= share*math.Max(math.Abs(w), 1)*(1+floatNoise) // the bound's own last bits
}

func number(x any) (*big.Rat, bool) {
	switch x := x.(type) {
	case json.Number:
		return new(big.Rat).SetString(string(x))
	case string:
		return new(big.Rat).SetString(x)
	}
	return nil, false
}

// formatTime is an instant (µs UTC) in RFC 3339, in a zone.
func formatTime(us int64, loc *time.Location) string {
	return time.UnixMicro(us).In(loc).Format(time.RFC3339Nano)
}
