package view

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func windowKeys() []string  { return []string{"name", "hopping", "session", "description"} }
func hoppingKeys() []string { return []string{"size", "every"} }
func sessionKeys() []string { return []string{"gap", "max", "by"} }

// Bounds of windows: what a question about one has to read beside its range.
const (
	longestHop     = 366 * day
	longestSession = 31 * day
)

// windows reads the windows of the view, whose grains and dimensions are read already.
func (d *draft) windows(n *node) {
	if n == nil {
		return
	}
	if n.shape != sequence || len(n.items) == 0 {
		d.r.add(n, d.of+": windows is "+n.word(), "write a list, e.g. `- {name: last_5m, hopping: {size: 5m, every: 1m}}`")
		return
	}
	if line, ok := d.names["end"]; ok {
		d.r.add(n, `name "end" in `+d.of+" is taken", fmt.Sprintf("a row of a window has its end under it: choose another name in line %d", line))
	}
	for _, item := range n.items {
		w := Window{}
		if d.window(&w, item) {
			d.Windows, d.Times = append(d.Windows, w), d.Times || w.Session != nil
		}
	}
}

// window reads one; it says whether it is whole.
func (d *draft) window(w *Window, n *node) bool {
	if !d.r.mapping(n, "window of "+d.of, windowKeys()) {
		return false
	}
	d.r.require(n, "window of "+d.of, "name")
	at := n.get("name")
	if w.Name = d.r.name(at, "window", ""); w.Name == "" {
		return false
	}
	if d.Window(w.Name) != nil {
		d.r.add(at, fmt.Sprintf("window %q of %s is there twice", w.Name, d.of), "choose another name")
		return false
	}
	of := "window " + w.Name + " of " + d.of
	w.Description = d.r.text(n.get("description"), "description of "+of)
	hopping, session := n.get("hopping"), n.get("session")
	switch {
	case hopping != nil && session != nil:
		d.r.add(session, of+" is hopping and session", "leave one of the two out, or make two windows of it")
	case hopping != nil:
		return d.hopping(w, hopping, of)
	case session != nil:
		return d.session(w, session, of)
	default:
		d.r.add(n, of+" has neither hopping nor session", "add `hopping: {size: 5m, every: 1m}` or `session: {gap: 30m, max: 12h}`")
	}
	return false
}

// hopping reads `{size: …, every: …}` and finds the panes.
func (d *draft) hopping(w *Window, n *node, of string) bool {
	if !d.r.mapping(n, of, hoppingKeys()) {
		return false
	}
	d.r.require(n, of, "size", "every")
	size, sizeDays := d.hopLength(n.get("size"), "size of "+of)
	every, everyDays := d.hopLength(n.get("every"), "every of "+of)
	switch {
	case size == 0 || every == 0:
		return false
	case sizeDays != everyDays:
		whole := map[bool]*node{true: n.get("size"), false: n.get("every")}[sizeDays]
		d.r.add(whole, fmt.Sprintf("%s: size %s and every %s are of two kinds", of, n.get("size").text, n.get("every").text),
			fmt.Sprintf("days are those of the time zone, of 23 to 25 hours: write %dh for so many hours", int64(max(size, every)/time.Hour)))
		return false
	case every > size:
		d.r.add(n.get("every"), fmt.Sprintf("%s: every %s is longer than size %s", of, n.get("every").text, n.get("size").text), "events between two hops would be in none: choose an every that is not longer")
		return false
	case size > longestHop:
		d.r.add(n.get("size"), of+": size "+n.get("size").text+" is too long", "it is at most "+FormatDuration(longestHop))
		return false
	}
	w.Hop = &Hop{Size: size, Every: every, Days: sizeDays}
	fits := func(g Grain) bool {
		switch {
		case sizeDays:
			return g.Unit == Day || g.Unit == Week && size%g.Size == 0 && every%g.Size == 0
		default:
			return g.Unit == Fixed && size%g.Size == 0 && every%g.Size == 0
		}
	}
	if d.pane(w, fits) {
		return true
	}
	missing := "1d"
	if !sizeDays {
		missing = d.paneOf(time.Duration(gcd(int64(size), int64(every))))
	}
	d.missingPane(n, fmt.Sprintf("%s needs a grain that divides %s and %s", of, n.get("size").text, n.get("every").text), missing)
	return false
}

