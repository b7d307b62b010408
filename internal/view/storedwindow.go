package view

import (
	"fmt"
	"slices"
	"time"
)

// presentedWindow is a window among what is kept beside a definition.
type presentedWindow struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Pane        string            `json:"pane"`
	Hop         *presentedHop     `json:"hopping,omitempty"`
	Session     *presentedSession `json:"session,omitempty"`
}

type presentedHop struct {
	SizeUS  int64 `json:"size_us"`
	EveryUS int64 `json:"every_us"`
	Days    bool  `json:"days,omitempty"`
}

type presentedSession struct {
	GapUS int64 `json:"gap_us"`
	MaxUS int64 `json:"max_us"`
	By    []int `json:"by"`
}

func presentWindow(w *Window) presentedWindow {
	p := presentedWindow{Name: w.Name, Description: w.Description, Pane: w.Pane.Name}
	if h := w.Hop; h != nil {
		p.Hop = &presentedHop{h.Size.Microseconds(), h.Every.Microseconds(), h.Days}
	}
	if s := w.Session; s != nil {
		p.Session = &presentedSession{s.Gap.Microseconds(), s.Max.Microseconds(), s.By}
	}
	return p
}

// window is the window of a view again.
func (p presentedWindow) window(v *View) (Window, error) {
	w := Window{Name: p.Name, Description: p.Description}
	var ok bool
	if w.Pane, ok = v.Grain(p.Pane); !ok {
		return w, fmt.Errorf("window %s is made of %q, which is no grain of the view", p.Name, p.Pane)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	switch {
	case p.Hop != nil:
		w.Hop = &Hop{us(p.Hop.SizeUS), us(p.Hop.EveryUS), p.Hop.Days}
	case p.Session != nil && v.Times && !slices.ContainsFunc(p.Session.By, func(d int) bool { return d < 0 || d >= len(v.Dimensions) }):
		w.Session = &Session{us(p.Session.GapUS), us(p.Session.MaxUS), p.Session.By}
	default:
		return w, fmt.Errorf("window %s is none that the view can have", p.Name)
	}
	return w, nil
}
