package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TableVersion is a version of a source's table: its history without duplicates in few large files, immutable. Of a version that erasures took
// records out of, the last revision counts; it has the same id.
type TableVersion struct {
	ID         string      `json:"id"` // sequence number and SHA-256 of the content, so that versions sort by age; set by PublishTable
	Source     string      `json:"source"`
	Topic      Topic       `json:"topic"`      // the newest life of it that the version covers
	Definition string      `json:"definition"` // hash of the source that it was made for; each file names the one that it was written with
	Created    time.Time   `json:"created"`
	Parent     string      `json:"parent,omitempty"` // id of the version that was current before
	Full       bool        `json:"full,omitempty"`   // made of segments alone, without the parent's files
	Dedup      string      `json:"dedup"`            // which repeats are left out: "none", "horizon" or "full"; as the source's batch_dedup
	Lives      []TableLife `json:"lives"`            // what it covers, oldest first
	Files      []TableFile `json:"files"`            // by date, life, run and time
	Rows       int64       `json:"rows"`
	Bytes      int64       `json:"bytes"`
	Repeats    int64       `json:"repeats"`            // events of the covered offsets that it leaves out as duplicates
	Erasures   int         `json:"erasures,omitempty"` // how many erasures of the topic its files leave out: those of number 1 to this
	Erased     int64       `json:"erased,omitempty"`   // rows that erasures took out of the version since it was published
}

// TableLife is what a table covers of one life of its topic.
type TableLife struct {
	Incarnation int                `json:"incarnation"`
	Offsets     map[int][2]int64   `json:"offsets"`           // by partition: [from, below), all of which segments held
	Missing     map[int][][2]int64 `json:"missing,omitempty"` // of these, what retention took before the archive could read it
}

// TableFile is one file of a table. Its rows are sorted by event time, partition and offset, and its columns are those of a segment; none is a duplicate.
type TableFile struct {
	Key         string           `json:"key"`
	Incarnation int              `json:"incarnation"`
	Date        string           `json:"date"` // UTC, 2006-01-02, of the event times
	Run         int64            `json:"run"`  // sequence number of the version that sorted it: files of one date and run do not overlap in time
	Rows        int64            `json:"rows"`
	Bytes       int64            `json:"bytes"`
	SHA256      string           `json:"sha256"`
	Definition  string           `json:"definition"` // hash of the source that it was written with
	First       int64            `json:"first"`      // lowest event time, µs UTC
	Last        int64            `json:"last"`       // highest event time
	Offsets     map[int][2]int64 `json:"offsets"`    // by partition: lowest and highest
}

func tableFolder(source string) string { return "tables/" + source + "/" }

func tableCurrentKey(source string) string { return tableFolder(source) + "CURRENT" }

func versionsFolder(source string) string { return tableFolder(source) + "versions/" }

func versionKey(source, id string) string { return versionsFolder(source) + id + ".json" }

// TableFileKey is the key of a file of a topic's table, named by what it holds: who makes the same file again finds it there.
func (l *Lake) TableFileKey(t Topic, date, sha256 string) string {
	return fmt.Sprintf("tables/%s/dt=%s/%s.parquet", t.folder(), date, sha256[:32])
}

// TableFilesFolder holds the files of a topic's table, of all its lives.
func (l *Lake) TableFilesFolder(topic string) string { return "tables/" + topic + "/inc=" }

// Sequence is the number that the id begins with.
func (v *TableVersion) Sequence() int64 { return sequenceOf(v.ID) }

func sequenceOf(id string) int64 {
	number, _, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseInt(number, 10, 64)
	return n
}

// Below is the offset up to which the version covers a partition of a life, and whether it covers anything of it.
func (v *TableVersion) Below(incarnation, partition int) (int64, bool) {
	for _, life := range v.Lives {
		if life.Incarnation == incarnation {
			span, ok := life.Offsets[partition]
			return span[1], ok
		}
	}
	return 0, false
}

