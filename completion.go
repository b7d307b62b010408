package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
)

// completeNames teaches every command below c what the shell may complete: arguments by the words of its usage, flags by their names, both out of
// the project's definitions. Where they cannot be read nothing is completed.
func (a *app) completeNames(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.completeNames(sub)
	}
	kinds, last := argumentsOf(c.Use)
	if len(kinds) > 0 && c.ValidArgsFunction == nil {
		c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at := len(args)
			if last {
				at = min(at, len(kinds)-1)
			}
			if at >= len(kinds) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.named(c, kinds[at], args)
		}
	}
	for _, flag := range []string{"measures", "dimensions", "grain", "window", "order", "source"} {
		if c.Flags().Lookup(flag) == nil {
			continue
		}
		complete := func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			names, directive := a.named(c, flag, args)
			return afterCommas(names, typed), directive
		}
		if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic("BUG: the completion of --" + flag + " of " + c.CommandPath() + ": " + err.Error())
		}
	}
}

// argumentsOf are the words of a usage that stand for arguments; last says that the last of them may be given again and again.
func argumentsOf(use string) (kinds []string, last bool) {
	words := strings.Fields(use)[1:]
	for i, word := range words {
		bare := strings.Trim(word, "[]")
		if strings.HasPrefix(bare, "-") || i > 0 && strings.HasPrefix(strings.Trim(words[i-1], "["), "-") {
			continue // a flag, and its value
		}
		kinds, last = append(kinds, strings.TrimSuffix(bare, "…")), strings.HasSuffix(bare, "…")
	}
	return kinds, last
}

// named lists the names of a kind in the project, less those that are given already.
func (a *app) named(c *cobra.Command, kind string, args []string) ([]string, cobra.ShellCompDirective) {
	switch kind {
	case "DIR", "FILE|-", "FOLDER":
		return nil, cobra.ShellCompDirectiveDefault // the shell knows files better
	}
	_, project, err := a.openProject(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return without(namesIn(project, kind, args), args), cobra.ShellCompDirectiveNoFileComp
}

// namesIn are those of a kind: views and sources of the project, and what the view that args begin with has.
func namesIn(project *view.Project, kind string, args []string) (names []string) {
	switch kind {
	case "VIEW":
		for _, v := range project.Views {
			names = append(names, v.Name+"\t"+v.Description)
		}
		return names
	case "SOURCE", "source":
		for _, s := range project.Sources {
			names = append(names, s.Name+"\ttopic "+s.Topic)
		}
		return names
	}
	for _, v := range project.Views {
		if len(args) == 0 || v.Name != args[0] {
			continue
		}
		if kind == "measures" || kind == "order" {
			for _, m := range v.Measures {
				names = append(names, m.Name+"\t"+m.Description)
			}
		}
		if kind == "dimensions" || kind == "order" {
			for _, d := range v.Dimensions {
				names = append(names, d.Name+"\t"+d.Description)
			}
		}
		if kind == "window" {
			for i := range v.Windows {
				names = append(names, v.Windows[i].Name+"\t"+v.Windows[i].Description)
			}
		}
		if kind == "grain" {
			for _, g := range v.Grains {
				names = append(names, g.Name)
			}
		}
	}
	return names
}

// without leaves out what is given already.
func without(names, given []string) (rest []string) {
	taken := map[string]bool{}
	for _, g := range given {
		taken[g] = true
	}
	for _, n := range names {
		if name, _, _ := strings.Cut(n, "\t"); !taken[name] {
			rest = append(rest, n)
		}
	}
	return rest
}

// afterCommas completes the last of a list: what stands before it is kept.
func afterCommas(names []string, typed string) []string {
	at := strings.LastIndex(typed, ",") + 1
	if at == 0 {
		return names
	}
	rest := without(names, strings.Split(typed[:at-1], ","))
	for i, n := range rest {
		rest[i] = typed[:at] + n
	}
	return rest
}
