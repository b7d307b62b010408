package serving

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

// alertRoutes are about alerts.
func alertRoutes() []route {
	json := func(what string, value any) []answerKind {
		return []answerKind{{http.StatusOK, what, []string{mediaJSON}, value}}
	}
	away := []int{http.StatusServiceUnavailable}
	missing := []int{http.StatusNotFound, http.StatusServiceUnavailable}
	comment := parameter{name: "comment", in: inQuery, description: fmt.Sprintf("for those who read it later, at most %d bytes", longestComment)}
	return []route{
		{
			method: http.MethodGet, path: "/v1/alerts", id: "list_alerts", tag: "alerts", summary: "What alerts found",
			description: "The alerts of the project, and what they found: firing first. A caller whose rows are limited sees what is about its rows alone.",
			parameters: []parameter{
				{name: "alert", in: inQuery, description: "name of one alert; default: all"},
				{name: "phase", in: inQuery, kind: isList, description: "firing, pending, waiting, recovered, corrected, passed; default: all but passed"},
				{name: "limit", in: inQuery, kind: isWhole, least: 1, most: 10_000, description: "causes at most; default 1,000"},
			},
			answers: json("the alerts", Alerts{}), problems: missing,
			serve: asked(func(ctx context.Context, s *Server, _ *http.Request, a arguments) (any, error) {
				for _, phase := range a.list("phase") {
					if err := knownPhase(phase); err != nil {
						return nil, err
					}
				}
				return s.Alerts(ctx, AlertQuery{Alert: a.text("alert"), Phases: a.list("phase"), Limit: a.whole("limit", 0)})
			}),
		},
		{
			method: http.MethodPost, path: "/v1/alerts/{id}/acknowledge", id: "acknowledge_alert", needs: auth.Write, tag: "alerts", summary: "Say that somebody looks after what an alert found",
			description: "Nothing is told less: it is shown beside what was found.",
			parameters:  []parameter{{name: "id", in: inPath, required: true, description: "id of what was found"}, comment},
			answers:     json("it is noted", Acknowledgement{}), problems: missing,
			serve: asked(func(ctx context.Context, s *Server, r *http.Request, a arguments) (any, error) {
				return s.Acknowledge(ctx, r.PathValue("id"), a.text("comment"))
			}),
		},
		{
			method: http.MethodGet, path: "/v1/silences", id: "list_silences", tag: "alerts", summary: "What is silenced",
			answers: json("the silences that have not ended", SilenceList{}), problems: away,
			serve: asked(func(ctx context.Context, s *Server, _ *http.Request, _ arguments) (any, error) {
				return s.Silences(ctx)
			}),
		},
		{
			method: http.MethodPost, path: "/v1/silences", id: "silence_alert", needs: auth.Write, tag: "alerts", summary: "Keep what an alert finds from being told, for a time",
			description: "What still fires when the silence ends is told then.",
			parameters: []parameter{
				{name: "alert", in: inQuery, required: true, description: "name of the alert"},
				{name: "labels", in: inQuery, kind: isList, description: "`name=value` that a cause has to have, all of them; one with a comma in quotes: `\"country=Korea, South\"`; default: every cause of the alert"},
				{name: "for", in: inQuery, description: "how long, such as 90m or 2d; default 1h"}, comment,
			},
			answers: json("the silence", Silence{}), problems: missing,
			serve: asked(func(ctx context.Context, s *Server, _ *http.Request, a arguments) (any, error) {
				lasts := time.Duration(0)
				if text := a.text("for"); a.has("for") {
					var err error
					if lasts, err = view.ParseDuration(text); err != nil || lasts <= 0 {
						return nil, invalid("for", "give 1s to 366d, such as 2h", "%.64q is no time", text)
					}
				}
				return s.Silence(ctx, a.text("alert"), a.list("labels"), lasts, a.text("comment"))
			}),
		},
		{
			method: http.MethodDelete, path: "/v1/silences/{id}", id: "end_silence", needs: auth.Write, tag: "alerts", summary: "End a silence",
			parameters: []parameter{{name: "id", in: inPath, required: true, description: "id of the silence"}},
			answers:    json("the silence that was", Silence{}), problems: missing,
			serve: asked(func(ctx context.Context, s *Server, r *http.Request, _ arguments) (any, error) {
				return s.EndSilence(ctx, r.PathValue("id"))
			}),
		},
	}
}

func knownPhase(phase string) error {
	if slices.Contains(alertPhases(), phase) {
		return nil
	}
	return unknown("phase", "phase", phase, alertPhases())
}

// asked serves a route whose answer is one value.
func asked(answer func(ctx context.Context, s *Server, r *http.Request, a arguments) (any, error)) func(*Server, http.ResponseWriter, *http.Request, *route) {
	return func(s *Server, w http.ResponseWriter, r *http.Request, rt *route) {
		a, err := rt.readArguments(r, nil)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), s.cfg.QueryTimeout, timedOut(s.cfg.QueryTimeout))
		defer cancel()
		value, err := answer(ctx, s, r, a)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		s.writeValue(w, r, value)
	}
}
