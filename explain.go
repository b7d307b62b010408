package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
)

func explainCommand(a *app) *cobra.Command {
	var asked explained
	c := &cobra.Command{
		Use:   "explain VIEW --at TIME [dimension=value…]",
		Short: "Where a number came from, and why it changed",
		Example: "  caudal explain revenue --at 2011-11-09\n" +
			"  caudal explain revenue --at 2011-11-09 --grain 1mo country=France -o json\n" +
			"  caudal explain visits --at 2026-03-01T10:07:00Z --window sessions user_id=u17",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.explain(c.Context(), args[0], asked, args[1:])
		},
	}
	f := c.Flags()
	f.StringVar(&asked.at, "at", "", "a time within the bucket or session, and of hops the one that began last: RFC 3339 or a date in the view's time zone")
	f.StringVar(&asked.grain, "grain", "", "size of the bucket (default: the view's day)")
	f.StringVar(&asked.window, "window", "", "in place of a grain: explain a hop or a session of a window of the view")
	f.StringVar(&asked.where, "where", "", "condition over dimensions that events have to meet, as of a query")
	return c
}

// explained is which row is to be explained, as the flags say.
type explained struct{ at, grain, window, where string }

func (a *app) explain(ctx context.Context, view string, asked explained, dimensions []string) error {
	if asked.at == "" {
		return usageError{fmt.Errorf("explain %s: --at is missing: give a time within the bucket, as --at 2011-11-09", view)}
	}
	values := url.Values{}
	flags := map[string]string{"at": asked.at, "grain": asked.grain, "window": asked.window, "where": asked.where}
	for name, value := range flags {
		if value != "" {
			values.Set(name, value)
		}
	}
	for _, d := range dimensions {
		name, value, ok := strings.Cut(d, "=")
		if _, flag := flags[name]; !ok || flag {
			return usageError{fmt.Errorf("explain %s: %q is no dimension=value: write what is called like a flag into --where", view, d)}
		}
		values.Add(name, value)
	}
	text, err := a.call(ctx, http.MethodGet, "/v1/views/"+url.PathEscape(view)+"/explain?"+values.Encode(), "")
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(json.RawMessage(text))
	}
	var e serving.Explanation
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("read the explanation: %w", err)
	}
	return a.printExplanation(&e)
}

func (a *app) printExplanation(e *serving.Explanation) error {
	if a.output == "table" {
		what := "the " + e.Grain + " from " + e.Time
		if e.Window != "" {
			what = e.Window + " from " + e.Time + " to " + e.End
		}
		fmt.Fprintf(a.stdout, "%s, %s%s\n", e.View, what, describe(e.Dimensions))
		for _, measure := range slices.Sorted(maps.Keys(e.Answer)) {
			fmt.Fprintf(a.stdout, "  %s = %s\n", measure, brief(e.Answer[measure]))
		}
		fmt.Fprintln(a.stdout, e.Note)
		fmt.Fprintf(a.stdout, "batch: %d events, snapshot %s\n", e.Batch.Events, e.Batch.Snapshot)
		fmt.Fprintf(a.stdout, "speed: %d events\n", e.Speed.Events)
		for _, epoch := range e.Speed.Epochs {
			fmt.Fprintf(a.stdout, "  partition %d, epoch from offset %d: %d events\n", epoch.Partition, epoch.Start, epoch.Events)
		}
		a.printPanes(e)
		if len(e.Unread) > 0 {
			fmt.Fprintf(a.stdout, "The ledgers of %s could not be read.\n", strings.Join(e.Unread, ", "))
		}
		if len(e.Changes) == 0 {
			fmt.Fprintln(a.stdout, "No kept snapshot lists a change of it.")
			return nil
		}
	}
	rows := make([][]string, len(e.Changes))
	for i, c := range e.Changes {
		causes := make([]string, len(c.Parts))
		for k, p := range c.Parts {
			causes[k] = strings.TrimSpace(strings.ReplaceAll(string(p.Class), "_", " ") + " " + plain(p.Amount))
		}
		rows[i] = []string{c.Snapshot, c.Grain + strings.TrimPrefix(describe(c.Dimensions), ","), c.Measure, plain(c.Before), plain(c.After), plain(c.Difference), strings.Join(causes, ", ")}
	}
	return a.print(e, []string{"snapshot", "bucket", "measure", "before", "after", "difference", "because of"}, rows)
}

// printPanes lists what a hop or a session is composed of.
func (a *app) printPanes(e *serving.Explanation) {
	if len(e.Panes) == 0 {
		return
	}
	fmt.Fprintf(a.stdout, "panes: %d\n", len(e.Panes)+e.MorePanes)
	for _, p := range e.Panes {
		from, to := p.Time, p.End
		if p.First != "" {
			from, to = p.First, p.Last
		}
		fmt.Fprintf(a.stdout, "  %s to %s: %d events, %d of them live (%s)\n", from, to, p.Events, p.Live, p.Source)
	}
	if e.MorePanes > 0 {
		fmt.Fprintf(a.stdout, "  and %d later ones\n", e.MorePanes)
	}
}

// describe lists dimension values, after a comma.
func describe(dimensions map[string]json.RawMessage) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(dimensions)) {
		if i == 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s=%s", name, plain(dimensions[name]))
	}
	return b.String()
}
