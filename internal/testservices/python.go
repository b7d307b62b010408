package testservices

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Schemathesis returns the folder of the programs that check the API from outside: schemathesis, which asks what an OpenAPI document allows and
// forbids, and python with openapi-spec-validator. A machine that has none skips the test, loudly; under CI=true it fails.
func Schemathesis(tb testing.TB) string {
	tb.Helper()
	return venv(tb, "schemathesis")
}

// Training returns a Python that has what examples/fraud trains its model with. A machine that has none skips the test, loudly; under CI=true it
// fails.
func Training(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(venv(tb, "fraud"), "python")
}

// venv returns the folder of the programs of a virtual environment that install.sh makes.
func venv(tb testing.TB, name string) string {
	tb.Helper()
	root, err := Root()
	if err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(root, ".services", name)
	if _, err := os.Stat(filepath.Join(dir, "requirements.txt")); err != nil { // copied last
		Missing(tb, name, fmt.Errorf("it is not installed: %w", err))
	}
	return filepath.Join(dir, "bin")
}
