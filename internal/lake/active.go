package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// Active says which definitions of a view are in use. All of them are kept up to date by the speed layer and by batch; queries are answered
// from one. Like CURRENT it is swung by conditional puts, and its sequence number makes its bytes never come back.
type Active struct {
	Sequence   int64     `json:"sequence"`           // from 0, one more with each swing
	Definition string    `json:"definition"`         // hash of the one that answers come from
	Previous   string    `json:"previous,omitempty"` // that answers came from before, and can again in one step
	Pending    string    `json:"pending,omitempty"`  // rebuilt beside, and not answered from yet
	Switched   *Switched `json:"switched,omitempty"` // how Definition came to be the one; nil: the view began with it
}

// Switched is the latest change of the definition that answers come from.
type Switched struct {
	At       time.Time `json:"at"`
	From     string    `json:"from"`     // hash of the definition before
	Snapshot string    `json:"snapshot"` // id, of the new definition, that answers began with
	Ledger   ViewFile  `json:"ledger"`   // what the switch changed
}

// InUse lists the hashes of the definitions in use, each once: the one that answers come from, the pending and the previous one.
func (a Active) InUse() []string {
	var list []string
	for _, hash := range []string{a.Definition, a.Pending, a.Previous} {
		if hash != "" && !slices.Contains(list, hash) {
			list = append(list, hash)
		}
	}
	return list
}

// ActiveTag names the ACTIVE that was read, so that a swing can tell whether it still stands. The zero tag names none.
type ActiveTag struct{ etag string }

func activeKey(view string) string { return "views/" + view + "/ACTIVE" }

func presentationKey(view, definition string) string {
	return viewFolder(view, definition) + "/presentation.json"
}

// SwitchKey is the key of the ledger of a switch of definitions, made by a run.
func (l *Lake) SwitchKey(view, run string) string {
	return "views/" + view + "/switches/" + run + ".json"
}

// Active returns which definitions of a view are in use. ErrNotFound where nobody has noted it yet.
func (l *Lake) Active(ctx context.Context, view string) (Active, ActiveTag, error) {
	if err := checkName("view", view); err != nil {
		return Active{}, ActiveTag{}, err
	}
	data, etag, err := l.store.Get(ctx, activeKey(view))
	if err != nil {
		return Active{}, ActiveTag{}, fmt.Errorf("active definition of %s: %w", view, err)
	}
	var a Active
	if err := decode(activeKey(view), data, &a); err != nil {
		return Active{}, ActiveTag{}, err
	}
	if a.Definition == "" {
		return Active{}, ActiveTag{}, fmt.Errorf("%w: %s names no definition", ErrCorrupt, activeKey(view))
	}
	return a, ActiveTag{etag}, nil
}

// EnsureActive makes v's definition the one that answers of the view come from, unless the view has one already, and returns what stands.
func (l *Lake) EnsureActive(ctx context.Context, v *view.View) (Active, ActiveTag, error) {
	a, tag, err := l.Active(ctx, v.Name)
	if !errors.Is(err, ErrNotFound) {
		return a, tag, err
	}
	if err := l.PutView(ctx, v); err != nil {
		return Active{}, ActiveTag{}, err
	}
	if _, err := l.store.Create(ctx, activeKey(v.Name), encode(Active{Definition: v.Hash})); err != nil && !errors.Is(err, ErrExists) {
		return Active{}, ActiveTag{}, fmt.Errorf("note the active definition of %s: %w", v.Name, err)
	}
	return l.Active(ctx, v.Name)
}

// SwingActive replaces the ACTIVE that tag names: ErrChanged if it no longer stands, and nothing changed. An answer that was lost on its
// way is found out: what stands is then what was to be put.
func (l *Lake) SwingActive(ctx context.Context, view string, next Active, tag ActiveTag) (ActiveTag, error) {
	if next.Definition == "" || tag.etag == "" {
		return ActiveTag{}, fmt.Errorf("change the active definition of %s: there has to be one, before and after", view)
	}
	body := encode(next)
	etag, err := l.store.Swap(ctx, activeKey(view), body, tag.etag)
	if err == nil {
		return ActiveTag{etag}, nil
	}
	if data, standing, readErr := l.store.Get(ctx, activeKey(view)); readErr == nil && bytes.Equal(data, body) {
		return ActiveTag{standing}, nil
	}
	return ActiveTag{}, fmt.Errorf("change the active definition of %s: %w", view, err)
}

