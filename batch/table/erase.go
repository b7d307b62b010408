package table

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/caudal/caudal/batch/workdir"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
)

// Erased says what an erasure took out of the table of a source.
type Erased struct {
	Source   string   `json:"source"`
	Versions []string `json:"versions"` // ids of those that held such rows: each has a new revision
	Files    int      `json:"files"`    // that were written anew without the rows, or fell empty
	Rows     int64    `json:"rows"`     // of these files; each counted once, however many versions have it
	Deleted  int      `json:"deleted_files"`
}

// Erase takes the rows of an erasure out of the tables of its topic, the kept versions of all of them: files are written anew without the
// rows, versions that had them are revised, and files that no version names any more are deleted. A run that was stopped is carried on by the
// next. step is called between every two steps; an error that it returns ends the work there. lake.ErrLocked while a compaction runs.
func (c *Compactor) Erase(ctx context.Context, e *lake.Erasure, step func(string) error) (all []Erased, err error) {
	err = c.tablesOf(ctx, e, func(source string) error {
		return c.locked(ctx, source, "erasure", func(ctx context.Context) (err error) {
			x := &erasing{compactor: c, erasure: e, report: Erased{Source: source, Versions: []string{}}, files: map[string]*lake.TableFile{}}
			if err = x.open(ctx); err != nil {
				return err
			}
			err = x.carryOut(ctx, step)
			all = append(all, x.report)
			return errors.Join(err, x.close())
		})
	})
	return all, err
}

// FindErased counts the rows of an erasure that the tables of its topic hold, those of all kept versions, each once.
func (c *Compactor) FindErased(ctx context.Context, e *lake.Erasure) (all []Erased, err error) {
	err = c.tablesOf(ctx, e, func(source string) (err error) {
		x := &erasing{compactor: c, erasure: e, report: Erased{Source: source, Versions: []string{}}, files: map[string]*lake.TableFile{}}
		if err = x.open(ctx); err != nil {
			return err
		}
		versions, _, err := c.cfg.Lake.TableVersions(ctx, source)
		if err == nil {
			err = x.each(ctx, versions, func(*lake.TableFile, int64) error { return nil })
		}
		all = append(all, x.report)
		return errors.Join(err, x.close())
	})
	return all, err
}

// tablesOf calls f for the tables that are of the erasure's topic, whether their sources are the project's still or not.
func (c *Compactor) tablesOf(ctx context.Context, e *lake.Erasure, f func(source string) error) error {
	if e.DeadOnly || e.Where == "" {
		return nil
	}
	sources, err := c.cfg.Lake.Tables(ctx)
	if err != nil {
		return err
	}
	for _, source := range sources {
		v, _, err := c.cfg.Lake.CurrentTable(ctx, source)
		if err == nil && v.Topic.Name == e.Topic.Name {
			err = f(source)
		}
		if err != nil {
			return fmt.Errorf("table of %s: %w", source, err)
		}
	}
	return nil
}

// erasing is the erasure from one table.
type erasing struct {
	compactor *Compactor
	erasure   *lake.Erasure
	rule      lake.OpenErasure
	report    Erased
	files     map[string]*lake.TableFile // by the key of the file that it takes the place of; nil: nothing is left of that
	dir       *workdir.Dir
	db        *engine.DB
	conn      *engine.Conn
}

func (x *erasing) open(ctx context.Context) error {
	of, err := x.compactor.cfg.Lake.Source(ctx, x.erasure.Definition)
	if err != nil {
		return err
	}
	x.rule = lake.OpenErasureOf(x.erasure, of)
	if x.dir, err = workdir.New(x.compactor.cfg.TempDir); err != nil {
		return err
	}
	x.db, x.conn, err = openEngine(x.compactor.cfg.Engine, x.dir.Path)
	if err != nil {
		return errors.Join(err, x.dir.Close())
	}
	return nil
}

func (x *erasing) close() error {
	x.conn.Close()
	return errors.Join(x.db.Close(), x.dir.Close())
}

func (x *erasing) carryOut(ctx context.Context, step func(string) error) error {
	l, source := x.compactor.cfg.Lake, x.report.Source
	// A compaction that lost its lock asleep must not publish rows, or files, that are about to go.
	if err := errors.Join(l.FenceTable(ctx, source), l.SweepTable(ctx, source)); err != nil {
		return err
	}
	if err := step("after-table-fence"); err != nil {
		return err
	}
	versions, _, err := l.TableVersions(ctx, source)
	if err != nil {
		return err
	}
	if err := x.each(ctx, versions, func(f *lake.TableFile, rows int64) error { return x.rewrite(ctx, f, rows) }); err != nil {
		return err
	}
	if err := step("after-table-files"); err != nil {
		return err
	}
	for _, v := range versions {
		revised, changed := x.revise(v)
		if !changed {
			continue
		}
		if err := l.PutTableRevision(ctx, *revised); err != nil {
			return err
		}
		if err := step("after-table-revision"); err != nil {
			return err
		}
	}
	kept, err := keptFiles(ctx, l, source)
	if err != nil {
		return err
	}
	x.report.Deleted, _, err = sweepFiles(ctx, l, x.erasure.Topic.Name, kept, false, func(lake.Object) bool { return true })
	if err != nil {
		return err
	}
	return step("after-table-sweep")
}

