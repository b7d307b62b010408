package check

import (
	"strconv"
	"strings"
	"testing"
)

// TestServingHasMostOfABusyMachine compares the shares of processor time: answers are quick when the roles that write yield.
func TestServingHasMostOfABusyMachine(t *testing.T) {
	project, units := composeProject(t), unitFiles(t)
	setting := func(role, name string) float64 {
		for _, line := range units["caudal-"+role+".service"] {
			if text, ok := strings.CutPrefix(line, name+"="); ok {
				n, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatalf("%s of %s: %v", name, role, err)
				}
				return n
			}
		}
		return 0
	}
	order := []string{"serve", "speed", "archive", "batch"}
	for i, role := range order[1:] {
		above := order[i]
		if a, b := project.Services[above].CPUShares, project.Services[role].CPUShares; a <= b || b == 0 {
			t.Errorf("compose: %s has %v shares, %s %v", above, a, role, b)
		}
		if a, b := setting(above, "CPUWeight"), setting(role, "CPUWeight"); a <= b || b == 0 {
			t.Errorf("systemd: %s has the weight %v, %s %v", above, a, role, b)
		}
		if a, b := setting(above, "Nice"), setting(role, "Nice"); a >= b {
			t.Errorf("systemd: %s is as nice as %v, %s as %v", above, a, role, b)
		}
	}
}
