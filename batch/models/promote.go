package models

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// Current says which version of a model is in use. Its zero value says that none is.
type Current struct {
	Sequence int       `json:"sequence"` // how many promotions there were
	Version  string    `json:"version"`
	Before   string    `json:"before,omitempty"` // the version that was in use until then
	By       string    `json:"by,omitempty"`     // the metric that decided; "" = somebody did, regardless
	Promoted time.Time `json:"promoted"`
}

// Verdict is what became of a promotion.
type Verdict struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Promoted bool   `json:"promoted"`
	InUse    string `json:"in_use"` // from now on
	Why      string `json:"why"`
}

// current returns what is in use and the tag to swing it by; "" where nothing is.
func (m *Models) current(ctx context.Context, name string) (Current, string, error) {
	var c Current
	if err := checkName(name); err != nil {
		return c, "", err
	}
	data, tag, err := m.Lake.Store().Get(ctx, currentKey(name))
	if errors.Is(err, lake.ErrNotFound) {
		return c, "", nil
	}
	if err == nil {
		err = decode(data, &c)
	}
	if err != nil {
		return c, "", fmt.Errorf("which version of model %s is in use: %w", name, err)
	}
	return c, tag, nil
}

// Promote puts a version into use if it is not worse than the one that is, by a metric of which more is better, on the same rows: both were
// measured when the version was trained. A version that was compared with another one than is in use now is refused: train again. by ""
// asks nothing: a person goes back to a version.
func (m *Models) Promote(ctx context.Context, name, version, by string) (Verdict, error) {
	v := Verdict{Name: name, Version: version}
	fail := func(err error) (Verdict, error) {
		return v, fmt.Errorf("promote version %s of model %s: %w", version, name, err)
	}
	current, tag, err := m.current(ctx, name)
	if err != nil {
		return fail(err)
	}
	model, err := m.Get(ctx, name, version)
	if err != nil {
		return fail(err)
	}
	v.InUse = current.Version
	if current.Version == version {
		v.Promoted, v.Why = true, "it is in use already"
		return v, nil
	}
	if v.Why, v.Promoted, err = judge(&model, &current, by); err != nil || !v.Promoted {
		if err != nil {
			return fail(err)
		}
		return v, nil
	}
	next := encode(Current{Sequence: current.Sequence + 1, Version: version, Before: current.Version, By: by, Promoted: m.Clock().UTC()})
	if tag == "" {
		_, err = m.Lake.Store().Create(ctx, currentKey(name), next)
	} else {
		_, err = m.Lake.Store().Swap(ctx, currentKey(name), next, tag)
	}
	if errors.Is(err, lake.ErrExists) || errors.Is(err, lake.ErrChanged) {
		err = fmt.Errorf("another version was promoted meanwhile, train again: %w", err)
	}
	if err != nil {
		v.Promoted = false
		return fail(err)
	}
	v.InUse = version
	return v, nil
}

// judge says whether a version may take the place of the one in use, and why.
func judge(model *Model, current *Current, by string) (why string, better bool, err error) {
	own, has := model.Metrics[by]
	switch {
	case by == "":
		return "regardless of its metrics", true, nil
	case !has:
		return "", false, fmt.Errorf("its %s has no %q", metricsFile, by)
	case current.Version == "":
		return fmt.Sprintf("it is the first: %s %.4f", by, own), true, nil
	case model.InUse == nil || model.InUse.Version != current.Version:
		compared := "none"
		if model.InUse != nil {
			compared = model.InUse.Version
		}
		return "", false, fmt.Errorf("version %s is in use, and it was compared with %s: train again", current.Version, compared)
	}
	other, has := model.InUse.Metrics[by]
	if !has {
		return "", false, fmt.Errorf("%s has no %q of version %s", metricsFile, by, current.Version)
	}
	relation := "is not worse than"
	if better = own >= other; !better {
		relation = "is worse than"
	}
	return fmt.Sprintf("%s %.4f %s %.4f of version %s on the same rows", by, own, relation, other, current.Version), better, nil
}
