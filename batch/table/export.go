package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/batch/workdir"
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// ExportOptions say what of a version is written where.
type ExportOptions struct {
	Source   string
	Version  string    // as Open takes it
	From, To time.Time // of the event time; zero: no bound
	Columns  []string  // of the source, or that caudal adds; none: those of the source
	Where    string    // SQL over the source's columns; "" = all
	Format   string    // "parquet", "csv" or "arrow"
	Out      string    // folder
	Progress func(Step)
}

// ErrExport says that an export is not asked for in a way that can be carried out.
var ErrExport = errors.New("cannot export")

// Formats are the formats of an export.
func Formats() []string { return []string{"parquet", "csv", "arrow"} }

// export is the writing of one.
type export struct {
	compactor *Compactor
	options   *ExportOptions
	version   *Version
	source    *view.Source // as it was when the version was made, so that the same version gives the same bytes for ever
	journal   *Journal
	dir       *workdir.Dir
	db        *engine.DB
	conn      *engine.Conn
}

// Export writes rows of a version of a table to a folder: a file for each event date, sorted by event time, and export.json, which says what
// they hold. One that was stopped is carried on by the same call: with the version that it began with, and the files that are whole stay. The
// bytes are a function of the version and of what is asked for, however often it was stopped. The version is kept meanwhile.
func (c *Compactor) Export(ctx context.Context, o ExportOptions) (*Journal, error) {
	if o.Progress == nil {
		o.Progress = func(Step) {}
	}
	x := &export{compactor: c, options: &o}
	if err := x.begin(ctx); err != nil {
		return nil, fmt.Errorf("export of source %s: %w", o.Source, err)
	}
	var err error
	if !x.journal.Done {
		err = x.carryOut(ctx)
	}
	if err == nil {
		err = c.cfg.Lake.DeleteTableRef(ctx, o.Source, x.version.ID, x.journal.refName(o.Out))
	}
	if err != nil {
		return nil, fmt.Errorf("export of source %s: %w", o.Source, err)
	}
	return x.journal, nil
}

// begin opens the folder's journal, or makes one, and refers to the version.
func (x *export) begin(ctx context.Context) error {
	l, o := x.compactor.cfg.Lake, x.options
	if !slices.Contains(Formats(), o.Format) {
		return fmt.Errorf("%w: no format %q; there are %s", ErrExport, o.Format, strings.Join(Formats(), ", "))
	}
	if o.Out == "" {
		return fmt.Errorf("%w: no folder to write to", ErrExport)
	}
	standing, err := readJournal(o.Out)
	if err != nil {
		return err
	}
	name := o.Version
	if standing != nil {
		name = standing.Version
	}
	if x.version, err = Open(ctx, l, o.Source, name); err != nil {
		return err
	}
	if x.source, err = l.Source(ctx, x.version.Definition); err != nil {
		return err
	}
	if err := x.check(ctx); err != nil {
		return err
	}
	erasures, err := l.Erasures(ctx, x.version.Topic.Name)
	if err != nil {
		return err
	}
	x.journal = newJournal(o, x.version, len(erasures))
	if standing != nil {
		if err := standing.continues(x.journal); err != nil {
			return fmt.Errorf("%w: folder %s %w; name another, or delete it", ErrExport, o.Out, err)
		}
		x.journal = standing
	}
	if x.journal.Done {
		return nil
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return err
	}
	ref := lake.TableRef{Name: x.journal.refName(o.Out), Kind: "export", Note: o.Out, Made: x.compactor.cfg.Clock()}
	if err := l.PutTableRef(ctx, o.Source, x.version.ID, ref); err != nil {
		return err
	}
	return x.journal.write(o.Out)
}

// check looks at what is asked for before anything of it reaches the engine.
func (x *export) check(ctx context.Context) error {
	known := columnNames(x.source)
	for i, name := range x.options.Columns {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: no column %q; there are %s", ErrExport, name, strings.Join(known, ", "))
		}
		if slices.Contains(x.options.Columns[:i], name) {
			return fmt.Errorf("%w: column %q is named twice", ErrExport, name)
		}
	}
	if !x.options.From.IsZero() && !x.options.To.IsZero() && !x.options.From.Before(x.options.To) {
		return fmt.Errorf("%w: from %s to %s is no span of time", ErrExport, x.options.From.Format(time.RFC3339), x.options.To.Format(time.RFC3339))
	}
	if x.options.Where == "" {
		return nil
	}
	if err := engine.CheckCondition(ctx, x.source, x.options.Where); err != nil {
		return fmt.Errorf("%w: %w", ErrExport, err)
	}
	return nil
}

