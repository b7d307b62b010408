package serving

import (
	"encoding/json"
	"fmt"
	"time"
)

// answers shares answers among those who ask the same question and may see the same rows. One that is partial is the caller's alone, and so is the rest of
// an answer whose beginning somebody has seen already: it must not be older than that.
type answers = shared[answerKey, *Result]

// answerKey names a question: of a definition of a view, of the rows that the caller may see of it.
type answerKey struct {
	definition string
	own        string
	limited    bool
	query      string
}

func answerKeyOf(q *question, asked Query) answerKey {
	text, err := json.Marshal(asked)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a query: %v", err))
	}
	key := answerKey{definition: q.view.Hash, limited: q.limited, query: string(text)}
	if q.own != nil {
		key.own = q.own.Text
	}
	return key
}

// Bounds of the answers that are shared, in values.
const (
	sharedValues = 1 << 20
	sharedMost   = sharedValues / 16 // of one answer
)

func newAnswers(age, timeout time.Duration, clock func() time.Time) *answers {
	return newShared[answerKey](age, timeout, sharedValues, clock, func(r *Result) (int64, bool) {
		values := int64(1+len(r.Rows)) * int64(len(r.Meta.Columns))
		return values, !r.Provenance.Partial && values <= sharedMost
	})
}

// isShared says whether others may have the answer: it is of now, and it is whole or the first part of it.
func (q *question) isShared() bool { return !q.exact && q.asOf == "" && q.after == nil }
