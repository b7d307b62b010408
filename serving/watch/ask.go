package watch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/serving"
)

// pageRows is how many rows are asked for at once.
const pageRows = 50_000

// answer is what was asked of a view: all rows of a range, and what one of the answers says of where they come from.
type answer struct {
	rows      []alert.Row
	watermark int64 // µs
	known     bool  // there is a watermark
	snapshot  string
	partial   string // why records are missing; "" = none is
}

// ask asks for all rows of a range. The first page says how far the answer goes: the others go as far or further.
func ask(ctx context.Context, asker Asker, q serving.Query, r alert.Range) (*answer, error) {
	q.Limit = pageRows
	if r.From != math.MinInt64 {
		q.From = text(r.From)
	}
	if r.To != math.MaxInt64 {
		q.To = text(r.To)
	}
	var a *answer
	for {
		result, err := asker.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("ask view %s: %w", q.View, err)
		}
		p := &result.Provenance
		if a == nil {
			a = &answer{snapshot: p.Snapshot}
			if p.Watermark != "" {
				at, err := time.Parse(time.RFC3339Nano, p.Watermark)
				if err != nil {
					return nil, fmt.Errorf("read the watermark of view %s: %w", q.View, err)
				}
				a.watermark, a.known = at.UnixMicro(), true
			}
		}
		if p.Partial {
			a.partial = p.Reason
		}
		at, dims := 1, len(q.Dimensions)
		if q.Window != "" {
			at = 2 // after the start of a row of a window comes its end
		}
		for _, row := range result.Rows {
			a.rows = append(a.rows, alert.Row{Bucket: row[0].Int64(), Key: row[at : at+dims], Measures: row[at+dims:]})
		}
		if q.Cursor = result.Statistics.Next; q.Cursor == "" {
			return a, nil
		}
	}
}

// firstBucket is the start of the first bucket from a time on that has rows; false where there is none.
func firstBucket(ctx context.Context, asker Asker, q serving.Query, from int64) (int64, bool, error) {
	q.Limit, q.Dimensions = 1, nil
	if from != math.MinInt64 {
		q.From = text(from)
	}
	result, err := asker.Query(ctx, q)
	if err != nil {
		return 0, false, fmt.Errorf("ask view %s for its first rows: %w", q.View, err)
	}
	if len(result.Rows) == 0 {
		return 0, false, nil
	}
	return result.Rows[0][0].Int64(), true, nil
}

// text is a time as a query has it.
func text(us int64) string { return algebra.TimestampValue(us).String() }
