package serving

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

var (
	wide  = testservices.Screen{Width: 1440, Height: 900, Still: true}
	phone = testservices.Screen{Width: 390, Height: 844, Phone: true, Still: true}
)

// shop is a world with five weeks of sales of five countries, of which batch has all but the last two days and a half.
func shop(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, viewYAML)
	first := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	countries := []string{"United Kingdom", "Germany", "France", "O'Land", ""}
	var batch, live []event
	for hour := range 36 * 24 {
		at := first.Add(time.Duration(hour) * time.Hour)
		busy := 1.35 + math.Sin(float64(hour)/24*2*math.Pi/7) + 0.25*math.Sin(float64(hour)*1.7)
		for i, country := range countries {
			if (hour+i)%(2+i) != 0 {
				continue
			}
			e := event{partition: i % 2, at: at.Add(time.Duration(7*i) * time.Minute), country: country, product: fmt.Sprintf("P%d", hour%3), order: fmt.Sprintf("o%d-%d", hour/2, i),
				pence: int64(busy*24_000) / int64(1+i)}
			if hour < 33*24+12 {
				batch = append(batch, e)
			} else {
				live = append(live, e)
			}
		}
	}
	w.add(batch...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(live...)
	w.speed(cuts)
	w.now = first.AddDate(0, 0, 36)
	w.serve()
	return w
}

// page opens the page over a world; the query string is what stands behind "?".
func (w *world) page(screen testservices.Screen, query string) (*testservices.Tab, *httptest.Server) {
	w.t.Helper()
	browser := testservices.Chromium(w.t)
	server := httptest.NewServer(w.server.Handler())
	w.t.Cleanup(server.Close)
	w.t.Cleanup(server.CloseClientConnections) // streams do not end by themselves
	tab := browser.Open(w.t, screen, server.URL+"/?"+query)
	return tab, server
}

// drawn waits until the page shows an answer with all that belongs to it.
func drawn(tab *testservices.Tab) {
	tab.Wait(`document.querySelector('#table td') && document.querySelector('.headline small') && document.querySelector('#health dl') && document.querySelector('#changes').textContent`)
}

// calm fails if the browser complains.
func calm(t *testing.T, tab *testservices.Tab) {
	t.Helper()
	if said := tab.Complaints(); len(said) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(said, "\n"))
	}
}

// picture keeps a picture of the page in .artifacts/page, for people to look at.
func picture(t *testing.T, tab *testservices.Tab, name string) {
	t.Helper()
	root, err := testservices.Root()
	must(t, err)
	tab.Picture(filepath.Join(root, ".artifacts", "page", name+".png"))
}

func TestThePageDrawsWhatTheAPIAnswers(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	answer := w.query(Query{Measures: []string{"revenue"}, Grain: "1d"})
	var seen struct {
		Solid, Dashed, Seam int
		SeamX, FirstLiveX   float64
		Note                string
		Table               [][]string
	}
	tab.Eval(`({
		Solid: document.querySelectorAll('.bars .mark.batch').length, Dashed: document.querySelectorAll('.bars .mark.live').length,
		Seam: Number(document.querySelector('.seam').dataset.index), SeamX: document.querySelector('.seam line').getBoundingClientRect().x,
		FirstLiveX: document.querySelector('.bars .mark.live').getBoundingClientRect().x,
		Note: document.querySelector('#note').textContent,
		Table: [...document.querySelectorAll('#table tbody tr')].map(tr => [...tr.cells].map(td => td.textContent)),
	})`, &seen)
	solid := 0
	for i, origin := range answer.Provenance.Rows {
		if origin.Source == "batch" {
			solid++
		}
		want := []string{time.UnixMicro(answer.Rows[i][0].Int64()).UTC().Format("Mon, 2 Jan 2006"), answer.Rows[i][1].String(), map[string]string{"batch": "batch", "merged": "batch + live", "speed": "live"}[origin.Source], "exact"}
		if got := seen.Table[i]; got[0] != want[0] || strings.ReplaceAll(got[1], ",", "") != want[1] || !slices.Equal(got[2:], want[2:]) {
			t.Errorf("row %d of the table is %q, not %q", i, got, want)
		}
	}
	if seen.Solid != solid || seen.Dashed != len(answer.Rows)-solid || seen.Seam != solid || solid == 0 || solid == len(answer.Rows) {
		t.Errorf("%d solid and %d dashed bars with the seam before bar %d; the answer has %d rows, %d of batch", seen.Solid, seen.Dashed, seen.Seam, len(answer.Rows), solid)
	}
	if math.Abs(seen.SeamX-seen.FirstLiveX) > 4 {
		t.Errorf("the seam is at %.1f px, the first live bar at %.1f", seen.SeamX, seen.FirstLiveX)
	}
	if seen.Note != answer.Provenance.Note {
		t.Errorf("the note is %q, not %q", seen.Note, answer.Provenance.Note)
	}
	calm(t, tab)
	picture(t, tab, "wide")
}

