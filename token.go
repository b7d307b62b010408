package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/auth"
)

func tokenCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "token",
		Short:   "Give out tokens for the API",
		Example: "  caudal token new --name ops --role read --views sales",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	line := auth.TokenLine{}
	var where []string
	var lasts string
	add := &cobra.Command{
		Use:   "new",
		Short: "Make a token, print it this once, and add its hash to the token file of serving.auth",
		Example: "  caudal token new --name ops --role read --views sales\n" +
			"  caudal token new --name paris --role read --views sales --where \"sales: country = 'France'\" --lasts 90d",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, project, err := a.openProject(c.Context())
			if err != nil {
				return err
			}
			if lasts != "" {
				d, err := view.ParseDuration(lasts)
				if err != nil || d <= 0 {
					return usageError{fmt.Errorf("--lasts %q is no time: write 12h, 90d", lasts)}
				}
				line.Expires = time.Now().UTC().Add(d).Truncate(time.Second)
			}
			if line.Where, err = conditions(where); err != nil {
				return err
			}
			return a.newToken(project, dir, line)
		},
	}
	f := add.Flags()
	f.StringVar(&line.Name, "name", "", "who holds it: stands in logs, and counts for the limit of requests")
	f.StringVar(&line.Role, "role", "read", strings.Join(auth.Roles(), ", ")+": each may what those before it may")
	f.StringSliceVar(&line.Views, "views", nil, "that may be read (default: all)")
	f.StringArrayVar(&where, "where", nil, "`VIEW: CONDITION` that its rows have to meet, once for each view")
	f.StringVar(&lasts, "lasts", "", "after which it is worth nothing, such as 90d (default: until its line is removed)")
	c.AddCommand(add)
	return c
}

// conditions reads --where, by view.
func conditions(given []string) (map[string]string, error) {
	if len(given) == 0 {
		return nil, nil
	}
	where := map[string]string{}
	for _, text := range given {
		name, condition, found := strings.Cut(text, ":")
		name, condition = strings.TrimSpace(name), strings.TrimSpace(condition)
		if !found || condition == "" || where[name] != "" {
			return nil, usageError{fmt.Errorf("--where %q does not give a condition to one more view: write \"sales: country = 'France'\"", text)}
		}
		where[name] = condition
	}
	return where, nil
}

// newToken makes a token for a line, and adds it to the project's token file.
func (a *app) newToken(project *view.Project, dir string, line auth.TokenLine) error {
	file := project.Serving.Auth.Tokens
	if file == "" {
		return usageError{errors.New("the project has no token file: add to caudal.yaml\n  serving:\n    auth:\n      tokens: tokens.jsonl")}
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	role, err := auth.ParseRole(line.Role)
	if err == nil {
		err = serving.CheckGrant(project, auth.Grant{Role: role, Views: line.Views, Where: line.Where})
	}
	if err != nil {
		return usageError{err}
	}
	token := auth.NewToken()
	line.Hash = auth.HashOf(token)
	if err := line.Append(file); err != nil {
		return usageError{err}
	}
	fmt.Fprintf(a.stderr, "added %s to %s; a running server knows it within a second. The token is not kept anywhere:\n", line.Name, file)
	fmt.Fprintln(a.stdout, token)
	return nil
}
