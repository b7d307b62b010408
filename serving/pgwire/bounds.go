package pgwire

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/serving"
)

// bounds notes how a SELECT bounds the time of the relations in its FROM. A condition that all rows have to meet, in the WHERE of the SELECT that
// has the table in its own FROM, is true of no row whose time lies outside, nor of one that an outer join has filled with nulls: whatever is left
// out of the table for it, the answer is the same.
func (a *analysis) bounds(node tree) (tree, error) {
	if str(node, "type") != "SELECT_NODE" {
		return nil, nil
	}
	from, _ := node["from_table"].(tree)
	tables := tablesOf(from, nil)
	for _, table := range tables {
		schema, name := strings.ToLower(str(table, "schema_name")), strings.ToLower(str(table, "table_name"))
		key := schema + "." + name
		if schema == "" {
			key = "public." + name
		}
		r := a.relations[key]
		if r == nil || schema == "" && a.common[name] {
			continue
		}
		alias := strings.ToLower(str(table, "alias"))
		if alias == "" {
			alias = name
		}
		b := bound{}
		for _, condition := range conjuncts(node["where_clause"]) {
			b.narrow(condition, alias, r.TimeColumn(), str(from, "type") == "BASE_TABLE")
		}
		a.bound(r, key, b)
	}
	return nil, nil
}

// bound adds what one place of a statement reads of a relation.
func (a *analysis) bound(r *serving.Relation, key string, b bound) {
	i := slices.IndexFunc(a.uses, func(u *use) bool { return u.name == key })
	if i < 0 {
		a.uses = append(a.uses, &use{relation: r, name: key})
		i = len(a.uses) - 1
	}
	a.uses[i].ranges = append(a.uses[i].ranges, b)
}

// tablesOf lists the tables that stand in a FROM themselves.
func tablesOf(from tree, found []tree) []tree {
	switch str(from, "type") {
	case "BASE_TABLE":
		return append(found, from)
	case "JOIN":
		left, _ := from["left"].(tree)
		right, _ := from["right"].(tree)
		return tablesOf(right, tablesOf(left, found))
	}
	return found
}

// conjuncts are the conditions that AND joins.
func conjuncts(where any) []tree {
	node, _ := where.(tree)
	if node == nil {
		return nil
	}
	if str(node, "type") != "CONJUNCTION_AND" {
		return []tree{node}
	}
	var all []tree
	for _, child := range list(node, "children") {
		all = append(all, conjuncts(child)...)
	}
	return all
}

// narrow takes a condition into account. A column without a table is that of the only table there is.
func (b *bound) narrow(condition tree, alias, column string, only bool) {
	isTime := func(x any) bool {
		node, _ := x.(tree)
		parts := names(node)
		return str(node, "class") == "COLUMN_REF" && (len(parts) == 1 && only && parts[0] == column || len(parts) == 2 && parts[0] == alias && parts[1] == column)
	}
	set := func(end *any, to any) {
		if *end == nil && isFixed(to) {
			*end = to
		}
	}
	if str(condition, "class") == "BETWEEN" && str(condition, "type") == "COMPARE_BETWEEN" && isTime(condition["input"]) {
		set(&b.from, condition["lower"])
		set(&b.to, condition["upper"])
		return
	}
	if str(condition, "class") != "COMPARISON" {
		return
	}
	left, right, kind := condition["left"], condition["right"], str(condition, "type")
	if isTime(right) {
		left, right = right, left
		kind = map[string]string{"COMPARE_LESSTHAN": "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
			"COMPARE_GREATERTHAN": "COMPARE_LESSTHAN", "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO", "COMPARE_EQUAL": "COMPARE_EQUAL"}[kind]
	}
	if !isTime(left) {
		return
	}
	switch kind {
	case "COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO":
		set(&b.from, right)
	case "COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO":
		set(&b.to, right)
	case "COMPARE_EQUAL":
		set(&b.from, right)
		set(&b.to, right)
	}
}

