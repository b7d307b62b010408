package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// Notice tells that something began or ended. Its JSON is documented in docs/alerts.md and does not change but by additions.
type Notice struct {
	ID          string `json:"id"`    // the same whenever the same is told
	Cause       string `json:"cause"` // id of the cause: what began under it ends under it
	Kind        Phase  `json:"kind"`  // firing, recovered or corrected
	Alert       string `json:"alert"`
	Description string `json:"description,omitempty"`
	Severity    string `json:"severity"`
	View        string `json:"view"`
	Window      string `json:"window"`
	Labels      Labels `json:"labels"`
	Bucket      string `json:"bucket"`          // start of the first bucket; of data that never came ""
	Last        string `json:"last"`            // start of the last bucket in which the condition holds
	Since       string `json:"since"`           // event time from when on it holds
	Until       string `json:"until,omitempty"` // event time when it was over
	At          string `json:"at"`              // by the clock: when this was found out
	Values      Labels `json:"values,omitempty"`
	Expected    *Band  `json:"expected,omitempty"`
	Late        bool   `json:"late,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// Message is what a sink gets at once.
type Message struct {
	ID      string    `json:"id"` // of its notices: the same whenever the same is told
	Alert   string    `json:"alert"`
	Kind    Phase     `json:"kind"`
	Group   Labels    `json:"group,omitempty"`
	Notices []Notice  `json:"notices"`
	At      time.Time `json:"at"` // by the clock: when it was put together
	To      []string  `json:"to"` // sinks that have not taken it yet

	// Ends are, by sink that is a topic, where its partitions ended before the message was sent: if it is there, it is not before them.
	Ends map[string]map[int]int64 `json:"ends,omitempty"`
}

// instant is a time in RFC 3339; "" for the beginning of all times.
func instant(us int64, loc *time.Location) string {
	if us == math.MinInt64 {
		return ""
	}
	return time.UnixMicro(us).In(loc).Format(time.RFC3339Nano)
}

// notice tells of a cause.
func notice(a *view.Alert, c *Cause, kind Phase, now time.Time) Notice {
	loc := a.View.Location
	n := Notice{ID: c.ID + "-" + string(kind), Cause: c.ID, Kind: kind, Alert: a.Name, Description: a.Description, Severity: a.Severity, View: a.View.Name, Window: a.Window.Name,
		Labels: c.Labels, Bucket: instant(c.First(), loc), Last: instant(c.Last, loc), Since: instant(c.Since, loc), At: now.UTC().Format(time.RFC3339Nano),
		Values: c.Values, Expected: c.Expected, Late: c.Late, Reason: c.Reason}
	if c.Until != 0 {
		n.Until = instant(c.Until, loc)
	}
	return n
}

// Messages puts notices together: those of the same kind whose labels agree in the alert's group_by; each by itself where it has none.
func Messages(a *view.Alert, notices []Notice, now time.Time) []Message {
	var out []Message
	for _, n := range notices {
		m := Message{ID: n.ID, Alert: a.Name, Kind: n.Kind, Notices: []Notice{n}, At: now.UTC(), To: slices.Clone(a.To)}
		if !a.Ungrouped {
			m.Group = n.Labels.only(a.GroupBy)
			if i := slices.IndexFunc(out, func(o Message) bool { return o.Kind == m.Kind && o.Group.key() == m.Group.key() }); i >= 0 {
				out[i].Notices = append(out[i].Notices, n)
				continue
			}
		}
		out = append(out, m)
	}
	for i := range out {
		if m := &out[i]; len(m.Notices) > 1 {
			ids := make([]string, len(m.Notices))
			for k := range ids {
				ids[k] = m.Notices[k].ID
			}
			slices.Sort(ids)
			sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
			m.ID = hex.EncodeToString(sum[:16]) + "-" + string(m.Kind)
		}
	}
	return out
}