func TestABatchThatLandsTurnsDashedIntoSolidWithoutReload(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	tab.Eval(`window.here = 'before'`, nil)
	tab.Wait(`document.querySelectorAll('.bars .mark.live').length === 3 && document.querySelector('.seam') && document.querySelectorAll('tr.live').length === 3`)
	picture(t, tab, "before")
	tab.Eval(`document.querySelector('.share button').focus()`, nil)
	cuts := w.cuts()
	w.publish(cuts)
	w.speed(cuts)
	w.pass(time.Minute)
	tab.Wait(`document.querySelectorAll('.bars .mark.batch').length === 36 && !document.querySelector('.bars .mark.live, .seam, tr.live')`)
	var said struct {
		Here, Landed, Focus string
		Fresh               int
	}
	tab.Eval(`({ Here: window.here, Landed: document.querySelector('#landed').textContent, Fresh: document.querySelectorAll('.mark.landed').length, Focus: document.activeElement.textContent })`, &said)
	if said.Here != "before" || !strings.HasPrefix(said.Landed, "A batch landed at ") || !strings.HasSuffix(said.Landed, ": 3 rows rest on it now.") || said.Fresh > 3 || said.Focus != "Copy" {
		t.Errorf("after the batch: %+v", said)
	}
	tab.Wait(`document.querySelector('#health').textContent.includes('000002-run2') && !document.querySelector('.headline.live')`)
	calm(t, tab)
	picture(t, tab, "landed")
}

func TestThePageIsUsedByKeyboardAlone(t *testing.T) {
	w := shop(t)
	tab, _ := w.page(wide, "view=sales&measures=revenue&dimensions=country&grain=1d")
	drawn(tab)
	var stops []string
	for range 40 {
		tab.Press("Tab")
		var stop string
		tab.Eval(`(e => e === document.body ? '' : e.className === 'skip' ? 'skip' : e.id || e.value || e.className || e.getAttribute('aria-label') || e.textContent)(document.activeElement)`, &stop)
		stops = append(stops, stop)
		if stop == "chart" {
			break
		}
	}
	for _, want := range []string{"skip", "view", "grain", "from", "to", "revenue", "country", "where", "chart"} {
		if !slices.Contains(stops, want) {
			t.Fatalf("Tab does not come to %q: %q", want, stops)
		}
	}
	spoken := func() (text string) {
		tab.Eval(`document.querySelector('#spoken').textContent`, &text)
		return text
	}
	tab.Press("End")
	last := spoken()
	tab.Press("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown")
	if got := spoken(); got != "Tue, 2 Apr 2024: Germany "+w.amount("2024-04-02", "Germany")+" GBP – batch, exact" || !strings.HasPrefix(last, "Fri, 5 Apr 2024: United Kingdom ") || !strings.HasSuffix(last, "– live, exact") {
		t.Errorf("spoken: %q, at the end %q", got, last)
	}
	tab.Wait(`document.querySelector('.tip:not([hidden]) .chosen').textContent.startsWith('Germany') && document.querySelector('.tip').textContent.includes('snapshot 000001-run1')`)
	picture(t, tab, "lines")
	tab.Press("Enter")
	tab.Wait(`document.querySelector('#explanation[open] h2').textContent === 'Tue, 2 Apr 2024 · Germany' && document.querySelector('#explanation dl')`)
	picture(t, tab, "explained")
	tab.Press("Escape")
	tab.Wait(`!document.querySelector('#explanation').open && document.activeElement.className === 'chart'`)
	calm(t, tab)
}

