package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/batch"
)

func TestAUserErasesAKey(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	ask := []string{"--measures", "revenue,lines", "--dimensions", "country", "--grain", "1d", "--order", "country"}
	const head, france, spain = "time,country,revenue,lines,source,exactness\n", "2026-01-01T00:00:00Z,France,12.50,2,%,exact\n", "2026-01-01T00:00:00Z,Spain,7.25,1,%,exact\n"
	d.awaitQuery(strings.ReplaceAll(head+france+spain, "%", "speed"), ask...)
	d.must("batch", "run")

	where := []string{"erase", "--source", "orders", "--where", "invoice = 'B'"}
	var report batch.EraseReport
	if err := json.Unmarshal([]byte(d.must(append(where, "--dry-run", "-o", "json")...)), &report); err != nil || !report.DryRun || report.Events != 2 || report.Erasure != 0 {
		t.Fatalf("dry run: %+v, %v", report, err)
	}
	d.awaitQuery(strings.ReplaceAll(head+france+spain, "%", "batch"), ask...)
	out := d.must(where...)
	for _, want := range []string{"erasure 1 below", "2 events and 0 dead letters in 1 files of 1 dates", "view sales: snapshot 000002-erase-1-1", "found 0 of the records", "not reached: Kafka holds"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	d.awaitQuery(strings.ReplaceAll(head+france, "%", "batch"), ask...)

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"erase", "--where", "TRUE"}, "--source is missing"},
		{[]string{"erase", "--source", "orders"}, "give a condition"},
		{[]string{"erase", "--source", "orders", "--where", "invoce = 'B'"}, "invoice"},
		{[]string{"erase", "--source", "order", "--where", "TRUE"}, "there are orders"},
	} {
		if out, status := d.caudal(c.args...); status != exitUsage || !strings.Contains(out, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, out)
		}
	}
}
