package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
)

// archive writes the records of a partition up to an offset into the lake, through the intake, as the archive would.
func (w *world) archive(p int, to int64) {
	w.t.Helper()
	ctx := context.Background()
	topic := lake.Topic{Name: "orders", Incarnation: 1}
	src := w.view.Source
	must(w.t, w.lake.PutDefinition(ctx, src.Hash(), src.Canonical()))
	from, at, _, err := w.lake.Next(ctx, topic, p)
	must(w.t, err)
	from = max(from, 0)
	schema, err := intake.NewSchema(src)
	must(w.t, err)
	fold, rows := intake.NewFold(schema, at), intake.NewRows(src)
	offset := int64(0)
	for _, e := range w.events {
		if e.partition != p {
			continue
		}
		record := map[string]any{"placed_at": e.at.Format(time.RFC3339Nano), "product": e.product, "order_no": e.order, "amount": json.Number(fmt.Sprintf("%d.%02d", e.pence/100, e.pence%100))}
		if e.country != "" {
			record["country"] = e.country
		}
		body, err := json.Marshal(record)
		must(w.t, err)
		if offset >= from && offset < to {
			if v := fold.Append(intake.Record{Partition: p, Offset: offset, Timestamp: e.at.UnixMicro(), Value: body}, rows); v.Kind == intake.DeadLetter {
				w.t.Fatalf("%s is a dead letter: %+v", body, v.Dead)
			}
		}
		offset++
	}
	byDate := map[string][]int32{}
	for i := range rows.Len() {
		date := time.UnixMicro(rows.EventTime[i]).UTC().Format(time.DateOnly)
		byDate[date] = append(byDate[date], int32(i))
	}
	chunk, err := w.lake.PutIntent(ctx, topic, p, lake.Intent{First: from, Last: to - 1, Next: to, Definition: src.Hash()})
	must(w.t, err)
	for date, idx := range byDate {
		var data bytes.Buffer
		must(w.t, lake.WriteSegment(&data, rows, idx, lake.SegmentSchema{Fields: src.Fields, Definition: src.Hash()}, 0))
		f, err := w.lake.PutFile(ctx, w.lake.SegmentKey(topic, date, p, from), data.Bytes())
		must(w.t, err)
		first, last := rows.Offset[slices.Min(idx)], rows.Offset[slices.Max(idx)]
		chunk.Files = append(chunk.Files, lake.ChunkFile{Key: f.Key, Date: date, Rows: int64(len(idx)), Bytes: f.Bytes, SHA256: f.SHA256, First: first, Last: last})
	}
	for i := range rows.Len() {
		chunk.Events, chunk.Late, chunk.Duplicates = chunk.Events+1, chunk.Late+rows.Late[i], chunk.Duplicates+rows.Duplicate[i]
	}
	chunk.Progress = fold.Progress()
	must(w.t, w.lake.Commit(ctx, topic, p, chunk))
}

// archived is the small world with its lake, which holds all but the last record of partition 0.
func archived(t *testing.T) *world {
	w := small(t)
	w.archive(0, 2)
	w.archive(0, 3)
	w.archive(1, 2)
	return w
}

func TestScansOverHTTP(t *testing.T) {
	w := archived(t)
	for name, path := range map[string]string{
		"scan_off_grain.json": "/v1/views/sales/query?exact=true&measures=revenue,orders,lines,per_line&grain=1h&from=2024-03-01T09:15:00Z&to=2024-03-02T11:00:00.000001Z",
		"scan_whole.json":     "/v1/views/sales/query?exact=true&measures=revenue,orders,median&dimensions=country",
		"scan_fields.json":    "/v1/views/sales/query?exact=true&measures=lines&where=" + "order_no+in+('a','d')+and+amount+>%3D+2.5+and+placed_at+<+'2024-03-02T11:00:00.5Z'+and+country+is+not+null",
		"scan_nothing.json":   "/v1/views/sales/query?exact=true&measures=lines&from=2020-01-01T00:00:01Z&to=2020-02-01",
		"scan_bad_field.json": "/v1/views/sales/query?exact=true&where=ordr_no='x'",
		"scan_bad_exact.json": "/v1/views/sales/query?exact=yes",
		"scan_as_of.json":     "/v1/views/sales/query?exact=true&as_of=x",
	} {
		response, text := w.answer("GET", path, "")
		golden(t, name, text)
		if bad := strings.HasPrefix(name, "scan_bad") || name == "scan_as_of.json"; bad != (response.StatusCode == http.StatusBadRequest) {
			t.Errorf("%s: status %d", path, response.StatusCode)
		}
	}
	_, got := w.answer("GET", "/v1/views/sales/query?exact=true&measures=lines&from=2024-03-01T09:15:00Z", "")
	_, posted := w.answer("POST", "/v1/views/sales/query", `{"exact": true, "measures": ["lines"], "from": "2024-03-01T09:15:00Z"}`)
	if !bytes.Equal(got, posted) {
		t.Errorf("GET:\n%s\nPOST:\n%s", got, posted)
	}
}