// CurrentTable returns the current version of a source's table and the tag to publish against; it is shared and must not be written to.
// ErrNotFound if there is none.
func (l *Lake) CurrentTable(ctx context.Context, source string) (*TableVersion, Tag, error) {
	if err := checkName("source", source); err != nil {
		return nil, Tag{}, err
	}
	tag, err := l.readCurrent(ctx, tableCurrentKey(source))
	if err != nil {
		return nil, Tag{}, fmt.Errorf("current table of %s: %w", source, err)
	}
	v, err := l.TableVersion(ctx, source, tag.current.Snapshot)
	return v, tag, err
}

// TableVersion returns the version of that id as its last revision has it; it is shared and must not be written to. ErrNotFound if there is none.
func (l *Lake) TableVersion(ctx context.Context, source, id string) (*TableVersion, error) {
	if err := errors.Join(checkName("source", source), checkName("version", id)); err != nil {
		return nil, err
	}
	key, err := l.lastTableRevision(ctx, source, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	v := l.tables[key]
	l.mu.Unlock()
	if v == nil {
		data, _, err := l.store.Get(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("version %s of table %s: %w", id, source, err)
		}
		v = &TableVersion{}
		if err := decode(key, data, v); err != nil {
			return nil, err
		}
		if err := v.validate(); err != nil || v.ID != id || v.Source != source {
			return nil, fmt.Errorf("%w: %s holds version %s of table %s: %w", ErrCorrupt, key, v.ID, v.Source, err)
		}
		l.mu.Lock()
		l.tables[key] = v
		l.mu.Unlock()
	}
	return v, nil
}

// TableVersions returns the versions of a source's table that were published and are kept, oldest first, and the tag of its CURRENT.
// ErrNotFound if there is no table.
func (l *Lake) TableVersions(ctx context.Context, source string) ([]*TableVersion, Tag, error) {
	_, tag, err := l.CurrentTable(ctx, source)
	if err != nil {
		return nil, Tag{}, err
	}
	ids, err := l.tableIDs(ctx, source)
	if err != nil {
		return nil, Tag{}, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !tag.current.published(id) })
	versions, err := readAll(ctx, ids, func(ctx context.Context, id string) (*TableVersion, error) { return l.TableVersion(ctx, source, id) })
	if err != nil {
		return nil, Tag{}, fmt.Errorf("versions of table %s: %w", source, err)
	}
	return versions, tag, nil
}

// tableIDs lists the ids of a table's manifests, published or not.
func (l *Lake) tableIDs(ctx context.Context, source string) ([]string, error) {
	var ids []string
	folder := versionsFolder(source)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("versions of table %s: %w", source, err)
		}
		if id, ok := strings.CutSuffix(strings.TrimPrefix(object.Key, folder), ".json"); ok && !strings.Contains(id, "/") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// published says whether CURRENT has named a version. What it named before its history begins is not known any more, and taken for published:
// a manifest that never was is deleted long before.
func (c *Current) published(id string) bool {
	n := sequenceOf(id)
	if len(c.History) > 0 && n < c.History[0].Sequence {
		return true
	}
	return slices.ContainsFunc(c.History, func(p Publication) bool { return p.Snapshot == id })
}

// Tables returns the names of the sources that have a table, of the project's and of those that it had before.
func (l *Lake) Tables(ctx context.Context) ([]string, error) {
	var sources []string
	const folder = "tables/"
	for after := folder; ; {
		next := ""
		for object, err := range l.store.ListFrom(ctx, folder, after) {
			if err != nil {
				return nil, fmt.Errorf("list tables: %w", err)
			}
			next = strings.TrimPrefix(object.Key, folder)
			break
		}
		source, _, ok := strings.Cut(next, "/")
		if !ok {
			return sources, nil
		}
		after = folder + source + "/~" // beyond whatever the folder holds
		if _, err := l.readCurrent(ctx, tableCurrentKey(source)); err == nil {
			sources = append(sources, source)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("list tables: %w", err)
		}
	}
}

