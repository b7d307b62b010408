package serving

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// Alerts is what alerts have to say, as far as the caller may know of it.
type Alerts struct {
	Rules  []AlertRule  `json:"rules"`  // the alerts of the project
	Alerts []AlertCause `json:"alerts"` // what they found, firing first, then the latest first

	MayQuiet bool `json:"may_quiet"` // the caller may acknowledge and silence
}

// AlertRule is an alert of the project.
type AlertRule struct {
	Alert       string   `json:"alert"`
	Description string   `json:"description,omitempty"`
	View        string   `json:"view"`
	Window      string   `json:"window"`
	By          []string `json:"by"` // dimensions: each combination of their values is judged by itself
	Kind        string   `json:"kind"`
	Severity    string   `json:"severity"`
	Judged      string   `json:"judged,omitempty"` // event time until which buckets were judged when they were over; absent before the first, and of alerts without data
	Lost        int64    `json:"lost,omitempty"`   // causes that were not begun, as too many are kept
}

// AlertCause is a run of buckets, one after the other, in which an alert's condition holds.
type AlertCause struct {
	ID           string             `json:"id"` // for acknowledgements; notices of it have it as cause
	Alert        string             `json:"alert"`
	View         string             `json:"view"`
	Severity     string             `json:"severity"`
	Phase        string             `json:"phase"` // pending, waiting (for the end of a cool-down), firing, recovered, corrected, or passed without a word
	Labels       map[string]*string `json:"labels"`
	Window       string             `json:"window"`
	Bucket       string             `json:"bucket"`          // start of the first bucket; "" where data never came
	Last         string             `json:"last"`            // start of the last bucket in which the condition holds
	Since        string             `json:"since"`           // event time from when on it holds
	Until        string             `json:"until,omitempty"` // event time when it was over
	Fired        string             `json:"fired,omitempty"` // by the clock: when somebody was told first
	Ended        string             `json:"ended,omitempty"` // by the clock: when it was seen to be over
	Values       map[string]*string `json:"values,omitempty"`
	Late         bool               `json:"late,omitempty"`     // its first bucket was over and judged before the condition held in it
	Silenced     string             `json:"silenced,omitempty"` // id of the silence that keeps it from being told
	Reason       string             `json:"reason,omitempty"`
	Acknowledged *Acknowledgement   `json:"acknowledged,omitempty"`
}

// AlertQuery asks for what alerts found.
type AlertQuery struct {
	Alert  string   // name; "": all
	Phases []string // none: all but those that passed without a word
	Limit  int      // causes at most; 0: 1,000
}

// alertsMost is how many causes are answered where no limit is given.
const alertsMost = 1000

// Alerts answers what alerts found, to ctx's caller.
func (s *Server) Alerts(ctx context.Context, q AlertQuery) (*Alerts, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	out := &Alerts{Rules: []AlertRule{}, Alerts: []AlertCause{}, MayQuiet: g.Role >= auth.Write}
	own := s.alertsOf(g)
	if q.Alert != "" {
		one, err := findAlert(own, q.Alert)
		if err != nil {
			return nil, err
		}
		own = []*view.Alert{one}
	}
	acknowledged, err := acknowledgements(ctx, s.cfg.Lake)
	if err != nil {
		return nil, s.alertProblem(err)
	}
	for _, a := range own {
		state, err := s.alertState(ctx, a)
		if err != nil {
			return nil, err
		}
		rule := AlertRule{Alert: a.Name, Description: a.Description, View: a.View.Name, Window: a.Window.Name, By: append([]string{}, a.By...), Kind: string(a.Kind), Severity: a.Severity, Lost: state.Lost}
		if a.Kind != view.AlertNoData && state.Begun && state.Through > minInstant {
			rule.Judged = formatTime(state.Through, a.View.Location)
		}
		out.Rules = append(out.Rules, rule)
		for i := range state.Causes {
			c := &state.Causes[i]
			if !q.wants(c.Phase) || !mayTell(g, a, c.Labels) {
				continue
			}
			found := causeOf(a, c)
			if k, ok := acknowledged[c.ID]; ok {
				found.Acknowledged = &k
			}
			out.Alerts = append(out.Alerts, found)
		}
	}
	slices.SortStableFunc(out.Alerts, func(x, y AlertCause) int {
		first := func(c *AlertCause) int { return slices.Index(alertPhases(), c.Phase) / 3 } // what goes on, and what is over
		firing := func(c *AlertCause) int { return map[bool]int{true: 0, false: 1}[c.Phase == string(alert.Firing)] }
		return cmp.Or(cmp.Compare(first(&x), first(&y)), cmp.Compare(firing(&x), firing(&y)), -cmp.Compare(x.Since, y.Since), cmp.Compare(x.ID, y.ID))
	})
	out.Alerts = out.Alerts[:min(len(out.Alerts), cmp.Or(q.Limit, alertsMost))]
	return out, nil
}

// alertPhases are the names of the phases of a cause; the first three go on.
func alertPhases() []string {
	return []string{string(alert.Firing), string(alert.Pending), string(alert.Waiting), string(alert.Recovered), string(alert.Corrected), string(alert.Passed)}
}

func (q *AlertQuery) wants(p alert.Phase) bool {
	if len(q.Phases) == 0 {
		return p != alert.Passed
	}
	return slices.Contains(q.Phases, string(p))
}

// alertsOf are the alerts of views that a grant may read.
func (s *Server) alertsOf(g auth.Grant) []*view.Alert {
	var own []*view.Alert
	for _, a := range s.cfg.Project.Alerts {
		if g.MayRead(a.View.Name) {
			own = append(own, a)
		}
	}
	return own
}

