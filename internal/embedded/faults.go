package embedded

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// HangUp closes the connection on each of the next n requests, before anything of them is done.
func (b *Broker) HangUp(n int) {
	var left atomic.Int64
	left.Store(int64(n))
	calmed := b.calmed.Load()
	b.cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		if b.calmed.Load() != calmed {
			b.cluster.DropControl()
			return nil, nil, false
		}
		if left.Add(-1) > 0 {
			b.cluster.KeepControl()
		} else {
			b.cluster.DropControl()
		}
		return nil, errors.New("hang up"), true
	})
}

// FailNext answers the next n requests that the error of the Kafka protocol fits with it. REQUEST_TIMED_OUT (7) answers a produce that
// is carried out nevertheless.
func (b *Broker) FailNext(code int16, n int) {
	err, _ := errors.AsType[*kerr.Error](kerr.ErrorForCode(code))
	b.faults.Lock()
	defer b.faults.Unlock()
	b.failed = append(b.failed, b.cluster.Fault(kfake.Fault{Err: err, Count: n}))
}

// Calm takes back the faults that are still to come.
func (b *Broker) Calm() {
	b.calmed.Add(1)
	b.faults.Lock()
	defer b.faults.Unlock()
	for _, f := range b.failed {
		f.Remove()
	}
	b.failed = nil
}

// Refuse answers every command with an error, as a Redis that is out of memory or read-only does to those that write; "" ends that.
func (r *Redis) Refuse(answer string) { r.server.SetError(answer) }

// Contents is what a Redis holds: hashes by key, field and value.
type Contents map[string]map[string]string

// Copy returns what the Redis holds. Who writes meanwhile tears the copy. The error names a key that is no hash: caudal has none.
func (r *Redis) Copy() (Contents, error) {
	db := r.server.DB(0)
	all := Contents{}
	for _, key := range db.Keys() {
		fields, err := db.HKeys(key)
		if err != nil {
			return nil, fmt.Errorf("copy redis: key %s, a %s: %w", key, db.Type(key), err)
		}
		all[key] = make(map[string]string, len(fields))
		for _, field := range fields {
			all[key][field] = db.HGet(key, field)
		}
	}
	return all, nil
}

// Restore makes the Redis what it was when the copy was taken, as a failover to a replica does that lacks the writes since.
func (r *Redis) Restore(c Contents) {
	r.server.FlushAll()
	for key, fields := range c {
		for field, value := range fields {
			r.server.DB(0).HSet(key, field, value)
		}
	}
}
