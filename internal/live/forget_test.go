package live

import (
	"context"
	"testing"
)

func TestAForgottenGroupLeavesNoKeyAndItsOwnerFindsItGone(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := take(t, r, 0, "t", "i")
		var writes []ChunkWrite
		for chunk := range int64(forgetChunks + 10) {
			writes = append(writes, write(minute(0, chunk), true, "a", "1"))
		}
		flushed(t, r, step(m, 5, writes...))
		other := group
		other.Hash = "another"
		if _, _, err := r.Take(context.Background(), other, 0, at(0), "t", "i"); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Forget(context.Background(), group); err != nil || n != len(writes) {
			t.Fatalf("%d chunks, %v", n, err)
		}
		if left := keys(t, r); len(left) != 1 || left[0] != other.meta() {
			t.Fatalf("left are %v", left)
		}
		if n, err := r.Forget(context.Background(), group); err != nil || n != 0 {
			t.Fatalf("again: %d chunks, %v", n, err)
		}
		m.Off = 5
		if res := r.Flush(context.Background(), []Flush{step(m, 9)})[0]; res.Applied || res.Err != nil {
			t.Fatalf("a flush of what is forgotten: %+v", res)
		}
	})
}
