package readers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Found is what a reader finds: counts, exact sums of the numbers, and a hash over every value of every row.
type Found struct {
	Name   string            `json:"name"`
	Rows   int               `json:"rows"`
	Nulls  map[string]int    `json:"nulls"`
	Sums   map[string]string `json:"sums"` // without zeros behind the last digit that counts
	SHA256 string            `json:"sha256"`
	Some   []string          `json:"some"` // the first row, for people
}

// columns are those of check.py.
var columns = [...]string{"id", "at", "n", "maybe", "small", "middle", "wide", "ratio", "flag", "day", "seen", "note", "tags", "prices", "counts", "visits", "_partition", "_offset"}

// Want is what has to be found.
func (w *World) Want() Found { return foundIn(w.rows) }

// foundIn is what there is in rows of canonical values.
func foundIn(rows [][]string) Found {
	f := Found{Rows: len(rows), Nulls: map[string]int{"maybe": 0, "ratio": 0, "flag": 0, "seen": 0, "note": 0, "tags": 0, "visits": 0}, Sums: map[string]string{}}
	sums := map[string]*big.Rat{}
	for _, name := range []string{"n", "maybe", "small", "middle", "wide", "_offset"} {
		sums[name] = new(big.Rat)
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join(row, "|")
		for c, name := range columns {
			if _, counted := f.Nulls[name]; counted && row[c] == "null" {
				f.Nulls[name]++
			}
			if value, ok := new(big.Rat).SetString(row[c]); ok && sums[name] != nil {
				sums[name].Add(sums[name], value)
			}
		}
	}
	for name, sum := range sums {
		f.Sums[name] = plain(sum.FloatString(10))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	f.SHA256, f.Some = hex.EncodeToString(sum[:]), lines[:min(1, len(lines))]
	return f
}

func plain(number string) string {
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number
}

// Compare says in what a reader is wrong; "" where it found everything.
func (want Found) Compare(have Found) string {
	for name, sum := range have.Sums {
		have.Sums[name] = plain(sum)
	}
	switch {
	case have.Rows != want.Rows:
		return fmt.Sprintf("%d rows, there are %d", have.Rows, want.Rows)
	case !maps.Equal(have.Sums, want.Sums):
		return fmt.Sprintf("sums %v, they are %v", have.Sums, want.Sums)
	case !maps.Equal(have.Nulls, want.Nulls):
		return fmt.Sprintf("nulls %v, there are %v", have.Nulls, want.Nulls)
	case have.SHA256 != want.SHA256:
		return fmt.Sprintf("some value differs; the first row is %q, and should be %q", have.Some, want.Some)
	}
	return ""
}

// ErrNoPython says that the readers are not installed.
var ErrNoPython = errors.New("no readers: `make services` installs them into .services/readers")

// Home is the virtual environment that internal/testservices/install.sh makes. CAUDAL_TEST_READERS names another one.
func Home() (string, error) {
	dir := os.Getenv("CAUDAL_TEST_READERS")
	if dir == "" {
		_, here, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(here), "..", "..", ".services", "readers")
	}
	if _, err := os.Stat(filepath.Join(dir, "requirements.txt")); err != nil {
		return "", ErrNoPython
	}
	return filepath.Abs(dir)
}

// Run runs a script in the lake's folder, with check.py beside it, and returns what it found. UTC is the zone of the process, as PySpark hands
// over times without a zone.
func (w *World) Run(tb testing.TB, home, script string, environment ...string) []Found {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(tb.TempDir(), "read.py")
	w.must(tb, os.WriteFile(path, []byte("from check import check\n"+script), 0o600))
	c := exec.CommandContext(tb.Context(), filepath.Join(home, "bin", "python"), path)
	c.Dir = w.Dir
	c.Env = append(os.Environ(), append([]string{"TZ=UTC", "PYTHONPATH=" + filepath.Join(filepath.Dir(here), "testdata"), "SPARK_LOCAL_IP=127.0.0.1",
		"PYTHONDONTWRITEBYTECODE=1", "PYSPARK_SUBMIT_ARGS=--master local[2] --driver-memory 512m --conf spark.ui.enabled=false pyspark-shell"}, environment...)...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		tb.Fatalf("%v\n%s\n%s", err, script, stderr.String())
	}
	var all []Found
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, "FOUND "); ok {
			var f Found
			w.must(tb, json.Unmarshal([]byte(text), &f))
			all = append(all, f)
		}
	}
	return all
}
