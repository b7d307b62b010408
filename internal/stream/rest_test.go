package stream

import (
	"testing"
	"time"
)

func TestAReaderAtRestGivesItsBuffersBack(t *testing.T) {
	now := time.Now()
	r := &Reader{c: &Client{cfg: Config{FetchBytes: 1 << 20}}, came: now, held: [][]byte{make([]byte, 1<<20)}}
	r.recycle(now.Add(restAfter / 2))
	if len(r.spare) != 1 {
		t.Fatal("a buffer is given back while records come in")
	}
	r.recycle(now.Add(2 * restAfter))
	if r.spare != nil {
		t.Fatalf("%d buffers are kept at rest", len(r.spare))
	}
}
