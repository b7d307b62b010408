package serving

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/caudal/caudal/serving/auth"
)

// guarded lets a request through on behalf of the caller whose token it carries, if the caller may take the route and does not come too often.
func (s *Server) guarded(rt *route, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g := s.cfg.Guard
		if g.Off() || rt.mayOpen && g.Opens(rt.id) {
			serve(w, r)
			return
		}
		w.Header().Add("Vary", "Authorization")
		c, err := s.caller(r)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		noteCaller(r, c)
		if wait, ok := g.Admit(c); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			s.writeError(w, r, newProblem(http.StatusTooManyRequests, "too-many-requests", "The caller asks too often", "",
				fmt.Sprintf("caller %s has made too many requests", c.Name), "ask again after what Retry-After says, in seconds; GET /v1/stream sends updates without being asked"))
			return
		}
		if needs := cmp.Or(rt.needs, auth.Read); c.Role < needs {
			s.writeError(w, r, mayNot(c.Grant, needs))
			return
		}
		serve(w, r.WithContext(auth.With(r.Context(), c)))
	}
}

// mayNot is a request for which a caller's role is not enough.
func mayNot(g auth.Grant, needs auth.Role) *Problem {
	return forbidden(fmt.Sprintf("this takes the role %s, and the caller's is %s", needs, g.Role), "ask whoever gives out rights")
}

// caller is who holds the token that a request carries. Errors are *Problem, or that the client has gone.
func (s *Server) caller(r *http.Request) (auth.Caller, error) {
	token, err := bearer(r)
	if err != nil {
		return auth.Caller{}, err
	}
	c, err := s.cfg.Guard.Token(r.Context(), token)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, auth.ErrUnknown):
		return c, unauthenticated(err.Error())
	case r.Context().Err() != nil:
		return c, err
	}
	s.cfg.Logger.Warn("a token could not be checked", "error", err)
	return c, newProblem(http.StatusServiceUnavailable, "unavailable", "The token cannot be checked", "", "the issuer of the token was not reached", "try again in a moment")
}

// bearer is the token that a request carries in its Authorization header, and nowhere else: what stands in an address ends up in logs.
func bearer(r *http.Request) (string, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return "", unauthenticated("no token was sent")
	}
	scheme, token, found := strings.Cut(given[0], " ")
	token = strings.TrimSpace(token)
	if len(given) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " ,") {
		return "", unauthenticated("the Authorization header holds no bearer token")
	}
	return token, nil
}

// stillMay says whether the token of a request that takes long stands for the same rights as when it began. While nobody can tell, it does.
func (s *Server) stillMay(r *http.Request) bool {
	began, ok := auth.From(r.Context())
	if !ok || s.cfg.Guard.Off() {
		return true
	}
	token, err := bearer(r)
	if err != nil {
		return false
	}
	now, err := s.cfg.Guard.Token(r.Context(), token)
	if err != nil {
		return !errors.Is(err, auth.ErrUnknown)
	}
	return reflect.DeepEqual(began, now)
}
