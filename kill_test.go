package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// killSeed decides when the process is killed.
const killSeed = 20101201

// kills is how often the process is killed: as often as the environment says, else as is usual. Without either the test is skipped: what is killed is the
// whole demo.
func kills(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("CAUDAL_TEST_KILLS")
	switch {
	case text == "" && usual == 0:
		t.Skip("SKIP kill -9 on real services while the demo's answers are checked: it takes minutes; CAUDAL_TEST_KILLS=20 runs it, as CI does")
	case text == "":
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("CAUDAL_TEST_KILLS=%q: %v", text, err)
	}
	return n
}

func TestKnownAnswersAfterKillsOnTheEmbeddedServices(t *testing.T) {
	n := kills(t, 1)
	t.Parallel()
	surviveKills(t, n, func(string) ([]string, []string) { return nil, nil })
}

func TestKnownAnswersAfterKillsOnRealServices(t *testing.T) {
	n := kills(t, 0)
	t.Parallel()
	brokers, redis, s3 := testservices.Kafka(t), testservices.Redis(t), testservices.S3(t)
	testservices.LeaveNoTopic(t, "orders") // of the example
	testservices.LeaveNoTopic(t, "unique_orders")
	testservices.LeaveNoKeys(t, "retail")
	surviveKills(t, n, func(dir string) (args, env []string) {
		args = []string{"--redis", redis, "--lake", "s3://" + s3.Bucket + "/" + filepath.Base(dir), "--s3-endpoint", s3.Endpoint}
		for _, b := range brokers {
			args = append(args, "--kafka", b)
		}
		return args, []string{"AWS_ACCESS_KEY_ID=" + s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3.SecretKey, "AWS_REGION=" + s3.Region}
	})
}

// surviveKills runs `caudal demo --once`, which checks every answer at three moments of the batch, kills it n times, and lets it finish at last.
func surviveKills(t *testing.T, n int, where func(dir string) (args, env []string)) {
	dir := t.TempDir()
	args, env := where(dir)
	args = append([]string{"demo", "--once", "-o", "json", "--dir", dir}, args...)
	random := rand.New(rand.NewPCG(killSeed, 0))
	start := func() (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
		var out, log bytes.Buffer
		c := caudal(t, args...)
		c.Env = append(c.Env, env...)
		c.Stdout, c.Stderr = &out, &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c, &out, &log
	}
	for i := range n {
		c, _, log := start()
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		after := 1500*time.Millisecond + time.Duration(random.Int64N(int64(5*time.Second)))
		select {
		case err := <-ended:
			t.Fatalf("life %d ended before it was killed: %v\n%s", i+1, err, tail(log))
		case <-time.After(after):
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		t.Logf("life %d: killed after %v, in stage %d", i+1, after.Round(time.Millisecond), stageOf(t, dir))
	}
	c, out, log := start()
	if err := c.Wait(); err != nil {
		t.Fatalf("the last life: %v\n%s\n%s", err, wrongAnswers(out.Bytes()), tail(log))
	}
	var results []checked
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("read the report: %v", err)
	}
	compared := 0
	for _, r := range results {
		compared += r.Values
	}
	if compared < 40_000 {
		t.Errorf("only %d answers were compared", compared)
	}
	t.Logf("%d answers compared after %d kills", compared, n)
}

func stageOf(t *testing.T, dir string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(stateDir(dir), "demo.json"))
	if os.IsNotExist(err) {
		return 0
	}
	var s demoState
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Stage
}

func wrongAnswers(report []byte) string {
	var results []checked
	if err := json.Unmarshal(report, &results); err != nil {
		return string(report)
	}
	var b bytes.Buffer
	for _, r := range results {
		if r.Wrong > 0 {
			b.WriteString(r.Stage + ", " + r.Reading + ", " + r.What + ": " + r.First + "\n")
		}
	}
	return b.String()
}

func tail(log *bytes.Buffer) string {
	text := log.Bytes()
	return string(text[max(0, len(text)-4000):])
}
