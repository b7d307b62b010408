package seamtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// ShopFiles are the definitions of the small shop by path, for those who run its roles as processes of their own. The project and its
// topic are named so; services are the lines of caudal.yaml that say where Kafka, Redis and the lake are.
func ShopFiles(name, services string, partitions int) map[string]string {
	project := fmt.Sprintf(shopYAML, partitions)
	project = strings.Replace(project, "project: shop\n", "project: "+name+"\n"+services, 1)
	project = strings.Replace(project, "topic: "+topic+"\n", "topic: "+name+"\n", 1)
	return map[string]string{"caudal.yaml": project, path.Join("views", "sales.yaml"): salesYAML, path.Join("views", "people.yaml"): peopleYAML}
}

// ShopConfig says what a Shop looks at. All is required.
type ShopConfig struct {
	Project  *view.Project // of ShopFiles
	Stream   *stream.Client
	Live     *live.Redis
	Lake     *lake.Lake
	CacheDir string // a folder for what the answers need
	Seed     uint64 // of the stream of orders
}

// Shop is the small shop as its customers and its auditor see it: it produces orders, asks for every number of both views, and compares
// each answer with the naive fold of the log. What makes the answers runs elsewhere. Safe for concurrent use.
type Shop struct {
	cfg       ShopConfig
	source    *view.Source
	server    *serving.Server
	producer  *stream.Producer
	shopper   *shopper
	skew      atomic.Int64 // of the serving layer's clock, ns: it only ever looks anew
	estimates estimates
	compared  atomic.Int64

	mu   sync.Mutex
	logs map[logOf]*naive // of life 1: the topic is not created again
	tail map[logOf]*stream.Reader
}

// OpenShop opens a shop whose topic exists and is empty.
func OpenShop(cfg ShopConfig) (*Shop, error) {
	s := &Shop{cfg: cfg, source: cfg.Project.Sources[0], shopper: newShopper(rand.New(rand.NewPCG(cfg.Seed, 0))),
		logs: map[logOf]*naive{}, tail: map[logOf]*stream.Reader{}}
	var err error
	s.server, err = serving.New(serving.Config{
		Project: cfg.Project, Lake: cfg.Lake, Live: cfg.Live, Stream: cfg.Stream, CacheDir: cfg.CacheDir,
		Engine: engine.Options{Threads: 1, MemoryLimit: "256MB"}, Clock: func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) },
	})
	if err != nil {
		return nil, fmt.Errorf("open the shop: %w", err)
	}
	s.producer = cfg.Stream.Producer(s.source.Topic)
	for p := range s.source.Partitions {
		k := logOf{1, p}
		s.logs[k] = newNaive()
		s.tail[k] = cfg.Stream.Reader(s.source.Topic, p, 0)
	}
	return s, nil
}

