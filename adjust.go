package main

import (
	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving/watch"
	"github.com/caudal/caudal/speed"
)

// adjust changes what the parts of a process are made with, just before they are made; nil changes nothing. The command adjusts nothing:
// it is how the tests of faults stop a process between two steps and set its clock.
type adjust struct {
	speed   func(*speed.Config)
	archive func(*batch.ArchiveConfig)
	batch   func(*batch.Config)
	watch   func(*watch.Config)
}
