// Package auth says who asks and what they may do: callers, their roles, the views and rows they may see, the tokens that prove who they are, and
// how often they may ask. It knows nothing of routes and protocols; whoever serves one turns a token into a Caller, puts it into the context,
// and the serving layer's methods hold it to its rights.
package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Role is what kind of things a caller may do; each includes those before it.
type Role uint8

const (
	Read  Role = iota + 1 // ask views
	Write                 // send events too
	Admin                 // and look after the service: metrics; every view and every row
)

var roleNames = [...]string{Read: "read", Write: "write", Admin: "admin"}

// String is the role's name in definitions and token files.
func (r Role) String() string {
	if r < Read || r > Admin {
		return fmt.Sprintf("role %d", uint8(r))
	}
	return roleNames[r]
}

// Roles are the names of all roles, the least first.
func Roles() []string { return slices.Clone(roleNames[Read:]) }

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(roleNames[:], name); i >= int(Read) {
		return Role(i), nil
	}
	return 0, fmt.Errorf("no role %q: give read, write or admin", name)
}

// Grant is what a caller may do.
type Grant struct {
	Role  Role
	Views []string          // that may be read; whose sources may be sent events to, with the role for it; nil: all
	Where map[string]string // by view: the rows that may be read, a condition over the view's dimensions as a query's where has it; a view without one: all rows
}

// Caller is somebody who has proved who they are.
type Caller struct {
	Name string // in logs and limits; unique among the callers
	Grant
}

// Validate says what a grant contradicts itself in.
func (g Grant) Validate() error {
	switch {
	case g.Role < Read || g.Role > Admin:
		return errors.New("it names no role: give read, write or admin")
	case g.Role == Admin && (g.Views != nil || len(g.Where) > 0):
		return errors.New("an admin sees every view and every row: leave out views and where, or give the role read or write")
	case g.Views != nil && len(g.Views) == 0:
		return errors.New("it may read no view: leave out views for all, or name some")
	}
	for view := range g.Where {
		if g.Views != nil && !slices.Contains(g.Views, view) {
			return fmt.Errorf("where is about %q, which is not among its views: add it there", view)
		}
	}
	return nil
}

// MayRead says whether a caller may ask a view.
func (g Grant) MayRead(view string) bool {
	return g.Role >= Read && (g.Views == nil || slices.Contains(g.Views, view))
}

// Unlimited says that a caller may see every view and every row, and so also what no view shows, such as the fields of a source.
func (g Grant) Unlimited() bool {
	return g.Role == Admin || g.Role >= Read && g.Views == nil && len(g.Where) == 0
}

type callerKey struct{}

// With is ctx on behalf of a caller.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From is the caller that ctx is on behalf of; false where it names none.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}
