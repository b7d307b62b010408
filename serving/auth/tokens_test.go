package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hands is a clock that a test turns.
type hands struct {
	mu sync.Mutex
	at time.Time
}

func newHands() *hands { return &hands{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hands) turn(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func TestATokenIsItsHoldersUntilItExpiresOrIsRemoved(t *testing.T) {
	clock := newHands()
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	keep, lose := NewToken(), NewToken()
	must(t, (&TokenLine{Name: "ops", Role: "read", Views: []string{"sales"}, Where: map[string]string{"sales": "country = 'France'"}, Hash: HashOf(keep)}).Append(path))
	must(t, (&TokenLine{Name: "till", Role: "write", Expires: clock.now().Add(time.Hour), Hash: HashOf(lose)}).Append(path))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of tokens: %v %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(text), keep) || strings.Contains(string(text), strings.TrimPrefix(lose, tokenPrefix)) {
		t.Error("a token stands in the file")
	}
	g, err := New(Config{TokenFile: path, Clock: clock.now})
	must(t, err)
	c, err := g.Token(t.Context(), keep)
	if err != nil || c.Name != "ops" || c.Role != Read || !c.MayRead("sales") || c.MayRead("stock") || c.Where["sales"] == "" || c.Unlimited() {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := g.Token(t.Context(), lose); err != nil || c.Role != Write || !c.MayRead("stock") || !c.Unlimited() {
		t.Fatalf("%+v, %v", c, err)
	}
	refused := func(what, token string) {
		t.Helper()
		if c, err := g.Token(t.Context(), token); !errors.Is(err, ErrUnknown) || c.Name != "" {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	for what, token := range map[string]string{"none": "", "another": NewToken(), "a hash": HashOf(keep), "a half": keep[:20], "longer": keep + "x", "no token of ours": "abc", "a JWT": "a.b.c"} {
		refused(what, token)
	}
	clock.turn(time.Hour)
	refused("expired", lose)
	must(t, os.WriteFile(path, []byte("# nobody\n"), 0o600))
	clock.turn(2 * time.Second)
	refused("removed", keep)
}

func TestATokenFileWithAMistakeIsRefusedAtStartAndLeftAsideLater(t *testing.T) {
	clock := newHands()
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	token := NewToken()
	good := `{"name": "ops", "role": "read", "hash": "` + HashOf(token) + `"}`
	for mistake, want := range map[string]string{
		`{"name": "ops"`: ":2:", `{"name": "ops", "role": "root", "hash": "` + HashOf("x") + `"}`: "no role", `{"name": "a", "role": "read", "hash": "sha256:00"}`: "hash",
		`{"role": "read", "hash": "` + HashOf("x") + `"}`: "no name", `{"name": "ops", "role": "read", "hash": "` + HashOf("x") + `"}`: "stands in another line", `{"name": "b", "role": "read", "hash": "` + HashOf(token) + `"}`: "another line",
		`{"name": "b", "role": "admin", "views": ["sales"], "hash": "` + HashOf("x") + `"}`: "an admin sees", `{"name": "b", "role": "read", "view": ["sales"], "hash": "` + HashOf("x") + `"}`: "unknown field",
		`{"name": "b", "role": "read", "views": ["sales"], "where": {"stock": "x"}, "hash": "` + HashOf("x") + `"}`: "among its views", `{"name": "b", "role": "read", "where": {"nowhere": "x"}, "hash": "` + HashOf("x") + `"}`: "no such view",
		good + good: "follows",
	} {
		must(t, os.WriteFile(path, []byte(good+"\n"+mistake+"\n"), 0o600))
		_, err := New(Config{TokenFile: path, Check: func(g Grant) error {
			if g.Where["nowhere"] != "" {
				return errors.New("no such view")
			}
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "tokens.jsonl:2") {
			t.Errorf("%s: %v", mistake, err)
		}
	}
	if _, err := New(Config{TokenFile: path + ".missing"}); err == nil {
		t.Error("a file that is not there was taken")
	}
	must(t, os.WriteFile(path, []byte(good+"\n"), 0o600))
	var log bytes.Buffer
	g, err := New(Config{TokenFile: path, Clock: clock.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	must(t, os.WriteFile(path, []byte("what?\n"), 0o600))
	for range 3 {
		clock.turn(2 * time.Second)
		if _, err := g.Token(t.Context(), token); err != nil {
			t.Errorf("after a mistake in the file: %v", err)
		}
	}
	if n := strings.Count(log.String(), "what it held before goes on"); n != 1 {
		t.Errorf("the mistake was logged %d times:\n%s", n, log.String())
	}
}

func TestTwoTokensDoNotShareAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	line := TokenLine{Name: "ops", Role: "read", Hash: HashOf(NewToken())}
	must(t, line.Append(path))
	line.Hash = HashOf(NewToken())
	if err := line.Append(path); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("%v", err)
	}
}

func TestAGuardThatIsOffAsksNobody(t *testing.T) {
	var g *Guard
	if _, ok := g.Admit(Caller{}); !g.Off() || !g.Opens("query") || !ok {
		t.Error("a guard that is off asks")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a guard that nobody could pass was made")
	}
	if _, ok := From(context.Background()); ok {
		t.Error("a context names a caller that nobody put there")
	}
}

func TestEachCallerHasALimitOfItsOwnAndIsForgottenInTheEnd(t *testing.T) {
	clock := newHands()
	l := newLimiter(2, 4, clock.now)
	for range 4 {
		if _, ok := l.admit("a"); !ok {
			t.Fatal("refused within the burst")
		}
	}
	wait, ok := l.admit("a")
	if ok || wait != 500*time.Millisecond {
		t.Errorf("one too many: %v, %v", wait, ok)
	}
	if _, ok := l.admit("b"); !ok {
		t.Error("another caller pays for it")
	}
	clock.turn(wait)
	if _, ok := l.admit("a"); !ok {
		t.Error("refused after it has waited")
	}
	clock.turn(2 * sweepEvery)
	l.admit("b")
	if len(l.callers) != 1 {
		t.Errorf("%d callers are kept", len(l.callers))
	}
}