func TestAScanSaysWhatIsNewerThanTheLake(t *testing.T) {
	w := archived(t)
	r := w.query(Query{Exact: true, Measures: []string{"lines"}})
	if s := r.Provenance.Scan; s == nil || s.Newer == nil || *s.Newer != 1 || s.Segments != 4 || s.Rows != 5 {
		t.Fatalf("scan: %+v", s)
	}
	if !r.Provenance.Exact || r.Provenance.Partial || r.Provenance.Partitions[0].Served != 3 || r.Provenance.Partitions[1].Served != 2 {
		t.Errorf("provenance: %+v", r.Provenance)
	}
	if want := "2024-03-02T09:50:00Z"; r.Provenance.Watermark != want { // 10 minutes below partition 1's last event
		t.Errorf("watermark %s, want %s", r.Provenance.Watermark, want)
	}
	if !strings.Contains(r.Provenance.Note, "1 later records are live and not in the lake yet") {
		t.Errorf("note: %s", r.Provenance.Note)
	}
	w.redis.Close()
	r = w.query(Query{Exact: true, Measures: []string{"lines"}})
	if r.Provenance.Partial || r.Provenance.Scan.Newer != nil || r.Statistics.Events != 5 {
		t.Errorf("without Redis: %+v", r.Provenance)
	}
}

// TestScansEqualOneFold compares random questions with a fold over the events.
func TestScansEqualOneFold(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(3, 900)...)
	for p := range 2 {
		w.archive(p, w.log.ends[p]/3)
		w.archive(p, w.log.ends[p])
	}
	w.serve()
	at := func(text string) time.Time { return time.UnixMicro(instantOf(t, text)).UTC() }
	for _, c := range []struct {
		from, to, where, grain string
		keep                   func(event) bool
	}{
		{keep: func(event) bool { return true }},
		{grain: "1mo", from: "2024-02-03T04:05:06.789Z", keep: func(event) bool { return true }},
		{grain: "1d", from: "2024-02-03T04:05:06.789Z", to: "2024-03-03T22:01Z", keep: func(event) bool { return true }},
		{grain: "1h", to: "2024-02-03T04:05Z", where: "amount > 500.00", keep: func(e event) bool { return e.pence > 50_000 }},
		{where: "order_no like 'o1_' or country = 'O''Land'", keep: func(e event) bool {
			return len(e.order) == 3 && strings.HasPrefix(e.order, "o1") || e.country == "O'Land"
		}},
		{grain: "1mo", where: "not country = 'France' and product != 'P1'", keep: func(e event) bool { return e.country != "France" && e.country != "" && e.product != "P1" }},
	} {
		r := w.query(Query{Exact: true, From: c.from, To: c.to, Where: c.where, Grain: c.grain, Measures: []string{"revenue", "orders", "median", "lines"}})
		from, to := at("1970"), at("2100")
		if c.from != "" {
			from = at(c.from)
		}
		if c.to != "" {
			to = at(c.to)
		}
		type sum struct {
			pence  []int64
			orders map[string]bool
		}
		want := map[int64]*sum{}
		for _, e := range w.events {
			if e.at.Before(from) || !e.at.Before(to) || !c.keep(e) {
				continue
			}
			bucket := int64(0)
			for _, g := range w.view.Grains {
				if g.Name == c.grain {
					bucket = g.Floor(e.at.UnixMicro(), time.UTC)
				}
			}
			if want[bucket] == nil {
				want[bucket] = &sum{orders: map[string]bool{}}
			}
			want[bucket].pence, want[bucket].orders[e.order] = append(want[bucket].pence, e.pence), true
		}
		if len(r.Rows) != len(want) || len(want) == 0 {
			t.Fatalf("%+v: %d rows, want %d", c, len(r.Rows), len(want))
		}
		for i, row := range r.Rows {
			bucket := row[0].Int64()
			if c.grain == "" {
				bucket = 0
			}
			s := want[bucket]
			if s == nil {
				t.Fatalf("%+v: a row at %s", c, row[0])
			}
			total := int64(0)
			for _, p := range s.pence {
				total += p
			}
			slices.Sort(s.pence)
			middle := float64(s.pence[(len(s.pence)+1)/2-1]) / 100
			have := fmt.Sprintf("%v %v %v %v %s %v", row[1], row[2], row[3], row[4], r.Provenance.Rows[i].Source, r.Provenance.Rows[i].Exact)
			wanted := fmt.Sprintf("%d.%02d %d %v %d lake true", total/100, total%100, len(s.orders), middle, len(s.pence))
			if have != wanted {
				t.Errorf("%+v at %s: %s, want %s", c, row[0], have, wanted)
			}
		}
	}
}

