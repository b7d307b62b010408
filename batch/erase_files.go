package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// chunksPerGroup bounds how many chunks are revised together, and so for how long somebody who only lists the folder sees files both with and
// without the records: from the first new file of a group to the last old one that is emptied.
const chunksPerGroup = 64

// eraseFiles reads and rewrites the files of the lake for one erasure after the other.
type eraseFiles struct {
	erasing *erasing
	db      *engine.DB
	conn    *engine.Conn
}

func newEraseFiles(_ context.Context, x *erasing) (*eraseFiles, error) {
	f := &eraseFiles{erasing: x}
	var err error
	if f.db, err = engine.Open(x.runner.cfg.Engine); err != nil {
		return nil, err
	}
	if f.conn, err = f.db.Connect(); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

func (f *eraseFiles) close() error {
	f.conn.Close()
	return f.db.Close()
}

// group is some chunks of a partition that lie next to one another, and what an erasure takes out of them.
type group struct {
	topic     lake.Topic
	partition int
	chunks    []lake.Chunk
	taken     map[fileOf]*takenRows // only files that hold something
}

// fileOf names a file of a group.
type fileOf struct{ chunk, file int }

// takenRows is what is taken out of one file.
type takenRows struct {
	offsets          map[int64]bool
	duplicates, late int64
}

// each calls visit for the chunks of all lives of the topic that an erasure reaches, group by group.
func (f *eraseFiles) each(ctx context.Context, e *lake.Erasure, visit func(*group) error) error {
	for n := 1; n <= e.Topic.Incarnation; n++ {
		t := lake.Topic{Name: e.Topic.Name, Incarnation: n}
		partitions, err := f.lake().Partitions(ctx, t)
		if err != nil {
			return err
		}
		for _, p := range partitions {
			chunks, err := f.lake().Chunks(ctx, t, p, 0)
			if err != nil {
				return err
			}
			chunks = slices.DeleteFunc(chunks, func(c lake.Chunk) bool { return !c.Committed || c.First >= e.Bound(t, p) })
			for some := range slices.Chunk(chunks, chunksPerGroup) {
				g := &group{topic: t, partition: p, chunks: some, taken: map[fileOf]*takenRows{}}
				if err := f.find(ctx, e, g); err != nil {
					return fmt.Errorf("%s partition %d, offsets [%d, %d): %w", t, p, some[0].First, some[len(some)-1].Next, err)
				}
				if err := visit(g); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (f *eraseFiles) lake() *lake.Lake { return f.erasing.runner.cfg.Lake }

// find notes what an erasure takes out of a group's files. Every file is checked against its SHA-256.
func (f *eraseFiles) find(ctx context.Context, e *lake.Erasure, g *group) error {
	byDefinition := map[string][]string{}
	for i := range g.chunks {
		for k := range g.chunks[i].Files {
			file := &g.chunks[i].Files[k]
			if file.First >= e.Bound(g.topic, g.partition) || file.Dead && e.Contains == "" && !e.AllDead || !file.Dead && e.Where == "" {
				continue
			}
			path, err := f.lake().Fetch(ctx, file.Key, file.SHA256)
			if err != nil {
				return err
			}
			if !file.Dead {
				byDefinition[g.chunks[i].Definition] = append(byDefinition[g.chunks[i].Definition], path)
				continue
			}
			letters, err := lake.ReadDeadLetters(path)
			if err != nil {
				return err
			}
			for _, d := range letters {
				if takesLetter(e, g.topic, &d) {
					g.take(fileOf{i, k}, d.Offset)
				}
			}
		}
	}
	if e.Where == "" {
		return nil
	}
	of, err := f.lake().Source(ctx, e.Definition)
	if err != nil {
		return err
	}
	open := lake.OpenErasureOf(e, of)
	for _, definition := range slices.Sorted(maps.Keys(byDefinition)) {
		of, err := f.lake().Source(ctx, definition)
		if err != nil {
			return err
		}
		err = f.conn.Query(ctx, open.Read(g.topic, of, byDefinition[definition]), func(rows *engine.Chunk) error {
			for i := range rows.Len() {
				row := rows.Row(i)
				in, ok := g.holder(row.Int64(1), row.Int64(2))
				if !ok {
					return fmt.Errorf("%w: no file of the chunk should hold offset %d", lake.ErrCorrupt, row.Int64(1))
				}
				taken := g.take(in, row.Int64(1))
				taken.duplicates += row.Int64(3)
				taken.late += row.Int64(4) &^ row.Int64(3)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takesLetter says whether an erasure takes a dead letter.
func takesLetter(e *lake.Erasure, t lake.Topic, d *lake.DeadLetter) bool {
	if d.Offset >= e.Bound(t, d.Partition) {
		return false
	}
	text := []byte(e.Contains)
	return e.AllDead || e.Contains != "" && (bytes.Contains(d.Raw, text) || bytes.Contains(d.Key, text) || strings.Contains(d.Detail, e.Contains))
}

func (g *group) take(in fileOf, offset int64) *takenRows {
	t := g.taken[in]
	if t == nil {
		t = &takenRows{offsets: map[int64]bool{}}
		g.taken[in] = t
	}
	t.offsets[offset] = true
	return t
}

// holder is the segment that holds an offset, whose event time is given in µs.
func (g *group) holder(offset, eventTime int64) (fileOf, bool) {
	i, found := slices.BinarySearchFunc(g.chunks, offset, func(c lake.Chunk, offset int64) int {
		switch {
		case c.Next <= offset:
			return -1
		case c.First > offset:
			return 1
		}
		return 0
	})
	if !found {
		return fileOf{}, false
	}
	date := time.UnixMicro(eventTime).UTC().Format(time.DateOnly)
	k := slices.IndexFunc(g.chunks[i].Files, func(f lake.ChunkFile) bool { return !f.Dead && f.Date == date })
	return fileOf{i, k}, k >= 0
}

// revise takes the records of the open erasures out of the chunks: new files, then the revision that names them, then the old files emptied.
// An old file is emptied and not deleted: its name stays taken, so that an archive that slept since before the commit cannot write it again,
// and whoever lists the folder finds a file of no rows.
func (x *erasing) revise(ctx context.Context) error {
	return x.open(func(e *lake.Erasure) error {
		if e.Number != x.report.Erasure || x.report.Resumed {
			// A revision may stand whose old files were not all emptied.
			if err := x.files.eachRevision(ctx, e, func(r *lake.Revision) error { return x.files.empty(ctx, r) }); err != nil {
				return err
			}
		}
		if err := x.files.each(ctx, e, func(g *group) error { return x.files.rewrite(ctx, e, g) }); err != nil {
			return err
		}
		if e.Number != x.report.Erasure {
			return nil
		}
		return x.files.eachRevision(ctx, e, func(r *lake.Revision) error { x.report.revised(r); return nil })
	})
}

// eachRevision calls visit for what an erasure made of the chunks of all lives of the topic.
func (f *eraseFiles) eachRevision(ctx context.Context, e *lake.Erasure, visit func(*lake.Revision) error) error {
	for n := 1; n <= e.Topic.Incarnation; n++ {
		t := lake.Topic{Name: e.Topic.Name, Incarnation: n}
		partitions, err := f.lake().Partitions(ctx, t)
		if err != nil {
			return err
		}
		for _, p := range partitions {
			revisions, err := f.lake().Revisions(ctx, t, p)
			if err != nil {
				return err
			}
			for i := range revisions {
				if revisions[i].Erasure == e.Number {
					if err := visit(&revisions[i]); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// rewrite revises the chunks of a group that hold something of an erasure.
func (f *eraseFiles) rewrite(ctx context.Context, e *lake.Erasure, g *group) error {
	if len(g.taken) == 0 {
		return nil
	}
	r := lake.Revision{Erasure: e.Number}
	for i := range g.chunks {
		c := g.chunks[i]
		c.Files = nil
		changed := false
		for k := range g.chunks[i].Files {
			file := g.chunks[i].Files[k]
			taken := g.taken[fileOf{i, k}]
			if taken == nil {
				c.Files = append(c.Files, file)
				continue
			}
			changed = true
			r.Replaced = append(r.Replaced, file)
			left, err := f.without(ctx, &c, &file, e.Number, taken.offsets)
			if err != nil {
				return err
			}
			if left != nil {
				c.Files = append(c.Files, *left)
			}
			n := int64(len(taken.offsets))
			if file.Dead {
				c.Dead, c.ErasedDead, r.Dead = c.Dead-n, c.ErasedDead+n, r.Dead+n
				continue
			}
			c.Events, c.Erased, r.Events = c.Events-n, c.Erased+n, r.Events+n
			c.Duplicates, c.Late = c.Duplicates-taken.duplicates, c.Late-taken.late
		}
		if changed {
			c.Revision = e.Number
			r.Chunks = append(r.Chunks, c)
		}
	}
	if err := f.erasing.runner.step("after-new-files"); err != nil {
		return err
	}
	if err := f.lake().PutRevision(ctx, g.topic, g.partition, r); err != nil {
		return err
	}
	if err := f.erasing.runner.step("after-revision"); err != nil {
		return err
	}
	return f.empty(ctx, &r)
}

// without writes a file anew without some offsets. Nil: nothing is left of it.
func (f *eraseFiles) without(ctx context.Context, c *lake.Chunk, file *lake.ChunkFile, erasure int, offsets map[int64]bool) (*lake.ChunkFile, error) {
	left := lake.ChunkFile{Key: f.lake().RevisedKey(*file, erasure), Date: file.Date, Rows: file.Rows - int64(len(offsets)), Dead: file.Dead}
	if left.Rows == 0 {
		return nil, nil
	}
	path, err := f.lake().Fetch(ctx, file.Key, file.SHA256)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if file.Dead {
		letters, err := lake.ReadDeadLetters(path)
		if err != nil {
			return nil, err
		}
		letters = slices.DeleteFunc(letters, func(d lake.DeadLetter) bool { return offsets[d.Offset] })
		left.First, left.Last = letters[0].Offset, letters[len(letters)-1].Offset
		if err := lake.WriteDeadLetters(&buf, letters); err != nil {
			return nil, err
		}
	} else {
		of, err := f.lake().Source(ctx, c.Definition)
		if err != nil {
			return nil, err
		}
		rows, err := f.rows(ctx, of, path, offsets)
		if err != nil {
			return nil, err
		}
		if int64(rows.Len()) != left.Rows {
			return nil, fmt.Errorf("%w: %s has %d rows left of %d, and should have %d", lake.ErrCorrupt, file.Key, rows.Len(), file.Rows, left.Rows)
		}
		left.First, left.Last = rows.Offset[0], rows.Offset[rows.Len()-1]
		if err := writeRows(&buf, rows, of, c); err != nil {
			return nil, err
		}
	}
	// A process that was stopped before may have written it: of the same records, so that it need not be the same encoder's bytes.
	put, err := f.lake().PutFile(ctx, left.Key, buf.Bytes())
	if err != nil {
		return nil, err
	}
	left.Bytes, left.SHA256 = put.Bytes, put.SHA256
	return &left, nil
}

// rows reads a segment without some offsets, in the order of the log.
func (f *eraseFiles) rows(ctx context.Context, of *view.Source, path string, without map[int64]bool) (*intake.Rows, error) {
	rows := intake.NewRows(of)
	err := f.conn.Query(ctx, lake.ReadWhole(of, path), func(chunk *engine.Chunk) error {
		for n := range chunk.Len() {
			row := chunk.Row(n)
			if without[row.Int64(1)] {
				continue
			}
			i := rows.Extend()
			rows.Partition[i], rows.Offset[i], rows.Timestamp[i], rows.EventTime[i] = row.Int64(0), row.Int64(1), row.Int64(2), row.Int64(3)
			rows.Duplicate[i], rows.Late[i] = row.Int64(4), row.Int64(5)
			for c := range rows.Columns {
				row.CopyTo(rows, c, i, 6+c)
			}
		}
		return nil
	})
	return rows, err
}

// writeRows encodes all rows as the archive encodes a segment of the chunk.
func writeRows(buf *bytes.Buffer, rows *intake.Rows, of *view.Source, c *lake.Chunk) error {
	idx := make([]int32, rows.Len())
	for i := range idx {
		idx[i] = int32(i)
	}
	return lake.WriteSegment(buf, rows, idx, lake.SegmentSchema{Fields: of.Fields, Definition: c.Definition}, c.IngestedAt)
}

// empty puts a file of no rows in the place of each that a revision replaced. Repeated it changes nothing.
func (f *eraseFiles) empty(ctx context.Context, r *lake.Revision) error {
	for i, file := range r.Replaced {
		var buf bytes.Buffer
		var err error
		if file.Dead {
			err = lake.WriteDeadLetters(&buf, nil)
		} else {
			k := slices.IndexFunc(r.Chunks, func(c lake.Chunk) bool { return c.First <= file.First && file.First < c.Next })
			if k < 0 {
				return fmt.Errorf("%w: a revision replaces %s and has no chunk of offset %d", lake.ErrCorrupt, file.Key, file.First)
			}
			var of *view.Source
			if of, err = f.lake().Source(ctx, r.Chunks[k].Definition); err == nil {
				err = writeRows(&buf, intake.NewRows(of), of, &r.Chunks[k])
			}
		}
		if err == nil {
			err = f.lake().Store().Put(ctx, file.Key, buf.Bytes())
		}
		if err != nil {
			return fmt.Errorf("empty %s: %w", file.Key, err)
		}
		if i == 0 {
			if err := f.erasing.runner.step("after-first-emptied"); err != nil {
				return err
			}
		}
	}
	return f.erasing.runner.step("after-emptied")
}
