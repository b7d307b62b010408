package pgwire

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Behind is what statements are answered from. Another may take its place while clients are connected: see Server.Change.
type Behind struct {
	Source Source // required

	// Authenticate turns a password into a context that says who asks; nil: nobody is asked. It is called when a client connects and before each of its
	// statements, so that who has lost a right has lost it here, too. A password is only taken over TLS or from the loopback.
	Authenticate func(ctx context.Context, password string) (context.Context, error)
	TLS          *tls.Config           // of connections that begin; nil: without
	Registerer   prometheus.Registerer // where the server's metrics are read; default: nowhere
}

// errChanged is why a statement ends that was at work for too long when another Behind took the place of its own.
var errChanged = errors.New("canceling statement: the definitions have changed, and it took too long to finish over those before")

// Change lets another answer from now on: sessions stay as they are, and their next statements are answered from it. The returned function waits for
// the statements that are at work over what answered before; what takes longer than DrainTimeout, or than ctx lasts, is broken off, and waited for as long
// again. After it what answered before may be closed.
func (s *Server) Change(to Behind) (left func(ctx context.Context), err error) {
	if to.Source == nil {
		return nil, errors.New("pgwire: a source is required")
	}
	if err := s.metrics.register(to.Registerer); err != nil {
		return nil, err
	}
	before := s.post.Take(to)
	return func(ctx context.Context) { before.Dismiss(ctx, s.cfg.DrainTimeout, errChanged) }, nil
}
