package intake

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The logs of testdata: a line per record, `timestamp offset value`; the verdicts that the intake gives them stand beside, a line each.
func TestVerdictsOfGoldenLogs(t *testing.T) {
	for _, name := range []string{"types", "dead", "fold"} {
		t.Run(name, func(t *testing.T) {
			log, err := os.Open("testdata/" + name + ".log")
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			fold := NewFold(mustSchema(t, orders()), Start())
			rows := NewRows(orders())
			var got bytes.Buffer
			for in := bufio.NewScanner(log); in.Scan(); {
				if line := in.Text(); line != "" && line[0] != '#' {
					rec := parseLine(t, line)
					n := rows.Len()
					v := fold.Append(rec, rows)
					writeVerdict(&got, rec, v, rows, n)
				}
			}
			at := fold.Progress()
			fmt.Fprintf(&got, "\nmax_event_time %s\nmax_timestamp  %s\n", instant(at.MaxEventTime), instant(at.MaxTimestamp))
			path := "testdata/" + name + ".verdicts"
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("verdicts of %s.log differ from %s:\n%s", name, path, firstDifference(got.String(), string(want)))
			}
		})
	}
}

func parseLine(t *testing.T, line string) Record {
	t.Helper()
	var rec Record
	stamp, rest, _ := strings.Cut(line, " ")
	offset, value, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339, stamp)
	if _, err2 := fmt.Sscan(offset, &rec.Offset); err != nil || err2 != nil {
		t.Fatalf("line %q: %v %v", line, err, err2)
	}
	rec.Timestamp = at.UnixMicro()
	if value != "" {
		// \xNN stands for a byte that a text file cannot hold.
		rec.Value = []byte(strings.NewReplacer(`\xff`, "\xff", `\xc3`, "\xc3").Replace(value))
	}
	return rec
}

func writeVerdict(w *bytes.Buffer, rec Record, v Verdict, rows *Rows, row int) {
	kind := [...]string{Event: "event", Duplicate: "duplicate", DeadLetter: "dead"}[v.Kind]
	if v.Late {
		kind += " late"
	}
	fmt.Fprintf(w, "%3d %-14s ", rec.Offset, kind)
	if v.Dead != nil {
		fmt.Fprintf(w, "%s %s: %s\n", v.Dead.Reason, v.Dead.Field, v.Dead.Detail)
		return
	}
	fmt.Fprintln(w, strings.Join(text(rows, row), " "))
}

func instant(us int64) string {
	if us == math.MinInt64 {
		return "none"
	}
	return time.UnixMicro(us).UTC().Format(time.RFC3339Nano)
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			w = append(w, make([]string, len(g))...)
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}
