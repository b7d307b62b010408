package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// rightsFile says what each role may do to the objects of the lake beside reading them; Terraform makes the roles' policies of it.
const rightsFile = "terraform/modules/roles/lake_rights.json"

// lakeRights are patterns of keys below the lake's prefix; * stands for anything, as in IAM.
type lakeRights struct{ Put, Delete []string }

func readRights(t *testing.T) map[string]lakeRights {
	t.Helper()
	text, err := os.ReadFile(rightsFile)
	if err != nil {
		t.Fatal(err)
	}
	var rights map[string]lakeRights
	if err := json.Unmarshal(text, &rights); err != nil {
		t.Fatalf("%s: %v", rightsFile, err)
	}
	return rights
}

// customs is a proxy before a bucket that lets pass what a role may do, and notes the rest.
type customs struct {
	URL    string
	rights lakeRights

	mu     sync.Mutex
	denied []string
	used   map[string]bool // patterns that let something be put
}

// passThrough opens a proxy for a role whose lake has a prefix.
func passThrough(t *testing.T, s3 testservices.S3Server, prefix string, rights lakeRights) *customs {
	t.Helper()
	c := &customs{rights: rights, used: map[string]bool{}}
	pass := testservices.Pass(t, s3.Endpoint)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.allows(r, "/"+s3.Bucket+"/"+prefix+"/") {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	c.URL = proxy.URL
	return c
}

// allows says whether a request may pass.
func (c *customs) allows(r *http.Request, lake string) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	patterns := c.rights.Put
	if r.Method == http.MethodDelete {
		patterns = c.rights.Delete
	}
	key, within := strings.CutPrefix(r.URL.Path, lake)
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(patterns, func(p string) bool { return matches(p, key) })
	if !within || i < 0 {
		c.denied = append(c.denied, r.Method+" "+key)
		return false
	}
	c.used[patterns[i]] = c.used[patterns[i]] || r.Method == http.MethodPut
	return true
}

// matches says whether a key is of a pattern, as IAM compares them.
func matches(pattern, key string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(key)
}
