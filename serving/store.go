package serving

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
)

// store is the local copy of the view files: one DuckDB database on disk, with a table per view definition, grain and grouping set.
// Files are immutable, so each is loaded once, however many snapshots name it; a snapshot is the set of loaded files that it names.
type store struct {
	lake    *lake.Lake
	dir     string
	db      *engine.DB
	readers chan *engine.Conn // idle ones; their number bounds the queries that read at once
	rows    *storedRows

	loading sync.Mutex   // held by the one load or clean-up at a time
	writer  *engine.Conn // guarded by loading
	tables  map[*algebra.Plan]*tables
	made    int // tables ever made; guarded by loading
}

// tables are those of one view. What may change is guarded by store.loading.
type tables struct {
	plan    *algebra.Plan
	prefix  string         // of their names
	ids     map[string]int // of each file that is loaded, by its key in the lake
	lastID  int
	retired []*snapshot // no longer current; their files go when nobody reads them
}

// folderPrefix begins the names of the local copies' folders; the id of the process that made one follows.
const folderPrefix = "caudal-serving-"

// removeStale drops the local copies of processes that ended without removing theirs. What cannot be removed is left to the next.
func removeStale(dir string) {
	folders, _ := filepath.Glob(filepath.Join(dir, folderPrefix+"*"))
	for _, folder := range folders {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), folderPrefix), "-")
		pid, err := strconv.Atoi(id)
		if err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(folder)
		}
	}
}

// openStore makes an empty database in a folder of its own below dir, or below the system's temporary folder. rows is how many bytes of
// decoded rows it keeps in memory.
func openStore(l *lake.Lake, dir string, options engine.Options, readers int, rows int64) (*store, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	removeStale(dir)
	folder, err := os.MkdirTemp(dir, fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make a folder for the local results: %w", err)
	}
	s := &store{lake: l, dir: folder, readers: make(chan *engine.Conn, readers), rows: newStoredRows(rows), tables: map[*algebra.Plan]*tables{}}
	if err := s.open(options, readers); err != nil {
		return nil, errors.Join(fmt.Errorf("open the local results: %w", err), s.close())
	}
	return s, nil
}

func (s *store) open(options engine.Options, readers int) (err error) {
	options.Path = filepath.Join(s.dir, "results.duckdb")
	if options.TempDir == "" {
		options.TempDir = filepath.Join(s.dir, "spill")
	}
	if s.db, err = engine.Open(options); err != nil {
		return err
	}
	if s.writer, err = s.db.Connect(); err != nil {
		return err
	}
	// So that a table's row groups keep the order of time that rows are inserted in.
	if err := s.writer.Exec(context.Background(), "SET preserve_insertion_order = true"); err != nil {
		return err
	}
	for range readers {
		c, err := s.db.Connect()
		if err != nil {
			return err
		}
		s.readers <- c
	}
	return nil
}

