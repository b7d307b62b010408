package table

import (
	"context"
	"errors"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// Listing is a version of a table as it is listed.
type Listing struct {
	Source     string           `json:"source"`
	ID         string           `json:"id"`
	Created    time.Time        `json:"created"`
	Current    bool             `json:"current,omitempty"`
	Parent     string           `json:"parent,omitempty"`
	Rows       int64            `json:"rows"`
	Files      int              `json:"files"`
	Bytes      int64            `json:"bytes"`
	Repeats    int64            `json:"repeats"` // left out as duplicates
	Definition string           `json:"definition"`
	Erased     int64            `json:"erased,omitempty"` // rows that erasures took out of it since
	Erasures   int              `json:"erasures,omitempty"`
	Covers     []lake.TableLife `json:"covers"`
	Refs       []lake.TableRef  `json:"refs"` // who needs it to stay
}

// List returns the versions of sources' tables that are kept, oldest first, with who refers to them.
func (c *Compactor) List(ctx context.Context, names []string) ([]Listing, error) {
	sources, err := c.sources(names)
	if err != nil {
		return nil, err
	}
	all := []Listing{}
	for _, src := range sources {
		versions, tag, err := c.cfg.Lake.TableVersions(ctx, src.Name)
		if errors.Is(err, lake.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			refs, err := c.cfg.Lake.TableRefs(ctx, src.Name, v.ID)
			if err != nil {
				return nil, err
			}
			all = append(all, Listing{Source: src.Name, ID: v.ID, Created: v.Created, Current: v.ID == tag.Snapshot(), Parent: v.Parent, Rows: v.Rows, Files: len(v.Files),
				Bytes: v.Bytes, Repeats: v.Repeats, Definition: v.Definition, Erased: v.Erased, Erasures: v.Erasures, Covers: v.Lives, Refs: refs})
		}
	}
	return all, nil
}
