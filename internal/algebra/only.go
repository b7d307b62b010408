package algebra

import "slices"

// Only is the plan as far as some stored measures need it: it decodes and merges nothing else, and its StateColumns are those of their
// parts. States are laid out as those of the whole plan, so that the states of plans that cover one another may be merged. It encodes nothing.
func (p *Plan) Only(measures []int) *Plan { return p.all().with(p.wanted(measures)) }

// wanted says of each part of the whole plan whether some of the measures need it.
func (p *Plan) wanted(measures []int) []bool {
	wanted := make([]bool, len(p.all().parts))
	for _, m := range measures {
		if use := p.uses[m]; use >= 0 {
			wanted[p.numbers[use]] = true
		}
	}
	return wanted
}

// Covers says whether p decodes and merges all that q does.
func (p *Plan) Covers(q *Plan) bool {
	for _, number := range q.numbers {
		if _, found := slices.BinarySearch(p.numbers, number); !found {
			return false
		}
	}
	return true
}

// Union is the plan as far as p or q looks at it.
func (p *Plan) Union(q *Plan) *Plan {
	wanted := make([]bool, len(p.all().parts))
	for _, number := range slices.Concat(p.numbers, q.numbers) {
		wanted[number] = true
	}
	return p.all().with(wanted)
}

// Selection names the parts that a plan looks at: equal names, of plans of one view, are plans that do the same.
func (p *Plan) Selection() string {
	name := make([]byte, (len(p.all().parts)+7)/8)
	for _, number := range p.numbers {
		name[number/8] |= 1 << (number % 8)
	}
	return string(name)
}

// all is the whole plan.
func (p *Plan) all() *Plan {
	if p.whole != nil {
		return p.whole
	}
	return p
}

// with is the whole plan less the parts that are not wanted.
func (p *Plan) with(wanted []bool) *Plan {
	if !slices.Contains(wanted, false) {
		return p
	}
	q := *p
	q.whole, q.parts, q.numbers, q.spans, q.uses = p, nil, nil, nil, slices.Clone(p.uses)
	for k, want := range wanted {
		position := useNothing
		if want {
			position = len(q.parts)
			q.parts, q.numbers, q.spans = append(q.parts, p.parts[k]), append(q.numbers, k), append(q.spans, p.spans[k])
		}
		for m, use := range p.uses {
			if use == k {
				q.uses[m] = position
			}
		}
	}
	return &q
}
