package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
)

func queryCommand(a *app) *cobra.Command {
	var q serving.Query
	c := &cobra.Command{
		Use:   "query VIEW",
		Short: "Ask a view: batch and speed merged, and how sure the answer is",
		Example: "  caudal query revenue --measures net_revenue --dimensions country --grain 1mo\n" +
			"  caudal query products --measures net_revenue --dimensions product --order=-net_revenue --limit 20\n" +
			"  caudal query revenue --grain 1d --from 2011-11-01 --to 2011-12-01 --where \"country = 'France'\" -o csv\n" +
			"  caudal query revenue --exact --from 2011-11-01T09:17:00Z --where \"quantity < 0 and description like '%BAG%'\"\n" +
			"  caudal query revenue --measures net_revenue --dimensions country --grain 1w --compare 1y --having \"net_revenue_ratio < 0.5\" --fill zero",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q.View = args[0]
			return a.query(c.Context(), q)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&q.Measures, "measures", nil, "by name (default: all)")
	f.StringSliceVar(&q.Dimensions, "dimensions", nil, "to group by (default: none)")
	f.StringVar(&q.Grain, "grain", "", "size of the buckets; without it the whole range is one")
	f.StringVar(&q.Window, "window", "", "in place of a grain: the hops or sessions of a window of the view that begin in the range")
	f.StringVar(&q.From, "from", "", "RFC 3339 or a date, inclusive (default: the first event)")
	f.StringVar(&q.To, "to", "", "RFC 3339 or a date, exclusive (default: after the last event)")
	f.StringVar(&q.Where, "where", "", "condition over dimensions: country = 'France' and product in ('A', 'B')")
	f.StringVar(&q.Having, "having", "", "condition over measures: revenue > 5000 or lines < 10")
	f.StringVar(&q.Compare, "compare", "", "period such as 1w or 1y: each row beside what it was so long before")
	f.StringVar(&q.Fill, "fill", "", "what stands in buckets without events: none, null, zero, previous or linear (default none)")
	f.StringSliceVar(&q.Order, "order", nil, "columns, a - before one for descending")
	f.IntVar(&q.Limit, "limit", 0, "rows at most (default 10,000)")
	f.BoolVar(&q.Exact, "exact", false, "scan the lake: every number exact, --from and --to any times, --where over any field of the source")
	f.StringVar(&q.AsOf, "as-of", "", "id of a kept snapshot: what batch answered then (see caudal batch list)")
	return c
}

// reply is the part of an answer that the command prints.
type reply struct {
	Meta struct {
		Columns []struct{ Name string }
	}
	Data       []map[string]json.RawMessage
	Provenance struct {
		Note string
		Rows []struct {
			Source string
			Exact  bool
		}
	}
}

func (a *app) query(ctx context.Context, q serving.Query) error {
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encode the query: %w", err)
	}
	text, err := a.call(ctx, http.MethodPost, "/v1/views/"+url.PathEscape(q.View)+"/query", string(body))
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(json.RawMessage(text))
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	var header []string
	for _, c := range r.Meta.Columns {
		header = append(header, c.Name)
	}
	write := plain
	if a.output == "table" {
		write = brief
	}
	rows := make([][]string, len(r.Data))
	for i, row := range r.Data {
		for _, name := range header {
			rows[i] = append(rows[i], write(row[name]))
		}
		rows[i] = append(rows[i], r.Provenance.Rows[i].Source, map[bool]string{true: "exact", false: "approximate"}[r.Provenance.Rows[i].Exact])
	}
	if err := a.print(nil, append(header, "source", "exactness"), rows); err != nil {
		return err
	}
	if a.output == "table" {
		fmt.Fprintln(a.stdout, r.Provenance.Note)
	}
	return nil
}

// plain is a JSON value as a table shows it: strings without quotes, null as nothing.
func plain(v json.RawMessage) string {
	var s string
	switch {
	case string(v) == "null":
		return ""
	case json.Unmarshal(v, &s) == nil:
		return s
	}
	return string(v)
}

// call asks the API: of the `caudal dev` that runs in the project, or of a server within this process over the project's services.
func (a *app) call(ctx context.Context, method, path, body string) ([]byte, error) {
	dir, err := findProject(a.projectDir)
	if err != nil {
		return nil, err
	}
	if r, err := findRunning(dir); err == nil && r.HTTP != "" {
		request, err := http.NewRequestWithContext(ctx, method, r.HTTP+path, strings.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", r.HTTP, err)
		}
		request.Header.Set("Content-Type", "application/json")
		if token := os.Getenv("CAUDAL_TOKEN"); token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", r.HTTP, err)
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return nil, fmt.Errorf("read the answer of %s: %w", r.HTTP, err)
		}
		return text, problemOf(response.StatusCode, text)
	}
	var text []byte
	err = a.withServices(ctx, func(s *services) error {
		p, err := s.assemble(roles{serve: true})
		if err != nil {
			return err
		}
		w := &capture{header: http.Header{}, status: http.StatusOK}
		request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body))
		if err != nil {
			return errors.Join(err, p.server.Close())
		}
		request.Header.Set("Content-Type", "application/json")
		p.handler().ServeHTTP(w, request)
		text = []byte(w.body.String())
		return errors.Join(problemOf(w.status, text), p.server.Close())
	})
	return text, err
}

// capture is the response of a handler that is called within the process.
type capture struct {
	header http.Header
	status int
	body   strings.Builder
}

func (c *capture) Header() http.Header         { return c.header }
func (c *capture) WriteHeader(status int)      { c.status = status }
func (c *capture) Write(b []byte) (int, error) { return c.body.Write(b) }

// problemOf is the error that a response says.
func problemOf(status int, text []byte) error {
	if status < 400 {
		return nil
	}
	var p struct{ Title, Detail, Field, Suggestion string }
	if err := json.Unmarshal(text, &p); err != nil || p.Title == "" && p.Detail == "" {
		return fmt.Errorf("the server answered %d: %s", status, text)
	}
	message := p.Detail
	if message == "" {
		message = p.Title
	}
	if p.Suggestion != "" {
		message += ": " + p.Suggestion
	}
	if status < 500 {
		return usageError{errors.New(message)}
	}
	return errors.New(message)
}