// Close ends what the shop has opened, and no service that it was given.
func (s *Shop) Close() error {
	errs := []error{s.producer.Close(), s.server.Close()}
	for _, r := range s.tail {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// Wrong says whether an error of Ask, Whole or Archived is that of an answer which no fault excuses.
func Wrong(err error) bool { return errors.Is(err, errWrong) }

// Compared is how many answers were compared so far.
func (s *Shop) Compared() int64 { return s.compared.Load() }

// Produce writes the next n orders, some of them late, early, repeated, disordered or unreadable. One caller at a time.
func (s *Shop) Produce(ctx context.Context, n int) error {
	return s.producer.Write(ctx, s.shopper.orders(n))
}

// ShiftClock moves the clock that the producer stamps its records with.
func (s *Shop) ShiftClock(by time.Duration) { s.shopper.now = s.shopper.now.Add(by) }

// Ends are the offsets after the logs' last records.
func (s *Shop) Ends(ctx context.Context) (map[int]int64, error) {
	ends := map[int]int64{}
	for p := range s.source.Partitions {
		_, next, err := s.cfg.Stream.Bounds(ctx, s.source.Topic, p)
		if err != nil {
			return nil, err
		}
		ends[p] = next
	}
	return ends, nil
}

// Ask queries a view and compares every number with the naive fold of what the answer says it holds; see Wrong.
func (s *Shop) Ask(ctx context.Context, q serving.Query) (*serving.Result, error) {
	s.skew.Add(int64(3 * time.Second)) // so that CURRENT and the ends are looked at before it is answered
	r, err := s.server.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	below := map[logOf]int64{}
	for _, c := range r.Provenance.Partitions {
		below[logOf{c.Incarnation, c.Partition}] = c.Served
		if c.Served < c.Batch {
			return nil, fmt.Errorf("%w: partition %d is served up to %d, below the snapshot's %d", errWrong, c.Partition, c.Served, c.Batch)
		}
	}
	logs, err := s.folds(ctx, below)
	if err != nil {
		return nil, err
	}
	for _, v := range s.cfg.Project.Views {
		if v.Name == q.View {
			s.compared.Add(1)
			return r, compareAnswer(v, q, r, logs, below, &s.estimates)
		}
	}
	return nil, fmt.Errorf("BUG: the shop has no view %s", q.View)
}

// Totals are the two questions that are cheap: one row each.
func Totals() []serving.Query { return []serving.Query{{View: "sales"}, {View: "people"}} }

// questions ask for every number that there is.
func questions() []serving.Query {
	by := []string{"country"}
	return append(Totals(),
		serving.Query{View: "sales", Grain: "1m", Dimensions: by, Limit: 1_000_000}, serving.Query{View: "sales", Grain: "1m", Limit: 1_000_000},
		serving.Query{View: "sales", Grain: "1h", Dimensions: by}, serving.Query{View: "sales", Grain: "1h"},
		serving.Query{View: "sales", Grain: "1d", Dimensions: by}, serving.Query{View: "sales", Grain: "1d"}, serving.Query{View: "people", Grain: "1d"},
		serving.Query{View: "sales", Window: "last_3h", Dimensions: by}, serving.Query{View: "sales", Window: "visits", Limit: 1_000_000})
}

// UpToDate asks the cheap questions: nil where nothing is partial and all of the log is in the answers.
func (s *Shop) UpToDate(ctx context.Context) error { return s.whole(ctx, Totals()) }

// Whole asks for every number: nil where all are right, nothing is partial, and all of the log is in the answers.
func (s *Shop) Whole(ctx context.Context) error { return s.whole(ctx, questions()) }

func (s *Shop) whole(ctx context.Context, questions []serving.Query) error {
	ends, err := s.Ends(ctx)
	if err != nil {
		return err
	}
	for _, q := range questions {
		r, err := s.Ask(ctx, q)
		if err != nil {
			return err
		}
		if r.Provenance.Partial {
			return fmt.Errorf("%s %s is partial: %s", q.View, q.Grain, r.Provenance.Reason)
		}
		for _, p := range r.Provenance.Partitions {
			if p.Served != ends[p.Partition] {
				return fmt.Errorf("%s: partition %d is served up to %d of %d", q.View, p.Partition, p.Served, ends[p.Partition])
			}
		}
	}
	return nil
}

// Archived reads the whole lake anew: nil where the committed chunks go from the log's start to its end without a gap, hold what the
// naive fold says, and every file of them has the bytes that its commit names.
func (s *Shop) Archived(ctx context.Context) error {
	seen, err := s.cfg.Stream.Topic(ctx, s.source.Topic)
	if err != nil {
		return err
	}
	t, err := s.cfg.Lake.Incarnation(ctx, s.source.Topic, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions)})
	if err != nil {
		return err
	}
	anew := lake.New(s.cfg.Lake.Store())
	for p := range s.source.Partitions {
		chunks, err := anew.Chunks(ctx, t, p, 0)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			for _, f := range c.Files {
				if _, err := anew.Fetch(ctx, f.Key, f.SHA256); err != nil {
					return fmt.Errorf("%w: a file of a committed chunk: %w", errWrong, err)
				}
			}
		}
	}
	kept := func(k logOf, gap [2]int64) error {
		return fmt.Errorf("%w: offsets %v of partition %d are said to be missing, and nobody took them", errWrong, gap, k.partition)
	}
	next, err := compareChunks(ctx, anew, t, s.source.Partitions, kept, func(below map[int]int64) (map[int]*naive, error) {
		return inOneLife(1, below, func(below map[logOf]int64) (map[logOf]*naive, error) { return s.folds(ctx, below) })
	})
	if err != nil {
		return err
	}
	ends, err := s.Ends(ctx)
	if err != nil {
		return err
	}
	for p, end := range ends {
		if next[p] != end {
			return fmt.Errorf("partition %d is archived up to %d of %d", p, next[p], end)
		}
	}
	return nil
}

// folds reads the logs on to the offsets, and returns the naive folds, which hold at least the records below them.
func (s *Shop) folds(ctx context.Context, below map[logOf]int64) (map[logOf]*naive, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return readFolds(ctx, s.logs, s.tail, below)
}
