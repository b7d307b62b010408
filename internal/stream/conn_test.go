package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// A caller that gives up leaves its answer on the way; the next one must not take that for its own.
func TestAConnectionWhoseCallerGaveUpIsNotUsedAgain(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	cn := &conn{Conn: protocol.NewConn(here, "test"), timeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		if _, err := there.Read(make([]byte, 4096)); err == nil {
			close(asked)
		}
	}()
	go func() {
		<-asked
		cancel()
	}()
	if _, err := cn.call(ctx, &apiversions.Request{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := cn.call(t.Context(), &apiversions.Request{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("the next call: got %v", err)
	}
}
