package seamtest

import (
	"time"
)

// The moves of a plan that are done to the topic, and to clocks.

// recreateTopic deletes the topic and creates it again; the roles notice by themselves. Two lives more are as many as a plan has time for.
func (c *chaos) recreateTopic() {
	if c.inLife() > 2 || c.random.IntN(2) == 0 {
		return
	}
	lives, err := c.lake.Lives(c.ctx, topic)
	c.must(err)
	if len(lives) < c.inLife() || lives[len(lives)-1].Partitions < c.partitions() {
		return // a life that nobody has seen is none, nor is such a partition
	}
	partitions := 1 + c.random.IntN(3)
	c.note("topic recreated", "the topic is deleted and created again, with %d partitions", partitions)
	c.broker.Calm()                                                 // nobody tries again what is asked for here
	c.must(c.until("that the log is read to its end", c.readToEnd)) // connections of before may be broken
	c.must(c.recreate(partitions))
	c.freshProducer()
}

func (c *chaos) addPartition() {
	n := c.partitions() + 1
	if n > 5 {
		return
	}
	c.note("partition added", "the topic has %d partitions", n)
	c.broker.Calm() // nobody tries again what is asked for here
	c.must(c.addPartitions(n))
	c.freshProducer()
}

// freshProducer makes one that knows the partitions that there are.
func (c *chaos) freshProducer() {
	c.must(c.producer.Close())
	c.producer = c.stream.Producer(topic)
}

// retention lets Kafka forget the beginning of a partition: what the lake has, or, in half of the cases, whatever nobody may have read yet.
func (c *chaos) retention() {
	c.broker.Calm() // nobody tries again what is asked for here
	p := c.random.IntN(c.partitions())
	beyond := c.random.IntN(2) == 0 && !c.shopper.now.Before(c.shopper.newest)
	share := c.random.Float64()
	var before, lost int64
	c.must(c.until("that retention takes its share", func() (err error) { // connections of before may be broken
		before, lost, err = c.retain(p, func(archived, end int64) int64 {
			if !beyond {
				end = archived
			}
			return int64(share * float64(end+1))
		})
		return err
	}))
	if before == 0 {
		return
	}
	fault := "retention"
	if lost > 0 {
		fault = "retention before the archive"
	}
	c.note(fault, "Kafka forgets partition %d below %d; the lake had all but the last %d of it", p, before, lost)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shopper.forget(c.takenIDs)
}

// clockJumps sets the clock of a process, or that of the producers.
func (c *chaos) clockJumps() {
	by := time.Duration(c.random.IntN(7)-3) * time.Hour
	process := []string{"batch", "x", "zombie", "producers"}[c.random.IntN(4)]
	if process == "producers" {
		c.mu.Lock()
		gone := len(c.gone) > 0
		c.mu.Unlock()
		if gone {
			by = by.Abs() // whether a repeat lies within the horizon would depend on records that nobody has
		}
		c.shopper.now = c.shopper.now.Add(by)
	} else {
		c.setClock(process, by)
	}
	c.note("clock jump", "the clock of %s jumps by %v", process, by)
}
