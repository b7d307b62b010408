package serving

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// scan answers a question from the segments of the lake, with the same compiled expressions as batch: any range, any condition over the
// source's fields, and every number exact. It holds the records below the offsets that the archive has committed, which no snapshot has to
// have reached, and states them.
func (s *Server) scan(ctx context.Context, vs *viewState, q *question) (*merged, error) {
	if q.window == nil {
		return s.scanFor(ctx, vs, q, q)
	}
	return q.settle(func(panes *question) (*merged, error) { return s.scanFor(ctx, vs, q, panes) })
}

// scanFor scans the range of read for the cells of q.
func (s *Server) scanFor(ctx context.Context, vs *viewState, q, read *question) (*merged, error) {
	m, chunks, err := s.extent(ctx, vs)
	if err != nil {
		return nil, err
	}
	l := &lakeScan{server: s, q: read, window: q.window, rows: q, source: q.view.Source, below: belowOf(m.partitions), unsettled: map[cellKey]bool{}}
	if l.erasures, err = s.cfg.Lake.OpenErasures(ctx, q.view.Source.Topic); err != nil {
		return nil, unavailable(err.Error(), "try again; see /v1/status")
	}
	if err := l.plan(chunks); err != nil {
		return nil, err
	}
	m.cells = newCells(vs.plan, q, s.cfg.QueryMemory)
	if err := l.run(ctx, vs.plan, m.cells); err != nil {
		return nil, l.problem(ctx, err)
	}
	m.scan.Segments, m.scan.Rows, m.cells.looked = len(l.files), l.scanned, l.scanned
	return m, nil
}

// extent is what the lake holds of a view's topic now: a snapshot without files, whose cuts are the ends of the archive's commits.
func (s *Server) extent(ctx context.Context, vs *viewState) (*merged, map[partOf][]lake.Chunk, error) {
	current, release, err := s.pin(ctx, vs)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		return nil, nil, unavailable(err.Error(), "see /v1/status")
	}
	defer release()
	m := &merged{snap: &snapshot{manifest: &lake.Manifest{Cuts: map[int]lake.Cut{}, Missing: map[int][][2]int64{}}, sequence: -1}, scan: &Scan{}}
	reason := ""
	if m.partitions, reason = s.partitions(ctx, vs, current); reason != "" {
		return nil, nil, unavailable(reason, "try again; see /v1/status")
	}
	chunks := map[partOf][]lake.Chunk{}
	for i := range m.partitions {
		p := &m.partitions[i]
		p.covered, p.over = p.covered || p.over, false // the lake has the last word on a life that is over
		topic := lake.Topic{Name: vs.view.Source.Topic, Incarnation: p.life}
		of := partOf{p.life, p.number}
		if chunks[of], err = s.cfg.Lake.Committed(ctx, topic, p.number); err != nil {
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			return nil, nil, unavailable(err.Error(), "try again; see /v1/status")
		}
		if p.between != [2]int64{} {
			p.batch, p.between = p.between[0], [2]int64{} // the lake holds what the view has not computed
		}
		cut := lake.Cut{Offset: p.batch} // nothing is archived: where the first snapshot says that the log began
		cut.Progress.MaxEventTime = beginning
		var missing [][2]int64
		for _, c := range chunks[of] {
			cut = lake.Cut{Offset: c.Next, Progress: c.Progress}
			missing = append(missing, c.Missing...)
		}
		if p.covered {
			missing = append(missing, after(current.manifest.MissingOf(p.life)[p.number], cut.Offset)...)
		}
		p.batch, p.served = cut.Offset, cut.Offset
		if p.covered {
			p.end = cut.Offset
		}
		m.snap.note(topic, p.number, cut, missing)
	}
	m.scan.Newer = s.newer(ctx, vs, m.partitions)
	return m, chunks, nil
}

// newer is how many records the speed layer holds beyond what is served of each partition; nil where it does not say.
func (s *Server) newer(ctx context.Context, vs *viewState, partitions []partition) *int64 {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SpeedTimeout)
	defer cancel()
	groups := make([]live.Group, len(partitions))
	for i, p := range partitions {
		groups[i] = s.group(vs, &p)
	}
	sum := int64(0)
	for i, head := range s.cfg.Live.Heads(ctx, groups) {
		if head.Err != nil {
			return nil
		}
		if head.OK && !partitions[i].covered {
			sum += max(0, head.Off-partitions[i].served)
		}
	}
	return &sum
}

// lakeScan is one scan of the lake.
type lakeScan struct {
	server   *Server
	q        *question    // whose range is read
	window   *view.Window // whose rows are made; nil: buckets are
	rows     *question    // where a window's are: the question about it, whose panes q is about
	source   *view.Source
	below    map[int]map[int]int64 // by life of the topic: the records of each partition below these offsets
	erasures []lake.OpenErasure    // whose records segments may still hold
	files    []segment             // that have to be read for the range
	ids      []segment             // that have to be read for repeats: of the whole lake, where the source says batch_dedup: full
	dates    []string              // of files, ascending, each once
	scanned  int64                 // rows of files and ids

	unsettled map[cellKey]bool // sessions of which it is not known where they begin
}

// segment is a file of the lake that is read.
type segment struct {
	segmentKind
	file *lake.ChunkFile
	path string // of the local copy, once it is there
}

