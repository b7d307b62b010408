package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving"
)

// times is the unit of ratios.
const times = "×"

// scale says how much of everything there is.
type scale struct {
	events     int // that the speed layer counts
	partitions int
	products   int // and so cells by product
	history    int // events that a batch covers already
}

// cost is what one thing costs.
type cost struct {
	event time.Duration // processor time of the speed layer for each event
	query time.Duration // processor time of a query for all products of an hour
}

// growth measures what an event and a query cost with one, two and four times the events, partitions, cells and history, as ratios to once.
func growth(ctx context.Context, n int) (rows []row, err error) {
	n /= 2
	once := scale{events: n, partitions: 4, products: 3000, history: n}
	base, err := measureScale(ctx, once)
	if err != nil {
		return nil, err
	}
	rows = []row{
		{Item: "l", Name: "growth, once: processor time of the speed layer", Value: float64(base.event.Nanoseconds()) / 1e3, Unit: microseconds},
		{Item: "l", Name: "growth, once: processor time of a query", Value: base.query.Seconds() * 1e3, Unit: milliseconds},
	}
	for _, of := range []struct {
		name string
		grow func(s *scale, by int)
	}{
		{"events", func(s *scale, by int) { s.events *= by }},
		{"partitions", func(s *scale, by int) { s.partitions *= by }},
		{"cells", func(s *scale, by int) { s.products *= by }},
		{"history", func(s *scale, by int) { s.history *= by }},
	} {
		for _, by := range []int{2, 4} {
			grown := once
			of.grow(&grown, by)
			c, err := measureScale(ctx, grown)
			if err != nil {
				return nil, fmt.Errorf("with %d times the %s: %w", by, of.name, err)
			}
			rows = append(rows,
				row{Item: "l", Name: fmt.Sprintf("an event's cost with %d× the %s", by, of.name), Value: float64(c.event) / float64(base.event), Unit: times},
				row{Item: "l", Name: fmt.Sprintf("a query's cost with %d× the %s", by, of.name), Value: float64(c.query) / float64(base.query), Unit: times})
		}
	}
	return rows, nil
}

// growthQueries is how often the query is asked.
const growthQueries = 100

func measureScale(ctx context.Context, of scale) (c cost, err error) {
	s, err := openStage(ctx, rollups, embeddedBroker, realRedis)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.Partitions = of.partitions
	s.project.Sources[0].Partitions = of.partitions
	events := newEvents(1)
	events.products = of.products
	events.pace = historyPace
	events.stamped = time.Now().UnixMicro() - int64(of.history)*historyPace
	if err := s.fill(ctx, events, of.history); err != nil {
		return c, err
	}
	events.stamped = 0
	covered, _ := s.progress(ctx)
	if _, err := s.archive(ctx); err != nil {
		return c, err
	}
	runner, err := batch.NewRunner(batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, TempDir: s.dir})
	if err != nil {
		return c, err
	}
	if _, err := runner.Run(ctx, batch.RunOptions{}); err != nil {
		return c, fmt.Errorf("run the batch: %w", err)
	}
	// the events to come are of another hour than the history, so that the query asks for nothing but them
	events.first = (events.first/hourMicros+24)*hourMicros - int64(events.made)*events.step
	from := time.UnixMicro(events.first + int64(events.made)*events.step).UTC()
	if err := s.fill(ctx, events, of.events); err != nil {
		return c, err
	}
	_, err = s.beside(duty{Project: rollups, Speed: true}, func(p *process) (err error) {
		c.event, err = s.eventCost(ctx, p, covered)
		return err
	})
	if err != nil {
		return c, err
	}
	c.query, err = s.queryCost(ctx, from)
	return c, err
}

// eventCost is the processor time of the speed layer for each event, from when it has taken all groups, which stand at what the batch covers of
// all views' records, to the last flush: its start is not in it.
func (s *stage) eventCost(ctx context.Context, p *process, covered int64) (time.Duration, error) {
	var taken int64
	err := await(ctx, p.ended, func(ctx context.Context) bool {
		_, taken = s.progress(ctx)
		return taken >= covered
	})
	if err != nil {
		return 0, err
	}
	before, err := p.spent()
	if err != nil {
		return 0, err
	}
	if err := await(ctx, p.ended, s.counted); err != nil {
		return 0, err
	}
	want, _ := s.progress(ctx)
	after, err := p.spent()
	return (after - before) * time.Duration(len(s.project.Views)) / time.Duration(want-taken), err
}

const (
	hourMicros = int64(time.Hour / time.Microsecond)
	// historyPace is how long after each other records of history came: so few of them lie within the dedup horizon, whose ids a start reads back, however
	// long the history is.
	historyPace = int64(2 * time.Second / time.Microsecond)
)

// queryCost is the processor time of asking for the products' hour from a time on, again and again. What Redis takes is not in it.
func (s *stage) queryCost(ctx context.Context, from time.Time) (_ time.Duration, err error) {
	server, err := serving.New(serving.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, CacheDir: s.dir})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	q := serving.Query{View: "by_product", Dimensions: []string{"product"}, Grain: "1h", From: from.Format(time.RFC3339), To: from.Add(time.Hour).Format(time.RFC3339), Limit: 100_000}
	if _, err := server.Query(ctx, q); err != nil { // the first one reads the batch
		return 0, err
	}
	before, err := cpu()
	if err != nil {
		return 0, err
	}
	for range growthQueries {
		answer, err := server.Query(ctx, q)
		if err != nil {
			return 0, err
		}
		if len(answer.Rows) == 0 {
			return 0, fmt.Errorf("the hour from %s on has no rows", q.From)
		}
	}
	after, err := cpu()
	return (after - before) / growthQueries, err
}
