package seamtest

import (
	"maps"
	"time"
)

// The moves of a plan that are faults of the services.

func (c *chaos) redisHiccup() {
	c.note("redis hiccup", "connections to Redis break")
	c.gate.hiccup()
}

func (c *chaos) redisAway() {
	d := time.Duration(5+c.random.IntN(150)) * time.Millisecond
	c.note("redis away", "Redis is away for %v", d)
	c.gate.set(true)
	time.Sleep(d)
	c.gate.set(false)
}

func (c *chaos) redisLoses() {
	c.note("redis flushed", "Redis loses everything")
	c.redis.FlushAll()
	c.forgotten()
}

// redisFallsBehind is a failover that loses writes, in two moves: a replica stops following; later it is the primary.
func (c *chaos) redisFallsBehind() {
	c.gate.set(true)
	defer c.gate.set(false)
	if c.replica != nil {
		c.note("redis failover", "Redis fails over to the replica, and the writes since are lost")
		c.redis.Restore(c.replica)
		c.forgotten()
		c.replica = nil
		return
	}
	c.note("", "a replica of Redis stops following")
	for torn := true; torn; { // what was on its way when the gate was shut is still carried out
		before, err := c.redis.Copy()
		c.must(err)
		c.replica, err = c.redis.Copy()
		c.must(err)
		torn = !maps.EqualFunc(before, c.replica, maps.Equal)
	}
}

// redisRefuses is a Redis that answers with errors for a while.
func (c *chaos) redisRefuses() {
	refusal := []struct{ name, answer string }{
		{"redis out of memory", "OOM command not allowed when used memory > 'maxmemory'."},
		{"redis read-only", "READONLY You can't write against a read only replica."},
		{"redis loading", "LOADING Redis is loading the dataset in memory"},
	}[c.random.IntN(3)]
	d := time.Duration(5+c.random.IntN(150)) * time.Millisecond
	c.note(refusal.name, "Redis answers %q for %v", refusal.answer, d)
	c.redis.Refuse(refusal.answer)
	time.Sleep(d)
	c.redis.Refuse("")
}

func (c *chaos) brokerHangsUp() {
	n := 1 + c.random.IntN(10)
	c.note("broker hang-up", "the broker hangs up on the next %d requests", n)
	c.broker.HangUp(n)
}

// brokerFails lets the broker answer what brokers answer while leaders and coordinators move, or are slow.
func (c *chaos) brokerFails() {
	fault := []struct {
		name string
		code int16
	}{{"leader not available", 5}, {"not the leader", 6}, {"request timed out", 7}, {"coordinator not available", 15}, {"not the coordinator", 16}}[c.random.IntN(5)]
	n := 1 + c.random.IntN(5)
	c.note("broker: "+fault.name, "the broker answers the next %d requests: %s", n, fault.name)
	c.broker.FailNext(fault.code, n)
}
