package main

import (
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// TestFaultAKafkaOfThreeNodesLosesEach kills the leader of a partition, then the controller, and then restarts one node after the other as an
// operator does, all under load: every record is on three nodes, and an acknowledged one on two.
func TestFaultAKafkaOfThreeNodesLosesEach(t *testing.T) {
	long(t)
	t.Parallel()
	kafka := testservices.ThreeKafkas(t)
	s := siteOf(t, where{brokers: kafka.Brokers()})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	s.ask()
	s.on("leader", func() {
		s.underLoad(func() {
			leader, err := kafka.Leader(t.Context(), s.name, 0)
			s.check(err)
			s.check(leader.Kill())
			s.check(kafka.Led(t.Context(), s.name, leader))
			s.batch()
			s.check(leader.Restart())
			s.check(kafka.InSync(t.Context()))
		})
	})
	s.on("controller", func() {
		s.underLoad(func() {
			controller, err := kafka.Controller(t.Context())
			s.check(err)
			s.check(controller.Kill())
			s.check(kafka.Led(t.Context(), s.name, controller))
			s.check(controller.Restart())
			s.check(kafka.InSync(t.Context()))
		})
	})
	s.on("rolling restart", func() {
		s.underLoad(func() {
			for _, n := range kafka.Nodes {
				s.check(n.Shutdown())
				s.check(n.Restart())
				s.check(kafka.InSync(t.Context()))
			}
		})
	})
	s.settles()
	speed.terminate()
	archive.terminate()
}
