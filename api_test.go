package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAUserSendsEventsOverHTTPFollowsThemAndReadsTheDescription(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	running, err := findRunning(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.Get(running.HTTP + "/v1/stream?view=sales&measures=lines")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	order := func(id int, country string) string {
		return fmt.Sprintf(`{"id": "%d", "invoice": "A", "at": "2026-01-01T10:00:00Z", "country": %q, "amount": 2.5}`, id, country)
	}
	body := "[" + order(1, "France") + "," + order(2, "Spain") + "]"
	for range 2 { // as after an answer that was lost
		if status, text := post(t, running.HTTP+"/v1/events/orders", body); status != 200 || !strings.Contains(text, `"accepted":2,"deduplicated":true`) {
			t.Fatalf("status %d: %s", status, text)
		}
	}
	d.awaitQuery("time,country,lines,source,exactness\n2026-01-01T00:00:00Z,France,1,speed,exact\n2026-01-01T00:00:00Z,Spain,1,speed,exact\n",
		"--measures", "lines", "--dimensions", "country", "--grain", "1d")
	lines := bufio.NewScanner(stream.Body)
	lines.Buffer(nil, 1<<20)
	for seen := false; !seen; {
		if !lines.Scan() {
			t.Fatal("the stream ended before the events came: ", lines.Err())
		}
		seen = strings.Contains(lines.Text(), `"lines":2`)
	}
	if status, text := post(t, running.HTTP+"/v1/events/orders", "["+order(3, "Malta")+`, {"id": "4"}]`); status != 422 || !strings.Contains(text, `"index":1,"field":"invoice","reason":"missing_field"`) {
		t.Errorf("a bad event: status %d: %s", status, text)
	}
	served := get(t, running.HTTP+"/openapi.json")
	if exported := d.must("export", "openapi"); exported != served {
		t.Errorf("caudal export openapi writes %d bytes, the server %d others", len(exported), len(served))
	}
	door, err := url.Parse(running.SQL)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`"sql":{"port":%s,"database":"shop"}`, door.Port()); !strings.Contains(get(t, running.HTTP+"/v1/views"), want) {
		t.Errorf("the catalogue lacks %s, though SQL is answered at %s", want, running.SQL)
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d: %s", address, response.StatusCode, text)
	}
	return string(text)
}

func post(t *testing.T, url, body string) (status int, text string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}
