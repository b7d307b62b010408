package view

import "time"

// AlertKind is what an alert looks for.
type AlertKind string

// The kinds of alerts.
const (
	AlertWhen     AlertKind = "when"     // a condition over the measures of a bucket
	AlertChange   AlertKind = "change"   // a measure against the same one some time before
	AlertNoData   AlertKind = "no_data"  // nothing new has come
	AlertForecast AlertKind = "forecast" // a measure outside of what the same buckets before make likely
)

// Alert is a condition over the merged cells of a view that somebody wants to be told of.
type Alert struct {
	Name        string
	Description string
	View        *View
	Window      Frame
	By          []string // dimensions of the view: each combination of their values is judged by itself
	Where       string   // condition over dimensions of the view; "" = all rows
	Kind        AlertKind
	When        string        // of AlertWhen: a condition over measures
	WhenNames   []string      // the measures that it looks at, in the order of the view
	Change      Change        // of AlertChange
	Forecast    Forecast      // of AlertForecast
	NoData      time.Duration // of AlertNoData: by the clock, how long nothing new has come
	Closed      bool          // only buckets that are over are judged (on: close)
	Severity    string        // of Severities
	For         time.Duration // how long the condition has to hold before anybody is told; by event time
	CoolDown    time.Duration // how long after a recovery nobody is told of the same key again; by event time
	LookBack    time.Duration // how far back buckets that are over are looked at again, for late events and corrections
	GroupBy     []string      // of By: what happens at once to keys with the same values of these is told in one message
	Ungrouped   bool          // each key is told of by itself; false where GroupBy is given, perhaps as an empty list
	To          []string      // names of sinks
	Tests       []AlertTest
	Hash        string // SHA-256, hex, of everything that decides when it fires
}

// Measures are the names of the measures that the alert looks at. One without data looks at those that say that an event has come, and nothing else.
func (a *Alert) Measures() []string {
	switch a.Kind {
	case AlertWhen:
		return a.WhenNames
	case AlertChange:
		return []string{a.Change.Measure}
	case AlertForecast:
		return []string{a.Forecast.Measure}
	}
	return a.View.steady()
}

// steady are the names of the measures that stay as they are while no event comes, whichever layer says them: a batch has the exact answer where the
// speed layer has a sketch, and sums of doubles in another order. All that are of a row alone, where the view has no such measure.
func (v *View) steady() []string {
	var names []string
	for i := range v.Measures {
		switch m := &v.Measures[i]; m.Agg {
		case Count, Min, Max, First, Last:
			names = append(names, m.Name)
		case Sum:
			if m.Type.Kind != Double {
				names = append(names, m.Name)
			}
		}
	}
	if len(names) == 0 {
		return v.OwnMeasures()
	}
	return names
}

// Change is how far a measure may be from what it was. Bounds are shares of the value before: 0.5 is half as much again.
type Change struct {
	Measure      string
	Against      time.Duration // how long before; 0: the bucket before
	Above, Below *float64      // at least one: the condition holds above the one and below the other
}

// Forecast is a band around the mean of the same bucket of the seasons before.
type Forecast struct {
	Measure string
	Season  time.Duration
	Periods int     // how many seasons are looked back at
	Enough  int     // of how many of them there has to be a value; with fewer nothing is said
	Sigmas  float64 // half the width of the band in standard deviations of these values
	Least   float64 // half the width at least, in the measure's unit
	Above   bool    // values above the band count
	Below   bool    // values below
}

// Severities are how bad an alert can be, the least first.
func Severities() []string { return []string{"info", "warning", "critical"} }

// SinkKind is what a sink is.
type SinkKind string

// The kinds of sinks.
const (
	SinkLog     SinkKind = "log"
	SinkKafka   SinkKind = "kafka"
	SinkWebhook SinkKind = "webhook"
	SinkSlack   SinkKind = "slack"
)

// LogSink is the name of the sink that every project has: the log of the process.
const LogSink = "log"

// Sink is where notices of alerts go. Where and Secret are secrets.
type Sink struct {
	Name   string
	Kind   SinkKind
	Where  string        // topic, or URL
	Secret string        // that webhooks are signed with
	GiveUp time.Duration // after which a notice that is not taken is put aside
}

// Emit says which rows of a view's merged answers go to a topic, and when.
type Emit struct {
	View       *View
	To         string // topic
	OnClose    bool
	OnUpdate   bool
	Grain      Grain
	Dimensions []string
	Measures   []string      // nil: all
	LookBack   time.Duration // how far back buckets that are over are looked at again, for late events and corrections
}

// canonicalAlert is what decides when an alert fires.
type canonicalAlert struct {
	View       string        `json:"view"`
	Window     string        `json:"window"`
	Hop        *Hop          `json:"hop,omitempty"` // a window's definition is no part of the view's
	By         []string      `json:"by"`
	Where      string        `json:"where"`
	Kind       AlertKind     `json:"kind"`
	When       string        `json:"when,omitempty"`
	Change     *Change       `json:"change,omitempty"`
	Forecast   *Forecast     `json:"forecast,omitempty"`
	NoData     time.Duration `json:"no_data_ns,omitempty"`
	Closed     bool          `json:"closed"`
	For        time.Duration `json:"for_ns"`
	CoolDown   time.Duration `json:"cool_down_ns"`
	Definition string        `json:"definition"` // hash of the view
}

// seal fills in Hash. Severity, sinks and grouping say how people are told and are no part of it.
func (a *Alert) seal() {
	c := canonicalAlert{View: a.View.Name, Window: a.Window.Name, Hop: a.Window.Hop, By: append([]string{}, a.By...), Where: a.Where, Kind: a.Kind, When: a.When, NoData: a.NoData,
		Closed: a.Closed, For: a.For, CoolDown: a.CoolDown, Definition: a.View.Hash}
	switch a.Kind {
	case AlertChange:
		c.Change = &a.Change
	case AlertForecast:
		c.Forecast = &a.Forecast
	}
	a.Hash = hashOf(canonicalJSON(c))
}
