package view

import "time"

// Base is the bucket that the speed layer's SQL computes: the finest grain where that is fixed, else the largest fixed size that
// tiles the days of the view's zone. Coarser grains are merged from it with Grain.Floor.
func (v *View) Base() Grain {
	if len(v.Grains) > 0 && v.Grains[0].Unit == Fixed {
		return v.Grains[0]
	}
	loc := v.Location
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
