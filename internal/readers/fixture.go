// Package readers proves that engines that are not ours read the lake as it is: a lake of every type and of the values that are read wrongly most
// easily, and what each reader must find in it. The lines that a user writes are those of docs/lake.md; the tests run these very lines.
package readers

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

const project = `project: readers
sources:
  orders:
    event_time: {field: at, format: unix_us}
    event_id: id
    fields:
      id: string
      at: timestamp
      n: int64
      maybe: int64?
      small: decimal(9,2)
      middle: decimal(18,4)
      wide: decimal(38,10)
      ratio: double?
      flag: bool?
      day: date
      seen: timestamp?
      note: string?
      tags: array<string?>?
      prices: array<decimal(9,2)>
      counts: array<int64?>
      visits: array<timestamp>?
`

// World is a lake in a folder with the source orders: two partitions, three dates, duplicates, and versions of its table.
type World struct {
	Dir     string
	Lake    *lake.Lake
	Project *view.Project
	Version *table.Version
	rows    [][]string // of the events that are no duplicates: what each field holds, as check.py writes it
	next    map[int]int64
	topic   lake.Topic
	random  *rand.Rand
	arrays  *rand.Rand // of the arrays
	ids     int
}

// New makes the lake with its first version.
func New(tb testing.TB) *World {
	tb.Helper()
	w := &World{Dir: tb.TempDir(), next: map[int]int64{}, random: rand.New(rand.NewPCG(9, 9)), arrays: rand.New(rand.NewPCG(10, 10))}
	store, err := lake.Open(tb.Context(), w.Dir, lake.Options{NoSync: true})
	w.must(tb, err)
	w.Lake = lake.New(store)
	w.Project, err = engine.Parse(tb.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(project)}}, os.LookupEnv)
	w.must(tb, err)
	w.topic, err = w.Lake.Incarnation(tb.Context(), "orders", lake.Identity{Cluster: "c", TopicID: "t", Partitions: 2})
	w.must(tb, err)
	w.Grow(tb)
	return w
}

func (w *World) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Grow archives a chunk of each partition and makes a version of the table that has them.
func (w *World) Grow(tb testing.TB) {
	tb.Helper()
	for p := range 2 {
		w.archive(tb, p, 400)
	}
	c, err := table.New(table.Config{Project: w.Project, Lake: w.Lake, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), TempDir: tb.TempDir(),
		Engine: engine.Options{MemoryLimit: "256MB", Threads: 1}})
	w.must(tb, err)
	_, err = c.Compact(tb.Context(), table.Options{})
	w.must(tb, err)
	w.Version, err = table.Open(tb.Context(), w.Lake, "orders", "current")
	w.must(tb, err)
}

// archive commits a chunk of n records of a partition, some of which are duplicates, as the archive does.
func (w *World) archive(tb testing.TB, partition, n int) {
	tb.Helper()
	ctx, src := tb.Context(), w.Project.Sources[0]
	schema, err := intake.NewSchema(src)
	w.must(tb, err)
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	first := w.next[partition]
	for i := range n {
		record, line := w.record(partition, first+int64(i), i%10 == 9)
		fold.Append(intake.Record{Partition: partition, Offset: first + int64(i), Timestamp: time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).UnixMicro(), Value: []byte(record)}, rows)
		if line != nil {
			w.rows = append(w.rows, line)
		}
	}
	w.next[partition] = first + int64(n)
	w.must(tb, w.Lake.PutDefinition(ctx, src.Hash(), src.Canonical()))
	in := lake.Intent{First: first, Last: w.next[partition] - 1, Next: w.next[partition], Definition: src.Hash(), IngestedAt: 1_774_656_000_000_001}
	chunk, err := w.Lake.PutIntent(ctx, w.topic, partition, in)
	w.must(tb, err)
	w.must(tb, w.segments(ctx, rows, &chunk, partition))
	w.must(tb, w.Lake.Commit(ctx, w.topic, partition, chunk))
}

// segments writes the files of a chunk, one for each date.
func (w *World) segments(ctx context.Context, rows *intake.Rows, chunk *lake.Chunk, partition int) error {
	src, byDate := w.Project.Sources[0], map[string][]int32{}
	for i := range rows.Len() {
		date := time.UnixMicro(rows.EventTime[i]).UTC().Format(time.DateOnly)
		byDate[date] = append(byDate[date], int32(i))
		chunk.Events++
		chunk.Duplicates += rows.Duplicate[i]
		chunk.Late += rows.Late[i]
	}
	chunk.Dead = chunk.Next - chunk.First - chunk.Events
	for _, date := range slices.Sorted(maps.Keys(byDate)) {
		idx := byDate[date]
		var buf bytes.Buffer
		low, high := rows.Offset[idx[0]], rows.Offset[idx[len(idx)-1]]
		if err := lake.WriteSegment(&buf, rows, idx, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, chunk.IngestedAt); err != nil {
			return err
		}
		put, err := w.Lake.PutFile(ctx, w.Lake.SegmentKey(w.topic, date, partition, chunk.First), buf.Bytes())
		if err != nil {
			return err
		}
		chunk.Files = append(chunk.Files, lake.ChunkFile{Key: put.Key, Date: date, Rows: int64(len(idx)), Bytes: put.Bytes, SHA256: put.SHA256, First: low, Last: high})
	}
	return nil
}

