package main

import (
	"fmt"

	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/watch"
)

// watch makes the watcher of a process. It asks the server of the process, or one of its own.
func (s *services) watch(p *parts, config serving.Config) (err error) {
	asker := p.server
	if asker == nil {
		config.Produce, config.Guard = nil, nil
		if p.asker, err = serving.New(config); err != nil {
			return fmt.Errorf("set up what the watcher asks: %w", err)
		}
		asker = p.asker
	}
	c := watch.Config{Project: s.project, Asker: asker, Lake: s.lake, Stream: s.stream, Logger: s.log, Registerer: p.registry}
	if f := s.adjust.watch; f != nil {
		f(&c)
	}
	if p.watcher, err = watch.New(c); err != nil {
		return fmt.Errorf("set up the watcher: %w", err)
	}
	return nil
}
