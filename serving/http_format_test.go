package serving

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// get sends a GET with headers, given as name, value, name, value.
func (w *world) get(path string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	request := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(recorder, request)
	return recorder
}

const byCountry = "/v1/views/sales/query%s?measures=revenue,lines&dimensions=country&grain=1d&from=2024-03-01&to=2024-03-02"

func TestFormatsBySuffixAndByAcceptAreTheSame(t *testing.T) {
	w := small(t)
	for _, f := range formats() {
		bySuffix := w.get(fmt.Sprintf(byCountry, "."+f.name))
		byAccept := w.get(fmt.Sprintf(byCountry, ""), "Accept", "text/html;q=0.2, "+f.media)
		if bySuffix.Code != 200 || byAccept.Code != 200 || bySuffix.Header().Get("Content-Type") != f.media || byAccept.Header().Get("Content-Type") != f.media {
			t.Fatalf("%s: %d %v, %d %v", f.name, bySuffix.Code, bySuffix.Header(), byAccept.Code, byAccept.Header())
		}
		a, b := varying.ReplaceAll(bySuffix.Body.Bytes(), nil), varying.ReplaceAll(byAccept.Body.Bytes(), nil)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: by suffix\n%q\nby Accept\n%q", f.name, a, b)
		}
		if h := bySuffix.Header(); h.Get("Caudal-Exact") != "true" || h.Get("Caudal-Partial") != "false" || h.Get("Caudal-Snapshot") == "" {
			t.Errorf("%s: headers %v", f.name, h)
		}
	}
	if got := w.get(fmt.Sprintf(byCountry, ".csv")).Body.String(); got != "time,country,revenue,lines\r\n2024-03-01T00:00:00Z,France,12.50,2\r\n2024-03-01T00:00:00Z,Spain,10.01,2\r\n" {
		t.Errorf("csv %q", got)
	}
	for accept, want := range map[string]int{"image/png": 406, "text/*": 200, "*/*": 200, "text/csv;q=0": 406, "nonsense": 406} {
		if got := w.get(fmt.Sprintf(byCountry, ""), "Accept", accept); got.Code != want {
			t.Errorf("Accept: %s: status %d, want %d", accept, got.Code, want)
		}
	}
}

func TestAnswersAreCompressedAsTheClientLikesBest(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(1, 400)...)
	w.publish(w.cuts())
	w.serve()
	plain := w.get("/v1/views/sales/query.csv?grain=1h")
	if plain.Header().Get("Content-Encoding") != "" {
		t.Fatal("compressed for who did not ask")
	}
	for accept, want := range map[string]string{"br, gzip": "gzip", "gzip, zstd": "zstd", "zstd;q=0.5, gzip": "gzip", "gzip;q=0": "", "GZIP": "gzip"} {
		got := w.get("/v1/views/sales/query.csv?grain=1h", "Accept-Encoding", accept)
		if got.Header().Get("Content-Encoding") != want || !strings.Contains(got.Header().Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: %v", accept, got.Header())
			continue
		}
		in := io.Reader(got.Body)
		switch want {
		case "gzip":
			z, err := gzip.NewReader(in)
			must(t, err)
			in = z
		case "zstd":
			z, err := zstd.NewReader(in)
			must(t, err)
			defer z.Close()
			in = z
		}
		text, err := io.ReadAll(in)
		must(t, err)
		if !bytes.Equal(text, plain.Body.Bytes()) {
			t.Errorf("%s: other bytes than without compression", accept)
		}
		if want != "" && got.Header().Get("ETag") == plain.Header().Get("ETag") {
			t.Errorf("%s: two codings have one strong ETag", accept)
		}
	}
}

func TestUnchangedRangesAre304WhileDataFlows(t *testing.T) {
	w := small(t)
	settled := "/v1/views/sales/query%s?measures=revenue&grain=1d&from=2024-03-01&to=2024-03-02&where=country+%%3D+%%27France%%27"
	liveRange := "/v1/views/sales/query%s?measures=revenue&grain=1d&from=2024-03-02&to=2024-03-03"
	tags := map[string]string{}
	for _, path := range []string{settled, liveRange} {
		for _, suffix := range []string{"", ".csv", ".parquet"} {
			p := fmt.Sprintf(path, suffix)
			got := w.get(p)
			tags[p] = got.Header().Get("ETag")
			strong := !strings.HasPrefix(tags[p], "W/")
			if strong != (path == settled && suffix != "") || got.Header().Get("Cache-Control") != "private, no-cache" {
				t.Errorf("%s: %v", p, got.Header())
			}
			again := w.get(p, "If-None-Match", `"other", `+tags[p])
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != tags[p] {
				t.Errorf("%s again: status %d, %d bytes", p, again.Code, again.Body.Len())
			}
		}
	}
	// Events of the second day come in.
	before := w.cuts()
	w.add(event{partition: 0, at: time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC), country: "France", product: "P1", order: "z", pence: 7})
	w.flush(0, before[0]-2, before[0], w.log.ends[0])
	w.pass(time.Hour)
	for p, tag := range tags {
		want := http.StatusNotModified
		if strings.Contains(p, "from=2024-03-02") {
			want = http.StatusOK
		}
		if got := w.get(p, "If-None-Match", tag); got.Code != want {
			t.Errorf("%s: status %d while data flows, want %d", p, got.Code, want)
		}
	}
}

// page is what is looked at of an answer with pages.
type page struct {
	Data []struct {
		Time, Product string
		Country       *string
	}
	Statistics struct {
		Next      string
		TotalRows int `json:"total_rows"`
	}
}

