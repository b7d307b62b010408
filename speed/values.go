package speed

import (
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// values are what the newest epoch knows of each text dimension of a view, up to the view's max_values. A value is known in all of an
// epoch or not at all, as none is forgotten and none is learnt once the limit is reached. What a micro-batch taught is written with the
// cells that it is in; a cut begins from nothing, so that an epoch rests on no record before it.
type values struct {
	limit   int // 0: none
	dims    []dimension
	scratch []byte
}

// dimension is the known values of one text dimension.
type dimension struct {
	at      int // position among the view's dimensions
	known   map[string]struct{}
	learnt  []string // in this micro-batch, not yet in a flush
	written bool     // Redis has the chunk of them, or a flush on its way
}

func newValues(v *view.View) values {
	k := values{limit: v.MaxValues}
	if k.limit == 0 {
		return k
	}
	for i := range v.Dimensions {
		if v.Dimensions[i].Type.Kind == view.String {
			k.dims = append(k.dims, dimension{at: i, known: map[string]struct{}{}})
		}
	}
	return k
}

func (k *values) forget() {
	for i := range k.dims {
		d := &k.dims[i]
		clear(d.known)
		d.learnt, d.written = nil, false
	}
}

// adopt takes over what Redis has of the newest epoch.
func (k *values) adopt(held *live.Limited) {
	for i := range k.dims {
		d := &k.dims[i]
		for _, text := range held.Values[d.at] {
			d.known[string(text)] = struct{}{}
			d.written = true
		}
	}
}

// admit returns the key of the cell that rows with a key go into: the same, where all of its values are known or can be learnt, or one
// with Other for those beyond the limit, good until the next call. It is asked for keys that memory has no cell of.
func (k *values) admit(key []byte) (cell []byte, other bool) {
	rest, at := key, 0
	replaced := k.scratch[:0]
	for i := range k.dims {
		d := &k.dims[i]
		var value []byte
		for ; at <= d.at; at++ {
			replaced = append(replaced, value...)
			value, rest = algebra.CutKey(rest)
		}
		text, ok := algebra.TextOfKey(value)
		if ok && !d.knows(text, k.limit) {
			replaced, other = algebra.AppendOther(replaced), true
		} else {
			replaced = append(replaced, value...)
		}
	}
	k.scratch = append(replaced, rest...)
	return k.scratch, other
}

// knows says whether a value is known, which it is from now on where the limit allows.
func (d *dimension) knows(text []byte, limit int) bool {
	if _, ok := d.known[string(text)]; ok {
		return true
	}
	if len(d.known) >= limit {
		return false
	}
	s := string(text)
	d.known[s] = struct{}{}
	d.learnt = append(d.learnt, s)
	return true
}

// marks notes how much was learnt of each dimension so far.
func (k *values) marks(into []int) []int {
	for i := range k.dims {
		into = append(into, len(k.dims[i].learnt))
	}
	return into
}

// writes is the content of a flush for what was learnt from one mark to another.
func (k *values) writes(start int64, from, to []int, into []live.ChunkWrite) []live.ChunkWrite {
	mark := []byte("1")
	for i := range k.dims {
		d := &k.dims[i]
		texts := d.learnt[from[i]:to[i]]
		if len(texts) == 0 {
			continue
		}
		w := live.ChunkWrite{ID: live.ValuesID(start, d.at), New: !d.written, Fields: make([][]byte, len(texts)), Values: make([][]byte, len(texts))}
		for j, text := range texts {
			w.Fields[j], w.Values[j] = []byte(text), mark
		}
		d.written = true
		into = append(into, w)
	}
	return into
}

// endBatch forgets what was learnt in this micro-batch, which is in flushes now.
func (k *values) endBatch() {
	for i := range k.dims {
		k.dims[i].learnt = nil
	}
}
