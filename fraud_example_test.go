package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// fraudExample is a copy of examples/fraud that a `caudal dev` runs.
type fraudExample struct {
	*devProcess
	python string
}

func startFraudExample(t *testing.T) *fraudExample {
	t.Helper()
	python := testservices.Training(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", "fraud"))); err != nil {
		t.Fatal(err)
	}
	d := &devProcess{t: t, dir: dir, cmd: caudal(t, "dev", dir, "--http", "127.0.0.1:0")}
	d.begin()
	if !d.out.Scan() || !strings.Contains(d.out.Text(), "fraud runs: http://") {
		t.Fatalf("dev says %q", d.out.Text())
	}
	return &fraudExample{d, python}
}

// script runs a script of the example, with the generated transactions, whatever lies beside the repository, and returns what it printed.
func (e *fraudExample) script(name string, args ...string) string {
	e.t.Helper()
	self := caudal(e.t)
	c := exec.Command(filepath.Join(e.dir, name), args...)
	c.Env = append(self.Env, "CAUDAL="+self.Path, "PYTHON="+e.python, "OMP_NUM_THREADS=2", "FRAUD_DATA="+filepath.Join(e.dir, "none"), "PATH="+filepath.Dir(e.python)+":"+os.Getenv("PATH"))
	var log strings.Builder
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		e.t.Fatalf("%s: %v\n%s%s", name, err, out, log.String())
	}
	return string(out)
}

func TestTheFraudExampleTrainsAModelAndKeepsTheBetterOne(t *testing.T) {
	t.Parallel()
	e := startFraudExample(t)
	defer e.stop()
	data := strings.TrimSpace(e.script("transactions.sh", "--customers", "250"))
	e.must("produce", "transactions", data)
	deadline := time.Now().Add(2 * time.Minute)
	for lag := int64(-1); lag != 0; lag = e.speedLag() {
		if time.Now().After(deadline) {
			t.Fatalf("the speed layer is %d records behind", lag)
		}
		time.Sleep(100 * time.Millisecond) // a process for each question
	}
	e.must("batch", "run")

	first := e.script("retrain.sh", "--iterations", "40")
	if !strings.Contains(first, "version 000001 is in use: it is the first") {
		t.Fatalf("the first training says:\n%s", first)
	}
	if chance := 0.03; e.prAUC(0) < 10*chance {
		t.Errorf("PR-AUC is %.3f, by chance it is below %.3f:\n%s", e.prAUC(0), chance, first)
	}
	worse := e.script("retrain.sh", "--iterations", "1")
	if !strings.Contains(worse, "version 000002 is not promoted, version 000001 stays in use: pr_auc") || !strings.Contains(worse, "is worse than") {
		t.Errorf("a model of one tree:\n%s", worse)
	}
	alike := e.script("retrain.sh", "--iterations", "40")
	if !strings.Contains(alike, "version 000003 is in use: pr_auc") || e.prAUC(0) != e.prAUC(2) {
		t.Errorf("the same training again:\n%s", alike)
	}
	fmt.Print("the fraud example: ", line(first, "this model"), "\n")
}

func TestMistakesWithTrainingSetsAndModelsNameTheMend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", "fraud"))); err != nil {
		t.Fatal(err)
	}
	d := &devProcess{t: t, dir: dir}
	for _, call := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"export", "training", "frod"}, exitUsage, "there are fraud"},
		{[]string{"export", "training", "fraud", "--as", "guessed"}, exitUsage, "neither happened nor known"},
		{[]string{"export", "training", "fraud", "--version", "transactions=1", "--version", "2"}, exitUsage, "a version of transactions twice"},
		{[]string{"export", "training", "fraud", "--version", "orders=1"}, exitFailed, "of source orders, which the set does not read"},
		{[]string{"export", "training", "fraud"}, exitFailed, "caudal lake compact transactions"},
		{[]string{"models", "publish", "fraud", dir}, exitUsage, "--training is missing"},
		{[]string{"models", "promote", "fraud", "000001"}, exitUsage, "--by pr_auc"},
		{[]string{"models", "promote", "fraud", "000001", "--by", "pr_auc"}, exitFailed, "no such object"},
		{[]string{"models", "fetch", "fraud"}, exitUsage, "--out is missing"},
		{[]string{"models", "fetch", "fraud", "--out", dir}, exitFailed, "no version of model fraud is in use: promote one"},
		{[]string{"models"}, exitUsage, "publish, promote, list or fetch"},
	} {
		if out, status := d.caudal(call.args...); status != call.status || !strings.Contains(out, call.want) {
			t.Errorf("caudal %s: exit status %d, %s", strings.Join(call.args, " "), status, out)
		}
	}
}

// speedLag is how many records the speed layer is behind.
func (e *fraudExample) speedLag() int64 {
	e.t.Helper()
	var status struct{ Lag struct{ Speed int64 } }
	if err := json.Unmarshal([]byte(e.must("status", "-o", "json")), &status); err != nil {
		e.t.Fatal(err)
	}
	return status.Lag.Speed
}

// prAUC is the metric of a version of the model, from 0.
func (e *fraudExample) prAUC(version int) float64 {
	e.t.Helper()
	var list struct {
		Versions []struct{ Metrics map[string]float64 }
	}
	if err := json.Unmarshal([]byte(e.must("models", "list", "fraud", "-o", "json")), &list); err != nil || len(list.Versions) <= version {
		e.t.Fatalf("%d versions, %v", len(list.Versions), err)
	}
	return list.Versions[version].Metrics["pr_auc"]
}

// line is the line of a text that has a word in it.
func line(text, word string) string {
	for l := range strings.Lines(text) {
		if strings.Contains(l, word) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}