func TestPagesSkipAndRepeatNothingWhileDataFlows(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(3, 300)...)
	cuts, flushed := w.cuts(), w.cuts()
	w.publish(cuts)
	w.serve()
	key := func(p page, i int) string {
		return fmt.Sprint(p.Data[i].Time, p.Data[i].Product, p.Data[i].Country == nil, p.Data[i].Country)
	}
	read := func(path string) page {
		got := w.get(path)
		if got.Code != 200 {
			t.Fatalf("%s: status %d: %s", path, got.Code, got.Body)
		}
		var p page
		must(t, json.Unmarshal(got.Body.Bytes(), &p))
		if link := got.Header().Get("Link"); (p.Statistics.Next != "") != strings.HasSuffix(link, `>; rel="next"`) {
			t.Fatalf("next %q, Link %q", p.Statistics.Next, link)
		}
		for i := range p.Data {
			if p.Data[i].Country != nil {
				p.Data[i].Product += "/" + *p.Data[i].Country
				p.Data[i].Country = nil
			} else {
				p.Data[i].Product += "/null"
			}
		}
		return p
	}
	for _, order := range []string{"time,product", "-country,time", "-product,-time"} {
		path := "/v1/views/sales/query?measures=revenue&dimensions=country,product&grain=1d&order=" + url.QueryEscape(order)
		all, seen := read(path), map[string]int{}
		cursor, pages := "", 0
		for {
			p := read(path + "&limit=" + fmt.Sprint(20+pages%3) + "&cursor=" + cursor)
			for i := range p.Data {
				seen[key(p, i)]++
			}
			pages++
			if cursor = p.Statistics.Next; cursor == "" {
				break
			}
			if pages%4 == 0 { // more events, on all sides of the cursor, and now and then a batch
				w.add(random(uint64(100+pages), 20)...)
				if pages%8 == 0 {
					cuts, flushed = w.cuts(), w.cuts()
					w.publish(cuts)
				} else {
					for p := range 2 {
						w.flush(p, cuts[p], flushed[p], w.log.ends[p])
					}
					flushed = w.cuts()
				}
				w.pass(time.Hour)
			}
		}
		for i := range all.Data {
			if n := seen[key(all, i)]; n != 1 {
				t.Fatalf("order %s: %s stood on %d of %d pages", order, key(all, i), n, pages)
			}
		}
		for k, n := range seen {
			if n > 1 {
				t.Errorf("order %s: %s stood on %d pages", order, k, n)
			}
		}
		if pages < 10 {
			t.Errorf("only %d pages", pages)
		}
	}
}

func TestACursorThatCannotBeFollowedSaysWhy(t *testing.T) {
	w := small(t)
	first := func(query string) string {
		var p page
		must(t, json.Unmarshal(w.get("/v1/views/sales/query?"+query).Body.Bytes(), &p))
		return p.Statistics.Next
	}
	const question = "measures=revenue&dimensions=country&grain=1d&limit=1"
	good := first(question)
	if good == "" {
		t.Fatal("there is no next page")
	}
	if next := first(question + "&order=-revenue"); next != "" {
		t.Errorf("an order by what changes has a cursor: %s", next)
	}
	for cursor, want := range map[string]string{
		"x":                   "it is no cursor",
		"e30":                 "The cursor has expired",
		good[:len(good)-6]:    "it is no cursor",
		first(question + "0"): "",
	} {
		got := w.get("/v1/views/sales/query?" + question + "&cursor=" + cursor)
		if want == "" && cursor == "" {
			continue // all rows fitted
		}
		if got.Code/100 != 4 || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: status %d: %s", cursor, got.Code, got.Body)
		}
	}
	if got := w.get("/v1/views/sales/query?measures=lines&dimensions=country&grain=1d&cursor=" + good); got.Code != 400 || !strings.Contains(got.Body.String(), "another question") {
		t.Errorf("another question: status %d: %s", got.Code, got.Body)
	}
	w.view.Hash = strings.Repeat("0", len(w.view.Hash)) // as after a switch of definitions
	q, err := resolve(w.project, Query{View: "sales", Measures: []string{"revenue"}, Dimensions: []string{"country"}, Grain: "1d", Cursor: good}, everything())
	if p, ok := err.(*Problem); !ok || p.Status != http.StatusGone {
		t.Errorf("after a switch: %v, %v", q, err)
	}
}

func TestPagesByAMeasureAsOfASnapshot(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(5, 200)...)
	id := w.publish(w.cuts()).ID
	w.serve()
	path := "/v1/views/sales/query?measures=lines&dimensions=country,product&grain=1d&order=-lines&as_of=" + id
	whole := w.get(path).Body.String()
	var all, got []string
	rows := func(text string) (list []string, next string) {
		var p struct {
			Data       []json.RawMessage
			Statistics struct{ Next string }
		}
		must(t, json.Unmarshal([]byte(text), &p))
		for _, row := range p.Data {
			list = append(list, string(row))
		}
		return list, p.Statistics.Next
	}
	all, _ = rows(whole)
	for next := "-"; next != ""; {
		list := []string(nil)
		more := path + "&limit=17"
		if next != "-" {
			more += "&cursor=" + next
		}
		list, next = rows(w.get(more).Body.String())
		got = append(got, list...)
	}
	if strings.Join(all, "\n") != strings.Join(got, "\n") {
		t.Errorf("%d rows on pages, %d in all", len(got), len(all))
	}
}
