package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ask sends a request to the admin port, as to a host.
func ask(t *testing.T, method, url, host, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// TestProfilesAreReachedOnTheAdminPortOfThisMachineAlone runs a role with both ports.
func TestProfilesAreReachedOnTheAdminPortOfThisMachineAlone(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	c := caudal(t, "run", "serve", "--project", d.dir, "--http", "127.0.0.1:0", "--sql", "", "--admin", "127.0.0.1:0", "--log-format", "json")
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var api, admin string
	var logged []string
	for (api == "" || admin == "") && lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "listening on "):
			api = strings.TrimPrefix(line, "listening on ")
		case strings.HasPrefix(line, "admin: "):
			admin = strings.TrimSuffix(strings.TrimPrefix(line, "admin: "), "/debug/pprof/")
		default:
			logged = append(logged, line)
		}
	}
	host := strings.TrimPrefix(admin, "http://")
	for _, path := range []string{"", "heap?debug=1", "goroutine?debug=1", "cmdline"} {
		want := http.StatusOK
		if path == "cmdline" {
			want = http.StatusNotFound // what stands on a command line is nobody's
		}
		if status, text := ask(t, "GET", admin+"/debug/pprof/"+path, host, ""); status != want {
			t.Errorf("the admin port answers %s by %d: %.200s", path, status, text)
		}
		if status, _ := ask(t, "GET", api+"/debug/pprof/"+path, strings.TrimPrefix(api, "http://"), ""); status != http.StatusNotFound {
			t.Errorf("the API answers /debug/pprof/%s by %d", path, status)
		}
	}
	if status, _ := ask(t, "GET", admin+"/debug/pprof/", "evil.example:80", ""); status != http.StatusForbidden {
		t.Errorf("a page that names its own host is answered by %d", status)
	}
	if status, text := ask(t, "PUT", admin+"/log-level", host, "debug"); status != http.StatusOK || text != "DEBUG\n" {
		t.Errorf("%d: %s", status, text)
	}
	get(t, api+"/v1/views") // written at level info
	get(t, api+"/livez")    // and this at debug
	if status, _ := ask(t, "PUT", admin+"/log-level", host, "loud"); status != http.StatusBadRequest {
		t.Errorf("a level that there is not is answered by %d", status)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		logged = append(logged, lines.Text())
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	entries := 0
	for _, line := range logged {
		if !strings.HasPrefix(line, "{") { // what it says to people of where it listens, and when it ends
			continue
		}
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("%s: %v", line, err)
		}
		entries++
	}
	if all := strings.Join(logged, "\n"); entries < 2 || !strings.Contains(all, `"level":"DEBUG"`) || !strings.Contains(all, `"level":"INFO"`) {
		t.Errorf("the requests are not logged at both levels: %s", all)
	}
}

func TestTheAdminPortIsRefusedBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	for _, address := range []string{":6060", "0.0.0.0:6060", "10.1.2.3:6060", "[::]:6060", "example.com:6060"} {
		out, err := caudal(t, "run", "speed", "--project", dir, "--admin", address).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "name a loopback address") {
			t.Errorf("--admin %s: %v: %s", address, err, out)
		}
	}
	for _, flag := range []string{"--log-level=loud", "--log-format=xml"} {
		if out, err := caudal(t, "lint", "--project", dir, flag).CombinedOutput(); err == nil || !strings.Contains(string(out), flag[:strings.Index(flag, "=")]) {
			t.Errorf("%s: %v: %s", flag, err, out)
		}
	}
}

func TestTheLevelOfLogsIsChangedWhileTheyAreWritten(t *testing.T) {
	a := &app{log: logging{format: "json"}}
	a.logger(0)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("PUT", "http://127.0.0.1:1/log-level", strings.NewReader("error"))
	adminHandler(&a.log.level).ServeHTTP(w, r)
	if got := a.log.level.Level().String(); w.Code != http.StatusOK || got != "ERROR" {
		t.Errorf("%d: %s", w.Code, got)
	}
}
