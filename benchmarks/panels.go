package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// panel is one query of the dashboard, over a range that moves with the clock.
type panel struct {
	view           string
	measures, dims []string
	grain          string // "" = one number
	behind         time.Duration
	where          string // a country; "" = all
	order          string
	limit          string
}

// panels are the dashboard's mix, each asked as often as the others.
func panels() []panel {
	return []panel{
		{view: "sales", measures: []string{"revenue"}, grain: "1m", behind: time.Hour},
		{view: "sales", measures: []string{"events", "revenue"}, grain: "1h", behind: 24 * time.Hour},
		{view: "sales", measures: []string{"revenue", "events"}, dims: []string{"country"}, grain: "1h", behind: time.Hour, order: "-revenue", limit: "10"},
		{view: "sales", measures: []string{"revenue"}, grain: "1m", behind: 30 * time.Minute, where: "Country 07"},
		{view: "sales", measures: []string{"events"}, dims: []string{"channel"}, grain: "1m", behind: 15 * time.Minute},
		{view: "visitors", measures: []string{"users"}, grain: "1h", behind: 12 * time.Hour},
		{view: "sales", measures: []string{"events", "revenue", "per_event"}, grain: "1d", behind: 24 * time.Hour},
		{view: "sales", measures: []string{"events", "revenue"}, behind: 3 * time.Hour},
	}
}

// from is where the panel's range begins at a time: on its grain, or on the view's finest.
func (p *panel) from(now time.Time) time.Time {
	unit := map[string]time.Duration{"": time.Minute, "1m": time.Minute, "1h": time.Hour, "1d": 24 * time.Hour}[p.grain]
	return now.Add(-p.behind).UTC().Truncate(unit)
}

// path is the panel's query as a browser asks it.
func (p *panel) path(now time.Time) string {
	q := url.Values{"measures": {strings.Join(p.measures, ",")}, "from": {p.from(now).Format(time.RFC3339)}}
	for name, value := range map[string]string{"dimensions": strings.Join(p.dims, ","), "grain": p.grain, "order": p.order, "limit": p.limit} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if p.where != "" {
		q.Set("where", "country = '"+p.where+"'")
	}
	return "/v1/views/" + p.view + "/query?" + q.Encode()
}

// set is the grouping set that holds the panel's rows, as the bits of the view's dimensions.
func (p *panel) set(v *view.View) uint32 {
	var set uint32
	for _, d := range p.dims {
		set |= 1 << v.Dimension(d)
	}
	if p.where != "" {
		set |= 1 << v.Dimension("country")
	}
	return set
}
