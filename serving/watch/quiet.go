package watch

import (
	"context"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/serving"
)

// quietEvery is how often it is looked what is silenced.
const quietEvery = time.Second

// silences are what is silenced, as it was read last.
type silences struct {
	lake *lake.Lake
	at   time.Time
	list []alert.Silence
}

// read reads them again once in a while.
func (s *silences) read(ctx context.Context, now time.Time) error {
	if now.Sub(s.at) < quietEvery && !now.Before(s.at) {
		return nil
	}
	list, err := serving.Silences(ctx, s.lake)
	if err == nil {
		s.list, s.at = list, now
	}
	return err
}