// PublishTable makes a version the current one of its source's table, if the CURRENT that tag names still stands, or if tag is zero and there
// is none: ErrChanged otherwise, and nothing changed but that a manifest may lie about. What it covers may not become less. The files have to be there.
func (l *Lake) PublishTable(ctx context.Context, v TableVersion, tag Tag) (*TableVersion, Tag, error) {
	v.Created, v.Parent, v.ID = v.Created.UTC(), tag.current.Snapshot, ""
	same := v
	same.Created = time.Time{}
	v.ID = snapshotID(tag.current.Sequence+1, Sum(encode(same))[:12])
	fail := func(err error) (*TableVersion, Tag, error) {
		return nil, Tag{}, fmt.Errorf("publish version %s of table %s: %w", v.ID, v.Source, err)
	}
	if err := v.validate(); err != nil {
		return fail(err)
	}
	if v.Parent != "" {
		before, err := l.TableVersion(ctx, v.Source, v.Parent)
		if err == nil {
			err = v.follows(before)
		}
		if err != nil {
			return fail(err)
		}
	}
	// One that stands is of somebody who did the same work.
	if _, err := l.store.Create(ctx, versionKey(v.Source, v.ID), encode(v)); err != nil && !errors.Is(err, ErrExists) {
		return fail(err)
	}
	next, err := l.swingCurrent(ctx, tableCurrentKey(v.Source), v.ID, tag)
	if errors.Is(err, ErrChanged) {
		if standing, readErr := l.readCurrent(ctx, tableCurrentKey(v.Source)); readErr == nil && standing.current.Snapshot == v.ID {
			next, err = standing, nil
		}
	}
	if err != nil {
		return fail(err)
	}
	published, err := l.TableVersion(ctx, v.Source, v.ID)
	return published, next, err
}

// FenceTable makes a publish against the CURRENT that stood before fail: whoever sleeps on an older one cannot publish any more.
func (l *Lake) FenceTable(ctx context.Context, source string) error {
	tag, err := l.readCurrent(ctx, tableCurrentKey(source))
	if err == nil {
		_, err = l.swingCurrent(ctx, tableCurrentKey(source), tag.current.Snapshot, tag)
	}
	if err != nil {
		return fmt.Errorf("fence table %s: %w", source, err)
	}
	return nil
}

// validate checks that a version is whole and its sums are right.
func (v *TableVersion) validate() error {
	if v.Topic.Name == "" || v.Topic.Incarnation < 1 || v.Definition == "" || v.Source == "" {
		return errors.New("it names no source, no topic or no definition")
	}
	var rows, bytes int64
	for i := range v.Files {
		f := &v.Files[i]
		if f.Key == "" || len(f.SHA256) != 64 || f.Rows <= 0 || f.Bytes <= 0 || f.Definition == "" || f.Incarnation < 1 || f.First > f.Last {
			return fmt.Errorf("file %q: %d rows, %d bytes, SHA-256 %q, life %d, times %d to %d", f.Key, f.Rows, f.Bytes, f.SHA256, f.Incarnation, f.First, f.Last)
		}
		for p, span := range f.Offsets {
			if below, ok := v.Below(f.Incarnation, p); !ok || span[1] >= below {
				return fmt.Errorf("file %s holds offset %d of partition %d of life %d, and the version ends at %d", f.Key, span[1], p, f.Incarnation, below)
			}
		}
		rows, bytes = rows+f.Rows, bytes+f.Bytes
	}
	if rows != v.Rows || bytes != v.Bytes {
		return fmt.Errorf("its files hold %d rows in %d bytes, it says %d and %d", rows, bytes, v.Rows, v.Bytes)
	}
	return nil
}

// follows checks that nothing that was covered is covered no more.
func (v *TableVersion) follows(before *TableVersion) error {
	if v.Topic.Name != before.Topic.Name {
		return fmt.Errorf("it is of topic %s, and the current version of %s", v.Topic.Name, before.Topic.Name)
	}
	for _, life := range before.Lives {
		for p, span := range life.Offsets {
			if below, ok := v.Below(life.Incarnation, p); !ok || below < span[1] {
				return fmt.Errorf("partition %d of life %d would go back from offset %d to %d", p, life.Incarnation, span[1], below)
			}
		}
	}
	return nil
}
