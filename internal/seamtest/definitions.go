package seamtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// definition is a text of the shop's project: of its services and sources, and of the view sales.
type definition struct{ shop, sales string }

// shopDefinitions are other definitions of the shop, by name. "shop" is the one that it begins with. In the first ones the view sales is
// another, in the others the source is.
func shopDefinitions() map[string]definition {
	large := strings.Replace(salesYAML, "dimensions:", "where: \"amount >= 5\"\ndimensions:", 1)
	totals := strings.Replace(strings.Replace(salesYAML, "dimensions: [country]", "dimensions: []", 1), "  - {name: low, agg: min, expr: amount}\n", "", 1)
	channel := shopYAML + "      channel: {type: string, default: shop}\n"
	renamed := strings.Replace(shopYAML, "      user: string\n", "      customer: {type: string, was: user}\n", 1)
	renamed = strings.Replace(renamed, "key: user", "key: customer", 1)
	return map[string]definition{
		"shop":    {shopYAML, salesYAML},
		"large":   {shopYAML, large},
		"totals":  {shopYAML, totals},
		"channel": {channel, salesYAML},
		"web":     {channel, strings.Replace(salesYAML, "dimensions:", "where: \"channel = 'web'\"\ndimensions:", 1)},
		"wide":    {strings.Replace(shopYAML, "decimal(12,2)", "decimal(14,2)", 1), salesYAML},
		"renamed": {renamed, strings.ReplaceAll(salesYAML, "expr: user", "expr: customer")},
		"turned":  {strings.Replace(shopYAML, "country: string?", "country: int64?", 1), salesYAML},
	}
}

// passes says whether a view of the shop lets an order pass, by the condition of its definition.
func passes(v *view.View, c verdict) bool {
	switch v.Where {
	case "amount > 0":
		return c.cents > 0
	case "amount >= 5":
		return c.cents >= 500
	case "channel = 'web'":
		return c.channel == "web"
	}
	return true
}

// defineAll parses every definition of the shop, for their names.
func (w *World) defineAll(partitions int, both bool) error {
	w.projects = map[string]*view.Project{}
	for name, d := range shopDefinitions() {
		p, err := parseProject(w.ctx, partitions, both, d)
		if err != nil {
			return fmt.Errorf("definition %s: %w", name, err)
		}
		w.projects[name] = p
	}
	w.current.Store(w.projects["shop"])
	return nil
}

// project is what the project's files hold now.
func (w *World) project() *view.Project { return w.current.Load() }

// define changes the project's files. Processes that run go on with those that they were started with, but for batch, which is started
// for every run.
func (w *World) define(name string) error {
	p := w.projects[name]
	if p == nil {
		return fmt.Errorf("no definition %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(w.projects)), ", "))
	}
	w.current.Store(p)
	r, err := w.newRunner()
	if err == nil {
		w.runner = r
	}
	return err
}

// nameOf is the name of the definition of that hash.
func (w *World) nameOf(hash string) string {
	for name, p := range w.projects {
		if slices.ContainsFunc(p.Views, func(v *view.View) bool { return v.Hash == hash }) {
			return name
		}
	}
	return hash
}

// named is an error's text with the names of definitions for the hashes of their sources.
func (w *World) named(text string) string {
	for _, name := range append([]string{"shop"}, slices.Sorted(maps.Keys(w.projects))...) {
		text = strings.ReplaceAll(text, w.projects[name].Sources[0].Hash()[:12], name)
	}
	return text
}

// defined is a view as the definition of that hash has it.
func (w *World) defined(name, hash string) *view.View {
	for _, p := range w.projects {
		for _, v := range p.Views {
			if v.Name == name && v.Hash == hash {
				return v
			}
		}
	}
	w.t.Fatalf("the shop has no definition %s of %s", hash, name)
	return nil
}

// definitions are those of a view that are in use.
func (w *World) definitions(name string) (lake.Definitions, error) {
	d, err := w.lake.Definitions(w.ctx, w.view(name))
	if err == nil {
		err = d.Refused
	}
	return d, err
}

// answering is the definition that answers of a view come from.
func (w *World) answering(name string) (*view.View, error) {
	d, err := w.definitions(name)
	return d.Answering(), err
}

// inUse lists every definition in use of every view.
func (w *World) inUse() ([]*view.View, error) {
	var all []*view.View
	for _, v := range w.project().Views {
		d, err := w.definitions(v.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, d.Views...)
	}
	return all, nil
}

// replay rebuilds sales as it is defined now. A crash leaves its lock, which is freed as time would.
func (w *World) replay(ctx context.Context, o batch.ReplayOptions) (batch.Replayed, error) {
	done, err := w.runner.Replay(ctx, "sales", o)
	return done, w.unlockAfter(err)
}
