package serving

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/testservices"
)

// reads fails unless an element of the page reads as wanted, with any white space as one space.
func reads(t *testing.T, tab *testservices.Tab, selector, want string) {
	t.Helper()
	var text string
	tab.Eval(`document.querySelector('`+selector+`').innerText.replace(/\s+/g, ' ')`, &text)
	if !strings.Contains(text, want) {
		t.Errorf("%s reads %q, without %q", selector, text, want)
	}
}

func TestThePageShowsTheLedger(t *testing.T) {
	w := explained(t)
	tab, _ := w.page(wide, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	reads(t, tab, "#changes", "Nothing unexplained 4 numbers changed; 6 cells were compared. 4 repeats left out")
	var listed int
	tab.Eval(`document.querySelectorAll('#changes .ledger li').length`, &listed)
	if listed != 4 {
		t.Errorf("%d changes are listed", listed)
	}
	reads(t, tab, "#changes .ledger li:nth-child(2)", "repeats left out")
	tab.Click(`.bars .mark`)
	tab.Wait(`document.querySelector('#explanation[open] .ledger')`)
	reads(t, tab, "#explanation", "Who counted batch")
	calm(t, tab)
	picture(t, tab, "ledger")
}

func TestThePageShowsTheHealthOfItsView(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "")
	drawn(tab)
	reads(t, tab, "#health", "Both layers serve Speed layer 2 partitions whole Freshness up to date Lag 0 records")
	reads(t, tab, "#health", "Dead letters 0")
	w.log.mu.Lock()
	w.log.ends[0] += 1234
	w.log.mu.Unlock()
	w.pass(time.Minute)
	tab.Wait(`document.querySelector('#health').innerText.includes('1,234 records')`)
	reads(t, tab, "#health", "Served, with a remark")
	w.redis.Close()
	tab.Wait(`document.querySelector('#health .verdict').innerText.includes('A layer is not whole') && document.querySelector('#sentence').className === 'partial'`)
	tab.Wait(`document.querySelector('.headline small').textContent === 'partial' && document.querySelector('#landed').textContent === ''`)
	picture(t, tab, "ill")
}

func TestHoverTellsWhereANumberComesFrom(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "view=sales&measures=orders&grain=1d")
	drawn(tab)
	point := func(selector string) {
		t.Helper()
		var at struct{ X, Y float64 }
		tab.Eval(`(r => ({ X: r.x + r.width / 2, Y: r.y + r.height / 2 }))(document.querySelector('`+selector+`').getBoundingClientRect())`, &at)
		tab.Point(at.X, at.Y)
	}
	point(".bars .mark.batch")
	tab.Wait(`!document.querySelector('.tip').hidden`)
	reads(t, tab, ".tip", "Fri, 1 Mar 2024")
	reads(t, tab, ".tip", "batch · exact snapshot 000001-run1")
	point(".bars .mark[data-index=\"34\"]")
	tab.Wait(`document.querySelector('.tip').innerText.includes('4 Apr')`)
	reads(t, tab, ".tip", "live · ±")
	picture(t, tab, "hover")
	calm(t, tab)
}

