package table

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caudal/caudal/batch/workdir"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// work is the making of one version.
type work struct {
	compactor *Compactor
	options   *Options
	in        *inputs
	dir       *workdir.Dir
	db        *engine.DB
	conn      *engine.Conn
	report    *Report
	puts      *puts
	expected  int64 // rows that the new files must hold
	left      int64 // repeats beyond the horizon that are left out of what is sorted
	done      int64 // rows sorted
	total     int64
}

// compact brings the table of a source up to date.
//
// Order (each step may be the last of a process): the files, named by what they hold; the manifest; CURRENT. What a process leaves that died
// before CURRENT is found by the next, or deleted by Prune.
func (c *Compactor) compact(ctx context.Context, src *view.Source, o *Options, report *Report) error {
	o.Progress(Step{Phase: "plan", Source: src.Name})
	if err := c.cfg.Lake.CheckNewest(ctx, src); err != nil {
		return err // a row that does not fit would be left out of the table for good
	}
	in, err := c.gather(ctx, src, o.Full)
	switch {
	case err != nil:
		return err
	case in == nil || len(in.lives) == 0:
		report.Note = "nothing is archived yet"
		return nil
	case in.parent != nil:
		report.describe(in.parent)
		if !in.full && !in.advanced() {
			report.Note = "the table holds all that is archived"
			return nil
		}
	}
	if err := c.cfg.Lake.PutDefinition(ctx, src.Hash(), src.Canonical()); err != nil {
		return err
	}
	w, err := c.newWork(in, o, report)
	if err != nil {
		return err
	}
	v, err := w.version(ctx)
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	o.Progress(Step{Phase: "publish", Source: src.Name})
	published, _, err := c.cfg.Lake.PublishTable(ctx, *v, in.tag)
	if err != nil {
		return err
	}
	report.describe(published)
	return nil
}

func (c *Compactor) newWork(in *inputs, o *Options, report *Report) (*work, error) {
	w := &work{compactor: c, options: o, in: in, report: report}
	var err error
	if w.dir, err = workdir.New(c.cfg.TempDir); err != nil {
		return nil, err
	}
	w.puts = newPuts()
	w.db, w.conn, err = openEngine(c.cfg.Engine, w.dir.Path)
	if err != nil {
		return nil, errors.Join(err, w.dir.Close())
	}
	return w, nil
}

