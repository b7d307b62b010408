package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// findingsOf runs the doctor over a project and returns what it found by check, and whether it failed.
func findingsOf(t *testing.T, dir string) (map[string]finding, bool) {
	t.Helper()
	out, err := caudal(t, "doctor", "--project", dir, "-o", "json").Output()
	var list []finding
	if json.Unmarshal(out, &list) != nil {
		t.Fatalf("the doctor says no findings: %v\n%s", err, out)
	}
	found := map[string]finding{}
	for _, f := range list {
		found[f.Check] = f
	}
	return found, err != nil
}

// expect compares one finding, and sees that whatever is not in order comes with its mend.
func expect(t *testing.T, found map[string]finding, check, result, says string) {
	t.Helper()
	f, ok := found[check]
	if !ok || f.Result != result || !strings.Contains(f.Found, says) || (result != isOK) != (f.Mend != "") {
		t.Errorf("%s: %+v, want %s with %q; of %v", check, f, result, says, found)
	}
}

func TestTheDoctorFindsNothingWrongWithADevThatHasRunABatch(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	write(t, filepath.Join(d.dir, "orders.csv"), shopOrders)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	found, _ := findingsOf(t, d.dir)
	expect(t, found, "batch sales", isWarn, "no batch has run yet")
	d.must("batch", "run")
	d.awaitQuery("time,lines,source,exactness\n2026-01-01T00:00:00Z,3,batch,exact\n", "--measures", "lines", "--grain", "1d") // dev serves it
	found, failed := findingsOf(t, d.dir)
	if failed {
		t.Errorf("a set-up in order fails: %v", found)
	}
	for check, says := range map[string]string{
		"definitions": "1 sources, 1 views", "duckdb": "computes", "lake": "conditional puts", "clock": "agrees", "definitions and lake": "every source",
		"kafka orders": "2 partitions", "retention orders": "records stay for", "redis": "nothing is evicted", "speed sales": "every partition is served", "archive orders": "in the lake",
		"batch sales": "old", "dead letters orders": "0 of",
	} {
		expect(t, found, check, isOK, says)
	}
}

func TestTheDoctorSaysWhatIsAwayAndGoesOnWithTheRest(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	found, failed := findingsOf(t, dir)
	expect(t, found, "services", isFail, "no `caudal dev` runs")
	expect(t, found, "lake", isOK, "")
	if !failed {
		t.Error("the exit status does not tell")
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: filepath.Join(dir, "broker")})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"kafka: {brokers: ['"+broker.Addrs()[0]+"']}\nredis: {addrs: ['127.0.0.1:1']}\n")
	found, _ = findingsOf(t, dir)
	expect(t, found, "kafka orders", isFail, "no topic orders")
	expect(t, found, "redis", isFail, "127.0.0.1:1")
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"kafka: {brokers: ['127.0.0.1:1']}\nredis: {addrs: ['127.0.0.1:1']}\n")
	found, _ = findingsOf(t, dir)
	expect(t, found, "kafka orders", isFail, "127.0.0.1:1")
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView+"  - {name: more, agg: nothing}\n")
	found, _ = findingsOf(t, dir)
	expect(t, found, "definitions", isFail, "nothing")
}

func TestTheDoctorFindsALakeThatCannotBeWrittenTo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"lake: {url: "+filepath.Join(dir, "file", "lake")+"}\n")
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	found, _ := findingsOf(t, dir)
	expect(t, found, "lake", isFail, "not a directory")
}

func TestTheDoctorReadsTheClockTheDiskAndTheMemory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &doctor{app: &app{stdout: os.Stdout, stderr: os.Stderr}, dir: dir, project: project, now: func() time.Time { return time.Now().Add(-time.Hour) }}
	d.checkLake(t.Context())
	d.checkDisk()
	d.checkNode(live.Node{Memory: live.Memory{Addr: "a", Used: 80 << 20, Limit: 100 << 20}, Unsaved: "its last snapshot failed"})
	d.checkNode(live.Node{Memory: live.Memory{Addr: "b", Used: 1 << 20}, Saves: true})
	found := map[string]finding{}
	for _, f := range d.findings {
		found[f.Check] = f
	}
	expect(t, found, "clock", isWarn, "1h0m0s off")
	if f := found["disk "+dir]; !strings.Contains(f.Found, "GiB are free") {
		t.Errorf("the disk: %+v", f)
	}
	expect(t, found, "redis memory a", isFail, "80 of 100 MiB")
	expect(t, found, "redis persistence a", isWarn, "snapshot failed")
	expect(t, found, "redis memory b", isWarn, "no limit")
	expect(t, found, "redis persistence b", isOK, "appends")
}

func TestTheDoctorFindsARedisThatEvicts(t *testing.T) {
	redis, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(t, "redis", err)
	}
	defer redis.Stop()
	if _, err := redis.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"); err != nil {
		t.Fatal(err)
	}
	client, err := live.Connect(live.Config{Addrs: []string{redis.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	d := &doctor{project: &view.Project{Name: "shop"}}
	d.part(context.Background(), func(ctx context.Context) bool { return d.checkRedis(ctx, &services{live: client}) })
	if f := d.findings[0]; f.Check != "redis" || f.Result != isFail || !strings.Contains(f.Found, "set maxmemory-policy noeviction") {
		t.Errorf("%+v", d.findings)
	}
}

func TestTheDoctorFindsLayersThatStandStill(t *testing.T) {
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	behind, lag := 120.0, int64(2_000_000)
	status := serving.ViewStatus{View: "sales", Topic: "orders", Sequence: 3, Published: "2026-01-01T00:00:00Z", Lag: serving.Lag{Speed: &lag, Archive: &lag}, Partitions: []serving.PartitionStatus{
		{Partition: 0, Healthy: true, BehindSeconds: &behind, Events: 90, DeadLetters: 10},
		{Partition: 1, Reason: "the speed layer has no state of this partition yet"},
	}}
	d := &doctor{project: &view.Project{}, now: func() time.Time { return now }}
	d.checkSpeed(status)
	d.checkArchive(status)
	d.checkArchive(status) // of another view of the topic
	d.checkBatch(status)
	d.checkDead(status)
	found := map[string]finding{}
	for _, f := range d.findings {
		found[f.Check] = f
	}
	expect(t, found, "speed sales", isFail, "2 of 2 partitions are not served as they should be, the first: partition 0 is 120 s behind")
	expect(t, found, "archive orders", isFail, "2000000 records")
	expect(t, found, "batch sales", isWarn, "216h0m0s old")
	expect(t, found, "dead letters orders", isWarn, "10 of the last 100 records could not be read (10.0 %)")
	if len(d.findings) != 4 || !d.failed() {
		t.Errorf("%d findings", len(d.findings))
	}
}

func TestTheDoctorComparesRetentionWithWhatIsReadAgain(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client, err := stream.Connect(stream.Config{Brokers: broker.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.EnsureTopic(t.Context(), "orders", 1); err != nil {
		t.Fatal(err)
	}
	for horizon, want := range map[time.Duration]string{time.Hour: isOK, 24 * 365 * time.Hour: isWarn} {
		d := &doctor{project: &view.Project{}}
		d.checkRetention(t.Context(), &services{stream: client}, &view.Source{Topic: "orders", DedupHorizon: horizon})
		if f := d.findings[0]; f.Result != want || (want == isWarn) != strings.Contains(f.Mend, "retention.ms") {
			t.Errorf("%v: %+v", horizon, f)
		}
	}
}
