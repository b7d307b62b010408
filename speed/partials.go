package speed

import (
	"fmt"

	"github.com/caudal/caudal/internal/algebra"
)

// partials are what one view's query made of a micro-batch: a row for every partition, part of it (sub), base bucket and dimension
// values. They are kept until what they led to is acknowledged, because a cut asks for them again.
type partials struct {
	plan   *algebra.Plan
	parts  int     // partitions of the micro-batch
	split  int     // parts that each is split into
	slot   []int32 // partition's index * split + sub
	bucket []int64
	keys   []byte // canonical dimension values, one row after the other
	ends   []uint32
	errors []int64
	words  []uint64
	states []algebra.State
	tmp    algebra.State

	begins []int32 // of each slot in order
	order  []int32 // rows by slot
}

// reset forgets all rows.
func (p *partials) reset(parts, split int) {
	p.parts, p.split = parts, split
	p.slot, p.bucket, p.keys, p.ends, p.errors, p.words = p.slot[:0], p.bucket[:0], p.keys[:0], p.ends[:0], p.errors[:0], p.words[:0]
}

// columns of PartialSQL before the dimensions.
const (
	colSlot = iota
	colKey
)

// add appends one result row, unless it is of records that no group takes. list are the slots by their numbers.
func (p *partials) add(row algebra.Row, list []slot) error {
	n := row.Int64(colSlot)
	if n == noSlot {
		return nil
	}
	if n < 0 || n >= int64(len(list)) {
		return fmt.Errorf("BUG: the query answered for slot %d of %d", n, len(list))
	}
	of := list[n]
	i := len(p.slot)
	p.slot = append(p.slot, of.part*int32(p.split)+of.sub)
	p.bucket = append(p.bucket, of.bucket)
	p.keys = p.plan.AppendRowKey(p.keys, row, colKey)
	p.ends = append(p.ends, uint32(len(p.keys)))
	first := colKey + len(p.plan.View.Dimensions)
	var s *algebra.State
	if p.plan.Scalar() {
		for range p.plan.Width() {
			p.words = append(p.words, 0)
		}
		s = p.state(int32(i))
	} else {
		if i == len(p.states) {
			p.states = append(p.states, p.plan.NewStates(max(64, i))...)
		}
		s = &p.states[i]
		s.Reset()
	}
	p.plan.MergeRow(s, row, first)
	p.errors = append(p.errors, s.Errors())
	return nil
}

// state is the partial of row i, good until the next call.
func (p *partials) state(i int32) *algebra.State {
	if !p.plan.Scalar() {
		return &p.states[i]
	}
	w := int32(p.plan.Width())
	p.tmp = p.plan.Wrap(p.words[i*w : (i+1)*w : (i+1)*w])
	return &p.tmp
}

// key is the dimension values of row i.
func (p *partials) key(i int32) []byte {
	from := uint32(0)
	if i > 0 {
		from = p.ends[i-1]
	}
	return p.keys[from:p.ends[i]]
}

// sort orders the rows by slot and returns how many the largest slot has.
func (p *partials) sort() (largest int) {
	n := p.parts * p.split
	p.begins = append(p.begins[:0], make([]int32, n+1)...)
	for _, s := range p.slot {
		p.begins[s+1]++
	}
	for i := range n {
		largest = max(largest, int(p.begins[i+1]))
		p.begins[i+1] += p.begins[i]
	}
	next := append([]int32(nil), p.begins[:n]...)
	if cap(p.order) < len(p.slot) {
		p.order = make([]int32, len(p.slot), 2*len(p.slot))
	}
	p.order = p.order[:len(p.slot)]
	for i, s := range p.slot {
		p.order[next[s]] = int32(i)
		next[s]++
	}
	return largest
}

// rows are the rows of one part of one partition.
func (p *partials) rows(part, sub int) []int32 {
	s := part*p.split + sub
	return p.order[p.begins[s]:p.begins[s+1]]
}
