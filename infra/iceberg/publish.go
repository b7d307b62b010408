package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
	"github.com/google/uuid"
)

// Properties of a snapshot's summary, by which it is known again.
const (
	versionProperty = "caudal.version"
	contentProperty = "caudal.content" // SHA-256 of the version's manifest: it changes with an erasure
)

// Published says what came of a run.
type Published struct {
	Metadata  string // URL of the metadata file that stands
	Snapshots int    // of the table, one for each version that is kept
	Written   int    // that were not there before
}

// publisher writes Iceberg metadata over the files of a source's table. The files stay what and where they are.
type publisher struct {
	lake   *lake.Lake
	source string
	root   string // URL of the lake, without a slash at its end
	folder string // key of the metadata, with a slash at its end
}

func newPublisher(l *lake.Lake, source string) *publisher {
	root := strings.TrimSuffix(l.Store().URL(), "/")
	if !strings.Contains(root, "://") {
		root = "file://" + root
	}
	return &publisher{lake: l, source: source, root: root, folder: "iceberg/" + source + "/metadata/"}
}

// location of the Iceberg table: where Spark is pointed to.
func (p *publisher) location() string {
	return p.root + "/" + strings.TrimSuffix(p.folder, "/metadata/")
}

// publish makes the Iceberg table have one snapshot for each version of the source's table that is kept, the current one last. What stands is kept: a
// run with nothing new writes nothing. Two at once: the second fails, and changes nothing.
func (p *publisher) publish(ctx context.Context) (Published, error) {
	versions, _, err := p.lake.TableVersions(ctx, p.source)
	if err != nil {
		return Published{}, err
	}
	number, standing, err := p.standing(ctx)
	if err != nil {
		return Published{}, err
	}
	cols, err := p.columns(ctx, versions)
	if err != nil {
		return Published{}, err
	}
	done := Published{Snapshots: len(versions)}
	snapshots := make([]table.Snapshot, len(versions))
	at := int64(0)
	for i, v := range versions {
		at = max(at, v.Created.UnixMilli()) // clocks may go back, histories may not
		snapshots[i] = p.snapshot(v, at)
		if standing == nil || standing.SnapshotByID(snapshots[i].SnapshotID) == nil {
			if err := p.write(ctx, v, cols, &snapshots[i]); err != nil {
				return Published{}, fmt.Errorf("version %s: %w", v.ID, err)
			}
			done.Written++
		}
	}
	metadata, err := p.build(cols, versions, snapshots)
	if err != nil {
		return Published{}, err
	}
	if standing != nil && metadata.Equals(standing) {
		done.Metadata = p.root + "/" + p.metadataKey(number)
		return done, nil
	}
	number++
	done.Metadata = p.root + "/" + p.metadataKey(number)
	return done, p.swing(ctx, number, metadata)
}

func (p *publisher) metadataKey(number int) string {
	return fmt.Sprintf("%sv%d.metadata.json", p.folder, number)
}

// standing reads the metadata with the highest number. The hint is only a hint: who died before writing it has published all the same.
func (p *publisher) standing(ctx context.Context) (number int, metadata table.Metadata, err error) {
	for object, err := range p.lake.Store().List(ctx, p.folder+"v") {
		if err != nil {
			return 0, nil, fmt.Errorf("list the metadata of %s: %w", p.source, err)
		}
		text, ok := strings.CutSuffix(strings.TrimPrefix(object.Key, p.folder+"v"), ".metadata.json")
		if n, err := strconv.Atoi(text); ok && err == nil {
			number = max(number, n)
		}
	}
	if number == 0 {
		return 0, nil, nil
	}
	body, _, err := p.lake.Store().Get(ctx, p.metadataKey(number))
	if err != nil {
		return 0, nil, err
	}
	if metadata, err = table.ParseMetadataBytes(body); err != nil {
		return 0, nil, fmt.Errorf("read %s: %w", p.metadataKey(number), err)
	}
	return number, metadata, nil
}

// columns are those of the newest version's source, over the definitions that any file of a version was written with.
func (p *publisher) columns(ctx context.Context, versions []*lake.TableVersion) (*columns, error) {
	src, err := p.lake.Source(ctx, versions[len(versions)-1].Definition)
	if err != nil {
		return nil, err
	}
	var hashes []string
	for _, v := range versions {
		for i := range v.Files {
			hashes = append(hashes, v.Files[i].Definition)
		}
	}
	slices.Sort(hashes)
	var written []*view.Source
	for _, hash := range slices.Compact(hashes) {
		of, err := p.lake.Source(ctx, hash)
		if err != nil {
			return nil, err
		}
		written = append(written, of)
	}
	return newColumns(src, written)
}

