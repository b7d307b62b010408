package live

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/intake"
)

// Counts are sums over the records of a group since the first of its starts, by verdict.
type Counts struct {
	Events     int64 // counted in cells' source: decoded, duplicates not included
	Duplicates int64
	Late       int64 // of the events
	Dead       int64 // dead letters
	Errors     int64 // events of which an expression failed
	Other      int64 // events in cells of `__other__`: beyond the view's limit of cardinality
	Deferred   int64 // events in no cell: beyond the limit of live cells, left to the next batch
	Missing    int64 // offsets that were passed over: neither Kafka nor the lake has their records
}

// Add adds o.
func (c *Counts) Add(o Counts) {
	c.Events += o.Events
	c.Duplicates += o.Duplicates
	c.Late += o.Late
	c.Dead += o.Dead
	c.Errors += o.Errors
	c.Other += o.Other
	c.Deferred += o.Deferred
	c.Missing += o.Missing
}

// Meta is a group's state as Redis holds it.
type Meta struct {
	Inst     string          // random id of this life of the state
	Token    string          // the owner's random id
	Off      int64           // records below it, from Starts[0] on, are in the cells
	Starts   []int64         // first offsets of the epochs that are held, ascending; the newest is being written
	Progress intake.Progress // of the intake, at Off
	Counts   Counts
	Coarse   int64             // of the grains but the finest: the records below it, from Starts[0] on, are in their cells; at most Off
	CoarseAt intake.Progress   // of the intake, at Coarse
	Chunks   map[ChunkID]int64 // the chunks that exist, with their version: Off after their last write, Coarse where only that moved. Nil where a call says so.
	Cells    int64             // of the newest epoch
}

// Tenure names the work of one owner on one life of the state. Only within it does the version of a chunk name its content: after a failover
// that lost writes the next owner comes by the same offsets again, and what the limits of the speed layer leave out depends on which
// records were taken together.
func (m Meta) Tenure() string { return m.Inst + ":" + m.Token }

// Newest is the start of the epoch that is being written.
func (m Meta) Newest() int64 { return m.Starts[len(m.Starts)-1] }

// Holds says whether offset v begins one of the epochs.
func (m Meta) Holds(v int64) bool {
	for _, s := range m.Starts {
		if s == v {
			return true
		}
	}
	return false
}

// metaFields are the fields of the meta hash in the order that headOf expects; n is the number of chunks in the index.
var metaFields = "'" + strings.Join(metaNames(), "', '") + "'"

func metaNames() []string {
	return []string{"inst", "token", "off", "starts", "at", "counts", "coarse", "coarse_at", "cells"}
}

func encodeProgress(p intake.Progress) string {
	return strconv.FormatInt(p.MaxEventTime, 10) + ":" + strconv.FormatInt(p.MaxTimestamp, 10)
}

func encodeCounts(c Counts) string {
	b := make([]byte, 0, 64)
	for i, n := range [...]int64{c.Events, c.Duplicates, c.Late, c.Dead, c.Errors, c.Other, c.Deferred, c.Missing} {
		if i > 0 {
			b = append(b, ':')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(b)
}

// headOf reads the values of metaFields.
func headOf(v []any) (Meta, error) {
	var m Meta
	var f [9]string
	if len(v) != len(f) {
		return m, fmt.Errorf("meta has %d fields, not %d", len(v), len(f))
	}
	for i := range f {
		s, ok := v[i].(string)
		if !ok {
			return m, fmt.Errorf("meta lacks its field %d", i)
		}
		f[i] = s
	}
	m.Inst, m.Token = f[0], f[1]
	var err error
	if m.Off, err = strconv.ParseInt(f[2], 10, 64); err != nil {
		return m, fmt.Errorf("meta's offset: %w", err)
	}
	if m.Starts, err = parseInts(f[3], ","); err != nil {
		return m, fmt.Errorf("meta's starts: %w", err)
	}
	if m.Progress, err = progressOf(f[4]); err != nil {
		return m, err
	}
	if m.Coarse, err = strconv.ParseInt(f[6], 10, 64); err != nil {
		return m, fmt.Errorf("meta's offset of the coarser grains: %w", err)
	}
	if m.CoarseAt, err = progressOf(f[7]); err != nil {
		return m, err
	}
	if m.Cells, err = strconv.ParseInt(f[8], 10, 64); err != nil {
		return m, fmt.Errorf("meta's number of cells: %w", err)
	}
	c, err := parseInts(f[5], ":")
	if err != nil || len(c) != 8 {
		return m, fmt.Errorf("meta's counts %q are not eight numbers", f[5])
	}
	m.Counts = Counts{Events: c[0], Duplicates: c[1], Late: c[2], Dead: c[3], Errors: c[4], Other: c[5], Deferred: c[6], Missing: c[7]}
	return m, nil
}

func progressOf(s string) (intake.Progress, error) {
	at, err := parseInts(s, ":")
	if err != nil || len(at) != 2 {
		return intake.Progress{}, fmt.Errorf("meta's progress %q is not two numbers", s)
	}
	return intake.Progress{MaxEventTime: at[0], MaxTimestamp: at[1]}, nil
}

func parseInts(s, sep string) ([]int64, error) {
	parts := strings.Split(s, sep)
	out := make([]int64, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// indexOf reads the reply of HGETALL on a group's index.
func indexOf(v any) (map[ChunkID]int64, error) {
	flat, ok := v.([]any)
	if !ok || len(flat)%2 != 0 {
		return nil, fmt.Errorf("the index of chunks is no hash but %T", v)
	}
	out := make(map[ChunkID]int64, len(flat)/2)
	for i := 0; i < len(flat); i += 2 {
		name, _ := flat[i].(string)
		version, _ := flat[i+1].(string)
		id, err := parseChunkID(name)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("version of chunk %s: %w", name, err)
		}
		out[id] = n
	}
	return out, nil
}
