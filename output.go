package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

var outputs = []string{"table", "json", "csv"}

func (a *app) checkOutput() error {
	if !slices.Contains(outputs, a.output) {
		return usageError{fmt.Errorf("unknown output %q: use one of %s", a.output, strings.Join(outputs, ", "))}
	}
	return nil
}

// print writes rows under their header as a table or CSV, or value as JSON, as -o asks.
func (a *app) print(value any, header []string, rows [][]string) error {
	switch a.output {
	case "json":
		return a.printJSON(value)
	case "csv":
		w := csv.NewWriter(a.stdout)
		if err := w.Write(header); err != nil {
			return fmt.Errorf("write csv: %w", err)
		}
		if err := w.WriteAll(rows); err != nil {
			return fmt.Errorf("write csv: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (a *app) printJSON(value any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}
