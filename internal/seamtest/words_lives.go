package seamtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/lake"
)

// recreateTopic is "recreate-topic [partitions=N]".
func (p *Player) recreateTopic(c call) (string, error) {
	partitions := p.partitions()
	if text := c.settings["partitions"]; text != "" {
		var err error
		if partitions, err = strconv.Atoi(text); err != nil {
			return "", err
		}
	}
	if err := p.recreate(partitions); err != nil {
		return "", err
	}
	// The roles notice by themselves; what follows in the script is about the life that they are in then.
	err := p.until("that the roles are in the next life", func() error {
		lives, err := p.lake.Lives(p.ctx, topic)
		if err == nil && len(lives) < p.inLife() && len(p.workers)+len(p.keepers) > 0 {
			err = fmt.Errorf("the lake knows %d lives", len(lives))
		}
		return err
	})
	return fmt.Sprintf("the topic is in life %d", p.inLife()), err
}

// morePartitions is "add-partitions N": so many in all.
func (p *Player) morePartitions(c call) (string, error) {
	partitions, err := strconv.Atoi(c.name(0, ""))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the topic has %d partitions", partitions), p.addPartitions(partitions)
}

// earlierText tells what a snapshot covers of the lives before its own.
func earlierText(earlier []lake.Past) string {
	var b strings.Builder
	for _, past := range earlier {
		fmt.Fprintf(&b, "life %d:", past.Incarnation)
		for _, n := range slices.Sorted(maps.Keys(past.Cuts)) {
			fmt.Fprintf(&b, " p%d below %d%s;", n, past.Cuts[n].Offset, missingText(past.Missing[n]))
		}
		b.WriteString(" ")
	}
	return b.String()
}

func missingText(gaps [][2]int64) string {
	text := ""
	for _, gap := range gaps {
		text += fmt.Sprintf(" without [%d, %d)", gap[0], gap[1])
	}
	return text
}
