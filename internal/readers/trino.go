package readers

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/trino"
)

// Trino runs statements, each ended by a semicolon and a new line, on a cluster, and returns what each SELECT among them found. partition is what
// `_partition` is called there.
func (w *World) Trino(tb testing.TB, url, statements, partition string) []Found {
	tb.Helper()
	client, err := trino.Open(trino.Config{URL: url, User: "caudal"})
	w.must(tb, err)
	defer client.Close()
	var all []Found
	for statement := range strings.SplitSeq(statements+"\n", ";\n") {
		statement = strings.TrimSpace(statement)
		switch {
		case statement == "":
		case !strings.HasPrefix(statement, "SELECT "):
			if err := client.Exec(tb.Context(), statement); err != nil {
				tb.Fatalf("%v\n%s", err, statement)
			}
		default:
			var rows [][]string
			err := client.Query(tb.Context(), "SELECT "+texts(partition)+" FROM ("+statement+")", func(row []sql.NullString) error {
				line, err := canonical(row)
				rows = append(rows, line)
				return err
			})
			if err != nil {
				tb.Fatalf("%v\n%s", err, statement)
			}
			all = append(all, foundIn(rows))
		}
	}
	return all
}

// texts are the columns in Trino's SQL as texts that lose nothing; times and dates are put into numbers by canonical.
func texts(partition string) string {
	out := make([]string, len(columns))
	for i, name := range columns {
		switch name {
		case "id", "note":
			out[i] = "lower(to_hex(to_utf8(" + name + ")))"
		case "ratio":
			out[i] = "lower(to_hex(to_ieee754_64(" + name + ")))"
		case "tags":
			out[i] = "'[' || array_join(transform(tags, x -> lower(to_hex(to_utf8(x)))), ' ', 'null') || ']'"
		case "visits":
			out[i] = "'[' || array_join(transform(visits, x -> substr(CAST(x AS varchar), 1, 26)), '|', 'null') || ']'"
		case "prices", "counts":
			out[i] = "'[' || array_join(transform(" + name + ", x -> CAST(x AS varchar)), ' ', 'null') || ']'"
		case "_partition":
			out[i] = "CAST(" + partition + " AS varchar)"
		default:
			out[i] = "CAST(" + name + " AS varchar)"
		}
	}
	return strings.Join(out, ", ")
}

// canonical is a row of texts as check.py writes it.
func canonical(row []sql.NullString) ([]string, error) {
	line := make([]string, len(row))
	for i, value := range row {
		line[i] = value.String
		switch name := columns[i]; {
		case !value.Valid:
			line[i] = "null"
		case name == "at" || name == "seen":
			us, err := micros(strings.TrimSuffix(value.String, " UTC"))
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", name, err)
			}
			line[i] = us
		case name == "visits" && value.String != "[]":
			visits := strings.Split(strings.Trim(value.String, "[]"), "|")
			for k, at := range visits {
				us, err := micros(at)
				if err != nil {
					return nil, fmt.Errorf("column %s: %w", name, err)
				}
				visits[k] = us
			}
			line[i] = "[" + strings.Join(visits, " ") + "]"
		case name == "day":
			day, err := time.Parse(time.DateOnly, value.String)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", name, err)
			}
			line[i] = strconv.FormatInt(day.Unix()/86400, 10)
		}
	}
	return line, nil
}

// micros is a time of Trino's as µs.
func micros(text string) (string, error) {
	at, err := time.Parse("2006-01-02 15:04:05.000000", text)
	return strconv.FormatInt(at.UnixMicro(), 10), err
}
