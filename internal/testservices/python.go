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
	root, err := Root()
	if err != nil {
		tb.Fatal(err)
	}
	bin := filepath.Join(root, ".services", "schemathesis", "bin")
	if _, err := os.Stat(filepath.Join(bin, "schemathesis")); err != nil {
		Missing(tb, "schemathesis", fmt.Errorf("it is not installed: %w", err))
	}
	return bin
}
