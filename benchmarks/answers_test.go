package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
)

func TestAnswersAreHeldToPlainSQL(t *testing.T) {
	ctx := context.Background()
	db, conn, err := openEngine(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := conn.Exec(ctx, `CREATE TABLE by_country_once AS SELECT * FROM (VALUES (60, 'A', 5, 1.50, 100.0), (60, 'B', 2, 3.00, 50.0)) v(t, k, events, revenue, third)`); err != nil {
		t.Fatal(err)
	}
	truth := &truth{conn}
	for name, c := range map[string]struct {
		rows, problem string
		how           precision
	}{
		"the same":                   {"60,A,5,1.50,100\n60,B,2,3.00,50\n", "", exact},
		"what is not answered":       {"60,A,5,,\n60,B,,3.00,50\n", "", exact},
		"a sketch":                   {"60,A,5,1.50,104\n60,B,2,3.00,49\n", "", approximate},
		"a sketch that is far":       {"60,A,5,1.50,106\n60,B,2,3.00,49\n", "1 of 2 cells is further", approximate},
		"a sketch for exact numbers": {"60,A,5,1.50,101\n60,B,2,3.00,50\n", "1 of 2 cells is further", exact},
		"another count":              {"60,A,6,1.50,100\n60,B,2,3.00,50\n", "1 of 2 cells have another", exact},
		"another sum":                {"60,A,5,1.51,100\n60,B,2,3.01,50\n", "2 of 2 cells have another", exact},
		"a missing cell":             {"60,A,5,1.50,100\n", "1 of 2 cells have another", exact},
		"a cell too many":            {"60,A,5,1.50,100\n60,B,2,3.00,50\n120,B,1,1.00,1\n", "1 of 3 cells have another", exact},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if err := os.Mkdir(filepath.Join(out, "by_country"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(out, "by_country", "rows.csv"), []byte(c.rows), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := truth.compare(ctx, []string{"by_country"}, true, out, c.how)
			if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("found %v, expected %q", err, c.problem)
			}
		})
	}
	if _, err := truth.compare(ctx, []string{"by_country"}, true, t.TempDir(), exact); err == nil {
		t.Error("no answers at all were fine")
	}
}
