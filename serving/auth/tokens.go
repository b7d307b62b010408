package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// tokenPrefix begins every token of ours, so that scanners of repositories and logs know one when they see it.
const tokenPrefix = "caudal_"

// hashPrefix begins the hash of a token.
const hashPrefix = "sha256:"

// NewToken makes up a token of 260 random bits. As nobody can guess one, its hash needs neither salt nor slowness.
func NewToken() string { return tokenPrefix + rand.Text() + rand.Text() }

// HashOf is what the token file holds of a token.
func HashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// TokenLine is one line of a token file, a JSON object: who holds a token, what they may do, and the token's hash.
type TokenLine struct {
	Name    string            `json:"name"` // of the caller; two lines may not share one
	Role    string            `json:"role"`
	Views   []string          `json:"views,omitempty"` // absent: all
	Where   map[string]string `json:"where,omitempty"`
	Expires time.Time         `json:"expires,omitzero"` // absent: never
	Hash    string            `json:"hash"`             // see HashOf
}

// caller is the line's caller.
func (l *TokenLine) caller() (Caller, error) {
	role, err := ParseRole(l.Role)
	c := Caller{Name: l.Name, Grant: Grant{Role: role, Views: l.Views, Where: l.Where}}
	text, hashed := strings.CutPrefix(l.Hash, hashPrefix)
	sum, wrong := hex.DecodeString(text)
	switch {
	case l.Name == "":
		return c, errors.New("it has no name: add one")
	case err != nil:
		return c, err
	case !hashed || wrong != nil || len(sum) != sha256.Size || strings.ToLower(text) != text:
		return c, errors.New("its hash is none: `caudal token new` writes lines that work")
	}
	return c, c.Validate()
}

// Append writes a line at the end of a token file, which is made if there is none, readable by its owner alone.
func (l *TokenLine) Append(path string) error {
	if _, err := l.caller(); err != nil {
		return fmt.Errorf("token %q: %w", l.Name, err)
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the tokens: %w", err)
	}
	held, err := parseTokens(path, data, func(Grant) error { return nil })
	if err != nil {
		return err
	}
	for _, t := range held {
		if t.caller.Name == l.Name {
			return fmt.Errorf("%s has a token %q already: take another name, or remove its line first", path, l.Name)
		}
	}
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write token %q: %w", l.Name, err)
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		line = append([]byte("\n"), line...)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return nil
}

// heldToken is who holds a token, and until when.
type heldToken struct {
	caller  Caller
	expires time.Time // zero: never
}

// parseTokens reads a token file, by the tokens' hashes. Empty lines and those that begin with # are left alone.
func parseTokens(path string, data []byte, check func(Grant) error) (map[string]heldToken, error) {
	held := map[string]heldToken{}
	var names []string
	for i, line := range bytes.Split(data, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var l TokenLine
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		err := d.Decode(&l)
		if err == nil && d.More() {
			err = errors.New("something follows the object: write each in a line of its own")
		}
		var c Caller
		if err == nil {
			c, err = l.caller()
		}
		if err == nil {
			err = check(c.Grant)
		}
		if _, taken := held[l.Hash]; err == nil && (taken || slices.Contains(names, l.Name)) {
			err = fmt.Errorf("the name %q or the hash stands in another line too: remove one", l.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		held[l.Hash] = heldToken{c, l.Expires}
		names = append(names, l.Name)
	}
	return held, nil
}

// tokenFile is a token file that is read again when it has changed.
type tokenFile struct {
	path  string
	check func(Grant) error
	log   *slog.Logger
	clock func() time.Time

	mu   sync.Mutex // guards what follows
	seen fileMark
	held map[string]heldToken // by hash
}

// read reads the file if it is another than the last time.
func (f *tokenFile) read() error {
	mark, changed, err := f.seen.look(f.path, f.clock())
	f.seen = mark
	if err != nil {
		return fmt.Errorf("read the tokens: %w", err)
	}
	if !changed {
		return nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read the tokens: %w", err)
	}
	held, err := parseTokens(f.path, data, f.check)
	if err != nil {
		return err
	}
	f.held = held
	return nil
}

// find is the caller of a token. While the file cannot be read, or holds a mistake, what it held before goes on.
func (f *tokenFile) find(token string) (Caller, error) {
	f.mu.Lock()
	if err := f.read(); err != nil {
		f.log.Error("the token file cannot be read; what it held before goes on", "error", err)
	}
	held := f.held
	f.mu.Unlock()
	t, ok := held[HashOf(token)]
	if !ok || !t.expires.IsZero() && !f.clock().Before(t.expires) {
		return Caller{}, ErrUnknown
	}
	return t.caller, nil
}