func findAlert(own []*view.Alert, name string) (*view.Alert, error) {
	names := make([]string, len(own))
	for i, a := range own {
		if names[i] = a.Name; a.Name == name {
			return a, nil
		}
	}
	p := unknown("alert", "alert", name, names)
	p.Status = http.StatusNotFound
	return nil, p
}

// mayTell says whether a grant's holder may know of cells with some labels: all of them where its rows are not limited, and else where the labels alone say
// that they are among its rows. What is added up over rows of others is not told.
func mayTell(g auth.Grant, a *view.Alert, labels alert.Labels) bool {
	own, err := rowFilter(g, a.View)
	if !g.MayRead(a.View.Name) || err != nil {
		return false
	}
	if own == nil {
		return true
	}
	values := make([]algebra.Value, len(a.View.Dimensions))
	for i, d := range a.View.Dimensions {
		text, known := labels.Get(d.Name)
		if !known && own.dims&(1<<i) != 0 {
			return false
		}
		if text != nil {
			if values[i], err = algebra.ParseValue(*text, d.Type); err != nil {
				return false
			}
		}
	}
	return own.Passes(values)
}

// alertState is what is kept of an alert, as it was read last.
func (s *Server) alertState(ctx context.Context, a *view.Alert) (alert.State, error) {
	var state alert.State
	if err := readNote(ctx, s.cfg.Lake, AlertNote(a.Name), "what is kept of alert "+a.Name, &state); err != nil {
		return state, s.alertProblem(err)
	}
	return state, nil
}

// alertProblem is that the lake did not say what is kept.
func (s *Server) alertProblem(err error) error {
	s.cfg.Logger.Warn("what alerts found cannot be read", "error", err)
	return unavailable("what alerts found cannot be read from the lake", "try again in a moment")
}

// causeOf is a cause as the API has it.
func causeOf(a *view.Alert, c *alert.Cause) AlertCause {
	instant := func(us int64) string {
		if us == math.MinInt64 {
			return ""
		}
		return formatTime(us, a.View.Location)
	}
	clock := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.UTC().Format(time.RFC3339)
	}
	out := AlertCause{ID: c.ID, Alert: a.Name, View: a.View.Name, Severity: a.Severity, Phase: string(c.Phase), Labels: mapOf(c.Labels), Window: a.Window.Name, Bucket: instant(c.First()),
		Last: instant(c.Last), Since: instant(c.Since), Fired: clock(c.Fired), Ended: clock(c.Ended), Late: c.Late, Silenced: c.Silenced, Reason: c.Reason}
	if c.Until != 0 {
		out.Until = instant(c.Until)
	}
	if len(c.Values) > 0 {
		out.Values = mapOf(c.Values)
	}
	return out
}

func mapOf(l alert.Labels) map[string]*string {
	m := map[string]*string{}
	for i := range l {
		m[l[i].Name] = l[i].Value
	}
	return m
}

// findCause finds a cause that a grant's holder may know of.
func (s *Server) findCause(ctx context.Context, g auth.Grant, id string) error {
	for _, a := range s.alertsOf(g) {
		state, err := s.alertState(ctx, a)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(state.Causes, func(c alert.Cause) bool { return c.ID == id && mayTell(g, a, c.Labels) }) {
			return nil
		}
	}
	return newProblem(http.StatusNotFound, "unknown-name", "There is no such alert", "id", fmt.Sprintf("no alert has the id %.64q", id), "see /v1/alerts")
}

// acknowledgedMost bounds the acknowledgements that are kept: the oldest go.
const acknowledgedMost = 1000

// Acknowledge notes that ctx's caller looks after a cause.
func (s *Server) Acknowledge(ctx context.Context, id, comment string) (Acknowledgement, error) {
	g, name, err := s.mayQuiet(ctx)
	if err == nil {
		err = s.findCause(ctx, g, id)
	}
	if err != nil {
		return Acknowledgement{}, err
	}
	if err := checkComment(comment); err != nil {
		return Acknowledgement{}, err
	}
	k := Acknowledgement{ID: id, By: name, Comment: comment, At: s.cfg.Clock().UTC().Truncate(time.Second)}
	err = changeList(ctx, s, acknowledgedNote, func(list []Acknowledgement) ([]Acknowledgement, error) {
		list = slices.DeleteFunc(list, func(a Acknowledgement) bool { return a.ID == id })
		list = append(list, k)
		return list[max(0, len(list)-acknowledgedMost):], nil
	})
	return k, err
}

// mayQuiet says who asks, if they may silence and acknowledge.
func (s *Server) mayQuiet(ctx context.Context) (auth.Grant, string, error) {
	g, err := s.rights(ctx)
	if err == nil && g.Role < auth.Write {
		err = mayNot(g, auth.Write)
	}
	c, _ := auth.From(ctx)
	return g, c.Name, err
}

// changeList changes a list that is kept in the lake. Errors are *Problem.
func changeList[T any](ctx context.Context, s *Server, note string, change func([]T) ([]T, error)) error {
	err := s.cfg.Lake.ChangeNote(ctx, note, func(standing []byte) ([]byte, error) {
		list := []T{}
		if standing != nil {
			if err := json.Unmarshal(standing, &list); err != nil {
				return nil, fmt.Errorf("read note %s: %w", note, err)
			}
		}
		list, err := change(list)
		if err != nil {
			return nil, err
		}
		return json.Marshal(list)
	})
	if _, told := err.(*Problem); err == nil || told {
		return err
	}
	return s.alertProblem(err)
}
