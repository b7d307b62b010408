package seamtest

import (
	"fmt"
	"slices"

	"github.com/caudal/caudal/serving"
)

// logOf names the log of a partition in one life of the topic.
type logOf struct{ life, partition int }

// servedOf names what answers of a view have held of a log.
type servedOf struct {
	view string
	logOf
}

// freshTopic makes the topic, which brokers that others have used may have.
func (w *World) freshTopic(partitions int) error {
	if _, err := w.stream.Topic(w.ctx, topic); err == nil {
		if err := w.topics.Delete(w.ctx, topic); err != nil {
			return err
		}
	}
	return w.create(partitions)
}

// create makes the topic, and waits until it has its leaders.
func (w *World) create(partitions int) error {
	if err := w.topics.Create(w.ctx, topic, partitions); err != nil {
		return err
	}
	return w.stream.EnsureTopic(w.ctx, topic, partitions)
}

// begin makes the naive folds of the partitions of a life that are not there yet.
func (w *World) begin(life, partitions int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life, w.of = life, partitions
	for p := range partitions {
		k := logOf{life, p}
		if w.logs[k] == nil {
			tail := w.stream.Reader(topic, p, 0)
			w.logs[k], w.tail[k] = newNaive(), tail
			w.t.Cleanup(func() { tail.Close() })
		}
	}
}

// partitions is how many the topic has.
func (w *World) partitions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of
}

// inLife is the life that the topic is in.
func (w *World) inLife() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.life
}

// inOneLife calls folds for partitions of one life.
func inOneLife(life int, below map[int]int64, folds func(map[logOf]int64) (map[logOf]*naive, error)) (map[int]*naive, error) {
	all := map[logOf]int64{}
	for p, offset := range below {
		all[logOf{life, p}] = offset
	}
	logs, err := folds(all)
	of := map[int]*naive{}
	for k, log := range logs {
		of[k.partition] = log
	}
	return of, err
}

// foldsOfLife are those of the life that the topic is in, by partition.
func (w *World) foldsOfLife(below map[int]int64) (map[int]*naive, error) {
	return inOneLife(w.inLife(), below, w.folds)
}

// readToEnd folds all that the logs hold, which they may not much longer.
func (w *World) readToEnd() error {
	ends, err := w.ends()
	if err == nil {
		_, err = w.foldsOfLife(ends)
	}
	return err
}

// recreate deletes the topic and creates it again.
func (w *World) recreate(partitions int) error {
	if err := w.readToEnd(); err != nil {
		return err
	}
	if err := w.topics.Delete(w.ctx, topic); err != nil {
		return err
	}
	w.begin(w.inLife()+1, partitions)
	return w.create(partitions)
}

// addPartitions gives the topic so many partitions in all.
func (w *World) addPartitions(partitions int) error {
	if err := w.topics.AddPartitions(w.ctx, topic, partitions); err != nil {
		return err
	}
	w.begin(w.inLife(), partitions)
	return nil
}

// folds reads the logs on to the offsets, and returns the naive folds, which hold at least the records below them. What is beyond the end of
// a life that is over nobody can read, and no answer may claim to hold.
func (w *World) folds(below map[logOf]int64) (map[logOf]*naive, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, to := range below {
		log := w.logs[k]
		switch {
		case log == nil:
			return nil, fmt.Errorf("%w: there is no partition %d in life %d of the topic", errWrong, k.partition, k.life)
		case int64(len(log.verdicts)) < to && k.life < w.life:
			return nil, fmt.Errorf("%w: life %d of partition %d ended at offset %d, and %d are said to be served", errWrong, k.life, k.partition, len(log.verdicts), to)
		}
	}
	return readFolds(w.ctx, w.logs, w.tail, below)
}

// accounted checks that an answer tells of every log that had records, in every life, and that nothing of a life that is over goes from one
// answer to the next without being stated as missing. The answer was asked for when Redis had lost something so many times.
func (w *World) accounted(view string, q serving.Query, r *serving.Result, losses int64) error {
	if q.Exact || q.AsOf != "" {
		return nil // what the speed layer counts is not asked for
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if losses != w.losses.Load() {
		return nil // it may still hold what nobody can tell of any more
	}
	told := map[logOf]bool{}
	// Who has not heard yet that a life is over tells of it as of one that goes on, and coarser grains of it may lag.
	knows := slices.ContainsFunc(r.Provenance.Partitions, func(c serving.Coverage) bool { return c.Incarnation == w.life })
	for _, c := range r.Provenance.Partitions {
		k := servedOf{view, logOf{c.Incarnation, c.Partition}}
		told[k.logOf] = true
		most := w.most[k]
		w.most[k] = max(most, c.Served)
		if !knows || k.life == w.life || r.Provenance.Partial || c.Served >= most {
			continue
		}
		stated := false
		for _, gap := range c.Missing {
			stated = stated || gap[0] <= c.Served && gap[1] >= most
		}
		if !stated {
			return fmt.Errorf("%w: answers of %s held life %d of partition %d up to offset %d, and now up to %d with %v missing", errWrong, view, k.life, k.partition, most, c.Served, c.Missing)
		}
	}
	for k, log := range w.logs {
		if !told[k] && k.life < w.life && len(log.verdicts) > 0 && !r.Provenance.Partial {
			return fmt.Errorf("%w: the answer of %s says nothing of life %d of partition %d, which had %d records", errWrong, view, k.life, k.partition, len(log.verdicts))
		}
	}
	return nil
}

// forgotten is called where Redis loses what it held: of a life that is over nobody can then tell any more what it held beyond the lake.
func (w *World) forgotten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.losses.Add(1)
	clear(w.most)
}
