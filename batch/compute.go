package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caudal/caudal/batch/workdir"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
)

// compute fills the jobs of one source with the files of the periods that changed, and checks them. Rows that several views need are read once.
func (r *Runner) compute(ctx context.Context, jobs []*job, o *RunOptions) {
	for _, j := range jobs {
		j.do(func() error { return j.prepare(ctx) })
	}
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.err != nil || j.done })
	if len(jobs) == 0 {
		return
	}
	c, err := r.newComputation(jobs)
	if err == nil {
		err = c.run(ctx, o)
		err = errors.Join(err, c.close())
	}
	for _, j := range jobs {
		j.do(func() error { return err })
	}
}

// prepare checks what the lake holds below a job's cuts, and plans what to compute of it.
func (j *job) prepare(ctx context.Context) error {
	if err := j.covered(); err != nil {
		return err
	}
	j.missing = map[int][][2]int64{}
	var err error
	if j.periods, err = planPeriods(j.view, j.chunks, j.begun, j.cuts); err != nil {
		return err
	}
	if err := j.findLost(ctx); err != nil {
		return err
	}
	lost, err := j.lostPeriods(ctx)
	if err != nil {
		return err
	}
	j.addPeriods(lost)
	return nil
}

// addPeriods plans more periods, each once.
func (j *job) addPeriods(more []period) {
	for _, p := range more {
		if !slices.Contains(j.periods, p) {
			j.periods = append(j.periods, p)
		}
	}
	slices.SortFunc(j.periods, comparePeriods)
}

// computation is the work on one source: a database with the rows of one load at a time.
type computation struct {
	runner *Runner
	jobs   []*job
	chunks map[int][]lake.Chunk // by slot: the longest list of any job
	cuts   map[int]int64        // the highest of any job
	db     *engine.DB
	conn   *engine.Conn
	work   *workdir.Dir
	engine calculator
	// scans and groups are of the load in hand, where its rows are read from segments; its periods' views read them again and again.
	scans  []segmentScan
	groups []rowGroup
	// counted are the answers of queries that count rows of the load in hand: views of one cut and without a filter ask the same.
	counted map[string]int64
	// erasing says that open erasures may take out rows of the segments, and that erasedTable tells which.
	erasing bool
}

