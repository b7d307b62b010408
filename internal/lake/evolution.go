package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// CheckSource says why a source cannot go on with what the lake holds of its topic, by the definitions that rows were written with: view.Problems.
// One that the lake knows already is in order: others may have gone on since, and a role of before is still at work, or was put back.
func (l *Lake) CheckSource(ctx context.Context, src *view.Source) error {
	_, err := l.Definition(ctx, src.Hash())
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return l.CheckNewest(ctx, src)
}

// CheckNewest is CheckSource for whoever has to read every row of the topic whole: of a source that the lake knows, too, each other definition has
// to be an earlier one.
func (l *Lake) CheckNewest(ctx context.Context, src *view.Source) error {
	var problems view.Problems
	for object, err := range l.store.List(ctx, "definitions/") {
		if err != nil {
			return fmt.Errorf("list the definitions of the lake: %w", err)
		}
		hash := strings.TrimSuffix(strings.TrimPrefix(object.Key, "definitions/"), ".json")
		body, err := l.Definition(ctx, hash)
		if err != nil {
			return err
		}
		var of struct {
			Topic string `json:"topic"` // views have none
		}
		if err := json.Unmarshal(body, &of); err != nil {
			return fmt.Errorf("%w: definition %s: %w", ErrCorrupt, hash, err)
		}
		if of.Topic != src.Topic || hash == src.Hash() {
			continue
		}
		earlier, err := l.Source(ctx, hash)
		if err != nil {
			return err
		}
		problems = append(problems, src.Evolves(earlier)...)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// CheckSources is CheckSource for all sources of a project.
func (l *Lake) CheckSources(ctx context.Context, project *view.Project) error {
	var all view.Problems
	for _, src := range project.Sources {
		err := l.CheckSource(ctx, src)
		var problems view.Problems
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		all = append(all, problems...)
	}
	if len(all) > 0 {
		return all
	}
	return nil
}