// hopLength reads a length of a hop, and whether it counts days; 0 where it is wrong.
func (d *draft) hopLength(n *node, of string) (time.Duration, bool) {
	length := d.r.duration(n, of, 0, time.Second)
	days := n != nil && strings.HasSuffix(n.text, "d")
	if length%time.Second != 0 {
		d.r.add(n, quote(of, n.text)+" is no whole number of seconds", "write e.g. 30s, 5m, 1h or 7d")
		return 0, false
	}
	return length, days
}

// session reads `{gap: …, max: …, by: […]}` and finds the panes.
func (d *draft) session(w *Window, n *node, of string) bool {
	if !d.r.mapping(n, of, sessionKeys()) {
		return false
	}
	d.r.require(n, of, "gap", "max")
	gap := d.r.duration(n.get("gap"), "gap of "+of, 0, time.Second)
	most := d.r.duration(n.get("max"), "max of "+of, 0, time.Second)
	by, ok := d.sessionBy(n.get("by"), of)
	switch {
	case gap == 0 || most == 0 || !ok:
		return false
	case gap > most:
		d.r.add(n.get("max"), fmt.Sprintf("%s: max %s is shorter than gap %s", of, n.get("max").text, n.get("gap").text), "choose a max that is not shorter")
		return false
	case most > longestSession:
		d.r.add(n.get("max"), of+": max "+n.get("max").text+" is too long", "it is at most "+FormatDuration(longestSession))
		return false
	}
	w.Session = &Session{Gap: gap, Max: most, By: by}
	if d.pane(w, func(g Grain) bool { return g.Unit == Fixed && g.Size <= gap }) {
		return true
	}
	d.missingPane(n, fmt.Sprintf("%s needs a grain that is not longer than its gap %s", of, n.get("gap").text), d.paneOf(gap))
	return false
}

// sessionBy reads the dimensions that a session is of: all where n is nil.
func (d *draft) sessionBy(n *node, of string) (by []int, ok bool) {
	if n == nil {
		for i := range d.Dimensions {
			by = append(by, i)
		}
		return by, true
	}
	if n.shape != sequence {
		d.r.add(n, "by of "+of+" is "+n.word(), "write a list of dimensions, e.g. [user_id]")
		return nil, false
	}
	var names []string
	for i := range d.Dimensions {
		names = append(names, d.Dimensions[i].Name)
	}
	ok = true
	for _, item := range n.items {
		name := d.r.filled(item, "by of "+of)
		i := d.Dimension(name)
		switch {
		case name == "":
			ok = false
		case i < 0:
			d.r.add(item, fmt.Sprintf("by of %s: unknown dimension %q", of, name), suggest(name, names))
			ok = false
		case slices.Contains(by, i):
			d.r.add(item, fmt.Sprintf("by of %s: dimension %s is there twice", of, name), "keep one of them")
			ok = false
		default:
			by = append(by, i)
		}
	}
	slices.Sort(by)
	return by, ok
}

// pane finds the coarsest grain that fits, so that as few panes as can be are merged.
func (d *draft) pane(w *Window, fits func(Grain) bool) bool {
	for _, g := range d.Grains {
		if fits(g) {
			w.Pane = g
		}
	}
	return w.Pane != Grain{}
}

// paneOf is the longest fixed grain that the view may have and that divides a length.
func (d *draft) paneOf(length time.Duration) string {
	tiles := tile(d.Location)
	size := min(length, tiles)
	size -= size % time.Second
	for size > time.Second && (!isGrain(size) || length%size != 0 || tiles%size != 0) {
		size -= time.Second
	}
	return FormatDuration(size)
}

// missingPane reports a window without panes, and which grain the view lacks for it.
func (d *draft) missingPane(n *node, what, grain string) {
	if len(d.Grains) == 0 {
		return // that is reported already
	}
	d.r.add(n, what, fmt.Sprintf("the window is composed of buckets of it: add %s to grains", grain))
}