func (r *Runner) newComputation(jobs []*job) (*computation, error) {
	c := &computation{runner: r, jobs: jobs, chunks: map[int][]lake.Chunk{}, cuts: map[int]int64{}}
	for _, j := range jobs {
		for p, chunks := range j.chunks {
			c.cuts[p] = max(c.cuts[p], j.cuts[p].Offset)
			if len(chunks) > len(c.chunks[p]) {
				c.chunks[p] = chunks
			}
		}
	}
	var err error
	if c.work, err = workdir.New(r.cfg.TempDir); err != nil {
		return nil, err
	}
	options := r.cfg.Engine
	if options.TempDir == "" {
		options.TempDir = c.work.Path
	}
	if c.db, err = engine.Open(options); err == nil {
		c.conn, err = c.db.Connect()
	}
	if err == nil {
		// Files are a function of what they hold, so the order that ORDER BY makes must survive the writing.
		err = c.conn.Exec(context.Background(), "SET preserve_insertion_order = true")
	}
	if err == nil {
		c.engine, err = c.newCalculator()
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *computation) close() error {
	var err error
	if c.engine != nil {
		err = c.engine.close()
	}
	if c.conn != nil {
		c.conn.Close()
	}
	if c.db != nil {
		err = errors.Join(err, c.db.Close())
	}
	return errors.Join(err, c.work.Close())
}

// run computes load by load. An error of one view is the view's; one that is returned is everybody's.
func (c *computation) run(ctx context.Context, o *RunOptions) error {
	if err := c.findErased(ctx); err != nil {
		return err
	}
	for _, j := range c.jobs {
		j.do(func() error { return c.account(ctx, j) })
	}
	if err := c.findRepeats(ctx); err != nil {
		return err
	}
	seen := map[period]bool{}
	wanted := map[*job]map[period]bool{}
	var periods []period
	total, done := int64(0), int64(0)
	for _, j := range c.jobs {
		total += int64(len(j.periods))
		wanted[j] = map[period]bool{}
		for _, p := range j.periods {
			wanted[j][p] = true
			if !seen[p] {
				seen[p] = true
				periods = append(periods, p)
			}
		}
	}
	weigh, limit := c.engine.loads()
	for _, l := range planLoads(periods, weigh, limit) {
		if err := c.runner.step("before-load"); err != nil {
			return err
		}
		if err := c.engine.load(ctx, &l); err != nil {
			return err
		}
		for _, j := range c.jobs {
			began := time.Now()
			var mine []period
			for _, p := range l.periods {
				if wanted[j][p] {
					mine = append(mine, p)
				}
			}
			j.do(func() error { return c.view(ctx, j, mine) })
			j.report.Seconds += time.Since(began).Seconds()
			done += int64(len(mine))
			o.Progress(Step{Phase: "compute", View: j.view.Name, Done: done, Total: total})
		}
	}
	for _, j := range c.jobs {
		j.do(func() error { return c.reconcile(ctx, j) })
	}
	return nil
}

// dates calls f for each file of segments below the cuts whose date overlaps [from, to).
func (c *computation) segments(from, to int64, f func(slot int, chunk *lake.Chunk, file *lake.ChunkFile)) {
	first, last := time.UnixMicro(from).UTC().Format(time.DateOnly), time.UnixMicro(to-1).UTC().Format(time.DateOnly)
	for _, p := range slices.Sorted(maps.Keys(c.chunks)) {
		for i := range c.chunks[p] {
			chunk := &c.chunks[p][i]
			for k := range chunk.Files {
				file := &chunk.Files[k]
				if !file.Dead && file.Date >= first && file.Date <= last && file.First < c.cuts[p] {
					f(p, chunk, file)
				}
			}
		}
	}
}

// rowsBetween is how many rows the segments hold that have to be read for [from, to).
func (c *computation) rowsBetween(from, to int64) int64 {
	n := int64(0)
	c.segments(from, to, func(_ int, _ *lake.Chunk, file *lake.ChunkFile) { n += file.Rows })
	return n
}

// rowsView shows the rows of a load: the source's columns and those that caudal adds. It reads them from their segments, of which a query asks for
// few columns, or from keptTable.
const (
	rowsView  = "source_rows"
	keptTable = "kept_rows"
)

// rereads is how often a load's rows may be read from their segments before it pays to keep them: to write all columns of a row into a table costs
// five to eight times what it takes to read those that a query needs from a segment.
const rereads = 6

// load checks the segments of some spans of time against their SHA-256 and their numbers of rows, and makes their rows ready.
func (c *computation) load(ctx context.Context, l *load) error {
	began, read := time.Now(), 0
	src := c.jobs[0].view.Source
	if err := c.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (%s)", keptTable, strings.Join(lake.RowColumns(src), ", "))); err != nil {
		return err
	}
	c.scans, c.groups, c.counted = nil, nil, map[string]int64{}
	byOrigin := c.segmentsOf(l)
	for _, o := range slices.SortedFunc(maps.Keys(byOrigin), compareOrigins) {
		files, definition := byOrigin[o], o.definition
		paths, err := c.fetch(ctx, files)
		if err != nil {
			return err
		}
		of := src
		if definition != src.Hash() {
			if of, err = c.runner.cfg.Lake.Source(ctx, definition); err != nil {
				return err
			}
		}
		if err := c.countRows(ctx, files, paths); err != nil {
			return err
		}
		groups, err := c.rowGroups(ctx, files, paths)
		if err != nil {
			return err
		}
		c.scans, c.groups = append(c.scans, segmentScan{o, of, files}), append(c.groups, groups...)
		read += len(paths)
	}
	if err := c.show(ctx, l.spans); err != nil {
		return err
	}
	if c.readings(l) > rereads && c.rowsOfLoad() <= c.runner.cfg.RowsPerLoad {
		if err := c.conn.Exec(ctx, "INSERT INTO "+keptTable+" SELECT * FROM "+rowsView); err != nil {
			return fmt.Errorf("read %d segments: %w", read, err)
		}
		c.scans, c.groups = nil, nil
		if err := c.show(ctx, l.spans); err != nil {
			return err
		}
	}
	c.runner.cfg.Logger.Debug("segments checked", "source", src.Name, "segments", read, "seconds", time.Since(began).Seconds())
	return nil
}

