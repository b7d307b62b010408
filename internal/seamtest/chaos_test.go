package seamtest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestAnyPlan is the seam's promise: whatever is sent, whoever crashes, whenever a batch runs, each answer is that of one naive fold over
// the log up to the offsets that the answer names; and in the end everything is served whole.
func TestAnyPlan(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			t.Log(Chaos(t, seed, 120, Kinds{Topic: seed%3 != 0, Lag: seed%2 == 1}))
		})
	}
}

// TestSoak is TestAnyPlan for CAUDAL_SOAK_MINUTES, from CAUDAL_SOAK_SEED on: make soak.
func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("CAUDAL_SOAK_MINUTES"), 64)
	if err != nil {
		t.Skip("make soak SEED= MINUTES= runs it")
	}
	first, err := strconv.ParseUint(os.Getenv("CAUDAL_SOAK_SEED"), 10, 64)
	if err != nil {
		first = uint64(time.Now().Unix())
	}
	total := Tally{Faults: map[string]int{}}
	until := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for seed := first; seed == first || time.Now().Before(until); seed++ {
		passed := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { total.add(Chaos(t, seed, 600, Kinds{Topic: seed%3 != 0, Lag: seed%3 != 1})) })
		if !passed {
			t.Fatalf("seed %d failed: make soak SEED=%d", seed, seed)
		}
		fmt.Printf("seed %d done: %v\n", seed, total)
	}
	fmt.Printf("seeds from %d on: %v\n", first, total)
}
