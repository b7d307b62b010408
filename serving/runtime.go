package serving

import (
	"os"
	"runtime"
	"runtime/debug"
)

// heapGrowth is by how many hundredths the heap of a process that answers grows between two collections of garbage.
const heapGrowth = 400

// TuneRuntime sets up Go's runtime for a process that does nothing but answer, as far as GOMAXPROCS and GOGC say nothing else; undo takes it back. Twice as many
// goroutines run at once as there are processors: one that waits in DuckDB keeps its place for longer than others may be kept from answering. And garbage
// is collected when the heap is five times what lives of it, instead of twice: each time takes half of two processors for ten milliseconds and more.
// GOMEMLIMIT bounds it. docs/adr/0024 has what both save.
func TuneRuntime() (undo func()) {
	undoProcs, undoGrowth := func() {}, func() {}
	if os.Getenv("GOMAXPROCS") == "" {
		procs := runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
		undoProcs = func() { runtime.GOMAXPROCS(procs) }
	}
	if os.Getenv("GOGC") == "" {
		growth := debug.SetGCPercent(heapGrowth)
		undoGrowth = func() { debug.SetGCPercent(growth) }
	}
	return func() {
		undoProcs()
		undoGrowth()
	}
}
