package view

import "time"

// Base is the bucket that the speed layer's SQL computes: the finest grain where that is fixed, else the largest fixed size that
// tiles the days of the view's zone. Coarser grains are merged from it with Grain.Floor.
func (v *View) Base() Grain {
	if v.base.Size == 0 {
		return baseOf(v.Grains, v.Location)
	}
	return v.base
}

// baseOf finds the base; Parse keeps it, because the days of a zone over all years of the hash take a millisecond.
func baseOf(grains []Grain, loc *time.Location) Grain {
	if len(grains) > 0 && grains[0].Unit == Fixed {
		return grains[0]
	}
	if loc == nil {
		loc = time.UTC
	}
	size := tile(loc)
	name := FormatDuration(size)
	if size == day {
		name = "24h"
	}
	return Grain{Name: name, Unit: Fixed, Size: size}
}

// Grain returns the view's grain of that name.
func (v *View) Grain(name string) (Grain, bool) {
	for _, g := range v.Grains {
		if g.Name == name {
			return g, true
		}
	}
	return Grain{}, false
}
