package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/watch"
)

func alertsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "alerts",
		Short:   "What alerts found; silence and acknowledge them",
		Example: "  caudal alerts list\n  caudal alerts silence big_spender country=France --for 2h\n  caudal alerts dead-letters --resend",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{errors.New("say list, acknowledge, silence, silences, unsilence or dead-letters")}
		},
	}
	c.AddCommand(listAlerts(a), acknowledgeAlert(a), silenceAlert(a), listSilences(a), endSilence(a), alertDeadLetters(a))
	return c
}

func listAlerts(a *app) *cobra.Command {
	var phases []string
	c := &cobra.Command{
		Use: "list [ALERT]", Short: "What alerts found, firing first", Args: cobra.MaximumNArgs(1),
		Example: "  caudal alerts list big_spender --phase firing,pending",
		RunE: func(c *cobra.Command, args []string) error {
			values := url.Values{}
			if len(phases) > 0 {
				values.Set("phase", strings.Join(phases, ","))
			}
			if len(args) == 1 {
				values.Set("alert", args[0])
			}
			var found serving.Alerts
			if err := a.ask(c.Context(), http.MethodGet, "/v1/alerts?"+values.Encode(), &found); err != nil {
				return err
			}
			rows := make([][]string, len(found.Alerts))
			for i, f := range found.Alerts {
				by := ""
				if f.Acknowledged != nil {
					by = f.Acknowledged.By + " " + f.Acknowledged.Comment
				}
				rows[i] = []string{f.Phase, f.Severity, f.Alert, labelsText(f.Labels), f.Bucket, labelsText(f.Values), strings.TrimSpace(by), f.ID}
			}
			return a.print(found, []string{"phase", "severity", "alert", "labels", "bucket", "values", "acknowledged", "id"}, rows)
		},
	}
	c.Flags().StringSliceVar(&phases, "phase", nil, "firing, pending, waiting, recovered, corrected, passed (default: all but passed)")
	return c
}

func acknowledgeAlert(a *app) *cobra.Command {
	var comment string
	c := &cobra.Command{
		Use: "acknowledge ID", Short: "Say that somebody looks after what an alert found", Args: cobra.ExactArgs(1),
		Example: "  caudal alerts acknowledge 5f3c… --comment \"the till in Lyon\"",
		RunE: func(c *cobra.Command, args []string) error {
			var k serving.Acknowledgement
			err := a.ask(c.Context(), http.MethodPost, "/v1/alerts/"+url.PathEscape(args[0])+"/acknowledge?"+url.Values{"comment": {comment}}.Encode(), &k)
			if err != nil {
				return err
			}
			return a.print(k, []string{"id", "by", "comment"}, [][]string{{k.ID, k.By, k.Comment}})
		},
	}
	c.Flags().StringVar(&comment, "comment", "", "for those who read it later, at most 1,000 bytes")
	return c
}

func silenceAlert(a *app) *cobra.Command {
	var comment, lasts string
	c := &cobra.Command{
		Use: "silence ALERT [dimension=value…]", Short: "Keep what an alert finds from being told, for a time", Args: cobra.MinimumNArgs(1),
		Example: "  caudal alerts silence big_spender country=France --for 2h --comment \"sale\"\n  caudal alerts silence big_spender 'country=Korea, South'",
		RunE: func(c *cobra.Command, args []string) error {
			var s serving.Silence
			values := url.Values{"alert": {args[0]}, "labels": quotedList(args[1:]), "for": {lasts}, "comment": {comment}}
			if err := a.ask(c.Context(), http.MethodPost, "/v1/silences?"+values.Encode(), &s); err != nil {
				return err
			}
			return a.printSilences(s, s)
		},
	}
	c.Flags().StringVar(&lasts, "for", "1h", "how long, such as 90m or 2d")
	c.Flags().StringVar(&comment, "comment", "", "for those who read it later, at most 1,000 bytes")
	return c
}

// quotedList writes texts so that a list of the API has each as one, whatever is in it.
func quotedList(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return out
}

func listSilences(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "silences", Short: "What is silenced", Args: cobra.NoArgs, Example: "  caudal alerts silences -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			var list serving.SilenceList
			if err := a.ask(c.Context(), http.MethodGet, "/v1/silences", &list); err != nil {
				return err
			}
			return a.printSilences(list, list.Silences...)
		},
	}
}

func endSilence(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "unsilence ID", Short: "End a silence", Args: cobra.ExactArgs(1), Example: "  caudal alerts unsilence k3v9x2m4q7ab",
		RunE: func(c *cobra.Command, args []string) error {
			var s serving.Silence
			if err := a.ask(c.Context(), http.MethodDelete, "/v1/silences/"+url.PathEscape(args[0]), &s); err != nil {
				return err
			}
			return a.printSilences(s, s)
		},
	}
}

func (a *app) printSilences(value any, list ...serving.Silence) error {
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.ID, s.Alert, labelsText(s.Labels), s.Until, s.By, s.Comment}
	}
	return a.print(value, []string{"id", "alert", "labels", "until", "by", "comment"}, rows)
}

func alertDeadLetters(a *app) *cobra.Command {
	resend := false
	c := &cobra.Command{
		Use: "dead-letters", Short: "Messages that a sink did not take", Args: cobra.NoArgs,
		Example: "  caudal alerts dead-letters --resend",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withServices(c.Context(), func(s *services) error { return a.alertDeadLetters(c.Context(), s, resend) })
		},
	}
	c.Flags().BoolVar(&resend, "resend", false, "send each to its sink once more, and forget those that are taken")
	return c
}

func (a *app) alertDeadLetters(ctx context.Context, s *services, resend bool) error {
	letters, err := watch.DeadLetters(ctx, s.lake)
	if err != nil {
		return err
	}
	rows := make([][]string, len(letters))
	var failed []error
	for i, l := range letters {
		what := l.Reason
		if resend {
			what = "taken"
			if err := watch.Resend(ctx, watch.Config{Project: s.project, Lake: s.lake, Stream: s.stream, Logger: s.log}, l); err != nil {
				what = err.Error()
				failed = append(failed, err)
			}
		}
		rows[i] = []string{l.Sink, l.At.UTC().Format("2006-01-02T15:04:05Z"), l.Message.Alert, string(l.Message.Kind), l.Message.ID, what}
	}
	return errors.Join(a.print(letters, []string{"sink", "at", "alert", "kind", "message", "reason"}, rows), errors.Join(failed...))
}

// ask asks the API for a value, and prints nothing.
func (a *app) ask(ctx context.Context, method, path string, into any) error {
	text, err := a.call(ctx, method, path, "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return nil
}

// labelsText writes names and values as people read them.
func labelsText(labels map[string]*string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		value := "null"
		if labels[name] != nil {
			value = *labels[name]
		}
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " ")
}
