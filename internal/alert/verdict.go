package alert

import (
	"fmt"
	"math"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// Row is one merged row of a view at the alert's window.
type Row struct {
	Bucket   int64           // µs: start of the bucket
	Key      []algebra.Value // as Alert.By
	Measures []algebra.Value // as Alert.Measures
}

// Range is buckets that begin in [From, To), µs. math.MinInt64 and math.MaxInt64: without end.
type Range struct{ From, To int64 }

// Past lists which further ranges of rows are needed to judge a range.
func Past(a *view.Alert, r Range) []Range {
	n := 0
	switch a.Kind {
	case view.AlertChange:
		n = 1
	case view.AlertForecast:
		n = a.Forecast.Periods
	}
	past := make([]Range, n)
	for k := range past {
		past[k] = r
		if r.From != math.MinInt64 {
			past[k].From = earlier(a, r.From, k)
		}
		if r.To != math.MaxInt64 {
			past[k].To = earlier(a, r.To, k)
		}
	}
	return past
}

// earlier is the bucket that stands for a bucket k+1 steps before: the one before it, or as many seasons earlier. Whole days are days of the view's zone.
func earlier(a *view.Alert, bucket int64, k int) int64 {
	loc, step := a.View.Location, a.Forecast.Season
	if a.Kind == view.AlertChange {
		step = a.Change.Against
	}
	switch {
	case step == 0:
		return a.Window.Before(bucket, loc)
	case step%(24*time.Hour) == 0:
		days := int(step/(24*time.Hour)) * (k + 1)
		return a.Window.Floor(time.UnixMicro(bucket).In(loc).AddDate(0, 0, -days).UnixMicro(), loc)
	}
	return a.Window.Floor(bucket-int64(k+1)*step.Microseconds(), loc)
}

// cells are the rows of a key, by bucket.
type cells map[int64]*Row

// series is what is known of a key.
type series struct {
	labels Labels
	rows   cells
	past   []cells // as Past
}

// holds says whether the alert's condition holds in a bucket, and what a forecast expects of it.
func (s *series) holds(a *view.Alert, when *condition.Condition, bucket int64) (bool, *Band) {
	row := s.rows[bucket]
	if row == nil {
		return false, nil
	}
	switch a.Kind {
	case view.AlertChange:
		return s.changed(a, row), nil
	case view.AlertForecast:
		return s.outside(a, row)
	}
	return when.Passes(row.Measures), nil
}

// conditionOf reads the condition of an alert over the measures that it looks at. Definitions with one that cannot be read are refused by lint.
func conditionOf(a *view.Alert) *condition.Condition {
	words := condition.Vocabulary{Noun: "measure", Of: "view " + a.View.Name}
	for _, name := range a.WhenNames {
		words.Columns = append(words.Columns, view.Column{Name: name, Type: a.View.Measures[a.View.Measure(name)].Type})
	}
	c, err := condition.Parse(a.When, words)
	if err != nil {
		panic(fmt.Sprintf("BUG: alert %s has the condition %q: %v", a.Name, a.When, err))
	}
	return c
}

// before is the value of the measure k+1 steps before a bucket; false where there is none.
func (s *series) before(a *view.Alert, bucket int64, k int) (float64, bool) {
	row := s.past[k][earlier(a, bucket, k)]
	if row == nil || row.Measures[0].IsNull() {
		return 0, false
	}
	return row.Measures[0].Float64(), true
}

// changed says whether a measure is further from what it was than the alert allows. From nothing, nothing is said.
func (s *series) changed(a *view.Alert, row *Row) bool {
	was, ok := s.before(a, row.Bucket, 0)
	if !ok || was == 0 || row.Measures[0].IsNull() {
		return false
	}
	share := (row.Measures[0].Float64() - was) / math.Abs(was)
	return a.Change.Above != nil && share > *a.Change.Above || a.Change.Below != nil && share < *a.Change.Below
}

// outside says whether a measure is outside of the band around the mean of what it was at the same place of the seasons before.
func (s *series) outside(a *view.Alert, row *Row) (bool, *Band) {
	f := &a.Forecast
	if row.Measures[0].IsNull() {
		return false, nil
	}
	var values []float64
	for k := range f.Periods {
		if v, ok := s.before(a, row.Bucket, k); ok {
			values = append(values, v)
		}
	}
	if len(values) < f.Enough {
		return false, nil
	}
	var mean, square float64
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		square += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	half := max(f.Sigmas*math.Sqrt(square), f.Least)
	b := &Band{Low: mean - half, High: mean + half}
	now := row.Measures[0].Float64()
	return f.Above && now > b.High || f.Below && now < b.Low, b
}