// amount is the revenue of a country on a day, as a British reader writes it.
func (w *world) amount(day, country string) string {
	r := w.query(Query{Measures: []string{"revenue"}, Grain: "1d", From: day, Limit: 1, Where: "country = '" + country + "'"})
	text := r.Rows[0][1].String()
	if i := len(text) - 6; i > 0 {
		return text[:i] + "," + text[i:]
	}
	return text
}

func TestClicksChooseWhatIsShownAndTheURLKeepsIt(t *testing.T) {
	w := shop(t)
	tab, server := w.page(wide, "")
	drawn(tab)
	tab.Click(`input[value=country]`)
	tab.Wait(`document.querySelectorAll('.line .stroke.batch').length === 5 && document.querySelectorAll('.line .stroke.live').length === 5`)
	tab.Click(`input[value=orders]`)
	tab.Wait(`document.querySelectorAll('.chart').length === 2`)
	var link string
	tab.Eval(`location.search`, &link)
	if link != "?measures=revenue%2Corders&dimensions=country&grain=1d&view=sales" {
		t.Errorf("the URL is %s", link)
	}
	picture(t, tab, "two-measures")
	tab.Go(server.URL + "/" + link)
	drawn(tab)
	tab.Wait(`document.querySelectorAll('.chart').length === 2 && document.querySelectorAll('.line').length === 10`)

	tab.Click(`#legend li:nth-child(4) button`) // O'Land
	tab.Wait(`document.querySelector('#where').value === "country = 'O''Land'" && document.querySelectorAll('.line').length === 0 && document.querySelectorAll('.bars').length === 2`)
	tab.Eval(`history.back()`, nil)
	tab.Wait(`document.querySelector('#where').value === '' && document.querySelectorAll('.line').length === 10`)

	tab.Eval(`document.querySelector('#where').focus()`, nil)
	tab.Type("contry = 'France'")
	tab.Press("Enter")
	tab.Wait(`!document.querySelector('#problem').hidden`)
	var problem string
	tab.Eval(`document.querySelector('#problem').innerText`, &problem)
	if !strings.Contains(problem, "contry") || !strings.Contains(problem, "country") {
		t.Errorf("the problem reads %q", problem)
	}
	tab.Go(server.URL + "/?view=sales&measures=revenue&grain=1d&from=2024-03-05T07:00:00Z")
	tab.Wait(`document.querySelector('#problem button')`)
	picture(t, tab, "problem")
	tab.Click(`#problem button`)
	tab.Wait(`document.querySelector('#problem').hidden && document.querySelectorAll('.bars .mark').length === 32`)

	tab.Eval(`document.querySelector('#grain').value = ''; document.querySelector('#grain').dispatchEvent(new Event('change', { bubbles: true }))`, nil)
	tab.Wait(`document.querySelector('.headline small') && !document.querySelector('.chart')`)
	tab.Click(`input[value=country]`)
	tab.Wait(`document.querySelectorAll('.ranks li').length === 5 && document.querySelector('.rank-name').textContent === 'United Kingdom'`)
	picture(t, tab, "ranks")

	tab.Click(`.share:nth-child(3) button`)
	var curl string
	tab.Eval(`document.querySelectorAll('.share code')[2].textContent`, &curl)
	if curl != "curl '"+server.URL+"/v1/views/sales/query?measures=revenue&dimensions=country&from=2024-03-05T00%3A00%3A00Z&limit=10000'" {
		t.Errorf("curl: %s", curl)
	}
	for _, said := range tab.Complaints() {
		if !strings.Contains(said, "400 (Bad Request)") { // of the two questions that are wrong
			t.Error("the browser complains: ", said)
		}
	}
}

