package testservices

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestKafkaComesBackAfterKill(t *testing.T) {
	Kafka(t) // skips where there is none
	if os.Getenv("CAUDAL_TEST_KAFKA") != "" {
		t.Skip("somebody else's Kafka is not to be killed")
	}
	k, err := sharedKafka()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := k.ready(); err == nil {
		t.Fatal("a killed Kafka answers")
	}
	if err := k.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := k.ready(); err != nil {
		t.Fatal(err)
	}
}

func TestRedisComesBackAfterKill(t *testing.T) {
	Redis(t)
	r, err := StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
}

func TestS3RefusesWhoHasNoKey(t *testing.T) {
	s := S3(t)
	r, err := http.Get(s.Endpoint + "/" + s.Bucket + "?list-type=2")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		t.Fatalf("listing without a key: %s", r.Status)
	}
}

// TestServicesDieWithTheirStarter starts this test binary again, which starts a Redis and is then killed.
func TestServicesDieWithTheirStarter(t *testing.T) {
	if os.Getenv("CAUDAL_TESTSERVICES_CHILD") != "" {
		r, err := StartRedis()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("pid " + strconv.Itoa(r.cmd.Process.Pid) + "\n")
		select {}
	}
	Redis(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestServicesDieWithTheirStarter$")
	cmd.Env = append(os.Environ(), "CAUDAL_TESTSERVICES_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := out.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(buf[:n]), "pid ")))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	ended := func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // dead, and its new parent has not looked yet
	}
	folder := filepath.Join(os.TempDir(), "caudal-services", strconv.Itoa(cmd.Process.Pid))
	gone := func() bool { _, err := os.Stat(folder); return errors.Is(err, fs.ErrNotExist) }
	for deadline := time.Now().Add(10 * time.Second); !ended() || !gone(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the process that started it is gone; redis-server (pid %d) too: %v; its folder %s too: %v", pid, ended(), folder, gone())
		}
	}
}

func TestMissingServiceSkipsButFailsUnderCI(t *testing.T) {
	for _, ci := range []string{"", "true"} {
		t.Setenv("CI", ci)
		var f fakeTB
		noted := ""
		end(&f, "real Thing", ErrNotInstalled, func(line string) error {
			noted = line
			return nil
		})
		if f.skipped == (ci == "true") || f.failed != (ci == "true") || strings.Contains(noted, "real Thing") == (ci == "true") {
			t.Errorf("CI=%q: skipped %v, failed %v, noted %q", ci, f.skipped, f.failed, noted)
		}
	}
}

type fakeTB struct {
	testing.TB
	skipped, failed bool
}

func (f *fakeTB) Helper()               {}
func (f *fakeTB) Name() string          { return "a test" }
func (f *fakeTB) Skip(...any)           { f.skipped = true }
func (f *fakeTB) Fatalf(string, ...any) { f.failed = true }