func TestAScanReadsTheDatesAndColumnsThatMatter(t *testing.T) {
	w := archived(t)
	r := w.query(Query{Exact: true, Measures: []string{"lines"}, From: "2024-03-02T10:00:00.5Z"})
	if r.Provenance.Scan.Segments != 2 || r.Statistics.Events != 1 {
		t.Errorf("one date: %d segments, %d events", r.Provenance.Scan.Segments, r.Statistics.Events)
	}
	q, err := resolve(w.project, Query{View: "sales", Exact: true, Measures: []string{"orders"}, Grain: "1mo", Where: "country = 'France'"}, everything())
	must(t, err)
	m, chunks, err := w.server.extent(context.Background(), w.server.state(w.server.definitions.answering("sales")))
	must(t, err)
	l := &lakeScan{server: w.server, q: q, source: q.view.Source, below: belowOf(m.partitions)}
	must(t, l.plan(chunks))
	must(t, l.fetch(context.Background()))
	narrow, err := l.narrowed()
	must(t, err)
	sources, err := l.sources(context.Background())
	must(t, err)
	var explained strings.Builder
	must(t, w.conn.Query(context.Background(), "EXPLAIN "+l.sql(w.plan, narrow, sources), func(c *engine.Chunk) error {
		for i := range c.Len() {
			explained.WriteString(c.Row(i).Value(1).Text())
		}
		return nil
	}))
	for name, want := range map[string]bool{"order_no": true, "country": true, "product": false, "amount": false, "list(": false, "_offset": false} {
		if strings.Contains(explained.String(), name) != want {
			t.Errorf("the plan has %s: %t, want %t:\n%s", name, !want, want, explained.String())
		}
	}
}

func TestAScanBelievesNoSegmentThatWasDamaged(t *testing.T) {
	w := archived(t)
	path := ""
	must(t, filepath.WalkDir(w.lakeDir, func(p string, d os.DirEntry, err error) error {
		if strings.HasSuffix(p, ".parquet") && strings.Contains(p, "dt=2024-03-02") && strings.Contains(p, "p=001") {
			path = p
		}
		return err
	}))
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0o644))
	response, text := w.answer("GET", "/v1/views/sales/query?exact=true&measures=lines", "")
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "SHA-256") {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
	if response, _ := w.answer("GET", "/v1/views/sales/query?exact=true&measures=lines&to=2024-03-02", ""); response.StatusCode != http.StatusOK {
		t.Errorf("a range without it: status %d", response.StatusCode)
	}
}

func TestLimitsOfAScanAreProblems(t *testing.T) {
	w := archived(t)
	for _, c := range []struct {
		what   string
		change func(*Config)
		path   string
		status int
		say    string
	}{
		{"rows", func(c *Config) { c.ScanRows = 3 }, "measures=lines", http.StatusUnprocessableEntity, "a query may scan 3"},
		{"values of percentiles", func(c *Config) { c.ScanMemory = 4 * percentileBytes }, "measures=median", http.StatusUnprocessableEntity, "a query may scan 4"},
		{"cells", func(c *Config) { c.QueryMemory = 1 }, "measures=lines&grain=1h", http.StatusUnprocessableEntity, "more than 0 cells"},
		{"time", func(c *Config) { c.ScanTimeout = time.Nanosecond }, "measures=lines", http.StatusRequestTimeout, "no answer within 1ns"},
	} {
		before := w.server.cfg
		c.change(&w.server.cfg)
		response, text := w.answer("GET", "/v1/views/sales/query?exact=true&"+c.path, "")
		w.server.cfg = before
		if response.StatusCode != c.status || !strings.Contains(string(text), c.say) || response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: status %d: %s", c.what, response.StatusCode, text)
		}
	}
	// All turns are taken: it waits, and then says that the server is busy.
	for range cap(w.server.scans) {
		w.server.scans <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := w.server.Query(ctx, Query{View: "sales", Exact: true})
	if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || !strings.HasSuffix(p.Type, ":busy") {
		t.Errorf("without a turn: %v", err)
	}
}