// PutView keeps all that View needs to make the view again. What the definition says to people is replaced; nothing rests on it.
func (l *Lake) PutView(ctx context.Context, v *view.View) error {
	if err := errors.Join(checkName("view", v.Name), l.PutDefinition(ctx, v.Hash, v.Canonical)); err != nil {
		return err
	}
	key, said := presentationKey(v.Name, v.Hash), v.Presentation()
	if standing, _, err := l.store.Get(ctx, key); err == nil && bytes.Equal(standing, said) {
		return nil
	}
	if err := l.store.Put(ctx, key, said); err != nil {
		return fmt.Errorf("put definition %s of %s: %w", v.Hash, v.Name, err)
	}
	return nil
}

// View makes a view again as it was defined under a hash; the same one at each call, which must not be written to. ErrNotFound if the lake
// has no such definition, ErrOutdated if this release would compute it otherwise.
func (l *Lake) View(ctx context.Context, name, hash string) (*view.View, error) {
	key := presentationKey(name, hash)
	l.mu.Lock()
	v := l.views[key]
	l.mu.Unlock()
	if v != nil {
		return v, nil
	}
	canonical, err := l.Definition(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", name, err)
	}
	said, _, err := l.store.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("view %s: %w", name, err)
	}
	if v, err = view.ParseView(name, canonical, said); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOutdated, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if standing := l.views[key]; standing != nil {
		return standing, nil
	}
	l.views[key] = v
	return v, nil
}

// as is view.As; the same one at each call.
func (l *Lake) as(declared, stored *view.View) *view.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := [2]*view.View{declared, stored}
	same, known := l.same[of]
	if !known {
		same = declared.As(stored)
		l.same[of] = same
	}
	return same
}

// ErrOutdated says that a stored definition cannot be computed any more as it was.
var ErrOutdated = errors.New("the stored definition cannot be used")

// Definitions are those of one view that are in use.
type Definitions struct {
	Active Active
	Tag    ActiveTag    // of Active; zero where ACTIVE does not exist yet
	Views  []*view.View // as Active.InUse, without those that cannot be used
	// Declared is the definition in the project's file; under the hash of one in use where nothing but the source has changed since, and
	// nothing that its cells hold.
	Declared *view.View
	Refused  error // why some are not among Views; nil: all are
}

// Answering is the definition that answers come from; nil: it is refused.
func (d *Definitions) Answering() *view.View { return d.Of(d.Active.Definition) }

// Of returns the definition of that hash, nil if it is not among Views.
func (d *Definitions) Of(hash string) *view.View {
	for _, v := range d.Views {
		if v.Hash == hash {
			return v
		}
	}
	return nil
}

// Definitions returns the definitions of a view that are in use. declared is what the project's file says now: where nothing is noted yet it
// is the one that answers come from, and its presentation is taken where it is in use.
func (l *Lake) Definitions(ctx context.Context, declared *view.View) (Definitions, error) {
	d := Definitions{Active: Active{Definition: declared.Hash}, Declared: declared}
	a, tag, err := l.Active(ctx, declared.Name)
	switch {
	case err == nil:
		d.Active, d.Tag = a, tag
	case !errors.Is(err, ErrNotFound):
		return d, err
	}
	for _, hash := range d.Active.InUse() {
		v := declared
		if hash != declared.Hash {
			v, err = l.View(ctx, declared.Name, hash)
			if errors.Is(err, ErrOutdated) || errors.Is(err, ErrNotFound) {
				d.Refused = errors.Join(d.Refused, err)
				continue
			}
			if err != nil {
				return d, err
			}
			if same := l.as(declared, v); same != nil {
				if v = same; d.Declared == declared {
					d.Declared = same
				}
			}
		}
		d.Views = append(d.Views, v)
	}
	return d, nil
}
