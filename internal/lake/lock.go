package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// ErrLocked says that somebody else holds a lock.
var ErrLocked = errors.New("locked")

// LockedError is the ErrLocked that names the holder.
type LockedError struct {
	Name  string
	Owner string
	Until time.Time // when the lock falls free if the holder does not renew it
}

// Error names the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("%s: %v by %s until %s", e.Name, ErrLocked, e.Owner, e.Until.Format(time.RFC3339))
}

// Unwrap makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Unwrap() error { return ErrLocked }

// Lock keeps runs from overlapping. It is a courtesy that saves work and not what safety rests on: an owner that sleeps past its time
// is overtaken, and every publish is conditional anyhow.
type Lock struct {
	lake *Lake
	name string
	held lockRecord
	tag  string

	tried string // nonce of the last swap, whatever became of it
}

type lockRecord struct {
	Owner string        `json:"owner"`
	Until time.Time     `json:"until"` // by the owner's clock; released: 1970
	TTL   time.Duration `json:"ttl"`   // ns: the owner renews it four times within
	Nonce string        `json:"nonce"` // so that no two holds have the same bytes
}

// mayBeHeld says whether the owner can be expected to be at work by a clock. Both clocks may be wrong.
func (r *lockRecord) mayBeHeld(now time.Time) bool {
	return r.Until.After(now) && !r.Until.After(now.Add(r.TTL))
}

// free says whether the owner gave the lock back.
func (r *lockRecord) free() bool { return r.Until.Unix() <= 0 }

// Lock takes the named lock until now+ttl. ErrLocked, as a *LockedError, if somebody holds it.
//
// A lock is taken over from an owner that is silent, not because a clock says so: one that has jumped forwards must not take a lock away
// that is held, and one that has jumped backwards must not keep a dead owner's for hours. So a lock that has expired, or ends later
// than any owner could have set it, is watched for half its time, in which an owner that lives renews it; Lock takes so long then.
func (l *Lake) Lock(ctx context.Context, name, owner string, now time.Time, ttl time.Duration) (*Lock, error) {
	if err := checkName("lock", name); err != nil {
		return nil, err
	}
	k := &Lock{lake: l, name: name, held: lockRecord{Owner: owner, Until: now.Add(ttl).UTC(), TTL: ttl, Nonce: rand.Text()}}
	data, tag, err := l.store.Get(ctx, lockKey(name))
	switch {
	case errors.Is(err, ErrNotFound):
		k.tag, err = l.store.Create(ctx, lockKey(name), encode(k.held))
	case err == nil:
		var standing lockRecord
		if err := decode(lockKey(name), data, &standing); err != nil {
			return nil, err
		}
		if standing.mayBeHeld(now) {
			return nil, &LockedError{Name: name, Owner: standing.Owner, Until: standing.Until}
		}
		if !standing.free() {
			if err := pause(ctx, standing.TTL/2); err != nil {
				return nil, fmt.Errorf("lock %s: %w", name, err)
			}
		}
		// An owner that lives has written another nonce by now, and this fails.
		k.tag, err = l.store.Swap(ctx, lockKey(name), encode(k.held), tag)
	}
	if errors.Is(err, ErrExists) || errors.Is(err, ErrChanged) {
		return nil, k.lost(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return k, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Renew holds the lock until now+ttl. ErrLocked if it was lost to somebody else: the caller should stop.
func (k *Lock) Renew(ctx context.Context, now time.Time, ttl time.Duration) error {
	return k.swap(ctx, lockRecord{Owner: k.held.Owner, Until: now.Add(ttl).UTC(), TTL: ttl, Nonce: rand.Text()})
}

// Release frees the lock. ErrLocked if it was lost before.
func (k *Lock) Release(ctx context.Context) error {
	return k.swap(ctx, lockRecord{Owner: k.held.Owner, Until: time.Unix(0, 0).UTC(), Nonce: rand.Text()})
}

func (k *Lock) swap(ctx context.Context, next lockRecord) error {
	before := k.tried
	k.tried = next.Nonce
	tag, err := k.lake.store.Swap(ctx, lockKey(k.name), encode(next), k.tag)
	if errors.Is(err, ErrChanged) {
		if tag, err = k.swapTried(ctx, next, before); errors.Is(err, ErrChanged) {
			return k.lost(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", k.name, err)
	}
	k.held, k.tag = next, tag
	return nil
}

// swapTried does it again where what changed the lock was a swap of ours whose answer was lost: this one, or the one before.
func (k *Lock) swapTried(ctx context.Context, next lockRecord, before string) (tag string, err error) {
	data, tag, err := k.lake.store.Get(ctx, lockKey(k.name))
	if err != nil {
		return "", errors.Join(ErrChanged, err)
	}
	var standing lockRecord
	if err := decode(lockKey(k.name), data, &standing); err != nil {
		return "", err
	}
	switch standing.Nonce {
	case next.Nonce:
		return tag, nil
	case before:
		return k.lake.store.Swap(ctx, lockKey(k.name), encode(next), tag)
	}
	return "", ErrChanged
}

// lost names who has the lock by now.
func (k *Lock) lost(ctx context.Context) error {
	data, _, err := k.lake.store.Get(ctx, lockKey(k.name))
	if err != nil {
		return fmt.Errorf("lock %s: %w: by somebody: %w", k.name, ErrLocked, err)
	}
	var standing lockRecord
	if err := decode(lockKey(k.name), data, &standing); err != nil {
		return err
	}
	return &LockedError{Name: k.name, Owner: standing.Owner, Until: standing.Until}
}
