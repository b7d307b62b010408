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
	tab, _ := w.page(wide, "view=sales&measures=lines&grain=1d")
	drawn(tab)
	for _, window := range []string{"last_3h", "visits"} {
		answer := w.query(Query{Window: window, Measures: []string{"lines"}, Limit: 100_000})
		tab.Eval(fmt.Sprintf(`(() => { const s = document.querySelector('#grain'); s.value = 'window:%s'; s.dispatchEvent(new Event('change', { bubbles: true })); })()`, window), nil)
		tab.Wait(fmt.Sprintf(`location.search.includes('window%%3A%s') && document.querySelectorAll('#table tbody tr').length === %d && [...document.querySelectorAll('#table th')].some(e => e.innerText.trim().toLowerCase() === 'end')`, window, min(500, len(answer.Rows))))
		accessible(t, tab, window)
		picture(t, tab, "window-"+window)
	}
	tab.Eval(`(() => { const s = document.querySelector('#grain'); s.value = '1d'; s.dispatchEvent(new Event('change', { bubbles: true })); })()`, nil)
	tab.Wait(`location.search.includes('grain=1d') && ![...document.querySelectorAll('#table th')].some(e => e.innerText.trim().toLowerCase() === 'end')`)
	calm(t, tab)
}