// columnNames are the columns that can be exported.
func columnNames(src *view.Source) []string {
	var names []string
	for _, f := range src.Fields {
		names = append(names, f.Name)
	}
	return append(names, lake.TableIncarnation, lake.ColumnPartition, lake.ColumnOffset, lake.ColumnTimestamp, lake.ColumnEventTime, lake.ColumnIngestedAt, lake.ColumnLate)
}

func (x *export) carryOut(ctx context.Context) (err error) {
	if x.dir, err = workdir.New(x.compactor.cfg.TempDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.dir.Close()) }()
	if x.db, x.conn, err = openEngine(x.compactor.cfg.Engine, x.dir.Path); err != nil {
		return err
	}
	defer func() { x.conn.Close(); err = errors.Join(err, x.db.Close()) }()
	span := Between(x.options.From, x.options.To)
	dates, files := byDate(x.version.Select(span))
	total, done := int64(0), int64(0)
	for _, f := range x.version.Select(span) {
		total += f.Rows
	}
	for _, date := range dates {
		if err := x.date(ctx, date, files[date], span); err != nil {
			return fmt.Errorf("date %s: %w", date, err)
		}
		for _, f := range files[date] {
			done += f.Rows
		}
		x.options.Progress(Step{Phase: "export", Source: x.options.Source, Done: done, Total: total, Note: date})
	}
	x.journal.Done = true
	return x.journal.write(x.options.Out)
}

// byDate groups files by their date, and returns the dates ascending.
func byDate(files []lake.TableFile) ([]string, map[string][]lake.TableFile) {
	var dates []string
	of := map[string][]lake.TableFile{}
	for _, f := range files {
		if of[f.Date] == nil {
			dates = append(dates, f.Date)
		}
		of[f.Date] = append(of[f.Date], f)
	}
	slices.Sort(dates)
	return dates, of
}

// date writes the rows of one date, unless that is done.
func (x *export) date(ctx context.Context, date string, files []lake.TableFile, span Span) error {
	if whole, err := x.journal.has(x.options.Out, date); err != nil || whole {
		return err
	}
	open, err := x.compactor.cfg.Lake.OpenErasures(ctx, x.version.Topic.Name)
	if err != nil {
		return err
	}
	rows, err := x.version.queryOf(ctx, x.source, open, files, span)
	if err != nil {
		return err
	}
	if x.options.Where != "" {
		rows = fmt.Sprintf("SELECT * FROM (%s) WHERE %s", rows, algebra.Matches(x.source, x.options.Where))
	}
	query := fmt.Sprintf("SELECT %s FROM (%s) ORDER BY %s, %s, %s, %s", strings.Join(exportColumns(x.source, x.options.Columns), ", "), rows,
		lake.TableEventTime, lake.TableIncarnation, lake.ColumnPartition, lake.ColumnOffset)
	name := fmt.Sprintf("%s-%s.%s", x.options.Source, date, x.options.Format)
	temporary := filepath.Join(x.options.Out, "."+name+".part")
	n, err := x.write(ctx, query, temporary)
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return x.journal.finish(x.options.Out, date, name, temporary, n)
}

// exportColumns are the columns of an export over lake.TableColumns: times are moments, not numbers.
func exportColumns(src *view.Source, names []string) []string {
	if len(names) == 0 {
		for _, f := range src.Fields {
			names = append(names, f.Name)
		}
	}
	hidden := map[string]string{lake.ColumnTimestamp: lake.TableTimestamp, lake.ColumnEventTime: lake.TableEventTime, lake.ColumnIngestedAt: lake.TableIngestedAt}
	cols := make([]string, len(names))
	for i, name := range names {
		cols[i] = sqltext.Name(name)
		if us, ok := hidden[name]; ok {
			cols[i] = fmt.Sprintf("make_timestamptz(%s) AS %s", us, sqltext.Name(name))
		} else if f := src.Field(name); f >= 0 {
			cols[i] = src.Fields[f].Type.Times(cols[i], lake.MomentTime) + " AS " + cols[i]
		}
	}
	return cols
}

// write writes the rows of a query to a local file in the export's format, and says how many there were.
func (x *export) write(ctx context.Context, query, path string) (rows int64, err error) {
	var options string
	switch x.options.Format {
	case "arrow":
		return writeArrow(ctx, x.conn, query, path)
	case "csv":
		options = "FORMAT csv, HEADER"
	default:
		options = "FORMAT parquet, COMPRESSION zstd"
	}
	err = x.conn.Query(ctx, fmt.Sprintf("COPY (%s) TO %s (%s)", query, sqltext.Text(path), options), func(chunk *engine.Chunk) error {
		rows = chunk.Row(0).Int64(0)
		return nil
	})
	return rows, err
}
