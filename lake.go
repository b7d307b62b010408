package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func lakeCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "lake",
		Short:   "The tables of sources: their whole history without duplicates, in few large files, by immutable versions",
		Example: "  caudal lake compact\n  caudal lake versions orders\n  caudal lake files orders --version 3\n  caudal lake prune --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say compact, versions, files, prune or release")}
		},
	}
	c.AddCommand(lakeCompactCommand(a), lakeVersionsCommand(a), lakeFilesCommand(a), lakePruneCommand(a), lakeReleaseCommand(a))
	return c
}

// compactor works on the tables of a project.
func compactor(project *view.Project, l *lake.Lake, log *slog.Logger) (*table.Compactor, error) {
	c, err := table.New(table.Config{Project: project, Lake: l, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("set up the compaction: %w", err)
	}
	return c, nil
}

// compactions bring the tables up to date every Project.Lake.CompactEvery.
func (s *services) compactions() (*table.Schedule, error) {
	c, err := compactor(s.project, s.lake, s.log)
	if err != nil {
		return nil, err
	}
	schedule, err := table.NewSchedule(c, s.project.Lake.CompactEvery)
	if err != nil {
		return nil, fmt.Errorf("set up the compaction: %w", err)
	}
	return schedule, nil
}

// withCompactor runs do with a compactor of the project's tables; a source that the project has not is a mistake in the call.
func (a *app) withCompactor(ctx context.Context, do func(*table.Compactor) error) error {
	err := a.withLake(ctx, func(project *view.Project, _ string, l *lake.Lake) error {
		c, err := compactor(project, l, slog.New(slog.NewTextHandler(a.stderr, nil)))
		if err != nil {
			return err
		}
		return do(c)
	})
	if errors.Is(err, table.ErrUnknownSource) {
		return usageError{err}
	}
	return err
}

func lakeCompactCommand(a *app) *cobra.Command {
	var o table.Options
	c := &cobra.Command{
		Use:   "compact [SOURCE…]",
		Short: "Bring the tables up to what is archived: sort the new segments into large files, and publish that as a version",
		Long: "Takes in what the archive has committed since the last version; files that nothing new belongs to are taken over as they are. Safe to call at\n" +
			"any time, while events are archived and batches run, and again after it was stopped: the version before stays until the new one is whole.",
		Example: "  caudal lake compact\n  caudal lake compact orders --full -o json",
		RunE: func(c *cobra.Command, args []string) error {
			o.Sources = args
			return a.withCompactor(c.Context(), func(t *table.Compactor) error {
				show := &tableProgress{app: a}
				o.Progress = show.step
				reports, err := t.Compact(c.Context(), o)
				show.end()
				if err != nil && len(reports) == 0 {
					return err
				}
				return errors.Join(a.printCompaction(reports), err)
			})
		},
	}
	c.Flags().BoolVar(&o.Full, "full", false, "make all files anew of the segments, each date's in as few as there can be")
	return c
}

// tableProgress shows the steps of work on tables, a line for each phase.
type tableProgress struct {
	*app
	phase string
	bar   *progress
	done  int64
}

func (p *tableProgress) step(s table.Step) {
	if phase := s.Phase + " " + s.Source; phase != p.phase {
		p.end()
		p.phase, p.bar = phase, newProgress(p.stderr, phase, "rows", s.Total)
	}
	p.done = s.Done
	p.bar.at(s.Done, s.Note)
}

func (p *tableProgress) end() {
	if p.bar != nil && p.done > 0 {
		p.bar.end(p.done, "")
	}
	p.bar, p.done = nil, 0
}

func (a *app) printCompaction(reports []table.Report) error {
	if a.output == "table" {
		for _, r := range reports {
			fmt.Fprintln(a.stdout, r)
		}
		return nil
	}
	rows := make([][]string, len(reports))
	for i, r := range reports {
		rows[i] = []string{r.Source, r.Version, digits(r.Rows), strconv.Itoa(r.Files), digits(r.Bytes), strconv.Itoa(r.Segments), strconv.Itoa(r.WrittenFiles), digits(r.WrittenBytes),
			strconv.FormatFloat(r.Seconds, 'f', 1, 64), r.Note + r.Error}
	}
	return a.print(reports, []string{"source", "version", "rows", "files", "bytes", "new_segments", "written_files", "written_bytes", "seconds", "note"}, rows)
}

func lakeVersionsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "versions [SOURCE…]",
		Short:   "The versions of tables that are kept, oldest first, with who refers to them",
		Example: "  caudal lake versions orders -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCompactor(c.Context(), func(t *table.Compactor) error {
				versions, err := t.List(c.Context(), args)
				if err != nil {
					return err
				}
				rows := make([][]string, len(versions))
				for i, v := range versions {
					refs := make([]string, len(v.Refs))
					for k, ref := range v.Refs {
						refs[k] = ref.Name
					}
					notes := ""
					if v.Current {
						notes = "current"
					}
					if v.Erased > 0 {
						notes += fmt.Sprintf(" erased:%d", v.Erased)
					}
					rows[i] = []string{v.Source, v.ID, v.Created.Format(time.RFC3339), digits(v.Rows), strconv.Itoa(v.Files), digits(v.Bytes), strings.TrimSpace(notes), strings.Join(refs, " ")}
				}
				return a.print(versions, []string{"source", "version", "created", "rows", "files", "bytes", "", "referred to by"}, rows)
			})
		},
	}
}

func lakeFilesCommand(a *app) *cobra.Command {
	var version string
	c := &cobra.Command{
		Use:   "files SOURCE",
		Short: "The files of a version of a table, with rows and SHA-256: what another engine is to read",
		Long: "A version is exactly these files. Its folder also holds those of other versions, so whoever reads the folder as a whole counts rows twice.\n" +
			"With -o json: the whole manifest.",
		Example: "  caudal lake files orders --version 3\n  caudal lake files orders -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withLake(c.Context(), func(_ *view.Project, _ string, l *lake.Lake) error {
				v, err := table.Open(c.Context(), l, args[0], version)
				if err != nil {
					return err
				}
				rows := make([][]string, len(v.Files))
				root := strings.TrimPrefix(l.Store().URL(), "file://")
				for i, f := range v.Files {
					rows[i] = []string{root + "/" + f.Key, f.Date, strconv.Itoa(f.Incarnation), digits(f.Rows), digits(f.Bytes), f.SHA256, offsets(f.Offsets)}
				}
				return a.print(v.TableVersion, []string{"file", "date", "life", "rows", "bytes", "sha256", "offsets"}, rows)
			})
		},
	}
	c.Flags().StringVar(&version, "version", "current", "id of the version, or the number that it begins with")
	return c
}

// offsets writes the lowest and highest offset of each partition.
func offsets(of map[int][2]int64) string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(of)) {
		out = append(out, fmt.Sprintf("%d:%d-%d", p, of[p][0], of[p][1]))
	}
	return strings.Join(out, " ")
}

// digits writes a count as programs read it.
func digits(n int64) string { return strconv.FormatInt(n, 10) }