// isFixed says whether an expression has one value, whatever the row and however often it is asked.
func isFixed(x any) bool {
	node, _ := x.(tree)
	switch str(node, "class") {
	case "CONSTANT", "PARAMETER":
		return true
	case "CAST":
		return isFixed(node["child"])
	case "FUNCTION":
		name := strings.ToLower(str(node, "function_name"))
		if !slices.Contains([]string{"+", "-", "*", "to_timestamp", "date_trunc", "make_timestamp", "make_timestamptz", "to_hours", "to_days", "to_minutes", "to_seconds"}, name) &&
			!slices.Contains(nowFunctions, name) && !slices.Contains(todayFunctions, name) {
			return false
		}
		for _, child := range list(node, "children") {
			if !isFixed(child) {
				return false
			}
		}
		return true
	}
	return false
}

// span is the range of times that a relation is needed of, in µs UTC, both ends among it; nil is no end. Empty: no row is needed.
type span struct {
	from, to *int64
	empty    bool
}

// spanOf evaluates the bounds of a use and joins those of all its places.
func (a *analysis) spanOf(ctx context.Context, conn *engine.Conn, u *use) (span, error) {
	var whole span
	for i, b := range u.ranges {
		from, err := a.valueOf(ctx, conn, b.from)
		if err != nil {
			return span{}, err
		}
		to, err := a.valueOf(ctx, conn, b.to)
		if err != nil {
			return span{}, err
		}
		if i == 0 {
			whole.from, whole.to = from, to
			continue
		}
		if from == nil || whole.from != nil && *from < *whole.from {
			whole.from = from
		}
		if to == nil || whole.to != nil && *to > *whole.to {
			whole.to = to
		}
	}
	if u.places > len(u.ranges) {
		return span{}, nil
	}
	whole.empty = whole.from != nil && whole.to != nil && *whole.from > *whole.to
	return whole, nil
}

// valueOf is an instant that a statement gives; nil where it gives none.
func (a *analysis) valueOf(ctx context.Context, conn *engine.Conn, x any) (*int64, error) {
	if x == nil {
		return nil, nil
	}
	asked, err := parse(ctx, conn, "SELECT epoch_us(CAST(1 AS TIMESTAMPTZ))")
	if err != nil {
		return nil, err
	}
	_, err = walk(asked, func(node tree) (tree, error) {
		if str(node, "class") == "CAST" {
			node["child"] = x
			return node, nil
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	sql, err := render(ctx, conn, asked)
	if err != nil {
		return nil, err
	}
	var value *int64
	err = conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
		if row := chunk.Row(0); !row.Null(0) {
			us := row.Int64(0)
			value = &us
		}
		return nil
	})
	return value, err
}

// aligned is a span as whole buckets of a view, in the words of a query; "" is no end. Rows of a window may begin at any time.
func (s span) aligned(r *serving.Relation) (from, to string) {
	if r.Window != "" {
		return s.exactly()
	}
	if s.from != nil && *s.from > firstInstant && *s.from < lastInstant {
		from = micros(r.Grain.Floor(*s.from, r.Location)).Format("2006-01-02T15:04:05Z07:00")
	}
	if s.to != nil && *s.to > firstInstant && *s.to < lastInstant {
		to = micros(r.Grain.Next(r.Grain.Floor(*s.to, r.Location), r.Location)).Format("2006-01-02T15:04:05Z07:00")
	}
	return from, to
}

// exactly is a span in the words of a query that may begin and end at any time.
func (s span) exactly() (from, to string) {
	if s.from != nil && *s.from > firstInstant && *s.from < lastInstant {
		from = micros(*s.from).Format(time.RFC3339Nano)
	}
	if s.to != nil && *s.to > firstInstant && *s.to < lastInstant {
		to = micros(*s.to + 1).Format(time.RFC3339Nano)
	}
	return from, to
}

// Instants beyond which a bound is as good as none: years 2 and 9990.
const (
	firstInstant = -62_000_000_000_000_000
	lastInstant  = 253_000_000_000_000_000
)