func TestSQLIsShownWhereItIsAnswered(t *testing.T) {
	w := shop(t)
	tab, server := w.page(wide, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	if w.server.sql.Load() != nil {
		t.Fatal("the server answers SQL")
	}
	var lines int
	if tab.Eval(`document.querySelectorAll('.share').length`, &lines); lines != 3 {
		t.Errorf("%d lines without SQL", lines)
	}
	w.server.OpenSQL(SQLDoor{Port: 15432, Database: "shop"})
	for query, want := range map[string]string{
		"measures=revenue&grain=1d": "SELECT time, revenue FROM sales_1d ORDER BY time LIMIT 10000",
		"measures=orders&dimensions=country&grain=1h&from=2024-03-05&to=2024-03-06&where=country+like+'%25n%25'": "SELECT time, country, orders FROM sales_1h WHERE time >= '2024-03-05T00:00:00Z' AND time < '2024-03-06T00:00:00Z' AND (country like '%n%') ORDER BY time, country LIMIT 10000",
		"measures=revenue,lines&grain=1d&where=product='P1'":                                                     "SELECT time, sum(revenue) AS revenue, sum(lines) AS lines FROM sales_1d WHERE product='P1' GROUP BY time ORDER BY time LIMIT 10000",
		"measures=lines&dimensions=country&grain=":                                                               "SELECT country, sum(lines) AS lines FROM sales_1h GROUP BY country ORDER BY country LIMIT 10000",
		"measures=orders&grain=": "", // distinct counts do not add up
	} {
		tab.Go(server.URL + "/?" + query)
		drawn(tab)
		var sql []string
		tab.Eval(`[...document.querySelectorAll('.share')].filter(e => e.firstChild.textContent === 'SQL').map(e => e.querySelector('code').textContent)`, &sql)
		if strings.Join(sql, "|") != want {
			t.Errorf("%s: %q", query, sql)
		}
	}
	reads(t, tab, "#take", "The same elsewhere")
}

func TestThePageShowsAlertsAndTakesAcknowledgementsAndSilences(t *testing.T) {
	w := newGuardedWorld(t)
	w.guard = nil
	w.serve()
	for _, v := range w.server.definitions.now.Load().Views {
		must(t, w.server.refresh(t.Context(), w.server.state(v), time.Time{}))
	}
	over := cause("over", "2", "country", "Spain", "product", "P2")
	over.Phase, over.Reason = alert.Recovered, "done"
	w.alert("stock")
	w.alert("sales", over, cause("one", "777", "country", "France", "product", "PF"), cause("two", "5", "country", "<b>x", "product", "P,2"))
	tab, _ := w.page(wide, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	tab.Wait(`document.querySelectorAll('#alerts li').length === 3`)
	reads(t, tab, "#alerts", "2 firing of 2 alerts")
	reads(t, tab, "#alerts li:nth-child(1)", "warning · firing · watch_sales country France, product PF")
	reads(t, tab, "#alerts li:nth-child(2)", "country <b>x, product P,2")
	reads(t, tab, "#alerts li:nth-child(3)", "recovered")
	var buttons int
	if tab.Eval(`document.querySelectorAll('#alerts button').length`, &buttons); buttons != 4 {
		t.Errorf("%d buttons, want two for each cause that fires", buttons)
	}
	accessible(t, tab, "alerts")
	tab.Click(`#alerts [data-key="acknowledge one"]`)
	tab.Wait(`document.querySelector('#alerts').innerText.includes('acknowledged')`)
	tab.Click(`#alerts [data-key="silence two"]`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list, err := Silences(t.Context(), w.lake)
		must(t, err)
		if len(list) == 1 && list[0].Labels.Has(cause("", "", "country", "<b>x", "product", "P,2").Labels) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the silences are %+v", list)
		}
	}
	picture(t, tab, "alerts")
	calm(t, tab)
}

func TestThePageComparesWithAPeriodBefore(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "view=sales&measures=revenue&grain=1d&from=2024-03-15&to=2024-03-29")
	drawn(tab)
	choose := func(id, value string) {
		tab.Eval(fmt.Sprintf(`(() => { const c = document.querySelector('#%s'); c.value = '%s'; c.dispatchEvent(new Event('change', { bubbles: true })); })()`, id, value), nil)
	}
	lines := `document.querySelectorAll('.before path').length`
	tab.Wait(lines + ` === 0`)
	choose("compare", "1w")
	tab.Wait(lines + ` === 1 && [...document.querySelectorAll('#table th')].some(th => th.textContent.startsWith('revenue_before'))`)
	var seen struct {
		Address, Key string
		Points       int
	}
	tab.Eval(`({ Address: location.search, Key: document.querySelector('#key').textContent, Points: document.querySelector('.before path').getAttribute('d').match(/[ML]/g).length })`, &seen)
	if !strings.Contains(seen.Address, "compare=1w") || !strings.Contains(seen.Key, "1w before, fainter") || seen.Points != 14 {
		t.Errorf("%+v; want compare=1w in the address, the fainter line in the key, and 14 points of it", seen)
	}
	picture(t, tab, "compare")
	choose("grain", "")
	tab.Wait(`document.querySelector('#compare').disabled && ` + lines + ` === 0`)
	calm(t, tab)
}
