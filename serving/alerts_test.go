package serving

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
)

func TestWhatAlertsFoundIsListedFiringFirst(t *testing.T) {
	w := newGuardedWorld(t)
	firing, over, pending := cause("f", "3", "country", "France", "product", "P1"), cause("o", "2", "country", "France", "product", "P2"), cause("p", "1", "country", "Spain", "product", "P3")
	over.Phase, over.Reason, pending.Phase, pending.Bucket, firing.Fired = alert.Corrected, "corrected by batch", alert.Pending, 3600_000_000, time.Unix(100, 0)
	passed := cause("x", "2", "country", "France", "product", "P4")
	passed.Phase = alert.Passed
	w.alert("sales", over, pending, passed, firing)
	ids := func(path string) string {
		var got Alerts
		r := w.as("admin", "GET", path, "")
		if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || r.Code != 200 {
			t.Fatalf("%s: %d %v %s", path, r.Code, err, r.Body)
		}
		var ids []string
		for _, a := range got.Alerts {
			ids = append(ids, a.ID)
		}
		return strings.Join(ids, " ")
	}
	for path, want := range map[string]string{
		"/v1/alerts?alert=watch_sales":                        "f p o",
		"/v1/alerts?alert=watch_sales&phase=passed":           "x",
		"/v1/alerts?alert=watch_sales&phase=corrected,firing": "f o",
		"/v1/alerts?alert=watch_sales&limit=1":                "f",
	} {
		if got := ids(path); got != want {
			t.Errorf("%s lists %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"/v1/alerts?phase=burning":   `no phase`,
		"/v1/alerts?alert=watch_sal": "watch_sales",
	} {
		if r := w.as("admin", "GET", path, ""); r.Code < 400 || !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
}

func TestAnAlertIsAcknowledgedAndSilencedByThoseWhoMay(t *testing.T) {
	w := newGuardedWorld(t)
	do := func(who, method, path string, want int) string {
		t.Helper()
		r := w.as(who, method, path, "")
		if r.Code != want {
			t.Errorf("%s %s by %s: %d, want %d: %s", method, path, who, r.Code, want, r.Body)
		}
		return r.Body.String()
	}
	do("writer", "POST", "/v1/alerts/sales-france/acknowledge?comment=on+it", 200)
	do("reader", "POST", "/v1/alerts/sales-france/acknowledge", 403)
	do("till", "POST", "/v1/alerts/sales-france/acknowledge", 404)
	do("writer", "POST", "/v1/alerts/none/acknowledge", 404)
	if got := do("paris", "GET", "/v1/alerts", 200); !strings.Contains(got, `"comment":"on it"`) || !strings.Contains(got, `"by":"writer"`) || strings.Contains(got, "Germany") {
		t.Errorf("paris sees %s", got)
	}
	do("till", "POST", "/v1/silences?alert=watch_sales", 404)
	do("writer", "POST", "/v1/silences?alert=watch_sales&labels=contry=x", 400)
	do("writer", "POST", "/v1/silences?alert=watch_sales&for=never", 400)
	do("writer", "POST", "/v1/silences?alert=watch_sales&for=1000d", 400)
	var made Silence
	must(t, json.Unmarshal([]byte(do("writer", "POST", "/v1/silences?alert=watch_sales&labels=country=Germany&for=2h&comment=x", 200)), &made))
	if at, err := time.Parse(time.RFC3339, made.Until); err != nil || at.Sub(w.clock()).Round(time.Minute) != 2*time.Hour || *made.Labels["country"] != "Germany" {
		t.Errorf("the silence is %+v", made)
	}
	if got := do("paris", "GET", "/v1/silences", 200); strings.Contains(got, "Germany") {
		t.Errorf("paris sees %s", got)
	}
	if list, err := Silences(context.Background(), w.lake); err != nil || len(list) != 1 || list[0].By != "writer" {
		t.Errorf("kept is %+v, %v", list, err)
	}
	long := strings.Repeat("x", 1001)
	for _, path := range []string{"/v1/alerts/sales-france/acknowledge?comment=" + long, "/v1/silences?alert=watch_sales&comment=" + long} {
		if got := do("writer", "POST", path, 400); !strings.Contains(got, "the comment has 1001 bytes") || !strings.Contains(got, "write at most 1000 bytes") {
			t.Errorf("a long comment: %s", got)
		}
	}
	do("writer", "POST", "/v1/alerts/sales-france/acknowledge?comment="+long[1:], 200)
	var comma Silence
	must(t, json.Unmarshal([]byte(do("writer", "POST", "/v1/silences?alert=watch_sales&labels="+url.QueryEscape(`"country=Korea, ""South""", product=P1`), 200)), &comma))
	if len(comma.Labels) != 2 || *comma.Labels["country"] != `Korea, "South"` || *comma.Labels["product"] != "P1" {
		t.Errorf("labels with a comma are %+v", comma.Labels)
	}
	do("reader", "DELETE", "/v1/silences/"+made.ID, 403)
	do("writer", "DELETE", "/v1/silences/"+made.ID, 200)
	do("writer", "DELETE", "/v1/silences/"+made.ID, 404)
	// A page of another origin may not.
	r := w.as("writer", "POST", "/v1/alerts/sales-france/acknowledge", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if r.Code != http.StatusForbidden {
		t.Errorf("a page of another origin acknowledges: %d", r.Code)
	}
}

func TestACallerWithRowsOfItsOwnSilencesThemAlone(t *testing.T) {
	w := newGuardedWorld(t)
	if r := w.as("paris3", "POST", "/v1/silences?alert=watch_sales&labels=country=France", ""); r.Code != 200 {
		t.Errorf("its own rows: %d %s", r.Code, r.Body)
	}
	for _, labels := range []string{"", "&labels=product=PF", "&labels=country=Germany"} {
		if r := w.as("paris3", "POST", "/v1/silences?alert=watch_sales"+labels, ""); r.Code != 403 {
			t.Errorf("%s: %d %s", labels, r.Code, r.Body)
		}
	}
}
