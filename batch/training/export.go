// Package training makes training sets: a row for each label, with features that use only events before the row's time, of pinned versions of
// the tables in the lake. docs/training.md tells of it.
package training

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/batch/workdir"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// Config says what to export.
type Config struct {
	Lake     *lake.Lake
	Training *view.Training
	As       As                // "" = Happened
	Versions map[string]string // of the tables, by source, as table.Open takes them; one that is left out: the current one
	// Out is the folder that the set is written to; OutOf names it where it depends on the set. One that holds the same set already is left as it is.
	Out    string
	OutOf  func(m *Manifest) string
	Engine engine.Options
	Code   string // version of the program, for the manifest
	// Progress, if set, is told how far the work has come; a total of 0 is not known.
	Progress func(phase string, done, total int64)
}

// Report is what an export did.
type Report struct {
	Manifest
	Dir      string `json:"dir"`
	Standing bool   `json:"standing,omitempty"` // the set was there already
}

// Export writes a training set. It refers to the versions that it reads before it reads them, so that they never expire while the set is in
// use; Drop ends that. A run that was stopped is simply run again.
func Export(ctx context.Context, cfg Config) (Report, error) {
	if cfg.As == "" {
		cfg.As = Happened
	}
	if cfg.As != Happened && cfg.As != Known {
		return Report{}, fmt.Errorf("export training %s: unknown --as %q: use %s or %s", cfg.Training.Name, cfg.As, Happened, Known)
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64) {}
	}
	r, err := export(ctx, &cfg)
	if err != nil {
		return r, fmt.Errorf("export training %s: %w", cfg.Training.Name, err)
	}
	return r, nil
}

func export(ctx context.Context, cfg *Config) (Report, error) {
	m, events, err := pin(ctx, cfg)
	r := Report{Manifest: m, Dir: cfg.Out}
	if err != nil {
		return r, err
	}
	if r.Dir == "" {
		r.Dir = cfg.OutOf(&m)
	}
	standing, err := ReadManifest(r.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return r, err
	case standing.Training != m.Training || standing.ID != m.ID:
		return r, fmt.Errorf("folder %s holds set %s of training %s: choose another one with --out, or drop that set", r.Dir, standing.ID, standing.Training)
	default:
		if r.Standing, err = standing.whole(r.Dir); err != nil {
			return r, err
		}
		if r.Standing = r.Standing && m.same(&standing); r.Standing {
			r.Manifest = standing
			return r, nil
		}
	}
	if err := compute(ctx, cfg, &r, events); err != nil {
		return r, err
	}
	now, err := erasures(ctx, cfg)
	if err == nil && !slices.EqualFunc(r.Sources, now, func(s ManifestSource, n int) bool { return s.Erasures == n }) {
		err = errors.New("records were erased meanwhile: run it again")
	}
	if err != nil {
		return r, errors.Join(err, os.Remove(filepath.Join(r.Dir, ManifestFile)))
	}
	return r, nil
}

// sources are those that a set reads, by name.
func sources(set *view.Training) []*view.Source {
	all := map[string]*view.Source{set.Labels.Source.Name: set.Labels.Source}
	for i := range set.Features {
		all[set.Features[i].Source.Name] = set.Features[i].Source
	}
	out := make([]*view.Source, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// erasures is how many erasures the topic of each source has.
func erasures(ctx context.Context, cfg *Config) ([]int, error) {
	var out []int
	for _, src := range sources(cfg.Training) {
		all, err := cfg.Lake.Erasures(ctx, src.Topic)
		if err != nil {
			return nil, err
		}
		out = append(out, len(all))
	}
	return out, nil
}

// pin opens the versions, refers to them, and begins the manifest. It returns a query over the events of each source.
func pin(ctx context.Context, cfg *Config) (Manifest, map[string]string, error) {
	set := cfg.Training
	m := Manifest{Training: set.Name, As: cfg.As, Definition: set.Hash, Canonical: set.Canonical, Code: cfg.Code, Columns: columnsOf(set)}
	all := sources(set)
	for name := range cfg.Versions {
		if !slices.ContainsFunc(all, func(s *view.Source) bool { return s.Name == name }) {
			return m, nil, fmt.Errorf("--version is of source %s, which the set does not read", name)
		}
	}
	counts, err := erasures(ctx, cfg)
	if err != nil {
		return m, nil, err
	}
	versions := make([]*table.Version, len(all))
	for i, src := range all {
		if versions[i], err = table.Open(ctx, cfg.Lake, src.Name, cfg.Versions[src.Name]); err != nil {
			return m, nil, err
		}
		m.Sources = append(m.Sources, ManifestSource{Source: src.Name, Version: versions[i].ID, Definition: src.Hash(), Erasures: counts[i]})
	}
	m.seal()
	events := map[string]string{}
	for i, src := range all {
		ref := lake.TableRef{Name: m.reference(), Kind: "training", Note: fmt.Sprintf("training set %s of %s; `caudal export training %s --drop DIR` ends it", m.ID, set.Name, set.Name)}
		if err := cfg.Lake.PutTableRef(ctx, src.Name, versions[i].ID, ref); err != nil {
			return m, nil, err
		}
		if events[src.Name], err = versions[i].Query(ctx, src, table.All); err != nil {
			return m, nil, err
		}
	}
	return m, events, nil
}

// reference is the name by which a set refers to versions.
func (m *Manifest) reference() string { return "training-" + m.Training + "-" + m.ID }

// compute fills the folder of a set. Files are made beside it and moved there, the manifest last.
func compute(ctx context.Context, cfg *Config, r *Report, events map[string]string) (err error) {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return fmt.Errorf("make the set's folder: %w", err)
	}
	folder, err := workdir.New(r.Dir) // on the same disk, so that files are moved in one step
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	work, options := folder.Path, cfg.Engine
	options.TempDir = work
	b, err := newBuild(cfg.Training, cfg.As, events, options, cfg.Progress)
	if err != nil {
		return err
	}
	files, err := b.run(ctx, work)
	if err = errors.Join(err, b.close()); err != nil {
		return err
	}
	r.Rows, r.Untimed = b.rows, b.untimed
	// Without its manifest the folder holds no set while its files change.
	if err := os.Remove(filepath.Join(r.Dir, ManifestFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range files {
		entry, err := hashFile(work, name)
		if err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(work, name), filepath.Join(r.Dir, name)); err != nil {
			return fmt.Errorf("move a file to its place: %w", err)
		}
		r.Files = append(r.Files, entry)
	}
	path := filepath.Join(work, ManifestFile)
	if err := os.WriteFile(path, encode(r.Manifest), 0o644); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(r.Dir, ManifestFile))
}

// Drop removes the set in a folder and ends its references, so that the versions that it was made of may expire.
func Drop(ctx context.Context, l *lake.Lake, dir string) (Manifest, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return m, fmt.Errorf("drop the training set in %s: %w", dir, err)
	}
	for _, s := range m.Sources {
		if err := l.DeleteTableRef(ctx, s.Source, s.Version, m.reference()); err != nil {
			return m, err
		}
	}
	for _, f := range m.Files {
		if err := os.Remove(filepath.Join(dir, f.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return m, err
		}
	}
	if err := os.Remove(filepath.Join(dir, ManifestFile)); err != nil {
		return m, err
	}
	_ = os.Remove(dir) // unless it holds something that is not the set's
	return m, nil
}
