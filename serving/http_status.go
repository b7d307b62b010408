package serving

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/caudal/caudal/serving/auth"
)

// statusRoutes are for those who look after the service.
func statusRoutes() []route {
	plain := func(status int, what string) []answerKind {
		return []answerKind{{status, what, []string{mediaText}, nil}}
	}
	return []route{
		{
			method: http.MethodGet, path: "/v1/status", id: "status", tag: "operation", summary: "How far each layer is",
			description: "Per view and partition: the log, the speed layer, the archive and batch; and who asks for a batch. What cannot be had is null.",
			answers:     []answerKind{{http.StatusOK, "the status", []string{mediaJSON}, Status{}}}, serve: (*Server).serveStatus,
		},
		{
			method: http.MethodGet, path: "/livez", id: "livez", mayOpen: true, tag: "operation", summary: "Whether the process lives", answers: plain(http.StatusOK, "it does"),
			serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, _ *route) { fmt.Fprintln(w, "ok") },
		},
		{
			method: http.MethodGet, path: "/readyz", id: "readyz", mayOpen: true, tag: "operation", summary: "Whether every view's snapshot is loaded, and the process is not being stopped",
			answers: plain(http.StatusOK, "queries can be answered"), problems: []int{http.StatusServiceUnavailable}, serve: (*Server).serveReady,
		},
		{
			method: http.MethodGet, path: "/metrics", id: "metrics", mayOpen: true, needs: auth.Admin, tag: "operation", summary: "Metrics for Prometheus",
			answers: []answerKind{{http.StatusOK, "the metrics of the process", []string{"text/plain"}, nil}},
			serve: func(s *Server, w http.ResponseWriter, r *http.Request, _ *route) {
				promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{}).ServeHTTP(w, r)
			},
		},
	}
}

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request, rt *route) {
	if _, err := rt.readArguments(r, nil); err != nil {
		s.writeError(w, r, err)
		return
	}
	status, err := s.Status(r.Context())
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeValue(w, r, status)
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request, _ *route) {
	if s.leaving.Load() {
		writeProblem(w, unavailable("the process is being stopped", "ask another"))
		return
	}
	if err := s.Ready(); err != nil {
		reason := err.Error()
		if g, err := s.rights(r.Context()); err != nil || !g.Unlimited() {
			reason = "a snapshot is not loaded yet" // which one, and why, is not for everybody
		}
		writeProblem(w, unavailable(reason, "wait a moment"))
		return
	}
	fmt.Fprintln(w, "ok")
}
