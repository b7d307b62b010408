package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/suggest"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// rights are those of the caller whom ctx is on behalf of; all, where nobody is asked. It is a problem of status 401 where ctx names nobody although
// somebody has to ask.
func (s *Server) rights(ctx context.Context) (auth.Grant, error) {
	c, ok := auth.From(ctx)
	switch {
	case ok:
		return c.Grant, nil
	case s.cfg.Guard.Off():
		return auth.Grant{Role: auth.Admin}, nil
	}
	return auth.Grant{}, unauthenticated("no token was sent")
}

// unauthenticated is a request of nobody who is known.
func unauthenticated(reason string) *Problem {
	return newProblem(http.StatusUnauthorized, "unauthenticated", "Who asks is not known", "", reason, "send a token as `Authorization: Bearer …`; `caudal token new` makes one, see docs/auth.md")
}

// forbidden is a request of somebody who may not make it.
func forbidden(reason, suggestion string) *Problem {
	return newProblem(http.StatusForbidden, "forbidden", "The caller may not do this", "", reason, suggestion)
}

// narrowed is a project with the views that a grant may read and, where it may not read all of them, their sources. What it may not is unknown
// to its holder, like what does not exist.
func narrowed(p *view.Project, g auth.Grant) *view.Project {
	if g.Role >= auth.Read && g.Views == nil {
		return p
	}
	n := *p
	n.Views, n.Sources = nil, nil
	for _, v := range p.Views {
		if g.MayRead(v.Name) {
			n.Views = append(n.Views, v)
			if !slices.Contains(n.Sources, v.Source) {
				n.Sources = append(n.Sources, v.Source)
			}
		}
	}
	return &n
}

// own is the project, as its file says it, as far as ctx's caller may know of it.
func (s *Server) own(ctx context.Context) (*view.Project, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	return narrowed(s.cfg.Project, g), nil
}

// recordsOf is a problem unless ctx's caller may see the records of a source as they are: without limits of views and rows, as they hold what no
// view shows.
func (s *Server) recordsOf(ctx context.Context, source string) error {
	g, err := s.rights(ctx)
	if err == nil && !g.Unlimited() {
		err = forbidden(fmt.Sprintf("the records of %s are for callers without limits of views and rows", source), "ask a view")
	}
	return err
}

// rowFilter is the condition that rows of a view have to meet for the holder of a grant; nil where all do. It is read anew for each question, by the
// definition that answers: where that cannot be, nothing is answered.
func rowFilter(g auth.Grant, v *view.View) (*filter, error) {
	text := g.Where[v.Name]
	if text == "" {
		return nil, nil
	}
	f, err := parseOwnFilter(text, v)
	if err != nil {
		return nil, forbidden(fmt.Sprintf("the caller's rows of view %s cannot be told: %v", v.Name, err), "tell whoever gives out rights")
	}
	return f, nil
}

// CheckGrant says what a grant names that a project has not: views, and dimensions in the conditions on their rows.
func CheckGrant(p *view.Project, g auth.Grant) error {
	names := make([]string, len(p.Views))
	for i, v := range p.Views {
		names[i] = v.Name
	}
	for _, name := range g.Views {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no view %q: %s", name, suggest.Names(suggest.Nearest(name, names), names))
		}
	}
	for name, text := range g.Where {
		i := slices.Index(names, name)
		if i < 0 {
			return fmt.Errorf("where: no view %q: %s", name, suggest.Names(suggest.Nearest(name, names), names))
		}
		f, err := parseOwnFilter(text, p.Views[i])
		if mistake := (*condition.Mistake)(nil); errors.As(err, &mistake) {
			return fmt.Errorf("where of view %s: %w: %s", name, err, mistake.Suggestion)
		}
		if err == nil && f.Root == nil {
			err = fmt.Errorf("where of view %s is empty: leave it out for all rows", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