// openEngine opens a database that writes rows in the order in which a query returns them.
func openEngine(o engine.Options, dir string) (*engine.DB, *engine.Conn, error) {
	if o.TempDir == "" {
		o.TempDir = dir
	}
	db, err := engine.Open(o)
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Connect()
	if err == nil {
		err = conn.Exec(context.Background(), "SET preserve_insertion_order = true")
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}

func (w *work) close() error {
	w.puts.wg.Wait()
	w.conn.Close()
	return errors.Join(w.db.Close(), w.dir.Close())
}

// version makes the files of the new version, checks that they hold what they must, and returns it.
func (w *work) version(ctx context.Context) (*lake.TableVersion, error) {
	in := w.in
	again, err := w.findRepeats(ctx)
	if err != nil {
		return nil, err
	}
	units, files := planUnits(in.segments, in.files, again)
	w.report.Segments = len(in.segments)
	merged := int64(0)
	for i := range units {
		w.total += units[i].rows()
		w.report.ReadBytes += units[i].bytes()
		for _, f := range units[i].merged {
			merged += f.Rows
		}
	}
	for i := range units {
		if err := w.sort(ctx, &units[i]); err != nil {
			return nil, fmt.Errorf("%s of life %d: %w", units[i].date, units[i].incarnation, err)
		}
		files = append(files, units[i].kept...)
	}
	written, err := w.puts.wait()
	if err != nil {
		return nil, err
	}
	v := &lake.TableVersion{Source: in.source.Name, Topic: in.topic, Definition: in.source.Hash(), Created: w.options.Now, Full: in.full, Dedup: dedupOf(in.source),
		Lives: in.lives, Files: append(files, written...), Repeats: in.repeats + w.left, Erasures: in.erasures}
	if in.parent != nil && !in.full {
		v.Repeats, v.Erasures = v.Repeats+in.parent.Repeats, in.parent.Erasures
	}
	sortFiles(v.Files)
	for i := range v.Files {
		v.Rows, v.Bytes = v.Rows+v.Files[i].Rows, v.Bytes+v.Files[i].Bytes
	}
	rows := int64(0)
	for i := range written {
		rows, w.report.WrittenBytes = rows+written[i].Rows, w.report.WrittenBytes+written[i].Bytes
	}
	w.report.WrittenFiles, w.report.WrittenRows = len(written), rows
	// What the commits say of the segments, apart from what was read of them.
	should := in.events - in.repeats + merged - w.left
	if rows != w.expected || len(in.open) == 0 && rows != should || rows > should {
		return nil, fmt.Errorf("%w: %d rows were written, %d were counted before, and by the commits and the version before there should be %d", lake.ErrCorrupt, rows, w.expected, should)
	}
	return v, nil
}

// dedupOf names which repeats a source's table leaves out.
func dedupOf(src *view.Source) string {
	switch {
	case src.EventID == "":
		return "none"
	case src.FullDedup:
		return "full"
	}
	return "horizon"
}

// rowsOf is a query over what a unit sorts, in lake.TableColumns of the source: without duplicates, repeats and what open erasures take out.
func (w *work) rowsOf(ctx context.Context, u *unit) (string, error) {
	v := &Version{&lake.TableVersion{ID: "before", Source: w.in.source.Name, Topic: w.in.topic}, w.compactor.cfg.Lake}
	if w.in.parent != nil {
		v.TableVersion = w.in.parent
	}
	query, err := v.queryOf(ctx, w.in.source, w.in.open, u.merged, All)
	if err != nil {
		return "", err
	}
	groups, of := groupSegments(u.segments)
	for _, g := range groups {
		paths, err := fetch(ctx, w.compactor.cfg.Lake, of[g], func(s *segment) (string, string) { return s.Key, s.SHA256 })
		if err != nil {
			return "", err
		}
		definition, err := w.compactor.cfg.Lake.Source(ctx, g.definition)
		if err != nil {
			return "", err
		}
		read := lake.ReadTable(w.in.source, definition, g.incarnation, paths, "TRUE")
		query += " UNION ALL " + keptRows(read, w.in.open, g.incarnation, w.in.topic, definition, paths)
	}
	if w.in.source.FullDedup {
		query = fmt.Sprintf("SELECT r.* FROM (%s) AS r ANTI JOIN %s AS x ON r._partition = x._partition AND r._offset = x._offset AND x._incarnation = %d", query, repeatsTable, u.incarnation)
	}
	return query, nil
}

// columnsOf are the columns of a table's file, over lake.TableColumns: those of a segment.
func columnsOf(src *view.Source) []string {
	var cols []string
	for _, f := range src.Fields {
		name := sqltext.Name(f.Name)
		cols = append(cols, f.Type.Times(name, lake.MomentTime)+" AS "+name)
	}
	return append(cols, lake.ColumnPartition, lake.ColumnOffset,
		"make_timestamptz("+lake.TableTimestamp+") AS "+lake.ColumnTimestamp, "make_timestamptz("+lake.TableEventTime+") AS "+lake.ColumnEventTime,
		"make_timestamptz("+lake.TableIngestedAt+") AS "+lake.ColumnIngestedAt, "FALSE AS "+lake.ColumnDuplicate, lake.ColumnLate)
}

// hasDouble says whether a column is a floating-point number, or an array of them.
func hasDouble(src *view.Source) bool {
	return slices.ContainsFunc(src.Fields, func(f view.Field) bool { return f.Type.Kind == view.Double || f.Type.Item == view.Double })
}
