package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/prometheus/client_golang/prometheus"
)

// Schedule runs batches inside a process: every so often, and early where somebody asks. Several processes may do so for one project: a
// run that overlaps is refused, and one that is not due any more is left out.
type Schedule struct {
	cfg  ScheduleConfig
	runs *prometheus.CounterVec // by what led to it, and how it ended
}

// ScheduleConfig says when to run what.
type ScheduleConfig struct {
	Runner *Runner
	Every  time.Duration // between the time of the oldest current snapshot and the next run
	// Gap is how long after the begin of a run of this process the next one may begin, whoever asks: a batch that frees too little must not
	// follow upon itself, nor one that fails. Default 5 min, or Every where that is shorter.
	Gap        time.Duration
	Poll       time.Duration         // how often it is looked who asks; default 5 s
	Registerer prometheus.Registerer // nil: not exported
}

// NewSchedule checks the configuration.
func NewSchedule(cfg ScheduleConfig) (*Schedule, error) {
	if cfg.Runner == nil || cfg.Every <= 0 || cfg.Gap < 0 || cfg.Poll < 0 {
		return nil, errors.New("batch schedule: a runner and how often it runs (batch.every) are needed")
	}
	if cfg.Gap == 0 {
		cfg.Gap = min(cfg.Every, 5*time.Minute)
	}
	if cfg.Poll == 0 {
		cfg.Poll = 5 * time.Second
	}
	s := &Schedule{cfg: cfg, runs: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caudal", Subsystem: "batch", Name: "runs_total",
		Help: "Runs of the schedule, by cause (schedule, or why one was asked for) and result."}, []string{"cause", "result"})}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(s.runs); err != nil {
			return nil, fmt.Errorf("batch schedule: register metrics: %w", err)
		}
	}
	return s, nil
}

// Run carries out the schedule until ctx ends. A run that fails is logged and tried again after Gap: the old snapshots go on serving.
func (s *Schedule) Run(ctx context.Context) error {
	log := s.cfg.Runner.cfg.Logger
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	var began time.Time
	for {
		if time.Since(began) >= s.cfg.Gap {
			cause, views, err := s.due(ctx)
			if err != nil && ctx.Err() == nil {
				log.Warn("whether a batch is due cannot be told", "error", err)
			}
			if cause != "" {
				began = time.Now()
				s.run(ctx, cause, views)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// due says why a batch is to run now, and of which views (none: all); "" = it is not.
func (s *Schedule) due(ctx context.Context) (cause string, views []string, err error) {
	r := s.cfg.Runner
	for _, v := range r.cfg.Project.Views {
		m, _, err := r.cfg.Lake.Current(ctx, v.Name, v.Hash)
		if errors.Is(err, lake.ErrNotFound) {
			continue // speed or the first run makes it
		}
		if err != nil {
			return "", nil, err
		}
		// A date of the future is of a clock that was wrong: to wait for it would be to stand still for as long.
		if age := r.cfg.Clock().Sub(m.Created); age >= s.cfg.Every || age < -s.cfg.Gap {
			return "schedule", nil, nil
		}
	}
	asked, err := r.cfg.Lake.BatchAsked(ctx)
	if err != nil || len(asked) == 0 {
		return "", nil, err
	}
	for _, a := range asked {
		if a.View == "" {
			return a.Cause, nil, nil
		}
		if !slices.Contains(views, a.View) {
			if _, err := r.view(a.View); err != nil {
				return a.Cause, nil, nil // of a view that the project has no more: a run of all answers it
			}
			views = append(views, a.View)
		}
	}
	return asked[0].Cause, views, nil
}

func (s *Schedule) run(ctx context.Context, cause string, views []string) {
	log := s.cfg.Runner.cfg.Logger
	report, err := s.cfg.Runner.Run(ctx, RunOptions{Views: views})
	result := "published"
	switch {
	case errors.Is(err, lake.ErrLocked):
		result = "locked"
		log.Info("another process runs the batch", "cause", cause, "error", err)
	case err != nil:
		result = "failed"
		log.Error("the batch failed; the old snapshots go on serving", "cause", cause, "error", err)
	default:
		log.Info("the batch ran", "cause", cause, "run", report.Run, "seconds", report.Seconds)
	}
	s.runs.WithLabelValues(cause, result).Inc()
}