// close removes the database. No query may be running.
func (s *store) close() error {
	close(s.readers)
	var errs []error
	for c := range s.readers {
		c.Close()
	}
	if s.writer != nil {
		s.writer.Close()
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// reader waits for an idle connection.
func (s *store) reader(ctx context.Context) (c *engine.Conn, release func(), err error) {
	select {
	case c := <-s.readers:
		return c, func() { s.readers <- c }, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for a connection to the local results: %w", context.Cause(ctx))
	}
}

// filesPerLoad bounds what one transaction stages.
const filesPerLoad = 400

// load brings the files of a snapshot that are not there yet. The snapshot answers only when all are in.
func (s *store) load(ctx context.Context, plan *algebra.Plan, m *lake.Manifest, sequence int64) (*snapshot, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	t := s.tables[plan]
	if t == nil {
		t = &tables{plan: plan, prefix: fmt.Sprintf("view%d", s.made), ids: map[string]int{}}
		if err := s.create(ctx, t); err != nil {
			return nil, fmt.Errorf("load snapshot %s of %s: %w", m.ID, m.View, err)
		}
		s.made++
		s.tables[plan] = t
	}
	var missing []lake.ViewFile
	for _, f := range m.Files {
		if _, ok := t.ids[f.Key]; !ok {
			missing = append(missing, f)
		}
	}
	// In the order of time, so that a table's row groups hold neighbouring buckets and a range reads few of them.
	slices.SortFunc(missing, func(a, b lake.ViewFile) int { return strings.Compare(a.Period, b.Period) })
	for part := range slices.Chunk(missing, filesPerLoad) {
		if err := s.loadFiles(ctx, t, part); err != nil {
			return nil, fmt.Errorf("load snapshot %s of %s: %w", m.ID, m.View, err)
		}
	}
	snap := &snapshot{manifest: m, sequence: sequence, tables: t, last: t.lastID}
	named := map[int]bool{}
	for _, f := range m.Files {
		named[t.ids[f.Key]] = true
	}
	for _, id := range t.ids {
		if !named[id] {
			snap.without = append(snap.without, id)
		}
	}
	slices.Sort(snap.without)
	if err := s.findRange(ctx, snap); err != nil {
		return nil, fmt.Errorf("load snapshot %s of %s: %w", m.ID, m.View, err)
	}
	return snap, nil
}

// findRange finds out from when to when a snapshot holds results.
func (s *store) findRange(ctx context.Context, snap *snapshot) error {
	plan := snap.tables.plan
	finest := plan.View.Grains[0]
	sql := fmt.Sprintf("SELECT min(_bucket), max(_bucket) FROM %s WHERE %s", snap.tables.name(finest.Name, plan.Sets()[0]), snap.files())
	return s.writer.Query(ctx, sql, func(c *engine.Chunk) error {
		for i := range c.Len() {
			if row := c.Row(i); !row.Null(0) {
				snap.from, snap.to = row.Int64(0), finest.Next(row.Int64(1), plan.View.Location)
			}
		}
		return nil
	})
}

// files is the SQL condition that a row is of the snapshot.
func (snap *snapshot) files() string {
	if len(snap.without) == 0 {
		return fmt.Sprintf("_file <= %d", snap.last)
	}
	return fmt.Sprintf("_file <= %d AND _file NOT IN (%s)", snap.last, joinInts(snap.without))
}

// create makes the empty tables of a view.
func (s *store) create(ctx context.Context, t *tables) error {
	var columns []string
	for _, c := range storedColumns(t.plan) {
		columns = append(columns, c.Name+" "+c.SQL)
	}
	for _, g := range t.plan.View.Grains {
		for _, set := range t.plan.Sets() {
			sql := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (_file INTEGER, %s)", t.name(g.Name, set), strings.Join(columns, ", "))
			if err := s.writer.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedColumns are those of a view file, less the two that became the table's name.
func storedColumns(plan *algebra.Plan) []algebra.Column {
	return slices.DeleteFunc(plan.ViewColumns(), func(c algebra.Column) bool { return c.Name == "_grain" || c.Name == "_set" })
}

// name of the table of a grain and a grouping set. Grains' names are digits and letters by the grammar of definitions.
func (t *tables) name(grain string, set uint32) string {
	return fmt.Sprintf(`"%s_%s_%d"`, t.prefix, grain, set)
}

// loadFiles adds files in one transaction: all of them or none.
func (s *store) loadFiles(ctx context.Context, t *tables, files []lake.ViewFile) error {
	paths, err := s.fetch(ctx, files)
	if err != nil {
		return err
	}
	if err := s.writer.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := s.insert(ctx, t, paths); err != nil {
		// The load's own context may have ended, the transaction must end all the same.
		return errors.Join(err, s.writer.Exec(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	// Not to be interrupted: DuckDB says that it was even where it has committed, and the files would be loaded once more.
	if err := s.writer.Exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return errors.Join(err, s.writer.Exec(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	for i, f := range files {
		t.ids[f.Key] = t.lastID + 1 + i
	}
	t.lastID += len(files)
	return nil
}

func (s *store) insert(ctx context.Context, t *tables, paths []string) error {
	var list, ids []string
	for i, path := range paths {
		quoted := sqltext.Text(path)
		list = append(list, quoted)
		ids = append(ids, fmt.Sprintf("(%s, %d)", quoted, t.lastID+1+i))
	}
	var columns []string
	for _, c := range storedColumns(t.plan) {
		columns = append(columns, c.Name)
	}
	names := strings.Join(columns, ", ")
	stage := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE stage AS SELECT _grain, _set, id AS _file, %s FROM read_parquet([%s], filename='_path', hive_partitioning=false) JOIN (VALUES %s) AS files(path, id) ON _path = path",
		names, strings.Join(list, ", "), strings.Join(ids, ", "))
	if err := s.writer.Exec(ctx, stage); err != nil {
		return err
	}
	for _, g := range t.plan.View.Grains {
		for _, set := range t.plan.Sets() {
			sql := fmt.Sprintf("INSERT INTO %s SELECT _file, %s FROM stage WHERE _grain = '%s' AND _set = %d ORDER BY _bucket", t.name(g.Name, set), names, g.Name, set)
			if err := s.writer.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return s.writer.Exec(ctx, "DROP TABLE stage")
}

// parallelFetches bounds how many objects are fetched at once.
const parallelFetches = 8

// fetch returns local, verified files in the order given.
func (s *store) fetch(ctx context.Context, files []lake.ViewFile) ([]string, error) {
	paths, errs := make([]string, len(files)), make([]error, len(files))
	slots := make(chan struct{}, parallelFetches)
	var wg sync.WaitGroup
	for i, f := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			paths[i], errs[i] = s.lake.Fetch(ctx, f.Key, f.SHA256)
		})
	}
	wg.Wait()
	return paths, errors.Join(errs...)
}

// retire notes that a snapshot is no longer current.
func (s *store) retire(snap *snapshot, now time.Time) {
	s.loading.Lock()
	defer s.loading.Unlock()
	snap.retired = now
	if snap.tables != nil {
		snap.tables.retired = append(snap.tables.retired, snap)
	}
}

// again returns the retired snapshot of a manifest whose files are still there, as if it were retired just now; nil if there is none.
func (s *store) again(plan *algebra.Plan, m *lake.Manifest, now time.Time) *snapshot {
	s.loading.Lock()
	defer s.loading.Unlock()
	t := s.tables[plan]
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.retired, func(r *snapshot) bool { return r.manifest.ID == m.ID })
	if i < 0 {
		return nil
	}
	t.retired[i].retired = now
	return t.retired[i]
}

// graceTime is how long the files of a retired snapshot stay, as a rollback may want them back; not if they hold what was erased since.
const graceTime = 10 * time.Minute

// clean drops the rows of files that neither the current snapshot names nor a retired one that is still read or was until lately. No
// snapshot of the view may be on its way in.
func (s *store) clean(ctx context.Context, current *snapshot, now time.Time) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	t := current.tables
	if t == nil || len(t.retired) == 0 {
		return nil
	}
	s.rows.only(current)
	t.retired = slices.DeleteFunc(t.retired, func(r *snapshot) bool {
		return r.users.Load() == 0 && (now.Sub(r.retired) > graceTime || r.manifest.Erasures < current.manifest.Erasures)
	})
	wanted := map[string]bool{}
	for _, snap := range append([]*snapshot{current}, t.retired...) {
		for _, f := range snap.manifest.Files {
			wanted[f.Key] = true
		}
	}
	var ids []int
	for key, id := range t.ids {
		if !wanted[key] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	for _, g := range t.plan.View.Grains {
		for _, set := range t.plan.Sets() {
			sql := fmt.Sprintf("DELETE FROM %s WHERE _file IN (%s)", t.name(g.Name, set), joinInts(ids))
			if err := s.writer.Exec(ctx, sql); err != nil {
				return fmt.Errorf("drop old results of %s: %w", t.plan.View.Name, err)
			}
		}
	}
	for key := range t.ids {
		if !wanted[key] {
			delete(t.ids, key)
		}
	}
	return nil
}

// drop removes all that is kept of a definition that nobody reads any more.
func (s *store) drop(ctx context.Context, plan *algebra.Plan) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	t := s.tables[plan]
	if t == nil {
		return nil
	}
	for _, g := range plan.View.Grains {
		for _, set := range plan.Sets() {
			if err := s.writer.Exec(ctx, "DROP TABLE IF EXISTS "+t.name(g.Name, set)); err != nil {
				return fmt.Errorf("drop the results of an old definition of %s: %w", plan.View.Name, err)
			}
		}
	}
	delete(s.tables, plan)
	return nil
}

func joinInts(ids []int) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", id)
	}
	return b.String()
}
