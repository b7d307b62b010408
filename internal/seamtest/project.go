package seamtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

const shopYAML = `
project: shop
batch: {memory_limit: 256MB, threads: 1, archive_wait: 20s, snapshots: 50, instant_rollbacks: 1}
sources:
  orders:
    topic: orders
    partitions: %d
    format: json
    key: user
    event_time: {field: at, format: unix_ms}
    event_id: id
    dedup_horizon: 1h
    lateness: 10m
    max_ahead: 5m
    fields:
      id: string
      at: timestamp
      user: string
      country: string?
      amount: decimal(12,2)
`

const salesYAML = `
view: sales
source: orders
dimensions: [country]
grains: [1m, 1h, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
  - {name: low, agg: min, expr: amount}
  - {name: top, agg: max, expr: amount}
  - {name: users, agg: count_distinct, expr: user}
  - {name: p90, agg: percentile, expr: amount, p: 0.9}
  - {name: opener, agg: first, expr: user}
  - {name: closing, agg: last, expr: amount}
  - {name: spread, agg: var_pop, expr: amount}
  - {name: loyal, agg: top_k, expr: user, k: 3}
  - {name: sizes, agg: histogram, expr: amount, bounds: [0, 10, 100]}
  - {name: late, agg: count, filter: _late}
windows:
  - {name: last_3h, hopping: {size: 3h, every: 1h}}
  - {name: last_5m, hopping: {size: 5m, every: 2m}}
  - {name: visits, session: {gap: 10m, max: 1h}}
`

// peopleYAML is a second view of the same source, so that groups of a partition stand at different offsets.
const peopleYAML = `
view: people
source: orders
timezone: Asia/Kolkata
where: "amount > 0"
dimensions: []
grains: [1d]
measures:
  - {name: people, agg: count_distinct, expr: user}
  - {name: lines, agg: count}
  - {name: spent, agg: sum, expr: amount, type: "decimal(18,2)"}
`

// parseProject reads a definition of the small shop. With both, it has the view people beside sales.
func parseProject(ctx context.Context, partitions int, both bool, d definition) (*view.Project, error) {
	files := []view.File{{Path: "caudal.yaml", Data: fmt.Appendf(nil, d.shop, partitions)}, {Path: "views/sales.yaml", Data: []byte(d.sales)}}
	if both {
		people := peopleYAML
		if strings.Contains(d.shop, "was: user") {
			people = strings.ReplaceAll(people, "expr: user", "expr: customer")
		}
		files = append(files, view.File{Path: "views/people.yaml", Data: []byte(people)})
	}
	p, err := engine.Parse(ctx, files, func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, fmt.Errorf("the shop's definitions: %w", err)
	}
	return p, nil
}
