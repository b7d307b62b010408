package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch/table"
)

func exportLakeCommand(a *app) *cobra.Command {
	var o table.ExportOptions
	var from, to string
	c := &cobra.Command{
		Use:   "lake SOURCE --out FOLDER",
		Short: "Write rows of a version of a source's table to a folder: Parquet, CSV or Arrow, a file for each date",
		Long: "An export that was stopped goes on with the same command, with the version that it began with: the bytes are those of one that was not\n" +
			"stopped. export.json in the folder says what the files hold. Times are half-open and UTC where they name no zone.",
		Example: "  caudal export lake orders --out orders-2011 --from 2011-01-01 --to 2012-01-01\n" +
			"  caudal export lake orders --version 3 --columns invoice_no,country,quantity --where \"country <> 'France'\" --format csv --out some",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Source = args[0]
			for text, at := range map[*string]*time.Time{&from: &o.From, &to: &o.To} {
				var err error
				if *at, err = moment(*text); err != nil {
					return usageError{err}
				}
			}
			err := a.withCompactor(c.Context(), func(t *table.Compactor) error {
				show := &tableProgress{app: a}
				o.Progress = show.step
				journal, err := t.Export(c.Context(), o)
				show.end()
				if err != nil && c.Context().Err() != nil {
					return fmt.Errorf("stopped: the same command goes on with it: %w", err)
				}
				if err != nil {
					return err
				}
				return a.printExport(journal, o.Out)
			})
			if errors.Is(err, table.ErrExport) {
				return usageError{err}
			}
			return err
		},
	}
	c.Flags().StringVar(&o.Out, "out", "", "folder to write to")
	c.Flags().StringVar(&o.Version, "version", "current", "id of the version, or the number that it begins with")
	c.Flags().StringVar(&from, "from", "", "events of this time or later: a date, or RFC 3339")
	c.Flags().StringVar(&to, "to", "", "events before this time")
	c.Flags().StringSliceVar(&o.Columns, "columns", nil, "columns of the source, or _partition, _offset, _timestamp, _event_time, _ingested_at, _late (default: all of the source)")
	c.Flags().StringVar(&o.Where, "where", "", "only events that meet this condition: SQL over the source's columns, as the where of a view")
	c.Flags().StringVar(&o.Format, "format", "parquet", "parquet, csv or arrow")
	return c
}

// moment reads a date or a time of RFC 3339; "" is the zero time.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2011-01-31 or 2011-01-31T12:00:00Z", text)
}

func (a *app) printExport(j *table.Journal, out string) error {
	rows := make([][]string, 0, len(j.Parts))
	bytes := int64(0)
	for _, p := range j.Parts {
		bytes += p.Bytes
		if p.File != "" {
			rows = append(rows, []string{p.File, digits(p.Rows), digits(p.Bytes), p.SHA256})
		}
	}
	if a.output == "table" {
		fmt.Fprintf(a.stdout, "%s rows of version %s of %s in %d files, %.1f MB, in %s\n", grouped(j.Rows), j.Version, j.Source, len(rows), float64(bytes)/1e6, out)
		return nil
	}
	return a.print(j, []string{"file", "rows", "bytes", "sha256"}, rows)
}
