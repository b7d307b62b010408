package serving

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// described is what is looked at of an OpenAPI document.
type described struct {
	Paths map[string]map[string]struct {
		OperationID, Summary string
		Tags                 []string
		Parameters           []struct{ Name, In, Description string }
		Responses            map[string]struct {
			Description string
			Content     map[string]any
		}
	}
	Tags []struct{ Name string }
}

func TestEveryRouteIsDescribedWhole(t *testing.T) {
	w := small(t)
	got := w.get("/openapi.json")
	var d described
	must(t, json.Unmarshal(got.Body.Bytes(), &d))
	tags, ids := map[string]bool{}, map[string]bool{}
	for _, tag := range d.Tags {
		tags[tag.Name] = true
	}
	operations := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			operations++
			what := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s: its id %q is missing or taken", what, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.Summary == "" || len(op.Tags) != 1 || !tags[op.Tags[0]] {
				t.Errorf("%s: summary %q, tags %v", what, op.Summary, op.Tags)
			}
			inPath := map[string]bool{}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s: parameter %s is not described", what, p.Name)
				}
				inPath[p.Name] = p.In == "path"
			}
			for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				if !inPath[m[1]] {
					t.Errorf("%s: %s of the path is no parameter", what, m[1])
				}
			}
			success := false
			for status, r := range op.Responses {
				success = success || status[0] == '2'
				if status[0] >= '4' && r.Content[mediaProblem] == nil {
					t.Errorf("%s: %s is no problem", what, status)
				}
				if r.Description == "" {
					t.Errorf("%s: %s is not described", what, status)
				}
			}
			if !success {
				t.Errorf("%s: no success is described", what)
			}
		}
	}
	if operations != len(routes()) {
		t.Errorf("%d operations are described of %d", operations, len(routes()))
	}
}

// TestTheAPIDoesWhatItsDescriptionSays has schemathesis ask what the document allows and forbids, and the validator of the specification read it.
func TestTheAPIDoesWhatItsDescriptionSays(t *testing.T) {
	bin := testservices.Schemathesis(t)
	w := small(t)
	server := httptest.NewServer(w.server.Handler())
	defer server.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "openapi.json")
	must(t, os.WriteFile(path, w.get("/openapi.json").Body.Bytes(), 0o644))
	if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "python"), "-m", "openapi_spec_validator", path).CombinedOutput(); err != nil {
		t.Fatalf("the document is no OpenAPI 3.1: %v\n%s", err, out)
	}
	config, err := filepath.Abs("testdata/schemathesis.toml")
	must(t, err)
	examples := "5"
	if n := os.Getenv("CAUDAL_TEST_SCHEMATHESIS"); n != "" {
		examples = n
	}
	began := time.Now()
	c := exec.CommandContext(t.Context(), filepath.Join(bin, "schemathesis"), "--config-file", config, "run", server.URL+"/openapi.json",
		"--checks", "all", "--mode", "all", "--max-examples", examples, "--seed", "1", "--phases", "examples,coverage,fuzzing", "--no-color", "--request-timeout", "20",
		"--suppress-health-check", "all", "--continue-on-failure",
		"--exclude-path", "/v1/stream") // which never ends
	c.Dir = dir // it keeps what it found there
	c.Env = append(os.Environ(), "HYPOTHESIS_STORAGE_DIRECTORY="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		const most = 20_000 // a request that it repeats may be long
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-most):])
	}
	text := string(out)
	if i := strings.Index(text, "SUMMARY"); i >= 0 {
		text = text[i:]
	}
	fmt.Printf("schemathesis, %v: %s\n", time.Since(began).Round(time.Second), text)
}
