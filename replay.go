package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch"
)

func replayCommand(a *app) *cobra.Command {
	var o batch.ReplayOptions
	var undo, drop bool
	c := &cobra.Command{
		Use:   "replay VIEW",
		Short: "Rebuild a view whose definition was changed beside the answers, show the difference, switch",
		Long: "Answers go on coming from the definition that they came from until --switch, which is one step, as is --undo. Both definitions are\n" +
			"kept up to date until --drop. Safe to call again at any time; two at once are refused.",
		Example: "  caudal replay revenue\n  caudal replay revenue --grain 1h -o csv\n  caudal replay revenue --switch\n  caudal replay revenue --undo\n  caudal replay revenue --drop",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case o.Switch && undo || undo && drop || drop && o.Switch:
				return usageError{errors.New("replay: --switch, --undo and --drop are steps of their own: give one of them")}
			case drop && o.Grain != "":
				return usageError{errors.New("replay --drop compares nothing: leave --grain out")}
			}
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				show := &stepProgress{app: a}
				o.Progress = show.step
				switch {
				case drop:
					dropped, err := r.Drop(c.Context(), args[0])
					if err != nil {
						return err
					}
					return a.printDropped(dropped)
				case undo:
					done, err := r.Undo(c.Context(), args[0], o)
					if err != nil {
						return err
					}
					return a.printReplayed(done)
				}
				done, err := r.Replay(c.Context(), args[0], o)
				show.end()
				if err != nil {
					return err
				}
				return a.printReplayed(done)
			})
		},
	}
	c.Flags().BoolVar(&o.Switch, "switch", false, "answer from the rebuilt definition from now on")
	c.Flags().BoolVar(&undo, "undo", false, "answer from the definition before the last switch again")
	c.Flags().BoolVar(&drop, "drop", false, "let go of the definitions that answers do not come from")
	c.Flags().StringVar(&o.Grain, "grain", "", "of the buckets that are compared (default: the coarsest of a day or less, and longer ones)")
	return c
}

// shownHash is enough of a definition's hash for people.
func shownHash(hash string) string { return hash[:min(12, len(hash))] }

func (a *app) printDropped(d batch.Dropped) error {
	if a.output == "json" {
		return a.printJSON(d)
	}
	rows := make([][]string, len(d.Definitions))
	for i, hash := range d.Definitions {
		rows[i] = []string{d.View, hash}
	}
	if a.output == "csv" || len(rows) > 0 {
		return a.print(nil, []string{"view", "dropped definition"}, rows)
	}
	fmt.Fprintf(a.stdout, "%s has no definition but the one that answers come from\n", d.View)
	return nil
}

func (a *app) printReplayed(r batch.Replayed) error {
	if a.output == "json" {
		return a.printJSON(r)
	}
	var names []string
	var rows [][]string
	if l := r.Difference; l != nil {
		for _, e := range l.Entries {
			for name := range e.Dimensions {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		for _, e := range l.Entries {
			row := []string{e.Time.Format("2006-01-02T15:04:05Z07:00"), e.Grain}
			for _, name := range names {
				row = append(row, map[bool]string{true: "all", false: plain(e.Dimensions[name])}[e.Total])
			}
			rows = append(rows, append(row, e.Measure, plain(e.Before), plain(e.After), plain(e.Difference)))
		}
	}
	if a.output == "csv" || len(rows) > 0 {
		header := append(append([]string{"time", "grain"}, names...), "measure", "before", "after", "difference")
		if err := a.print(nil, header, rows); err != nil || a.output == "csv" {
			return err
		}
	}
	fmt.Fprint(a.stdout, replaySummary(r))
	return nil
}

// replaySummary says in a few lines what differs, and what can be done next.
func replaySummary(r batch.Replayed) string {
	var b strings.Builder
	if l := r.Difference; l != nil {
		fmt.Fprintf(&b, "%d answers differ in %d cells that were compared", l.Changed, l.Cells)
		if n := l.Changed - len(l.Entries); n > 0 {
			fmt.Fprintf(&b, " (%d of them are not listed)", n)
		}
		fmt.Fprintf(&b, ", by %s\n", strings.Join(l.Grains, ", "))
		if !l.Comparable {
			fmt.Fprintf(&b, "not everything could be compared: %s\n", l.Reason)
		}
	}
	switch {
	case r.Switched:
		fmt.Fprintf(&b, "%s answers from definition %s now; `caudal replay %s --undo` goes back to %s\n", r.View, shownHash(r.Definition), r.View, shownHash(r.Previous))
	case r.Rebuilt == nil:
		fmt.Fprintf(&b, "%s answers from the definition of the project's file, %s: there is nothing to rebuild\n", r.View, shownHash(r.Definition))
	default:
		fmt.Fprintf(&b, "%s still answers from definition %s; `caudal replay %s --switch` answers from the rebuilt one\n", r.View, shownHash(r.Definition), r.View)
	}
	return b.String()
}

// adopt rebuilds the views whose saved definition is not the one that answers come from, and switches: what `caudal replay --switch` does,
// where nobody but the author asks. A view that cannot be rebuilt goes on answering as it did.
func (w *whole) adopt(ctx context.Context, a *app) {
	r, err := w.runner(0)
	if err != nil {
		fmt.Fprintln(a.stderr, err)
		return
	}
	for _, v := range w.project.Views {
		d, err := w.lake.Definitions(ctx, v)
		if err == nil && d.Active.Definition == d.Declared.Hash {
			continue
		}
		if err == nil {
			fmt.Fprintf(a.stderr, "%s is rebuilt with its new definition; until then it answers from the old one\n", v.Name)
			_, err = r.Replay(ctx, v.Name, batch.ReplayOptions{Switch: true})
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			fmt.Fprintf(a.stderr, "%v: it goes on answering from the old definition\n", err)
		default:
			fmt.Fprintf(a.stderr, "%s answers from its new definition\n", v.Name)
		}
	}
}
