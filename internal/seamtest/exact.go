package seamtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/serving"
)

// asked is which events a query asks for by its range and its condition, in the words of the naive fold; and it checks what an answer must say
// of itself when the lake was scanned, or a past snapshot asked.
func asked(q serving.Query, r *serving.Result) (func(verdict) bool, error) {
	from, to := time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, end := range []struct {
		text string
		at   *time.Time
	}{{q.From, &from}, {q.To, &to}} {
		if end.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, end.text)
		if err != nil {
			return nil, err
		}
		*end.at = at
	}
	where, err := naiveWhere(q.Where)
	if err != nil {
		return nil, err
	}
	p := r.Provenance
	inexact := slices.IndexFunc(p.Rows, func(o serving.RowOrigin) bool { return !o.Exact || len(o.Bounds) > 0 || o.Source != "lake" })
	switch {
	case q.Exact && (!p.Exact || p.Partial || p.Scan == nil || p.Snapshot != "" || inexact >= 0):
		return nil, fmt.Errorf("%w: a scan of the lake is not exact, or does not say so: %+v", errWrong, p)
	case q.AsOf != "" && (p.AsOf != q.AsOf || p.Snapshot != q.AsOf || p.Partial && !slices.ContainsFunc(p.Partitions, func(c serving.Coverage) bool { return c.Uncomputed != nil })):
		return nil, fmt.Errorf("%w: asked as of %s, it answers %+v", errWrong, q.AsOf, p)
	}
	return func(c verdict) bool { return !c.at.Before(from) && c.at.Before(to) && where(c) }, nil
}

// naiveWhere reads conditions such as "amount > 5.00 and user = 'ann'", over the fields user, country and amount.
func naiveWhere(text string) (func(verdict) bool, error) {
	var all []func(verdict) bool
	for term := range strings.SplitSeq(text, " and ") {
		f := strings.Fields(term)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !slices.Contains([]string{"=", "!=", "<", ">"}, f[1]) || !slices.Contains([]string{"user", "country", "amount"}, f[0]) {
			return nil, fmt.Errorf("%q is no condition that the naive fold knows", term)
		}
		all = append(all, func(c verdict) bool {
			order := 0
			switch f[0] {
			case "amount":
				order = int(c.cents - cents(f[2]))
			case "user":
				order = strings.Compare(c.user, strings.Trim(f[2], "'"))
			default:
				if c.country == "null" {
					return false // neither true nor false
				}
				order = strings.Compare(c.country, strings.Trim(f[2], "'"))
			}
			return f[1] == "=" && order == 0 || f[1] == "!=" && order != 0 || f[1] == "<" && order < 0 || f[1] == ">" && order > 0
		})
	}
	return func(c verdict) bool {
		return !slices.ContainsFunc(all, func(holds func(verdict) bool) bool { return !holds(c) })
	}, nil
}

// scanned turns a query into one that scans the lake: of any range, and with a condition that no stored result knows.
func (c *chaos) scanned(q *serving.Query, random *rand.Rand) {
	q.Exact = true
	var ends []time.Time
	c.mu.Lock()
	for _, log := range c.logs {
		if n := len(log.verdicts); n > 0 && random.IntN(3) > 0 {
			if v := log.verdicts[random.IntN(n)]; !v.dead {
				ends = append(ends, v.at.Add(time.Duration(random.IntN(3))*time.Microsecond))
			}
		}
	}
	c.mu.Unlock()
	slices.SortFunc(ends, time.Time.Compare)
	if len(ends) > 0 {
		q.From = ends[0].Format(time.RFC3339Nano)
	}
	if len(ends) > 1 && ends[1].After(ends[0]) {
		q.To = ends[1].Format(time.RFC3339Nano)
	}
	q.Where = []string{"", "", "amount > 20.00", "user != 'u003' and amount < 50.00", "country = 'FR'"}[random.IntN(5)]
}

// past turns a query into one as of a snapshot that is kept.
func (c *chaos) past(q *serving.Query, random *rand.Rand) {
	v := c.view(q.View)
	all, _, err := c.lake.Snapshots(c.ctx, v.Name, v.Hash)
	if err == nil && len(all) > 0 {
		q.AsOf = all[random.IntN(len(all))].ID
	}
}

// scanText says what a scan of the lake says of itself.
func scanText(r *serving.Result) string {
	served, p := map[int]int64{}, r.Provenance
	for _, c := range p.Partitions {
		served[c.Partition] = c.Served
	}
	newer := "not known how many are newer"
	if p.Scan.Newer != nil {
		newer = fmt.Sprintf("%d are newer", *p.Scan.Newer)
	}
	watermark := "no watermark yet"
	if p.Watermark != "" {
		watermark = "watermark " + p.Watermark
	}
	return fmt.Sprintf("the lake below %s, %d rows read; %s; %s", offsetsText(served), p.Scan.Rows, newer, watermark)
}
