package engine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/sqltext"
)

func TestAConfinedDatabaseReadsTheNamedFilesAndNothingElse(t *testing.T) {
	_, conn := openTest(t)
	ctx := context.Background()
	dir := t.TempDir()
	mine, other, secret := filepath.Join(dir, "it's mine.parquet"), filepath.Join(dir, "other.parquet"), filepath.Join(dir, "secret")
	for _, path := range []string{mine, other} {
		if err := conn.Exec(ctx, "COPY (SELECT 1 AS x) TO "+sqltext.Text(path)+" (FORMAT parquet)"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := conn.Confine(ctx, []string{mine}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(ctx, "SELECT * FROM read_parquet(["+sqltext.Text(mine)+"])"); err != nil {
		t.Error(err)
	}
	for _, sql := range []string{
		"SELECT * FROM read_parquet([" + sqltext.Text(other) + "])", "SELECT * FROM read_text(" + sqltext.Text(secret) + ")",
		"COPY (SELECT 1) TO " + sqltext.Text(filepath.Join(dir, "new")), "ATTACH " + sqltext.Text(filepath.Join(dir, "new.duckdb")),
		"SET enable_external_access = true", "SET allowed_paths = ['/']",
	} {
		if err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("%s is allowed", sql)
		}
	}
}

func TestOutOfMemoryIsToldFromOtherFailures(t *testing.T) {
	db, err := Open(Options{Threads: 1, MemoryLimit: "16MB", MaxTempSize: "16MB"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Exec(context.Background(), "SELECT max(a) FROM (SELECT list(i || 'text') AS a FROM range(3000000) t(i))")
	if err == nil || !OutOfMemory(err) {
		t.Errorf("got %v, want out of memory", err)
	}
	if err := conn.Exec(context.Background(), "SELECT nothing"); OutOfMemory(err) || err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v", err)
	}
}
