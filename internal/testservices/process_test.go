package testservices

import (
	"os/exec"
	"syscall"
	"testing"
)

// TestTheEndOfAServiceEndsNobodyElse: others, too, start processes that are to die with this one, on whatever thread they happen to be.
func TestTheEndOfAServiceEndsNobodyElse(t *testing.T) {
	var others []*exec.Cmd
	for range 50 {
		other := exec.Command("sleep", "60")
		other.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		others = append(others, other)
		service, err := newProcess("sleep")
		if err != nil {
			t.Fatal(err)
		}
		service.args = []string{"sleep", "60"}
		if err := service.start(); err != nil {
			t.Fatal(err)
		}
		if err := service.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	killed := 0
	for _, other := range others {
		if err := other.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := other.Wait(); err != nil && other.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			killed++
		}
	}
	if killed > 0 {
		t.Errorf("%d of %d processes died of the end of a service that is not theirs", killed, len(others))
	}
}
