package serving

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheRuntimeIsTunedUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	growth := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	t.Setenv("GOMAXPROCS", "")
	t.Setenv("GOGC", "")
	procs, before := runtime.GOMAXPROCS(0), growth()
	undo := TuneRuntime()
	if runtime.GOMAXPROCS(0) != 2*procs || growth() != heapGrowth {
		t.Errorf("%d goroutines at once, growth %d", runtime.GOMAXPROCS(0), growth())
	}
	undo()
	if runtime.GOMAXPROCS(0) != procs || growth() != before {
		t.Errorf("not undone: %d goroutines at once, growth %d", runtime.GOMAXPROCS(0), growth())
	}
	t.Setenv("GOMAXPROCS", "3")
	t.Setenv("GOGC", "77")
	defer TuneRuntime()()
	if runtime.GOMAXPROCS(0) != procs || growth() != before {
		t.Errorf("the environment's choice is overridden: %d goroutines at once, growth %d", runtime.GOMAXPROCS(0), growth())
	}
}
