// Package table makes and reads a source's table: its history without duplicates, in few large files sorted by event time, by immutable
// versions. What a version is lies in the lake (lake.TableVersion); docs/lake.md tells of it.
package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// Version is a version of a table, opened for reading.
type Version struct {
	*lake.TableVersion
	lake *lake.Lake
}

// Open returns a version of a source's table by its name: "" or "current", an id, or the number that an id begins with. lake.ErrNotFound if
// there is none of that name.
func Open(ctx context.Context, l *lake.Lake, source, name string) (*Version, error) {
	if name == "" || name == "current" {
		v, _, err := l.CurrentTable(ctx, source)
		if errors.Is(err, lake.ErrNotFound) {
			err = fmt.Errorf("source %s has no table yet; make one with `caudal lake compact %s`: %w", source, source, err)
		}
		return &Version{v, l}, err
	}
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		versions, _, err := l.TableVersions(ctx, source)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if v.Sequence() == n {
				return &Version{v, l}, nil
			}
		}
		return nil, fmt.Errorf("table %s: no version %s; `caudal lake versions %s` lists those that are kept: %w", source, name, source, lake.ErrNotFound)
	}
	v, err := l.TableVersion(ctx, source, name)
	if errors.Is(err, lake.ErrNotFound) {
		err = fmt.Errorf("`caudal lake versions %s` lists the versions that are kept: %w", source, err)
	}
	return &Version{v, l}, err
}

// Span is a half-open interval of event times in µs UTC.
type Span struct{ From, To int64 }

// Between is the span of [from, to); a zero time is no bound.
func Between(from, to time.Time) Span {
	s := All
	if !from.IsZero() {
		s.From = from.UnixMicro()
	}
	if !to.IsZero() {
		s.To = to.UnixMicro()
	}
	return s
}

// All is every event time that there can be.
var All = Span{-1 << 62, 1 << 62}

// on is the condition that a timestamp lies in the span, in the form by which a reader skips row groups.
func (s Span) on(column string) string {
	condition := "TRUE"
	if s.From > All.From {
		condition = fmt.Sprintf("%s >= make_timestamptz(%d)", column, s.From)
	}
	if s.To < All.To {
		condition += fmt.Sprintf(" AND %s < make_timestamptz(%d)", column, s.To)
	}
	return condition
}

// Select returns the files of the version that may hold event times of a span, in its order.
func (v *Version) Select(s Span) []lake.TableFile {
	var files []lake.TableFile
	for _, f := range v.Files {
		if f.Last >= s.From && f.First < s.To {
			files = append(files, f)
		}
	}
	return files
}

// parallelFetches bounds how many files are fetched at once.
const parallelFetches = 8

// Fetch returns the paths of local copies of files, each checked against its SHA-256 before it is believed.
func (v *Version) Fetch(ctx context.Context, files []lake.TableFile) ([]string, error) {
	return fetch(ctx, v.lake, files, func(f *lake.TableFile) (key, sha256 string) { return f.Key, f.SHA256 })
}

// fetch makes local copies of objects, side by side. The error names the first that could not be had.
func fetch[F any](ctx context.Context, l *lake.Lake, files []F, of func(*F) (key, sha256 string)) ([]string, error) {
	paths := make([]string, len(files))
	errs := make([]error, len(files))
	slots := make(chan struct{}, parallelFetches)
	var wg sync.WaitGroup
	for i := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			key, sha256 := of(&files[i])
			paths[i], errs[i] = l.Fetch(ctx, key, sha256)
			if ctx.Err() != nil {
				errs[i] = context.Cause(ctx)
			} else if errs[i] != nil {
				errs[i] = fmt.Errorf("file %s is not what its manifest says: %w", key, errs[i])
			}
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i] // one says enough
	}
	return paths, nil
}

// Query is SQL over the rows of the version whose event times lie in a span, in no order, without what open erasures take out. Its columns are
// lake.TableColumns(src): src may be a later definition than the files'. The files are fetched and checked first. A version without such
// rows is a query without rows.
func (v *Version) Query(ctx context.Context, src *view.Source, s Span) (string, error) {
	open, err := v.lake.OpenErasures(ctx, v.Topic.Name)
	if err != nil {
		return "", err
	}
	return v.queryOf(ctx, src, open, v.Select(s), s)
}

// queryOf is Query over some of the version's files, without what the erasures take out of them.
func (v *Version) queryOf(ctx context.Context, src *view.Source, open []lake.OpenErasure, files []lake.TableFile, s Span) (string, error) {
	open = slices.DeleteFunc(slices.Clone(open), func(e lake.OpenErasure) bool { return e.Number <= v.Erasures })
	parts := []string{"SELECT " + nulls(lake.TableColumns(src)) + " WHERE FALSE"}
	for _, g := range groupFiles(files) {
		paths, err := v.Fetch(ctx, g.files)
		if err != nil {
			return "", fmt.Errorf("version %s of table %s: %w", v.ID, v.Source, err)
		}
		of, err := v.lake.Source(ctx, g.definition)
		if err != nil {
			return "", err
		}
		read := lake.ReadTable(src, of, g.incarnation, paths, s.on(lake.ColumnEventTime))
		parts = append(parts, keptRows(read, open, g.incarnation, v.Topic, of, paths))
	}
	return strings.Join(parts, " UNION ALL "), nil
}

// keptRows is a query over some files of one life of a topic without what open erasures take out of them.
func keptRows(query string, open []lake.OpenErasure, incarnation int, newest lake.Topic, of *view.Source, paths []string) string {
	t := lake.Topic{Name: newest.Name, Incarnation: incarnation}
	return lake.Kept(query, reaching(open, incarnation), t, of, paths, lake.ColumnPartition, lake.ColumnOffset)
}

// reaching are the erasures that reach a life of their topic: they were asked for in it, or later.
func reaching(open []lake.OpenErasure, incarnation int) []lake.OpenErasure {
	return slices.DeleteFunc(slices.Clone(open), func(e lake.OpenErasure) bool { return e.Topic.Incarnation < incarnation })
}

// fileGroup is some files that are read together: of one life of the topic and of one definition of the source.
type fileGroup struct {
	incarnation int
	definition  string
	files       []lake.TableFile
}

// groupFiles groups files, in the order of the first of each group.
func groupFiles(files []lake.TableFile) []fileGroup {
	var groups []fileGroup
	for _, f := range files {
		i := slices.IndexFunc(groups, func(g fileGroup) bool { return g.incarnation == f.Incarnation && g.definition == f.Definition })
		if i < 0 {
			groups = append(groups, fileGroup{incarnation: f.Incarnation, definition: f.Definition})
			i = len(groups) - 1
		}
		groups[i].files = append(groups[i].files, f)
	}
	return groups
}

// nulls is a list of columns, given with their types, that are null.
func nulls(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		space := strings.LastIndex(c, `" `) + 1 // a quoted name ends there; the others have no space in it
		if space == 0 {
			space = strings.IndexByte(c, ' ')
		}
		out[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c[space+1:], c[:space])
	}
	return strings.Join(out, ", ")
}