// record makes a record, and the row that it is; no row where it repeats the one before.
func (w *World) record(partition int, offset int64, repeat bool) (text string, line []string) {
	if !repeat {
		w.ids++
	}
	r := w.random
	at := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC).UnixMicro() + r.Int64N(3*24*3600*1e6)
	n := []int64{0, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1, -(1<<53 + 1), r.Int64()}[r.IntN(7)]
	small := fixed(r.Int64N(1_999_999_999)-999_999_999, 2)
	middle := fixed(r.Int64N(1_999_999_999_999_999_999)-999_999_999_999_999_999, 4)
	wide := fmt.Sprintf("%s%019d", strings.TrimRight(fixed(r.Int64N(1_999_999_999)-999_999_999, 0), "."), r.Int64())
	wide = wide[:len(wide)-10] + "." + wide[len(wide)-10:]
	ratio := []float64{0.1, -1e300, 5e-324, r.NormFloat64()}[r.IntN(4)]
	day, seen := r.Int64N(60_000)-20_000, r.Int64N(4e15)-1e15
	note := []string{"", "naïve", "日本語 🌊", "a\"b\\c\n,|", "Ω", "NULL"}[r.IntN(6)]
	id := fmt.Sprintf("%d-ž-%d", partition, w.ids)
	line = []string{hex.EncodeToString([]byte(id)), fmt.Sprint(at), fmt.Sprint(n), "null", small, middle, wide, "null", "null", fmt.Sprint(day), "null", "null", "null", "", "", "null", fmt.Sprint(partition), fmt.Sprint(offset)}
	text = fmt.Sprintf(`{"id":%q,"at":%d,"n":%d,"small":%s,"middle":"%s","wide":"%s","day":"%s"`, id, at, n, small, middle, wide, time.Unix(day*86400, 0).UTC().Format(time.DateOnly))
	maybe := func(column int, name, json, canonical string) {
		if r.IntN(3) > 0 {
			text, line[column] = text+`,"`+name+`":`+json, canonical
		}
	}
	maybe(3, "maybe", fmt.Sprint(-n-1), fmt.Sprint(-n-1))
	maybe(7, "ratio", fmt.Sprint(ratio), fmt.Sprintf("%016x", math.Float64bits(ratio)))
	maybe(8, "flag", fmt.Sprint(n%2 == 0), fmt.Sprint(n%2 == 0))
	maybe(10, "seen", fmt.Sprint(seen), fmt.Sprint(seen))
	maybe(11, "note", quoteJSON(note), hex.EncodeToString([]byte(note)))
	for i, name := range []string{"tags", "prices", "counts", "visits"} {
		if json, canonical := w.array(name); json != "" {
			text, line[12+i] = text+`,"`+name+`":`+json, canonical
		}
	}
	if repeat {
		return text + "}", nil
	}
	return text + "}", line
}

// array makes an array of the column, as JSON and as check.py writes it; "" where there is none.
func (w *World) array(column string) (json, canonical string) {
	r := w.arrays
	if (column == "tags" || column == "visits") && r.IntN(4) == 0 {
		return "", ""
	}
	var items, values []string
	for range r.IntN(4) {
		item, value := "null", "null"
		switch at := r.Int64N(4e15) - 1e15; {
		case column == "prices":
			item = fixed(r.Int64N(1_999_999_999)-999_999_999, 2)
			value = item
		case column == "visits":
			item, value = fmt.Sprint(at), fmt.Sprint(at)
		case r.IntN(4) == 0:
		case column == "counts":
			item = fmt.Sprint([]int64{math.MaxInt64, math.MinInt64, 1<<53 + 1, 0}[r.IntN(4)])
			value = item
		default:
			tag := []string{"", "vip", "日本語 🌊", "a\"b,c|d", "null"}[r.IntN(5)]
			item, value = quoteJSON(tag), hex.EncodeToString([]byte(tag))
		}
		items, values = append(items, item), append(values, value)
	}
	return "[" + strings.Join(items, ",") + "]", "[" + strings.Join(values, " ") + "]"
}

// fixed writes an unscaled number with so many digits behind the point.
func fixed(unscaled int64, scale int) string {
	sign := ""
	if unscaled < 0 {
		sign, unscaled = "-", -unscaled
	}
	text := fmt.Sprintf("%0*d", scale+1, unscaled)
	return sign + text[:len(text)-scale] + "." + text[len(text)-scale:]
}

func quoteJSON(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// ListFiles writes what `caudal lake files orders -o csv` prints into files.csv of the lake's folder.
func (w *World) ListFiles(tb testing.TB) {
	tb.Helper()
	f, err := os.Create(filepath.Join(w.Dir, "files.csv"))
	w.must(tb, err)
	defer f.Close()
	out := csv.NewWriter(f)
	w.must(tb, out.Write([]string{"file", "date", "rows"}))
	for _, file := range w.Version.Files {
		w.must(tb, out.Write([]string{filepath.Join(w.Dir, file.Key), file.Date, fmt.Sprint(file.Rows)}))
	}
	out.Flush()
	w.must(tb, out.Error())
}
