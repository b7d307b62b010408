package serving

import (
	"fmt"
	"testing"
	"time"
)

// A person chooses a hopping window and then a session window where grains are chosen, and goes back.
func TestThePageShowsWindows(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	w.add(bursts(3, 60)...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(bursts(4, 20)...)
	w.speed(cuts)
	w.pass(time.Minute)
	tab, server := w.page(wide, "view=sales&measures=lines&grain=1d")
	drawn(tab)
	for _, window := range []string{"last_3h", "visits"} {
		answer := w.query(Query{Window: window, Measures: []string{"lines"}, Limit: 100_000})
		tab.Eval(fmt.Sprintf(`(() => { const s = document.querySelector('#grain'); s.value = 'window:%s'; s.dispatchEvent(new Event('change', { bubbles: true })); })()`, window), nil)
		tab.Wait(fmt.Sprintf(`location.search.includes('window%%3A%s') && document.querySelectorAll('#table tbody tr').length === %d && [...document.querySelectorAll('#table th')].some(e => e.innerText.trim().toLowerCase() === 'end')`, window, min(500, len(answer.Rows))))
		accessible(t, tab, window)
		picture(t, tab, "window-"+window)
	}
	// Of the sessions the table's rows are explained, by keyboard or by a click.
	tab.Eval(`document.querySelector('#table tbody button').focus()`, nil)
	tab.Press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
	explained := func(window, where string, start int) {
		t.Helper()
		answer := w.query(Query{Window: window, Measures: []string{"lines"}, Where: where, Limit: 100_000})
		tab.Wait(fmt.Sprintf(`[...document.querySelectorAll('#explanation[open] dl > div')].some(e => e.textContent.startsWith('lines%dexact')) && document.querySelectorAll('#panes li').length > 0 && document.querySelector('#explanation').textContent.includes('A row of %s, from')`, value(t, answer, start, "lines").Int64(), window))
		accessible(t, tab, "explained "+window)
		picture(t, tab, "explained-"+window)
		tab.Press("Escape")
		tab.Wait(`!document.querySelector('#explanation').open`)
	}
	explained("visits", "", 1)
	tab.Go(server.URL + "/?view=sales&measures=lines&grain=window%3Alast_3h&where=country+%3D+%27France%27")
	drawn(tab)
	tab.Eval(`document.querySelector('.chart').focus()`, nil)
	tab.Press("Home", "ArrowRight", "Enter")
	explained("last_3h", "country = 'France'", 1) // what the page filters by is part of what it explains
	tab.Eval(`(() => { const s = document.querySelector('#grain'); s.value = '1d'; s.dispatchEvent(new Event('change', { bubbles: true })); })()`, nil)
	tab.Wait(`location.search.includes('grain=1d') && ![...document.querySelectorAll('#table th')].some(e => e.innerText.trim().toLowerCase() === 'end')`)
	calm(t, tab)
}