// snapshot is what a version is in Iceberg; its id is a function of what the version holds.
func (p *publisher) snapshot(v *lake.TableVersion, at int64) table.Snapshot {
	content, err := json.Marshal(v.Files)
	if err != nil {
		panic("BUG: the files of a version: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte(v.ID+"\n"), content...))
	id := int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
	schema := 0
	return table.Snapshot{
		SnapshotID: id, SequenceNumber: v.Sequence(), TimestampMs: at, SchemaID: &schema,
		ManifestList: fmt.Sprintf("%s/%ssnap-%d.avro", p.root, p.folder, id),
		Summary: &table.Summary{Operation: table.OpOverwrite, Properties: iceberg.Properties{
			versionProperty: v.ID, contentProperty: fmt.Sprintf("%x", sum), "total-records": strconv.FormatInt(v.Rows, 10), "total-data-files": strconv.Itoa(len(v.Files)),
		}},
	}
}

// write puts the manifest of a version and the list that names it. What a run that died left of them is written again.
func (p *publisher) write(ctx context.Context, v *lake.TableVersion, cols *columns, s *table.Snapshot) error {
	entries := make([]iceberg.ManifestEntry, len(v.Files))
	for i := range v.Files {
		f := &v.Files[i]
		file, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, p.root+"/"+f.Key, iceberg.ParquetFile, nil, nil, nil, f.Rows, f.Bytes)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Key, err)
		}
		file.LowerBoundValues(map[int][]byte{cols.time: micros(f.First)}).UpperBoundValues(map[int][]byte{cols.time: micros(f.Last)})
		entries[i] = iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &s.SnapshotID, nil, nil, file.Build())
	}
	var manifests []iceberg.ManifestFile
	if len(entries) > 0 {
		var body bytes.Buffer
		key := fmt.Sprintf("%s%d-m0.avro", p.folder, s.SnapshotID)
		manifest, err := iceberg.WriteManifest(p.root+"/"+key, &body, 2, *iceberg.UnpartitionedSpec, cols.schema, s.SnapshotID, entries)
		if err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		if err := p.lake.Store().Put(ctx, key, body.Bytes()); err != nil {
			return err
		}
		manifests = append(manifests, manifest)
	}
	var body bytes.Buffer
	if err := iceberg.WriteManifestList(2, &body, s.SnapshotID, nil, &s.SequenceNumber, 0, manifests); err != nil {
		return fmt.Errorf("write the list of manifests: %w", err)
	}
	return p.lake.Store().Put(ctx, strings.TrimPrefix(s.ManifestList, p.root+"/"), body.Bytes())
}

// micros is a time as Iceberg writes a bound.
func micros(us int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(us)) }

// build makes the table's metadata: a function of the versions alone. Each version is a tag of its name too.
func (p *publisher) build(cols *columns, versions []*lake.TableVersion, snapshots []table.Snapshot) (table.Metadata, error) {
	b, err := table.NewMetadataBuilder(2)
	if err != nil {
		return nil, err
	}
	mapping, err := cols.nameMapping()
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return b.SetUUID(uuid.NewSHA1(uuid.NameSpaceURL, []byte(p.location()))) },
		func() error { return b.SetLoc(p.location()) },
		func() error { return b.AddSchema(cols.schema) },
		func() error { return b.SetCurrentSchemaID(-1) },
		func() error { return b.AddPartitionSpec(iceberg.UnpartitionedSpec, true) },
		func() error { return b.SetDefaultSpecID(-1) },
		func() error { order := table.UnsortedSortOrder; return b.AddSortOrder(&order) },
		func() error { return b.SetDefaultSortOrderID(-1) },
		func() error { return b.SetProperties(iceberg.Properties{table.DefaultNameMappingKey: mapping}) },
	}
	for i := range snapshots {
		steps = append(steps, func() error { return b.AddSnapshot(&snapshots[i]) },
			func() error { return b.SetSnapshotRef(versions[i].ID, snapshots[i].SnapshotID, table.TagRef) })
	}
	last := snapshots[len(snapshots)-1].SnapshotID
	steps = append(steps, func() error { return b.SetSnapshotRef(table.MainBranch, last, table.BranchRef) })
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("describe table %s: %w", p.source, err)
		}
	}
	return b.Build()
}

// swing makes metadata the one that stands.
func (p *publisher) swing(ctx context.Context, number int, metadata table.Metadata) error {
	body, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("write the metadata of %s: %w", p.source, err)
	}
	if _, err := p.lake.Store().Create(ctx, p.metadataKey(number), body); errors.Is(err, lake.ErrExists) {
		return fmt.Errorf("somebody else published %s meanwhile: run it again: %w", p.metadataKey(number), err)
	} else if err != nil {
		return err
	}
	return p.lake.Store().Put(ctx, p.folder+"version-hint.text", []byte(strconv.Itoa(number)))
}
