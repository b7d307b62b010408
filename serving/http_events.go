package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving/auth"
	"github.com/caudal/caudal/serving/ingest"
)

const mediaLines = "application/x-ndjson"

// eventRoutes take events.
func eventRoutes() []route {
	return []route{{
		method: http.MethodPost, path: "/v1/events/{source}", id: "send_events", needs: auth.Write, tag: "events", summary: "Send events to a source's topic",
		description: "All events of a request are checked against the source first: if one of them is not valid, none is sent, and the problem lists what is wrong with which. " +
			"The answer comes when the broker has acknowledged all of them. Without an answer, or after a 503, send the same events again: those that were stored already are not counted twice where the source has an event id.",
		parameters: []parameter{{name: "source", in: inPath, description: "name of the source", required: true}},
		body:       &bodyKind{description: fmt.Sprintf("an array of events, one event, or one in each line; at most %d events and %d bytes", ingest.MaxEvents, ingest.MaxBytes), types: []string{mediaJSON, mediaLines}, events: true},
		answers:    []answerKind{{http.StatusOK, "all events are stored", []string{mediaJSON}, ingest.Receipt{}}},
		problems:   []int{http.StatusNotFound, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		serve:      (*Server).serveEvents,
	}}
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, rt *route) {
	receipt, err := s.takeEvents(w, r, rt)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeValue(w, r, receipt)
}

func (s *Server) takeEvents(w http.ResponseWriter, r *http.Request, rt *route) (ingest.Receipt, error) {
	if _, err := rt.readArguments(r, nil); err != nil {
		return ingest.Receipt{}, err
	}
	if s.gate == nil {
		return ingest.Receipt{}, newProblem(http.StatusNotFound, "not-found", "There is nothing here", "", "this server takes no events", "send them to one that does, or to the topic")
	}
	if err := s.maySend(r.Context(), r.PathValue("source")); err != nil {
		return ingest.Receipt{}, err
	}
	if err := rt.checkMedia(r); err != nil {
		return ingest.Receipt{}, err
	}
	select { // so many bodies and no more are in memory at once
	case s.intake <- struct{}{}:
		defer func() { <-s.intake }()
	default:
		return ingest.Receipt{}, busy(fmt.Sprintf("%d other requests send events", cap(s.intake)))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ingest.MaxBytes))
	if err != nil {
		return ingest.Receipt{}, bodyProblem(err)
	}
	split := ingest.Elements
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == mediaLines {
		split = ingest.Lines
	}
	events, err := split(body)
	switch {
	case errors.Is(err, ingest.ErrTooMany):
		return ingest.Receipt{}, newProblem(http.StatusRequestEntityTooLarge, "too-large", "The request is too large", "", err.Error(), "send less at once")
	case err != nil || len(bytes.TrimSpace(body)) == 0:
		return ingest.Receipt{}, invalid("", "send an array of objects, or one object in each line as "+mediaLines, "the body holds no events: %v", err)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.cfg.QueryTimeout, errTimeout)
	defer cancel()
	receipt, err := s.gate.Accept(ctx, r.PathValue("source"), events)
	return receipt, s.eventProblem(r, err)
}

// maySend is a problem unless ctx's caller may send events to a source.
func (s *Server) maySend(ctx context.Context, source string) error {
	g, err := s.rights(ctx)
	if err != nil {
		return err
	}
	if g.Role < auth.Write {
		return mayNot(g, auth.Write)
	}
	var names []string
	for _, src := range narrowed(s.cfg.Project, g).Sources {
		names = append(names, src.Name)
	}
	if !slices.Contains(names, source) {
		return unknownSource(source, names)
	}
	return nil
}

func unknownSource(name string, known []string) error {
	p := unknown("source", "source", name, known)
	p.Status = http.StatusNotFound
	return p
}

// eventProblem says why events were not taken.
func (s *Server) eventProblem(r *http.Request, err error) error {
	var wrong *ingest.Invalid
	var lost *ingest.NotStored
	switch {
	case errors.Is(err, ingest.ErrUnknownSource):
		return unknownSource(r.PathValue("source"), s.gate.Names())
	case errors.As(err, &wrong):
		p := newProblem(http.StatusUnprocessableEntity, "invalid-events", "Events are not valid", "", fmt.Sprintf("%d of the events cannot be read as the source's; none was sent", wrong.Count),
			"mend those in errors, or leave them out, and send all again")
		p.Errors = wrong.Mistakes
		return p
	case errors.Is(err, stream.ErrTooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", "The request is too large", "", "the broker does not take an event of that size", "send smaller events")
	case errors.As(err, &lost):
		if r.Context().Err() != nil {
			return err // nobody reads it
		}
		again := "send the same events again: those that are stored are not counted twice"
		if !lost.Deduplicated {
			again = "the source has no event id: sent again, events that are stored are counted twice"
		}
		s.cfg.Logger.Warn("events were not acknowledged", "source", r.PathValue("source"), "error", err)
		return newProblem(http.StatusServiceUnavailable, "not-acknowledged", "The events were not acknowledged", "", "the broker has not acknowledged all of the events; some may be stored", again)
	}
	return err
}