// large is a world whose lake holds rows that take a while to scan.
func large(t *testing.T, rows int) *world {
	w := newWorld(t, viewYAML)
	for i := range rows {
		w.events = append(w.events, event{partition: 0, at: time.UnixMicro(1709287200_000000 + int64(i)*1000).UTC(), product: fmt.Sprint("product ", i), order: fmt.Sprint("order ", i*7919), pence: int64(i)})
	}
	w.log.ends[0] = int64(rows)
	w.archive(0, int64(rows))
	w.serve()
	return w
}

func TestAScanBeyondItsMemoryIsAProblem(t *testing.T) {
	w := large(t, 60_000)
	w.server.cfg.ScanMemory, w.server.cfg.Engine.MaxTempSize = 8<<20, "1MB"
	response, text := w.answer("GET", "/v1/views/sales/query?exact=true&measures=orders&dimensions=product", "")
	if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(text), "8 MiB of memory") {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
	if left, _ := filepath.Glob(filepath.Join(w.server.store.dir, "scan-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAClientThatGoesCancelsItsScan(t *testing.T) {
	w := large(t, 60_000)
	ctx, cancel := context.WithCancel(context.Background())
	// 2,000 patterns over each row take far longer than this test may.
	where := make([]string, 120)
	for i := range where {
		where[i] = fmt.Sprintf("product like '%%p_o%%d_c%%t_%d%%x_x%%'", i)
	}
	body, err := json.Marshal(Query{Exact: true, Measures: []string{"lines"}, Where: strings.Join(where, " or ")})
	must(t, err)
	done := make(chan int, 1)
	go func() {
		recorder := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, "POST", "/v1/views/sales/query", bytes.NewReader(body)))
		done <- recorder.Code
	}()
	for len(w.server.scans) == 0 {
		select {
		case code := <-done:
			t.Fatalf("answered %d before it could be cancelled", code)
		case <-time.After(time.Millisecond):
		}
	}
	began := time.Now()
	cancel()
	if code := <-done; code != statusClosed {
		t.Errorf("answered %d", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("went on for %v", took)
	}
	if n := len(w.server.scans); n != 0 {
		t.Errorf("%d scans are under way", n)
	}
}

func TestAScanLeavesOutTheRepeatsThatBatchLeavesOut(t *testing.T) {
	w := newWorld(t, viewYAML)
	src := w.view.Source
	src.EventID, src.DedupHorizon, src.DedupRecords = "order_no", time.Hour, 1000
	w.add(random(9, 400)...)
	w.archiveAll()
	w.serve()
	type first struct {
		at     time.Time
		p      int
		offset int
	}
	earliest, offsets := map[string]first{}, map[int]int{}
	pence := map[first]int64{}
	newest := map[int]time.Time{}         // record time, by partition
	met := map[string]map[int]time.Time{} // newest when an id was last met, by id and partition
	for _, e := range w.events {
		f := first{e.at, e.partition, offsets[e.partition]}
		offsets[e.partition]++
		if e.at.After(newest[e.partition]) {
			newest[e.partition] = e.at
		}
		if met[e.order] == nil {
			met[e.order] = map[int]time.Time{}
		}
		last, again := met[e.order][e.partition]
		met[e.order][e.partition] = newest[e.partition]
		if again && !last.Before(newest[e.partition].Add(-src.DedupHorizon)) {
			continue // a duplicate within the horizon
		}
		pence[f] = e.pence
		if b, met := earliest[e.order]; !met || f.at.Before(b.at) {
			earliest[e.order] = f
		}
	}
	within := w.query(Query{Exact: true, Measures: []string{"revenue"}})
	src.FullDedup = true
	all := w.query(Query{Exact: true, Measures: []string{"revenue"}})
	if int(all.Statistics.Events) != len(earliest) || within.Statistics.Events <= all.Statistics.Events {
		t.Errorf("%d events, want one of each of %d ids; within the horizon there are %d", all.Statistics.Events, len(earliest), within.Statistics.Events)
	}
	// The record that is kept of an id may lie outside of the range: then none of the id is in it.
	from := time.Date(2024, 2, 10, 10, 11, 12, 0, time.UTC)
	want := int64(0)
	for _, f := range earliest {
		if !f.at.Before(from) {
			want += pence[f]
		}
	}
	r := w.query(Query{Exact: true, Measures: []string{"revenue"}, From: from.Format(time.RFC3339)})
	if got := r.Rows[0][1].String(); got != fmt.Sprintf("%d.%02d", want/100, want%100) {
		t.Errorf("revenue %s, want %d pence", got, want)
	}
}
