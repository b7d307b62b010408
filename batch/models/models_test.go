package models

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

const set = `{"training": "fraud", "id": "a1", "as": "happened", "definition": "d", "canonical": {}, "code": "c", "sources": [], "columns": [], "rows": 3, "files": []}`

func newModels(t *testing.T) *Models {
	t.Helper()
	store, err := lake.Open(t.Context(), t.TempDir(), lake.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return &Models{Lake: lake.New(store), Clock: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }}
}

// trained is a folder as a training script leaves it, and the folder of its training set.
func trained(t *testing.T, metrics string) (dir, of string) {
	t.Helper()
	dir, of = t.TempDir(), t.TempDir()
	for path, text := range map[string]string{filepath.Join(dir, "model.bin"): "weights " + metrics, filepath.Join(dir, metricsFile): metrics, filepath.Join(of, "manifest.json"): set} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, of
}

// publish publishes a model of that score; against names the version that was in use, whose score is given too.
func publish(t *testing.T, m *Models, score float64, against string, theirs float64) string {
	t.Helper()
	text := fmt.Sprintf(`{"metrics": {"pr_auc": %v}}`, score)
	if against != "" {
		text = fmt.Sprintf(`{"metrics": {"pr_auc": %v}, "in_use": {"version": %q, "metrics": {"pr_auc": %v}}}`, score, against, theirs)
	}
	dir, of := trained(t, text)
	model, err := m.Publish(t.Context(), "fraud", dir, of)
	if err != nil {
		t.Fatal(err)
	}
	return model.Version
}

func TestAModelThatIsWorseThanTheOneInUseIsNotPromoted(t *testing.T) {
	m := newModels(t)
	promote := func(version string) Verdict {
		t.Helper()
		v, err := m.Promote(t.Context(), "fraud", version, "pr_auc")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := publish(t, m, 0.5, "", 0)
	if v := promote(first); !v.Promoted || v.InUse != first {
		t.Errorf("the first: %+v", v)
	}
	worse := publish(t, m, 0.6, first, 0.7) // better on paper, and worse on the same rows
	if v := promote(worse); v.Promoted || v.InUse != first || !strings.Contains(v.Why, "pr_auc 0.6000 is worse than 0.7000 of version 000001") {
		t.Errorf("a worse one: %+v", v)
	}
	alike := publish(t, m, 0.4, first, 0.4)
	if v := promote(alike); !v.Promoted || v.InUse != alike {
		t.Errorf("one that is not worse: %+v", v)
	}
	if v := promote(alike); !v.Promoted {
		t.Errorf("again: %+v", v)
	}
	stale := publish(t, m, 0.9, first, 0.1)
	if _, err := m.Promote(t.Context(), "fraud", stale, "pr_auc"); err == nil || !strings.Contains(err.Error(), "version 000003 is in use, and it was compared with 000001: train again") {
		t.Errorf("one that was compared with a version that is not in use: %v", err)
	}
	if _, err := m.Promote(t.Context(), "fraud", stale, "recall"); err == nil || !strings.Contains(err.Error(), `no "recall"`) {
		t.Errorf("by a metric that is not there: %v", err)
	}
	if v, err := m.Promote(t.Context(), "fraud", first, ""); err != nil || v.InUse != first {
		t.Errorf("back to the first: %+v, %v", v, err)
	}
	models, current, err := m.List(t.Context(), "fraud")
	if err != nil || len(models) != 4 || current.Version != first || current.Before != alike || current.Sequence != 3 {
		t.Errorf("%d models, %+v, %v", len(models), current, err)
	}
}

func TestOfModelsThatArePublishedAtOnceEachGetsItsVersion(t *testing.T) {
	m := newModels(t)
	dir, of := trained(t, `{"metrics": {"pr_auc": 1}}`)
	var wg sync.WaitGroup
	versions := make([]string, 8)
	for i := range versions {
		wg.Go(func() {
			model, err := m.Publish(t.Context(), "fraud", dir, of)
			if err != nil {
				t.Error(err)
			}
			versions[i] = model.Version
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, v := range versions {
		seen[v] = true
	}
	if models, _, err := m.List(t.Context(), "fraud"); err != nil || len(models) != 8 || len(seen) != 8 {
		t.Errorf("%d models of versions %v, %v", len(models), versions, err)
	}
}

func TestAVersionIsFetchedAsItWasPublishedOrNotAtAll(t *testing.T) {
	m := newModels(t)
	dir, of := trained(t, `{"metrics": {"pr_auc": 1}}`)
	model, err := m.Publish(t.Context(), "fraud", dir, of)
	if err != nil || model.Training.ID != "a1" {
		t.Fatalf("%+v, %v", model, err)
	}
	out := t.TempDir()
	if _, err := m.Fetch(t.Context(), "fraud", model.Version, out); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for from, into := range map[string]map[string]string{dir: want, out: got} {
		bodies, err := readFolder(from)
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range bodies {
			into[name] = string(body)
		}
	}
	if len(got) != 2 || !maps.Equal(want, got) {
		t.Errorf("fetched %v, published %v", got, want)
	}
	if err := m.Lake.Store().Put(t.Context(), fileKey("fraud", model.Version, "model.bin"), []byte("other")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Fetch(t.Context(), "fraud", model.Version, out); !errors.Is(err, lake.ErrChecksum) {
		t.Errorf("a model that was changed: %v", err)
	}
	if _, err := m.Fetch(t.Context(), "fraud", "000009", out); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("a version that there is not: %v", err)
	}
}

func TestAFolderWithoutMetricsIsNoModel(t *testing.T) {
	m := newModels(t)
	for _, text := range []string{"", "{}", `{"metrics": {}}`, `{"metrics": {"pr_auc": NaN}}`, `{"metrics": {"pr_auc": 1}, "more": 1}`} {
		dir, of := trained(t, text)
		if _, err := m.Publish(t.Context(), "fraud", dir, of); err == nil || !strings.Contains(err.Error(), metricsFile) {
			t.Errorf("metrics %s: %v", text, err)
		}
	}
	if models, _, err := m.List(t.Context(), "fraud"); err != nil || len(models) != 0 {
		t.Errorf("%d models, %v", len(models), err)
	}
	dir, of := trained(t, `{"metrics": {"pr_auc": 1}}`)
	if _, err := m.Publish(t.Context(), "Fraud/x", dir, of); err == nil {
		t.Error("a name with a slash was taken")
	}
}
