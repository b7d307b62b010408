package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/caudal/caudal/"

// owners says which package may import a third-party client: each has one owner (docs/architecture.md), but AWS' SDK, whose signatures Kafka asks for too.
var owners = map[string]string{
	"github.com/segmentio/kafka-go":      "internal/stream",
	"github.com/pierrec/lz4":             "internal/stream",
	"github.com/redis/go-redis":          "internal/live",
	"github.com/parquet-go/parquet-go":   "internal/lake",
	"github.com/aws/":                    "internal/lake internal/mskiam",
	"github.com/duckdb/":                 "internal/engine",
	"go.opentelemetry.io/otel":           "internal/trace",
	"github.com/trinodb/":                "internal/trino",
	"github.com/twmb/franz-go/pkg/kfake": "internal/embedded",
	"github.com/alicebob/miniredis":      "internal/embedded",
	"github.com/apache/arrow-go":         "internal/tabular",
	"github.com/jackc/pgx":               "serving/pgwire",
	"github.com/coreos/go-oidc":          "serving/auth",
	"github.com/go-jose/go-jose":         "serving/auth",
}

// allowed says which packages of ours a package may import. A package that is not listed may not exist, but for the two commands (the
// root and benchmarks), which wire and so may import all.
var allowed = map[string][]string{
	"internal/algebra":      {"internal/sqltext", "internal/view", "internal/trinosql"},
	"internal/trinosql":     {"internal/sqltext", "internal/view"},
	"internal/view":         {},
	"internal/sqltext":      {},
	"internal/alert":        {"internal/view", "internal/algebra", "internal/condition"},
	"internal/intake":       {"internal/view", "internal/algebra"},
	"internal/feed":         {"internal/view", "internal/intake"},
	"internal/engine":       {"internal/condition", "internal/sqltext", "internal/view", "internal/trinosql", "internal/algebra", "internal/intake"},
	"internal/mskiam":       {},
	"internal/trace":        {},
	"internal/stream":       {"internal/mskiam"},
	"internal/embedded":     {},
	"internal/condition":    {"internal/algebra", "internal/sqltext", "internal/suggest", "internal/view"},
	"internal/suggest":      {},
	"internal/handover":     {},
	"internal/windows":      {"internal/algebra", "internal/view"},
	"internal/lake":         {"internal/sqltext", "internal/view", "internal/algebra", "internal/intake"},
	"internal/ledger":       {},
	"internal/live":         {"internal/intake"},
	"internal/testservices": {},
	"internal/readers":      {"internal/view", "internal/intake", "internal/engine", "internal/lake", "internal/trino", "batch/table"},
	"internal/trino":        {},
	"internal/seamtest":     {"internal/algebra", "internal/view", "internal/intake", "internal/engine", "internal/stream", "internal/lake", "internal/ledger", "internal/live", "internal/embedded", "internal/feed", "internal/testservices", "speed", "batch", "batch/table", "serving"},
	"internal/trial":        {"internal/alert", "internal/view", "internal/engine", "internal/stream", "internal/lake", "internal/live", "internal/embedded", "speed", "batch", "serving", "serving/watch"},
	"speed":                 {"internal/algebra", "internal/view", "internal/intake", "internal/engine", "internal/stream", "internal/lake", "internal/live", "internal/trace"},
	"batch/workdir":         {},
	"batch/table":           {"internal/sqltext", "batch/workdir", "internal/algebra", "internal/view", "internal/engine", "internal/lake", "internal/tabular"},
	"batch/models":          {"batch/training", "internal/lake"},
	"batch/training":        {"internal/sqltext", "batch/table", "batch/workdir", "internal/algebra", "internal/view", "internal/intake", "internal/engine", "internal/lake"},
	"batch":                 {"internal/sqltext", "internal/trino", "internal/trinosql", "batch/table", "batch/workdir", "internal/algebra", "internal/view", "internal/intake", "internal/engine", "internal/stream", "internal/lake", "internal/ledger", "internal/live", "internal/trace"},
	"serving":               {"internal/alert", "internal/sqltext", "internal/algebra", "internal/condition", "internal/suggest", "internal/view", "internal/windows", "internal/intake", "internal/engine", "internal/stream", "internal/lake", "internal/ledger", "internal/live", "internal/tabular", "serving/auth", "serving/ingest", "serving/openapi", "internal/trace"},
	"serving/watch":         {"internal/alert", "internal/algebra", "internal/lake", "internal/stream", "internal/view", "serving", "serving/auth"},
	"serving/auth":          {},
	"serving/ingest":        {"internal/feed", "internal/intake", "internal/stream", "internal/view", "internal/trace"},
	"serving/openapi":       {},
	"serving/pgwire":        {"internal/sqltext", "internal/algebra", "internal/engine", "internal/handover", "internal/view", "serving"},
	"internal/tabular":      {"internal/algebra", "internal/view", "internal/lake"},
}

// pure packages do no I/O, start no goroutine and read no clock.
var pure = []string{"internal/algebra", "internal/alert", "internal/condition", "internal/suggest", "internal/trinosql", "internal/view", "internal/intake", "internal/ledger", "serving/openapi"}

var impure = []string{"os", "net", "net/http", "io/fs", "os/exec", "syscall", "context", "sync", "log", "log/slog"}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	files := 0
	eachFile(t, func(dir, path string, test bool, imports []string) {
		files++
		for _, name := range imports {
			for client, owner := range owners {
				if strings.HasPrefix(name, client) && !slices.Contains(strings.Fields(owner), dir) {
					t.Errorf("%s imports %s, which only %s may", path, name, owner)
				}
			}
			own, ours := strings.CutPrefix(name, module)
			if test || dir == "." || dir == "benchmarks" || !ours {
				continue
			}
			may, known := allowed[dir]
			if !known {
				t.Errorf("%s: package %s is not in the import table", path, dir)
			} else if !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which the import table does not allow", path, own)
			}
		}
		if slices.Contains(pure, dir) && !test {
			for _, name := range imports {
				if slices.Contains(impure, name) {
					t.Errorf("%s imports %s, but %s does no I/O and starts nothing", path, name, dir)
				}
			}
		}
	})
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
}

func TestPurePackagesStartNoGoroutineAndReadNoClock(t *testing.T) {
	for _, dir := range pure {
		paths, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("list %s: %v (%d files)", dir, err, len(paths))
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for n, line := range strings.Split(string(text), "\n") {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "go ") || strings.Contains(line, "time.Now(") || strings.Contains(line, "time.Since(") {
					t.Errorf("%s:%d: %s", path, n+1, line)
				}
			}
		}
	}
}

// eachFile visits the Go files of this module (nested modules are their own business).
func eachFile(t *testing.T, visit func(dir, path string, test bool, imports []string)) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && rel != "." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, name)
		}
		visit(filepath.ToSlash(filepath.Dir(rel)), rel, strings.HasSuffix(path, "_test.go"), imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