// keptFiles are the keys of the files that the versions of a table name.
func keptFiles(ctx context.Context, l *lake.Lake, source string) (map[string]bool, error) {
	versions, _, err := l.TableVersions(ctx, source)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, v := range versions {
		for _, f := range v.Files {
			kept[f.Key] = true
		}
	}
	return kept, nil
}

// each looks at the files of some versions, each once, and calls found for those that hold rows of the erasure, with how many.
func (x *erasing) each(ctx context.Context, versions []*lake.TableVersion, found func(f *lake.TableFile, rows int64) error) error {
	seen := map[string]int64{}
	for _, v := range versions {
		holds := false
		for i := range v.Files {
			f := &v.Files[i]
			rows, known := seen[f.Key]
			if !known && x.reaches(f) {
				var err error
				if rows, err = x.count(ctx, f); err != nil {
					return fmt.Errorf("version %s, file %s: %w", v.ID, f.Key, err)
				}
				if rows > 0 {
					x.report.Files, x.report.Rows = x.report.Files+1, x.report.Rows+rows
					if err := found(f, rows); err != nil {
						return fmt.Errorf("version %s, file %s: %w", v.ID, f.Key, err)
					}
				}
			}
			seen[f.Key] = rows
			holds = holds || rows > 0
		}
		if holds {
			x.report.Versions = append(x.report.Versions, v.ID)
		}
	}
	return nil
}

// reaches says whether a file can hold rows of the erasure.
func (x *erasing) reaches(f *lake.TableFile) bool {
	t := lake.Topic{Name: x.erasure.Topic.Name, Incarnation: f.Incarnation}
	for p, span := range f.Offsets {
		if span[0] < x.erasure.Bound(t, p) {
			return true
		}
	}
	return false
}

// count is how many rows of the erasure a file holds.
func (x *erasing) count(ctx context.Context, f *lake.TableFile) (rows int64, err error) {
	path, err := x.compactor.cfg.Lake.Fetch(ctx, f.Key, f.SHA256)
	if err != nil {
		return 0, err
	}
	of, err := x.compactor.cfg.Lake.Source(ctx, f.Definition)
	if err != nil {
		return 0, err
	}
	t := lake.Topic{Name: x.erasure.Topic.Name, Incarnation: f.Incarnation}
	err = x.conn.Query(ctx, "SELECT count(*) FROM ("+x.rule.Read(t, of, []string{path})+")", func(chunk *engine.Chunk) error {
		rows = chunk.Row(0).Int64(0)
		return nil
	})
	return rows, err
}

// rewrite writes a file anew without the rows of the erasure, of which it holds so many.
func (x *erasing) rewrite(ctx context.Context, f *lake.TableFile, rows int64) error {
	l := x.compactor.cfg.Lake
	if rows == f.Rows {
		x.files[f.Key] = nil
		return nil
	}
	path, err := l.Fetch(ctx, f.Key, f.SHA256)
	if err != nil {
		return err
	}
	of, err := l.Source(ctx, f.Definition)
	if err != nil {
		return err
	}
	t := lake.Topic{Name: x.erasure.Topic.Name, Incarnation: f.Incarnation}
	read := lake.ReadTable(of, of, f.Incarnation, []string{path}, "TRUE")
	read = lake.Kept(read, []lake.OpenErasure{x.rule}, t, of, []string{path}, lake.ColumnPartition, lake.ColumnOffset)
	local := filepath.Join(x.dir.Path, "left.parquet")
	left, err := writeFile(ctx, x.conn, of, read, local)
	if err != nil {
		return err
	}
	if left.Rows != f.Rows-rows {
		return fmt.Errorf("%w: %d rows are left of %d, of which %d were to go", lake.ErrCorrupt, left.Rows, f.Rows, rows)
	}
	left.Incarnation, left.Date, left.Run, left.Definition = f.Incarnation, f.Date, f.Run, f.Definition
	if err := putFile(ctx, l, t, local, &left); err != nil {
		return err
	}
	x.files[f.Key] = &left
	return nil
}

// revise is a version with the files that take the place of others; the same one where it has none of these.
func (x *erasing) revise(v *lake.TableVersion) (revised *lake.TableVersion, changed bool) {
	next := *v
	next.Files = nil
	for _, f := range v.Files {
		left, replaced := x.files[f.Key]
		switch {
		case !replaced:
			next.Files = append(next.Files, f)
			continue
		case left == nil:
			next.Rows, next.Bytes, next.Erased = next.Rows-f.Rows, next.Bytes-f.Bytes, next.Erased+f.Rows
		default:
			next.Files = append(next.Files, *left)
			next.Rows, next.Bytes, next.Erased = next.Rows-f.Rows+left.Rows, next.Bytes-f.Bytes+left.Bytes, next.Erased+f.Rows-left.Rows
		}
		changed = true
	}
	if !changed {
		return v, false
	}
	next.Erasures = x.erasure.Number

	return &next, true
}