// plan picks the files by their dates, and refuses what would read more rows than a scan may.
func (l *lakeScan) plan(chunks map[partOf][]lake.Chunk) error {
	first, last := dateOf(l.q.from), dateOf(l.q.to)
	if l.q.to != forever {
		last = dateOf(l.q.to - 1)
	}
	for p := range chunks {
		for i := range chunks[p] {
			c := &chunks[p][i]
			for k := range c.Files {
				f := &c.Files[k]
				if f.Dead {
					continue
				}
				if l.source.FullDedup {
					l.ids = append(l.ids, segment{segmentKind: segmentKind{p.life, c.Definition}, file: f})
					l.scanned += f.Rows
				}
				if (first == "" || f.Date >= first) && (last == "" || f.Date <= last) {
					l.files = append(l.files, segment{segmentKind: segmentKind{p.life, c.Definition}, file: f})
					l.dates = append(l.dates, f.Date)
					l.scanned += f.Rows
				}
			}
		}
	}
	slices.Sort(l.dates)
	l.dates = slices.Compact(l.dates)
	if limit := l.rowLimit(); l.scanned > limit {
		return tooLarge(fmt.Sprintf("the lake holds %s rows of that range, and a query may scan %s", thousands(l.scanned), thousands(limit)),
			"ask for a shorter range, or leave out exact=true")
	}
	return l.bound()
}

// dateOf is the date of an instant as files are named; "" for the ends of an unbounded range.
func dateOf(us int64) string {
	if us == beginning || us == forever {
		return ""
	}
	return time.UnixMicro(us).UTC().Format(time.DateOnly)
}

// What DuckDB keeps of each row for a measure at most, in bytes, without counting it against its limit of memory: the values of a percentile, as a
// list that doubles and is copied when the threads' shares are merged (measured: 13 bytes a row), and the nodes of top_k's tree of counts.
const (
	percentileBytes = 32
	countedBytes    = 128
)

// rowLimit bounds the rows so that also what DuckDB does not count fits into ScanMemory.
func (l *lakeScan) rowLimit() int64 {
	kept := int64(0)
	for _, m := range l.q.stored {
		switch l.q.view.Measures[m].Agg {
		case view.Percentile:
			kept += percentileBytes
		case view.TopK:
			kept += countedBytes
		}
	}
	if kept == 0 {
		return l.server.cfg.ScanRows
	}
	return min(l.server.cfg.ScanRows, l.server.cfg.ScanMemory/kept)
}

// bound gives an open range the ends of what the lake holds, in whole buckets, and that of a window, whose panes are counted, no others.
func (l *lakeScan) bound() error {
	if len(l.dates) == 0 {
		return nil
	}
	first, err := time.Parse(time.DateOnly, l.dates[0])
	if err != nil {
		return fmt.Errorf("scan the lake: a segment is of the date %q: %w", l.dates[0], err)
	}
	last, err := time.Parse(time.DateOnly, l.dates[len(l.dates)-1])
	if err != nil {
		return fmt.Errorf("scan the lake: a segment is of the date %q: %w", l.dates[len(l.dates)-1], err)
	}
	grain := l.q.view.Grains[0]
	if l.q.grain != nil {
		grain = *l.q.grain
	}
	from, to := grain.Floor(first.UnixMicro(), l.q.view.Location), ceil(grain, last.AddDate(0, 0, 1).UnixMicro(), l.q.view.Location)
	if l.q.from == beginning || l.q.paned != nil {
		l.q.from = max(l.q.from, from)
	}
	if l.q.to == forever || l.q.paned != nil {
		l.q.to = min(l.q.to, to)
	}
	return nil
}

// run scans and fills the cells.
func (l *lakeScan) run(ctx context.Context, plan *algebra.Plan, cs *cells) error {
	if len(l.files) == 0 {
		return nil
	}
	return l.inside(ctx, func(conn *engine.Conn) error { return l.read(ctx, conn, plan, cs) })
}

// inside fetches the segments and calls do with a database for them. It waits for its turn; a database of its own keeps it from taking the
// memory of others.
func (l *lakeScan) inside(ctx context.Context, do func(*engine.Conn) error) error {
	s := l.server
	select {
	case s.scans <- struct{}{}:
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return context.Cause(ctx)
		}
		return busy(fmt.Sprintf("%d other queries with exact=true are at work", s.cfg.Scans))
	}
	defer func() { <-s.scans }()
	s.metrics.scans.Inc()
	defer s.metrics.scans.Dec()
	if err := l.fetch(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.store.dir, "scan-")
	if err != nil {
		return fmt.Errorf("make a folder to spill to: %w", err)
	}
	defer os.RemoveAll(dir)
	db, err := engine.Open(engine.Options{Threads: s.cfg.Engine.Threads, MemoryLimit: fmt.Sprintf("%dKiB", s.cfg.ScanMemory>>10), TempDir: dir, MaxTempSize: s.cfg.Engine.MaxTempSize})
	if err != nil {
		return err
	}
	conn, err := db.Connect()
	if err == nil {
		err = do(conn)
	}
	return errors.Join(err, db.Close())
}

// fetch makes local copies, checked against their SHA-256.
func (l *lakeScan) fetch(ctx context.Context) error {
	for _, list := range [][]segment{l.files, l.ids} {
		files := make([]lake.ViewFile, len(list))
		for i := range list {
			files[i] = lake.ViewFile{Key: list[i].file.Key, SHA256: list[i].file.SHA256}
		}
		paths, err := l.server.store.fetch(ctx, files)
		if err != nil {
			return err
		}
		for i := range list {
			list[i].path = paths[i]
		}
	}
	return nil
}

// problem says what a failure means to who asked.
func (l *lakeScan) problem(ctx context.Context, err error) error {
	switch p := (*Problem)(nil); {
	case errors.As(err, &p):
		return p
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case engine.OutOfMemory(err):
		return tooLarge(fmt.Sprintf("the scan needs more than the %d MiB of memory and the space to spill that a query may take", l.server.cfg.ScanMemory>>20),
			"ask for fewer dimensions, a shorter range or a coarser grain")
	}
	return unavailable("the lake could not be scanned: "+err.Error(), "try again; see /v1/status")
}
