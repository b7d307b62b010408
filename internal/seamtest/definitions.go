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

// salesDefinitions are other definitions of the view sales, by name. "shop" is the one that the shop begins with.
func salesDefinitions() map[string]string {
	return map[string]string{
		"shop":   salesYAML,
		"large":  strings.Replace(salesYAML, "dimensions:", "where: \"amount >= 5\"\ndimensions:", 1),
		"totals": strings.Replace(strings.Replace(salesYAML, "dimensions: [country]", "dimensions: []", 1), "  - {name: low, agg: min, expr: amount}\n", "", 1),
	}
}

// passes says whether a view of the shop lets an order pass, by the condition of its definition.
func passes(v *view.View, c verdict) bool {
	switch v.Where {
	case "amount > 0":
		return c.cents > 0
	case "amount >= 5":
		return c.cents >= 500
	}
	return true
}

// defineAll parses every definition of sales, for their names.
func (w *World) defineAll(partitions int, both bool) error {
	w.projects = map[string]*view.Project{}
	for name, text := range salesDefinitions() {
		p, err := parseProject(w.ctx, partitions, both, text)
		if err != nil {
			return fmt.Errorf("definition %s: %w", name, err)
		}
		w.projects[name] = p
	}
	w.project = w.projects["shop"]
	return nil
}

// define changes the project's files. Processes that run go on with those that they were started with, but for batch, which is started
// for every run.
func (w *World) define(name string) error {
	p := w.projects[name]
	if p == nil {
		return fmt.Errorf("no definition %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(w.projects)), ", "))
	}
	w.project = p
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
	for _, v := range w.project.Views {
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
