package algebra

import (
	"fmt"
	"unsafe"
)

// The words that every state begins with.
const (
	wordEvents = iota
	wordLate
	wordErrors
	headWords
)

// State is the partial aggregate of one cell. It belongs to the plan that made it.
type State struct {
	words []uint64 // events, late, errors, and the words of the parts
	ext   *extra   // nil in scalar plans
}

// extra is the part of a state that is no fixed number of words.
type extra struct {
	texts []text
	hlls  []registers
	dds   []bins
	tops  []top
}

// New returns the state of no events: the identity of Merge.
func (p *Plan) New() *State {
	s := &State{words: make([]uint64, p.width)}
	if !p.Scalar() {
		s.ext = p.newExtra()
	}
	return s
}

func (p *Plan) newExtra() *extra {
	return &extra{texts: make([]text, p.texts), hlls: make([]registers, p.hlls), dds: make([]bins, p.dds), tops: make([]top, p.tops)}
}

// NewStates returns n states of no events, whose words stand in one allocation.
func (p *Plan) NewStates(n int) []State {
	states := make([]State, n)
	words := make([]uint64, n*p.width)
	for i := range states {
		states[i].words = words[i*p.width : (i+1)*p.width : (i+1)*p.width]
		if !p.Scalar() {
			states[i].ext = p.newExtra()
		}
	}
	return states
}

// Scalar says whether a state is nothing but Width words, so that it may be kept in memory without pointers and used through Wrap.
func (p *Plan) Scalar() bool { return p.texts+p.hlls+p.dds+p.tops == 0 }

// Width is the number of words of a state.
func (p *Plan) Width() int { return p.width }

// Wrap makes a state out of Width words that the caller keeps; all zero is New. Only for scalar plans.
func (p *Plan) Wrap(words []uint64) State {
	if !p.Scalar() || len(words) != p.width {
		panic(fmt.Sprintf("BUG: %d words wrapped as a state of %d words, scalar %t", len(words), p.width, p.Scalar()))
	}
	return State{words: words}
}

// Reset makes s the state of no events again and keeps its memory.
func (s *State) Reset() {
	clear(s.words)
	if s.ext == nil {
		return
	}
	clear(s.ext.texts)
	for i := range s.ext.hlls {
		s.ext.hlls[i].reset()
	}
	for i := range s.ext.dds {
		s.ext.dds[i].reset()
	}
	for i := range s.ext.tops {
		s.ext.tops[i].reset()
	}
}

// Events is the number of events in the cell.
func (s *State) Events() int64 { return int64(s.words[wordEvents]) }

// Late is how many of them were late.
func (s *State) Late() int64 { return int64(s.words[wordLate]) }

// Errors is how often an expression failed on an event of the cell. An event on which the view's filter fails is counted here and is no
// event of the cell: a cell may have errors and no events.
func (s *State) Errors() int64 { return int64(s.words[wordErrors]) }

// Merge adds src to dst. It is associative and commutative (sums and variances of doubles: up to their last bits; a top_k of more values than it has counters: up to the errors that it
// states). Nothing of src is retained.
func (p *Plan) Merge(dst, src *State) {
	dst.words[wordEvents] += src.words[wordEvents]
	dst.words[wordLate] += src.words[wordLate]
	dst.words[wordErrors] += src.words[wordErrors]
	for _, part := range p.parts {
		part.merge(dst, src)
	}
}

// MergeRow adds the partial in a result row of PartialSQL or BatchSQL, or of a view file, to dst; firstCol is the column of `_events`.
func (p *Plan) MergeRow(dst *State, row Row, firstCol int) {
	dst.words[wordEvents] += uint64(row.Int64(firstCol))
	dst.words[wordLate] += uint64(row.Int64(firstCol + 1))
	dst.words[wordErrors] += uint64(row.Int64(firstCol + 2))
	col := firstCol + 3
	for i, part := range p.parts {
		part.read(row, col, dst)
		col += p.spans[i]
	}
}

// ReadState replaces `into` by the partial in a result row; see MergeRow.
func (p *Plan) ReadState(row Row, firstCol int, into *State) error {
	into.Reset()
	p.MergeRow(into, row, firstCol)
	return nil
}

// Append appends the encoding of s: version, signature of the plan, counts, parts. Equal states have equal bytes, whatever order they
// were merged in.
func (p *Plan) Append(dst []byte, s *State) []byte {
	if p.whole != nil {
		panic("BUG: a state is encoded by a plan that looks at some of its parts only")
	}
	dst = append(dst, Version, p.sign)
	dst = appendUvarints(dst, s.words[:headWords])
	for _, part := range p.parts {
		dst = part.append(dst, s)
	}
	return dst
}

// Decode replaces `into` by the state that Append wrote, and does not retain b. An unknown version, a state of another plan and
// anything cut short or too long are errors.
func (p *Plan) Decode(b []byte, into *State) error {
	into.Reset()
	r := reader{rest: b}
	version, sign := r.byte(), r.byte()
	switch {
	case r.err != nil:
		return fmt.Errorf("decode a state of view %s: %w", p.View.Name, r.err)
	case version != Version:
		return fmt.Errorf("decode a state of view %s: version %d is not known, only %d", p.View.Name, version, Version)
	case sign != p.sign:
		return fmt.Errorf("decode a state of view %s: its signature %#x is of other measures, expected %#x", p.View.Name, sign, p.sign)
	}
	for i := range headWords {
		into.words[i] = r.uvarint()
	}
	if p.whole == nil {
		for _, part := range p.parts {
			part.decode(&r, into)
		}
	} else {
		p.decodeSome(&r, into)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.rest))
	}
	if r.err != nil {
		into.Reset()
		return fmt.Errorf("decode a state of view %s: %w", p.View.Name, r.err)
	}
	return nil
}

// decodeSome decodes the parts that the plan looks at and skips the others.
func (p *Plan) decodeSome(r *reader, into *State) {
	next := 0
	for number, part := range p.whole.parts {
		if next < len(p.numbers) && p.numbers[next] == number {
			part.decode(r, into)
			next++
		} else {
			part.skip(r)
		}
	}
}

// Size is the memory that s takes, in bytes, less its State struct.
func (p *Plan) Size(s *State) int {
	n := 8 * p.width
	if s.ext == nil {
		return n
	}
	n += int(unsafe.Sizeof(extra{}))
	for i := range s.ext.texts {
		n += int(unsafe.Sizeof(text{})) + len(s.ext.texts[i].text)
	}
	for i := range s.ext.hlls {
		n += int(unsafe.Sizeof(registers{})) + 4*cap(s.ext.hlls[i].sparse) + cap(s.ext.hlls[i].dense)
	}
	for i := range s.ext.dds {
		n += int(unsafe.Sizeof(bins{})) + 4*cap(s.ext.dds[i].keys) + 8*cap(s.ext.dds[i].counts)
	}
	for i := range s.ext.tops {
		n += int(unsafe.Sizeof(top{})) + s.ext.tops[i].size()
	}
	return n
}
