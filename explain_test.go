package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const explanation = `{"view":"revenue","time":"2011-11-09T00:00:00Z","end":"2011-11-10T00:00:00Z","grain":"1d","dimensions":{"country":"France"},
"answer":{"net_revenue":"10.00"},"origin":{"source":"batch","exact":true},"note":"All from batch.","batch":{"snapshot":"000002-x","sequence":2,"events":4},
"speed":{"events":3,"epochs":[{"partition":1,"start":77,"events":3}]},"partial":false,"partitions":[],"changes":[{"snapshot":"000002-x","created":"2011-11-10T02:00:00Z",
"time":"2011-11-09T00:00:00Z","grain":"1d","dimensions":{"country":"France"},"measure":"net_revenue","before":"5010.00","after":"10.00","difference":"-5000.00",
"parts":[{"class":"batch_dedup","amount":"-5000.00"}]}]}`

const explanationOfAHop = `{"view":"revenue","time":"2011-11-09T00:00:00Z","end":"2011-11-09T03:00:00Z","window":"last_3h","dimensions":{},"answer":{"net_revenue":"10.00"},
"origin":{"source":"merged","exact":true},"note":"Every number is exact.","batch":{"snapshot":"000002-x","sequence":2,"events":4},"speed":{"events":3,"epochs":[]},
"panes":[{"time":"2011-11-09T00:00:00Z","end":"2011-11-09T01:00:00Z","source":"merged","events":6,"live":2},
{"time":"2011-11-09T02:00:00Z","end":"2011-11-09T03:00:00Z","first":"2011-11-09T02:07:00Z","last":"2011-11-09T02:08:00Z","source":"speed","events":1,"live":1}],
"panes_left_off":5,"partial":false,"partitions":[],"changes":[]}`

// explaining is the folder of a project whose server answers every request for an explanation with the one above, and notes what was asked.
func explaining(t *testing.T) (dir string, asked *string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.String()
		if r.URL.Query().Has("window") {
			_, _ = w.Write([]byte(explanationOfAHop))
			return
		}
		if strings.Contains(r.URL.Path, "nothing") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"title":"?","detail":"no view \"nothing\"","suggestion":"there are \"revenue\""}`))
			return
		}
		_, _ = w.Write([]byte(explanation))
	}))
	t.Cleanup(server.Close)
	dir = t.TempDir()
	for path, text := range map[string]string{"caudal.yaml": "project: shop\n", runningPath(dir): `{"pid":` + pid() + `,"http":"` + server.URL + `"}`} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, asked
}

func pid() string {
	text, err := json.Marshal(os.Getpid())
	if err != nil {
		panic(err)
	}
	return string(text)
}

// explain runs the command and returns its exit status and what it wrote.
func explain(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(t.TempDir(), "output")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	status = execute(t.Context(), append([]string{"explain"}, args...), files[0], files[1])
	var texts [2]string
	for i, f := range files {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(data)
	}
	return status, texts[0], texts[1]
}

func TestExplainSaysWhereANumberCameFromAndWhyItChanged(t *testing.T) {
	t.Parallel()
	dir, asked := explaining(t)
	status, out, stderr := explain(t, "revenue", "--project", dir, "--at", "2011-11-09", "--grain", "1d", "country=France")
	if status != exitOK || *asked != "/v1/views/revenue/explain?at=2011-11-09&country=France&grain=1d" {
		t.Fatalf("status %d, asked %s: %s", status, *asked, stderr)
	}
	for _, want := range []string{
		"revenue, the 1d from 2011-11-09T00:00:00Z, country=France", "net_revenue = 10.00", "batch: 4 events, snapshot 000002-x", "speed: 3 events",
		"partition 1, epoch from offset 77: 3 events", "5010.00", "batch dedup -5000.00", "BECAUSE OF",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if status, out, _ = explain(t, "revenue", "--project", dir, "--at", "2011-11-09", "-o", "json"); status != exitOK || !json.Valid([]byte(out)) || !strings.Contains(out, `"batch_dedup"`) {
		t.Errorf("status %d: %s", status, out)
	}
	if status, out, _ = explain(t, "revenue", "--project", dir, "--at", "2011-11-09", "-o", "csv"); status != exitOK || !strings.HasPrefix(out, "snapshot,bucket,measure,") {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestExplainListsThePanesOfAWindowsRow(t *testing.T) {
	dir, asked := explaining(t)
	status, out, stderr := explain(t, "revenue", "--project", dir, "--at", "2011-11-09", "--window", "last_3h", "--where", "country is null")
	if status != exitOK || *asked != "/v1/views/revenue/explain?at=2011-11-09&where=country+is+null&window=last_3h" {
		t.Fatalf("status %d, asked %s: %s", status, *asked, stderr)
	}
	for _, want := range []string{
		"revenue, last_3h from 2011-11-09T00:00:00Z to 2011-11-09T03:00:00Z\n", "panes: 7\n", "  2011-11-09T00:00:00Z to 2011-11-09T01:00:00Z: 6 events, 2 of them live (merged)\n",
		"  2011-11-09T02:07:00Z to 2011-11-09T02:08:00Z: 1 events, 1 of them live (speed)\n", "  and 5 later ones\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}

func TestExplainRefusesWhatItCannotUnderstand(t *testing.T) {
	dir, _ := explaining(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"revenue"}, "--at is missing"},
		{[]string{}, "requires at least 1 arg"},
		{[]string{"revenue", "--at", "2011", "France"}, `"France" is no dimension=value`},
		{[]string{"revenue", "--at", "2011", "where=x"}, "write what is called like a flag into --where"},
		{[]string{"revenue", "--at", "2011", "--gain", "1d"}, "unknown flag"},
		{[]string{"nothing", "--at", "2011"}, `there are "revenue"`},
	} {
		status, _, stderr := explain(t, append(c.args, "--project", dir)...)
		if status != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
}
