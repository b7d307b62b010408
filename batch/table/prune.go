package table

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// PruneOptions say what to prune.
type PruneOptions struct {
	Sources []string  // by name; none: all
	Now     time.Time // default: the clock
	DryRun  bool      // say what would be deleted, and delete nothing
}

// Pruned says what was deleted of a source's table.
type Pruned struct {
	Source   string   `json:"source"`
	Versions []string `json:"versions"` // ids
	Referred []string `json:"referred"` // ids of those that only stay since somebody refers to them
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
}

// leftoverAge is how old a file must be, by the store's clock, that no version names: a younger one may be read still by somebody who has the
// list of a version that has just gone, or be of a compaction that lost its lock without noticing yet.
const leftoverAge = 24 * time.Hour

// Prune deletes the versions that are neither among the newest nor young (Project.Lake.Versions), and the files that no version names any more.
// The current version stays, and so does one that somebody refers to.
func (c *Compactor) Prune(ctx context.Context, o PruneOptions) ([]Pruned, error) {
	sources, err := c.sources(o.Sources)
	if err != nil {
		return nil, err
	}
	if o.Now.IsZero() {
		o.Now = c.cfg.Clock()
	}
	all := []Pruned{}
	for _, src := range sources {
		var p Pruned
		err := c.locked(ctx, src.Name, "prune", func(ctx context.Context) (err error) {
			dry := o
			dry.DryRun = true
			if p, err = c.prune(ctx, src, dry); err != nil || o.DryRun {
				return err
			}
			if len(p.Versions) > 0 || p.Files > 0 {
				// A compaction that lost its lock asleep must not publish a version of files that are about to go.
				if err := c.cfg.Lake.FenceTable(ctx, src.Name); err != nil && !errors.Is(err, lake.ErrNotFound) {
					return err
				}
			}
			p, err = c.prune(ctx, src, o)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("prune the table of %s: %w", src.Name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func (c *Compactor) prune(ctx context.Context, src *view.Source, o PruneOptions) (Pruned, error) {
	l, policy := c.cfg.Lake, c.cfg.Project.Lake.Versions
	p := Pruned{Source: src.Name, Versions: []string{}, Referred: []string{}}
	versions, tag, err := l.TableVersions(ctx, src.Name)
	if err != nil && !errors.Is(err, lake.ErrNotFound) {
		return p, err
	}
	topics := map[string]bool{src.Topic: true}
	kept := map[string]bool{}
	for i, v := range versions {
		topics[v.Topic.Name] = true
		old := i < len(versions)-policy.Keep && v.ID != tag.Snapshot() && o.Now.Sub(v.Created) >= policy.Age
		if old {
			gone, err := c.expire(ctx, v, o.DryRun)
			if err != nil {
				return p, err
			}
			if gone {
				p.Versions = append(p.Versions, v.ID)
				continue
			}
			p.Referred = append(p.Referred, v.ID)
		}
		for _, f := range v.Files {
			kept[f.Key] = true
		}
	}
	if !o.DryRun {
		if err := l.SweepTable(ctx, src.Name); err != nil {
			return p, err
		}
	}
	for topic := range topics {
		n, bytes, err := sweepFiles(ctx, l, topic, kept, o.DryRun, func(object lake.Object) bool { return o.Now.Sub(object.Modified) > leftoverAge })
		p.Files, p.Bytes = p.Files+n, p.Bytes+bytes
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// expire deletes a version's manifest unless somebody refers to it.
func (c *Compactor) expire(ctx context.Context, v *lake.TableVersion, dryRun bool) (bool, error) {
	if dryRun {
		refs, err := c.cfg.Lake.TableRefs(ctx, v.Source, v.ID)
		return len(refs) == 0, err
	}
	return c.cfg.Lake.ExpireTable(ctx, v.Source, v.ID)
}

// sweepFiles deletes the files of a topic's table that are not kept and may go, and says how many, of how many bytes.
func sweepFiles(ctx context.Context, l *lake.Lake, topic string, kept map[string]bool, dryRun bool, may func(lake.Object) bool) (files int, bytes int64, err error) {
	var gone []lake.Object
	for object, err := range l.Store().List(ctx, l.TableFilesFolder(topic)) {
		if err != nil {
			return 0, 0, err
		}
		if strings.HasSuffix(object.Key, ".parquet") && !kept[object.Key] && may(object) {
			gone = append(gone, object)
		}
	}
	for _, object := range gone {
		if !dryRun {
			if err := l.Store().Delete(ctx, object.Key); err != nil {
				return files, bytes, err
			}
		}
		files, bytes = files+1, bytes+object.Size
	}
	return files, bytes, nil
}
