package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch/training"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// exportTraining are the flags of `caudal export training`.
type exportTraining struct {
	versions []string
	as       string
	out      string
	drop     string
}

func exportTrainingCommand(a *app) *cobra.Command {
	var o exportTraining
	c := &cobra.Command{
		Use:   "training NAME",
		Short: "A training set as Parquet: features that use only events before their row's time",
		Long: "Writes the training set that training/*.yaml defines, of pinned versions of the tables that `caudal lake compact` makes, with a manifest. The\n" +
			"same versions, definition and program give the same bytes. The versions are kept until the set is dropped. A run that was stopped is run again.",
		Example: "  caudal export training fraud\n  caudal export training fraud --version 12 --as known --out /data/fraud -o json\n  caudal export training fraud --drop /data/fraud",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withLake(c.Context(), func(project *view.Project, dir string, l *lake.Lake) error {
				set, err := findTraining(project, args[0])
				if err != nil {
					return err
				}
				if o.drop != "" {
					return a.dropTraining(c.Context(), l, set, o.drop)
				}
				return a.exportTraining(c.Context(), l, project, dir, set, &o)
			})
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.versions, "version", nil, "version of the table, or SOURCE=VERSION where the set reads more than one source; default: the current ones")
	f.StringVar(&o.as, "as", string(training.Happened), "happened: all events before a row's time; known: only those that had arrived when the row was known")
	f.StringVar(&o.out, "out", "", "folder for the files (default: .caudal/training/NAME/ID of the project)")
	f.StringVar(&o.drop, "drop", "", "remove the set in this folder instead, and let its versions expire")
	return c
}

func findTraining(p *view.Project, name string) (*view.Training, error) {
	names := make([]string, len(p.Trainings))
	for i, t := range p.Trainings {
		if t.Name == name {
			return t, nil
		}
		names[i] = t.Name
	}
	if len(names) == 0 {
		return nil, usageError{fmt.Errorf("no training set %q: training/*.yaml defines none", name)}
	}
	return nil, usageError{fmt.Errorf("no training set %q: there are %s", name, strings.Join(names, ", "))}
}

// versionsOf reads the flags --version of a set: VERSION, or SOURCE=VERSION.
func versionsOf(set *view.Training, flags []string) (map[string]string, error) {
	versions := map[string]string{}
	for _, f := range flags {
		source, version, named := strings.Cut(f, "=")
		if !named {
			source, version = set.Labels.Source.Name, f
			for i := range set.Features {
				if other := set.Features[i].Source.Name; other != source {
					return nil, usageError{fmt.Errorf("--version %s: the set reads %s and %s, each of which has versions: write %s=%s", f, source, other, source, f)}
				}
			}
		}
		if _, twice := versions[source]; twice {
			return nil, usageError{fmt.Errorf("--version names a version of %s twice", source)}
		}
		versions[source] = version
	}
	return versions, nil
}

func (a *app) exportTraining(ctx context.Context, l *lake.Lake, project *view.Project, dir string, set *view.Training, o *exportTraining) error {
	if as := training.As(o.as); as != training.Happened && as != training.Known {
		return usageError{fmt.Errorf("--as %q is neither %s nor %s", o.as, training.Happened, training.Known)}
	}
	versions, err := versionsOf(set, o.versions)
	if err != nil {
		return err
	}
	show := &phaseProgress{app: a}
	report, err := training.Export(ctx, training.Config{
		Lake: l, Training: set, As: training.As(o.as), Versions: versions, Out: o.out, Code: codeVersion(), Progress: show.at,
		OutOf:  func(m *training.Manifest) string { return filepath.Join(stateDir(dir), "training", m.Training, m.ID) },
		Engine: engine.Options{MemoryLimit: project.Batch.MemoryLimit, Threads: project.Batch.Threads},
	})
	show.end()
	if err != nil {
		return err
	}
	return a.printTraining(&report)
}

func (a *app) printTraining(r *training.Report) error {
	if a.output == "table" {
		written := "written"
		if r.Standing {
			written = "there already"
		}
		fmt.Fprintf(a.stdout, "training set %s of %s, as %s: %s rows, %d features, %s\n", r.ID, r.Training, r.As, grouped(r.Rows), r.Features(), written)
		for _, s := range r.Sources {
			fmt.Fprintf(a.stdout, "  of %s, version %s\n", s.Source, s.Version)
		}
		fmt.Fprintf(a.stdout, "  in %s\n", r.Dir)
		return nil
	}
	return a.print(r, []string{"training", "id", "as", "rows", "files", "dir"}, [][]string{{r.Training, r.ID, string(r.As), strconv.FormatInt(r.Rows, 10), strconv.Itoa(len(r.Files)), r.Dir}})
}

func (a *app) dropTraining(ctx context.Context, l *lake.Lake, set *view.Training, dir string) error {
	m, err := training.ReadManifest(dir)
	if err == nil && m.Training != set.Name {
		return usageError{fmt.Errorf("folder %s holds a set of training %s", dir, m.Training)}
	}
	if m, err = training.Drop(ctx, l, dir); err != nil {
		return err
	}
	if a.output != "table" {
		return a.print(m, []string{"training", "id"}, [][]string{{m.Training, m.ID}})
	}
	fmt.Fprintf(a.stdout, "training set %s of %s dropped\n", m.ID, m.Training)
	return nil
}

// codeVersion names this program, as manifests do: the commit that it was built of, marked where it was changed since.
func codeVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changed"
		}
	}
	return revision + changed
}

// phaseProgress shows the phases of work, a line for each.
type phaseProgress struct {
	*app
	phase string
	bar   *progress
	done  int64
}

func (p *phaseProgress) at(phase string, done, total int64) {
	if phase != p.phase || p.bar == nil {
		p.end()
		p.phase, p.bar = phase, newProgress(p.stderr, phase, "rows", total)
	}
	p.done, p.bar.total = done, total
	p.bar.at(done, "")
}

func (p *phaseProgress) end() {
	if p.bar != nil {
		p.bar.end(p.done, "")
	}
	p.bar = nil
}
