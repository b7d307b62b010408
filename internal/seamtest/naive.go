package seamtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// The naive fold: what SEAM says in a sentence each, written down again without any code of the layers, over the log as the broker
// holds it.
const (
	horizon  = time.Hour
	lateness = 10 * time.Minute
	maxAhead = 5 * time.Minute
)

// verdict is what the naive fold says of one record.
type verdict struct {
	dead, duplicate, late bool
	erased                bool   // set by erased, in a copy
	gone                  bool   // set by without, in a copy
	surelyLate            bool   // late whatever retention took
	ahead                 int64  // what it brings the watermark to, µs
	id                    string // "" where it has none
	text                  string // key and value of a dead letter
	at                    time.Time
	user, country         string
	channel               string
	cents                 int64
}

// naive folds one partition's log.
type naive struct {
	seen      map[string]int64 // event id → the running maximum of record timestamps at its last occurrence, µs
	newest    int64            // running maximum of record timestamps, µs
	watermark int64            // µs, lateness not taken off yet
	lower     int64            // the watermark of who has read none of the records that retention took
	verdicts  []verdict        // by offset
}

func newNaive() *naive {
	return &naive{seen: map[string]int64{}, newest: math.MinInt64, watermark: math.MinInt64, lower: math.MinInt64}
}

var amountText = regexp.MustCompile(`^-?[0-9]{1,10}(\.[0-9]{1,2})?$`)

// add folds the next record.
func (n *naive) add(r stream.Record) {
	n.newest = max(n.newest, r.Timestamp)
	var e struct {
		ID      *string      `json:"id"`
		At      *int64       `json:"at"`
		User    *string      `json:"user"`
		Country *string      `json:"country"`
		Amount  *json.Number `json:"amount"`
		Channel *string      `json:"channel"`
	}
	if json.Unmarshal(r.Value, &e) != nil || e.ID == nil || e.At == nil || e.User == nil || e.Amount == nil || !amountText.MatchString(e.Amount.String()) {
		n.verdicts = append(n.verdicts, verdict{dead: true, text: string(r.Key) + " " + string(r.Value), id: idOf(r.Value), ahead: math.MinInt64})
		return
	}
	us := *e.At * 1000
	v := verdict{at: time.UnixMicro(us).UTC(), user: *e.User, country: "null", cents: cents(e.Amount.String()), id: *e.ID, ahead: min(us, r.Timestamp+maxAhead.Microseconds())}
	if e.Country != nil {
		v.country = *e.Country
	}
	if v.channel = "shop"; e.Channel != nil {
		v.channel = *e.Channel
	}
	v.late, v.surelyLate = isLate(us, n.watermark), isLate(us, n.lower)
	n.watermark, n.lower = max(n.watermark, v.ahead), max(n.lower, v.ahead)
	last, met := n.seen[*e.ID]
	v.duplicate = met && last >= n.newest-horizon.Microseconds()
	n.seen[*e.ID] = n.newest
	n.verdicts = append(n.verdicts, v)
}

func isLate(us, watermark int64) bool {
	return watermark != math.MinInt64 && us < watermark-lateness.Microseconds()
}

// idOf is the id of a record that was meant to be an order; "" where it cannot be read.
func idOf(value []byte) string {
	var e struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(value, &e) != nil {
		return ""
	}
	return e.ID
}

func cents(text string) int64 {
	whole, part, _ := strings.Cut(text, ".")
	n, _ := strconv.ParseInt(whole+(part + "00")[:2], 10, 64) // the caller has checked the text
	return n
}

// cell is what a bucket of some dimension values should answer.
type cell struct {
	events, late, cents int64
	surelyLate          int64
	end                 int64   // of a window's row, µs UTC
	amounts             []int64 // sorted by settle
	users               map[string]int64
	first, last         standing
}

func (c *cell) settle() { slices.Sort(c.amounts) }

// count adds an event.
func (c *cell) count(e standing) {
	c.events++
	c.cents += e.cents
	c.amounts = append(c.amounts, e.cents)
	c.users[e.user]++
	c.stand(e)
	if e.late {
		c.late++
	}
	if e.surelyLate {
		c.surelyLate++
	}
}

// cellKey names a cell: a bucket's start and the dimension's value, "" without one.
type cellKey struct {
	bucket  int64 // µs UTC
	country string
}

// fold adds up the records below the offsets, for a view, in buckets whose start is given, by country or not.
func fold(logs map[logOf]*naive, below map[logOf]int64, keep func(verdict) bool, bucket func(time.Time) time.Time, byCountry bool) map[cellKey]*cell {
	cells := map[cellKey]*cell{}
	for p, log := range logs {
		for offset, v := range log.verdicts[:min(int64(len(log.verdicts)), below[p])] {
			if v.dead || v.duplicate || v.erased || v.gone || !keep(v) {
				continue
			}
			k := cellKey{bucket: bucket(v.at).UnixMicro()}
			if byCountry {
				k.country = v.country
			}
			c := cells[k]
			if c == nil {
				c = &cell{users: map[string]int64{}}
				cells[k] = c
			}
			c.count(standing{v, p, offset})
		}
	}
	for _, c := range cells {
		c.settle()
	}
	return cells
}

// tally counts the records of the logs below the offsets by verdict.
type tally struct {
	events, duplicates, late, dead int64
	surelyLate                     int64 // of late: whatever retention took
}

func count[K comparable](logs map[K]*naive, below map[K]int64) (t tally) {
	for p, log := range logs {
		for _, v := range log.verdicts[:min(int64(len(log.verdicts)), below[p])] {
			switch {
			case v.erased, v.gone:
			case v.dead:
				t.dead++
			case v.duplicate:
				t.duplicates++
			default:
				t.events++
				if v.late {
					t.late++
				}
				if v.surelyLate {
					t.surelyLate++
				}
			}
		}
	}
	return t
}

// readFolds reads the logs on to the offsets and folds what it reads.
func readFolds(ctx context.Context, logs map[logOf]*naive, tail map[logOf]*stream.Reader, below map[logOf]int64) (map[logOf]*naive, error) {
	copies := map[logOf]*naive{}
	for k, to := range below {
		log := logs[k]
		for int64(len(log.verdicts)) < to {
			records, err := tail[k].Fetch(ctx, 1000, 20*time.Millisecond, nil)
			if err != nil {
				return nil, fmt.Errorf("read partition %v for the naive fold: %w", k, err)
			}
			for _, r := range records {
				if r.Offset != int64(len(log.verdicts)) {
					return nil, fmt.Errorf("partition %v has no record at offset %d", k, len(log.verdicts))
				}
				log.add(r)
			}
		}
		copies[k] = &naive{verdicts: log.verdicts[:len(log.verdicts):len(log.verdicts)]}
	}
	return copies, nil
}
