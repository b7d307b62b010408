package trino

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAClusterThatIsAwayIsToldFromAQueryThatFails(t *testing.T) {
	answer := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	c, err := Open(Config{URL: s.URL, User: "u", Patience: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer = `{"id": "q1", "stats": {"state": "FAILED"}, "error": {"message": "Catalog 'x' not found", "errorName": "CATALOG_NOT_FOUND", "errorType": "USER_ERROR", "errorCode": 44}}`
	if err := c.Exec(t.Context(), "SELECT 1"); err == nil || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "CATALOG_NOT_FOUND: Catalog 'x' not found") {
		t.Errorf("a query that fails: %v", err)
	}
	s.Close()
	if err := c.Exec(t.Context(), "SELECT 1"); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), s.URL[len("http://"):]) {
		t.Errorf("a cluster that is away: %v", err)
	}
}

func TestAClusterHasAURLAndAPasswordIsSentOverHTTPSOnly(t *testing.T) {
	for url, want := range map[string]string{"trino:8080": "is no URL", "ftp://trino": "is no URL", "http://trino:8080": "is required for authentication"} {
		if _, err := Open(Config{URL: url, User: "u", Password: "p"}); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
