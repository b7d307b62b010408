package view

import "time"

// Frame is what an alert judges the rows of: the buckets of a grain, or the hops of a window, which overlap. A bucket of it lasts from its start to End,
// and the one after it begins at Next, which of hops is earlier.
type Frame struct {
	Grain Grain  // where Hop is nil
	Hop   *Hop   // of the view's window Name
	Name  string // of the window, or the grain's
}

// GrainFrame is that of a grain.
func GrainFrame(g Grain) Frame { return Frame{Grain: g, Name: g.Name} }

// Floor returns the start, in µs UTC, of the latest bucket that begins at the instant us or before. loc is the view's zone, as everywhere here.
func (f *Frame) Floor(us int64, loc *time.Location) int64 {
	if f.Hop != nil {
		return f.Hop.Floor(us, loc)
	}
	return f.Grain.Floor(us, loc)
}

// First returns the start of the earliest bucket that holds the instant us.
func (f *Frame) First(us int64, loc *time.Location) int64 {
	if f.Hop != nil {
		return f.Hop.First(us, loc)
	}
	return f.Grain.Floor(us, loc)
}

// Next returns the start of the bucket after the one that starts at start.
func (f *Frame) Next(start int64, loc *time.Location) int64 {
	if f.Hop != nil {
		return f.Hop.Next(start, loc)
	}
	return f.Grain.Next(start, loc)
}

// End returns the end, exclusive, of the bucket that starts at start.
func (f *Frame) End(start int64, loc *time.Location) int64 {
	if f.Hop != nil {
		return f.Hop.End(start, loc)
	}
	return f.Grain.Next(start, loc)
}

// Before returns the start of the bucket that ends where the one at start begins. Of hops whose size is no multiple of every there is none such.
func (f *Frame) Before(start int64, loc *time.Location) int64 {
	if f.Hop != nil {
		return f.Hop.after(start, -f.Hop.Size, loc)
	}
	return f.Grain.Floor(start-1, loc)
}

// Size is how long a bucket lasts; nominal for calendar grains and hops of days.
func (f *Frame) Size() time.Duration {
	if f.Hop != nil {
		return f.Hop.Size
	}
	return f.Grain.Size
}

// Step is how long after a bucket the next one begins; nominal as Size.
func (f *Frame) Step() time.Duration {
	if f.Hop != nil {
		return f.Hop.Every
	}
	return f.Grain.Size
}

// uneven says that a length is no whole number of steps, so that a bucket so long ago may not be there.
func (f *Frame) uneven(length time.Duration) bool {
	return (f.Hop != nil || f.Grain.Unit == Fixed) && length%f.Step() != 0
}
