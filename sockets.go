package main

import (
	"errors"
	"fmt"
	"net"
)

// sockets are where a process listens. They stay open while what answers behind them is changed: who comes meanwhile waits, and is not refused.
// nil keeps nothing.
type sockets struct {
	kept map[string]*net.TCPListener // by what they are for
}

// listen opens the socket for a purpose, or goes on with the one that is open.
func (s *sockets) listen(purpose, address string) (net.Listener, error) {
	if s == nil {
		return net.Listen("tcp", address)
	}
	if s.kept[purpose] == nil {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		s.kept[purpose] = l.(*net.TCPListener)
	}
	file, err := s.kept[purpose].File()
	if err != nil {
		return nil, fmt.Errorf("go on listening on %s: %w", address, err)
	}
	l, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("go on listening on %s: %w", address, err)
	}
	return l, nil
}

// close refuses whoever comes from now on, once those who answer have closed theirs.
func (s *sockets) close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for purpose, l := range s.kept {
		errs = append(errs, l.Close())
		delete(s.kept, purpose)
	}
	return errors.Join(errs...)
}