// accessible fails for what axe-core finds wrong with a page.
func accessible(t *testing.T, tab *testservices.Tab, where string) {
	t.Helper()
	script, err := os.ReadFile(testservices.Axe(t))
	must(t, err)
	tab.Eval(string(script)+"; null", nil)
	var found []struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	tab.Eval(`axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations)`, &found)
	for _, v := range found {
		for _, n := range v.Nodes {
			t.Errorf("%s: %s: %s: %s: %s", where, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

func TestThePageFitsAPhoneAndTheDark(t *testing.T) {
	w := shop(t)
	tab, server := w.page(wide, "view=sales&measures=revenue&dimensions=country&grain=1d")
	drawn(tab)
	accessible(t, tab, "light")
	colour := func() (s string) {
		tab.Eval(`getComputedStyle(document.body).backgroundColor`, &s)
		return s
	}
	light := colour()
	dark := wide
	dark.Dark = true
	tab.Show(dark)
	if colour() == light {
		t.Error("the dark has the ground of the light")
	}
	accessible(t, tab, "dark")
	picture(t, tab, "dark")

	for _, query := range []string{"measures=revenue,orders&dimensions=country&grain=1d", "measures=revenue&grain=1h&from=2024-03-28", "measures=revenue&dimensions=country,product&grain="} {
		tab.Show(phone)
		tab.Go(server.URL + "/?" + query)
		drawn(tab)
		var over int
		tab.Eval(`document.documentElement.scrollWidth - innerWidth`, &over)
		if over > 0 {
			t.Errorf("%s: a phone has to scroll sideways by %d px", query, over)
		}
		accessible(t, tab, "phone, "+query)
		picture(t, tab, "phone-"+strings.NewReplacer("=", "-", "&", "-", ",", "-").Replace(query))
	}
	calm(t, tab)
}

func TestNumbersAreInTheReadersLocale(t *testing.T) {
	w := shop(t)
	german := wide
	german.Locale = "de-DE"
	tab, _ := w.page(german, "view=sales&measures=revenue&grain=1d")
	drawn(tab)
	var cells []string
	tab.Eval(`[...document.querySelector('#table tbody tr').cells].map(td => td.textContent)`, &cells)
	if cells[0] != "Fr., 1. März 2024" || cells[1] != "8.369,43" {
		t.Errorf("a German reads %q", cells)
	}
	var figures string
	tab.Eval(`getComputedStyle(document.querySelector('#table td.number')).fontVariantNumeric`, &figures)
	if figures != "tabular-nums" {
		t.Errorf("figures are %s", figures)
	}
}

func TestThePageComesBackWhereItWasWhenTheConnectionIsLost(t *testing.T) {
	w := shop(t)
	var mu sync.Mutex
	var asked []string
	inner := w.server.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/stream" {
			mu.Lock()
			asked = append(asked, r.Header.Get("Last-Event-ID"))
			mu.Unlock()
		}
		inner.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	tab := testservices.Chromium(t).Open(t, wide, server.URL)
	drawn(tab)
	server.CloseClientConnections()
	tab.Wait(`document.querySelector('#connection').className === 'bad'`)
	w.publish(w.cuts())
	w.pass(time.Minute)
	tab.Wait(`document.querySelector('#connection').className === 'good' && !document.querySelector('.bars .mark.live')`)
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 2 || asked[0] != "" || !strings.HasSuffix(asked[1], "-1") {
		t.Errorf("the stream was asked for with Last-Event-ID %q", asked)
	}
}

func TestThePageAsksForATokenAndKeepsItInItsTabOnly(t *testing.T) {
	w := shop(t)
	inner := w.server.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") && r.Header.Get("Authorization") != "Bearer s3cret" {
			writeProblem(out, newProblem(http.StatusUnauthorized, "unauthorized", "Who asks is not known", "", "the token is not known", "give another"))
			return
		}
		inner.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	tab := testservices.Chromium(t).Open(t, wide, server.URL)
	for _, secret := range []string{"wrong", "s3cret"} {
		tab.Wait(`document.querySelector('#token')?.hidden === false && document.activeElement.id === 'secret' && document.querySelector('#problem').innerText.includes('Give another') && document.querySelector('#secret').value === ''`)
		tab.Type(secret)
		tab.Press("Enter")
	}
	drawn(tab)
	var kept struct {
		Session []string
		Local   int
		Cookie  string
		Curl    string
	}
	tab.Eval(`({ Session: Object.values(sessionStorage), Local: localStorage.length, Cookie: document.cookie, Curl: document.querySelectorAll('.share code')[2].textContent })`, &kept)
	if !slices.Equal(kept.Session, []string{"s3cret"}) || kept.Local != 0 || kept.Cookie != "" || strings.Contains(kept.Curl, "s3cret") || !strings.Contains(kept.Curl, "Bearer $TOKEN") {
		t.Errorf("the token is kept: %+v", kept)
	}
	tab.Wait(`document.querySelector('#token').hidden && document.querySelector('#problem').hidden`)
}
