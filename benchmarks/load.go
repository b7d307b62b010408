package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// client asks the API over connections that are kept.
type client struct {
	http *http.Client
	base string
}

// connections bounds the queries that are under way at once; those that are due beyond that wait, and their wait counts.
const connections = 64

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}, Timeout: 30 * time.Second}}
}

// get asks once, and says whether the answer was partial. The body goes to into; nil: it is read and dropped.
func (c *client) get(ctx context.Context, path string, into any) (partial bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return false, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return false, fmt.Errorf("%s: %s: %s", path, response.Status, text)
	}
	if into != nil {
		err = json.NewDecoder(response.Body).Decode(into)
	} else {
		_, err = io.Copy(io.Discard, response.Body)
	}
	return response.Header.Get("Caudal-Partial") == "true", err
}

// oneByOne asks n panels, each after the answer to the one before.
func (c *client) oneByOne(ctx context.Context, n int) (took latencies, err error) {
	mix := panels()
	for i := range n {
		began := time.Now()
		if _, err := c.get(ctx, mix[i%len(mix)].path(began), nil); err != nil {
			return nil, err
		}
		took.add(time.Since(began))
	}
	return took, nil
}

// answered is what came of a load.
type answered struct {
	took    latencies // from when each query was due; of those without an answer until the load was given up
	partial int
	rate    float64 // answers a second, until the last one came
}

// patience is how long after the last query was due a load goes on, where answers lag behind.
const patience = 10 * time.Second

// openLoop asks queryRate panels a second, whether or not those before were answered: each is timed from when it was due, so that an answer
// that is late makes those behind it late too, as it does for the people who wait.
func (c *client) openLoop(ctx context.Context, lasts time.Duration) (answered, error) {
	n := int(lasts.Seconds() * queryRate)
	due := make(chan int, n)
	began := time.Now()
	at := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / queryRate) }
	var a answered
	answers := 0
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	mix := panels()
	for range connections {
		wg.Go(func() {
			for i := range due {
				late := time.Since(began) > lasts+patience
				var partial bool
				var err error
				if !late {
					partial, err = c.get(ctx, mix[i%len(mix)].path(at(i)), nil)
				}
				took := time.Since(at(i))
				mu.Lock()
				a.took.add(took)
				if !late {
					answers++
				}
				if err != nil {
					errs = append(errs, err)
				}
				if partial {
					a.partial++
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		time.Sleep(time.Until(at(i)))
		due <- i
	}
	close(due)
	wg.Wait()
	a.rate = float64(answers) / time.Since(began).Seconds()
	if len(errs) > 0 {
		return a, fmt.Errorf("%d of %d queries failed, the first: %w", len(errs), n, errs[0])
	}
	return a, nil
}

// feedEvery is the time between two batches of events.
const feedEvery = 20 * time.Millisecond

// feed sends events at eventRate, whose times are those of the clock, until ctx ends.
func (s *stage) feed(ctx context.Context) error {
	source := newEvents(2)
	began := time.Now()
	source.ids, source.first, source.step = "now", began.UnixMicro(), time.Second.Microseconds()/eventRate
	out := s.stream.Producer(s.project.Sources[0].Topic)
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	sent := 0
	for {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), out.Close())
		case <-tick.C:
		}
		n := int(time.Since(began).Seconds()*eventRate) - sent
		if err := out.Write(ctx, source.next(n)); err != nil {
			return errors.Join(fmt.Errorf("feed events: %w", err), out.Close())
		}
		sent += n
	}
}

// logged is how many records the log has ever had.
func (s *stage) logged(ctx context.Context) (int64, error) {
	sum := int64(0)
	for p := range s.ends {
		_, end, err := s.stream.Bounds(ctx, s.topic.Name, p)
		if err != nil {
			return 0, err
		}
		sum += end
	}
	return sum, nil
}

// How events are watched: one at a time, and how often a query asks for it.
const (
	probeEvery = 100 * time.Millisecond
	probeAsks  = 5 * time.Millisecond
)

// watchProbes sends an event again and again and asks until it is counted, as long as ctx lasts. The returned function waits for the end, and
// returns the times from before each was sent to the first answer that has it.
func (c *client) watchProbes(ctx context.Context, out *stream.Producer) func() (latencies, error) {
	var took latencies
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := 1; err == nil; i++ {
			var d time.Duration
			if d, err = c.probe(ctx, out, i); err == nil {
				took.add(d)
			}
		}
		if ctx.Err() != nil {
			err = nil
		}
		ended <- errors.Join(err, out.Close())
	}()
	return func() (latencies, error) { return took, <-ended }
}

// probe sends the nth event of a country of its own, and returns how long it took until a query counted n.
func (c *client) probe(ctx context.Context, out *stream.Producer, n int) (time.Duration, error) {
	tick := time.NewTicker(probeAsks)
	defer tick.Stop()
	began := time.Now()
	path := (&panel{view: "sales", measures: []string{"events"}, behind: time.Hour, where: "probe"}).path(began)
	event := fmt.Sprintf(`{"id":"probe%d","ts":%d,"user_id":"u","country":"probe","product":"p","quantity":1,"unit_price":1.00,"channel":"web"}`, n, began.UnixMicro())
	if err := out.Write(ctx, []stream.Message{{Key: []byte(fmt.Sprint("u", n)), Value: []byte(event)}}); err != nil {
		return 0, err
	}
	for {
		var answer struct{ Data []struct{ Events int } }
		if _, err := c.get(ctx, path, &answer); err != nil {
			return 0, err
		}
		if len(answer.Data) == 1 && answer.Data[0].Events >= n {
			took := time.Since(began)
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(probeEvery):
				return took, nil
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}
