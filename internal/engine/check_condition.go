package engine

import (
	"errors"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// Condition reads a condition over columns of something, for definitions.
func (c *Checker) Condition(text, noun, of string, cols []view.Column) (names []string, wrong *view.Mistake) {
	read, err := condition.Parse(text, condition.Vocabulary{Columns: cols, Noun: noun, Of: of})
	if m := (*condition.Mistake)(nil); errors.As(err, &m) {
		return nil, &view.Mistake{At: m.At, What: m.Reason, Mend: m.Suggestion}
	}
	if err != nil {
		return nil, &view.Mistake{What: err.Error()}
	}
	for _, i := range read.Columns() {
		names = append(names, cols[i].Name)
	}
	return names, nil
}
