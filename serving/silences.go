package serving

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// Silence keeps what an alert finds from being told.
type Silence struct {
	ID      string             `json:"id"`
	Alert   string             `json:"alert"`
	Labels  map[string]*string `json:"labels"` // that a cause has to have, all of them; none: every cause of the alert
	Until   string             `json:"until"`  // by the clock
	Comment string             `json:"comment,omitempty"`
	By      string             `json:"by,omitempty"`
	Created string             `json:"created"`
}

// SilenceList lists silences.
type SilenceList struct {
	Silences []Silence `json:"silences"` // that have not ended, the one that ends first in front
}

// Bounds of silences, and of what is written on them and on causes.
const (
	silencesMost    = 1000
	longestSilence  = 366 * 24 * time.Hour
	defaultSilence  = time.Hour
	longestComment  = 1000
	silenceIDLength = 12
)

func silenceOf(s alert.Silence) Silence {
	return Silence{ID: s.ID, Alert: s.Alert, Labels: mapOf(s.Labels), Until: s.Until.Format(time.RFC3339), Comment: s.Comment, By: s.By, Created: s.Created.Format(time.RFC3339)}
}

// checkComment bounds what is written for those who read it later.
func checkComment(comment string) error {
	if len(comment) > longestComment {
		return invalid("comment", fmt.Sprintf("write at most %d bytes", longestComment), "the comment has %d bytes", len(comment))
	}
	return nil
}

// mayKnow finds the alert of a silence that a grant's holder may know of; nil where it may not, or the alert is gone.
func (s *Server) mayKnow(g auth.Grant, silence *alert.Silence) *view.Alert {
	for _, a := range s.alertsOf(g) {
		if a.Name == silence.Alert && mayTell(g, a, silence.Labels) {
			return a
		}
	}
	return nil
}

// Silences lists what is silenced, to ctx's caller.
func (s *Server) Silences(ctx context.Context) (*SilenceList, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	list, err := Silences(ctx, s.cfg.Lake)
	if err != nil {
		return nil, s.alertProblem(err)
	}
	slices.SortStableFunc(list, func(a, b alert.Silence) int { return a.Until.Compare(b.Until) })
	out := &SilenceList{Silences: []Silence{}}
	for i := range list {
		if list[i].Until.After(s.cfg.Clock()) && s.mayKnow(g, &list[i]) != nil {
			out.Silences = append(out.Silences, silenceOf(list[i]))
		}
	}
	return out, nil
}

// Silence keeps causes of an alert that have some labels, each `name=value`, from being told for a time.
func (s *Server) Silence(ctx context.Context, name string, labels []string, lasts time.Duration, comment string) (Silence, error) {
	g, by, err := s.mayQuiet(ctx)
	if err != nil {
		return Silence{}, err
	}
	a, err := findAlert(s.alertsOf(g), name)
	if err != nil {
		return Silence{}, err
	}
	if lasts == 0 {
		lasts = defaultSilence
	}
	if lasts < time.Second || lasts > longestSilence {
		return Silence{}, invalid("for", "give 1s to 366d, such as 2h", "a silence cannot last that long, or that short")
	}
	if err := checkComment(comment); err != nil {
		return Silence{}, err
	}
	now := s.cfg.Clock().UTC().Truncate(time.Second)
	silence := alert.Silence{ID: strings.ToLower(rand.Text()[:silenceIDLength]), Alert: name, Labels: alert.Labels{}, Until: now.Add(lasts), Comment: comment, By: by, Created: now}
	for _, text := range labels {
		label, value, found := strings.Cut(text, "=")
		if !found || !slices.Contains(a.By, label) {
			return Silence{}, invalid("labels", "write name=value, with names of "+strings.Join(a.By, ", "), "%.64q is no label of alert %s", text, name)
		}
		silence.Labels = append(silence.Labels, alert.Label{Name: label, Value: &value})
	}
	if s.mayKnow(g, &silence) == nil {
		return Silence{}, forbidden("the silence is about rows that are not the caller's", "give labels that say which rows it is about")
	}
	err = changeList(ctx, s, silencesNote, func(list []alert.Silence) ([]alert.Silence, error) {
		list = slices.DeleteFunc(list, func(o alert.Silence) bool { return !o.Until.After(now) })
		if len(list) >= silencesMost {
			return nil, invalid("", "end some", "there are %d silences", len(list))
		}
		return append(list, silence), nil
	})
	return silenceOf(silence), err
}

// EndSilence ends a silence.
func (s *Server) EndSilence(ctx context.Context, id string) (Silence, error) {
	g, _, err := s.mayQuiet(ctx)
	if err != nil {
		return Silence{}, err
	}
	var ended Silence
	err = changeList(ctx, s, silencesNote, func(list []alert.Silence) ([]alert.Silence, error) {
		i := slices.IndexFunc(list, func(o alert.Silence) bool { return o.ID == id && s.mayKnow(g, &o) != nil })
		if i < 0 {
			return nil, newProblem(http.StatusNotFound, "unknown-name", "There is no such silence", "id", fmt.Sprintf("no silence has the id %.64q", id), "see /v1/silences")
		}
		ended = silenceOf(list[i])
		return slices.Delete(list, i, i+1), nil
	})
	return ended, err
}