// readings is how often the rows of a load are read: by each view, for each grain and to check the unit.
func (c *computation) readings(l *load) int {
	n := 0
	for _, j := range c.jobs {
		for _, of := range byUnit(l.periods) {
			if grains := grainsOf(j.view, of[0].unit); len(grains) > 0 {
				n += len(grains) + 1
			}
		}
	}
	return n
}

// rowsOfLoad is how many rows the segments of the load in hand hold.
func (c *computation) rowsOfLoad() int64 {
	n := int64(0)
	for i := range c.groups {
		n += c.groups[i].rows
	}
	return n
}

// segmentsOf are the files that a load reads, each once.
func (c *computation) segmentsOf(l *load) map[origin][]*lake.ChunkFile {
	byOrigin := map[origin][]*lake.ChunkFile{}
	taken := map[string]bool{}
	for _, span := range l.spans {
		c.segments(span[0], span[1], func(slot int, chunk *lake.Chunk, file *lake.ChunkFile) {
			if !taken[file.Key] {
				taken[file.Key] = true
				o := originOf(slot, chunk)
				byOrigin[o] = append(byOrigin[o], file)
			}
		})
	}
	return byOrigin
}

// origin is what segments that are read together have in common.
type origin struct {
	definition string // of the source
	life       int    // how many lives of the topic ago
}

func originOf(slot int, chunk *lake.Chunk) origin {
	return origin{chunk.Definition, slot / slotsPerLife}
}

func compareOrigins(a, b origin) int {
	return cmp.Or(b.life-a.life, cmp.Compare(a.definition, b.definition))
}

// slotOf is the slot of a partition in SQL, so many lives ago.
func slotOf(life int, partition string) string {
	return fmt.Sprintf("%s + %d", partition, life*slotsPerLife)
}

// inLife are the offsets of the partitions of a life, so many ago, by partition.
func inLife(life int, offsets map[int]int64) map[int]int64 {
	of := map[int]int64{}
	for slot, offset := range offsets {
		if slot/slotsPerLife == life {
			of[slot%slotsPerLife] = offset
		}
	}
	return of
}

// fetch makes local copies of files, checked against their SHA-256.
func (c *computation) fetch(ctx context.Context, files []*lake.ChunkFile) ([]string, error) {
	paths := make([]string, len(files))
	errs := make([]error, len(files))
	slots := make(chan struct{}, parallelPuts)
	var wg sync.WaitGroup
	for i, f := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if paths[i], errs[i] = c.runner.cfg.Lake.Fetch(ctx, f.Key, f.SHA256); errs[i] != nil {
				errs[i] = refuse(reasonSegment, "segment %s: %w", f.Key, errs[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err // one says enough
		}
	}
	return paths, nil
}

// duringSpans is the condition that a segment's row lies in one of some spans, in times and not in numbers, so that row groups of other times are skipped.
func duringSpans(spans [][2]int64) string {
	conditions := make([]string, len(spans))
	for i, s := range spans {
		conditions[i] = fmt.Sprintf("(%[1]s >= %[2]s AND %[1]s < %[3]s)", lake.ColumnEventTime, sqltext.Instant(s[0]), sqltext.Instant(s[1]))
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// within is the condition that a time lies in one of some spans.
func within(us string, spans [][2]int64) string {
	conditions := make([]string, len(spans))
	for i, s := range spans {
		conditions[i] = fmt.Sprintf("(%s >= %d AND %s < %d)", us, s[0], us, s[1])
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}
