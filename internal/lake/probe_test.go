package lake

import (
	"context"
	"strings"
	"testing"
	"time"
)

// careless is a store that overwrites whatever the condition says.
type careless struct{ Store }

func (c careless) Create(ctx context.Context, key string, data []byte) (string, error) {
	return "tag", c.Put(ctx, key, data)
}

func TestAProbeFindsAStoreThatOverwritesAndLeavesNothingBehind(t *testing.T) {
	folder, err := Open(t.Context(), t.TempDir(), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if skew, err := New(folder).Probe(t.Context(), time.Now); err != nil || skew.Abs() > time.Minute {
		t.Errorf("a folder: %v, %v", skew, err)
	}
	if _, err := New(careless{folder}).Probe(t.Context(), time.Now); err == nil || !strings.Contains(err.Error(), "does not refuse to create an object twice") {
		t.Errorf("a store that overwrites: %v", err)
	}
	for o := range folder.List(t.Context(), "") {
		t.Errorf("%s is left", o.Key)
	}
}
