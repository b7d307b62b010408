package testservices

import (
	"fmt"
	"os"
	"os/exec"
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

// SQLClients returns a Python that has psycopg, SQLAlchemy and pandas. A machine that has none skips the test, loudly; under CI=true it fails.
func SQLClients(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(venv(tb, "sql"), "python")
}

// Psql returns the path of psql. A machine that has none skips the test, loudly; under CI=true it fails.
func Psql(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		Missing(tb, "psql", err)
	}
	return path
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
