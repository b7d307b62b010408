package lake_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
)

// keysFor is how long temporary keys are good for at the store.
const keysFor = 1500 * time.Millisecond

// authority hands out temporary keys, as AWS does to who has a role, and stands before a bucket that takes only these: the signature is worked out
// again with the key that was handed out, its token has to be the one that belongs to it, and neither may have expired.
type authority struct {
	*httptest.Server
	t      *testing.T
	bucket testservices.S3Server
	pass   *httputil.ReverseProxy // to the bucket
	told   time.Duration          // after which the keys end, as the client is told

	mu     sync.Mutex
	handed map[string]temporary // by access key
	away   bool                 // no keys are handed out any more
	fresh  int                  // requests that passed
}

type temporary struct {
	secret, token string
	until         time.Time
}

func newAuthority(t *testing.T, told time.Duration) *authority {
	a := &authority{t: t, bucket: testservices.S3(t), told: told, handed: map[string]temporary{}}
	a.pass = a.signed()
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// hand makes new keys, and when they end as the client is told.
func (a *authority) hand() (id string, k temporary, told time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id = fmt.Sprintf("ASIATEMPORARY%07d", len(a.handed))
	k = temporary{secret: fmt.Sprintf("temporary-secret-%d", len(a.handed)), token: fmt.Sprintf("session-token-%d", len(a.handed)), until: time.Now().Add(keysFor)}
	a.handed[id] = k
	return id, k, time.Now().Add(a.told)
}

// ServeHTTP is the endpoint of a container's credentials, STS, the metadata of a machine, and the bucket.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	away := a.away
	a.mu.Unlock()
	isBucket := strings.HasPrefix(r.URL.Path, "/"+a.bucket.Bucket)
	switch {
	case isBucket:
		a.serveBucket(w, r)
	case away:
		http.Error(w, "away", http.StatusForbidden)
	case r.URL.Path == "/container" && r.Header.Get("Authorization") == "the-pod":
		id, k, until := a.hand()
		a.write(w, map[string]any{"AccessKeyId": id, "SecretAccessKey": k.secret, "Token": k.token, "Expiration": until.UTC().Format(time.RFC3339Nano)})
	case r.Method == http.MethodPost && r.URL.Path == "/" && r.FormValue("Action") == "AssumeRoleWithWebIdentity" && r.FormValue("WebIdentityToken") == "the-service-account":
		id, k, until := a.hand()
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>
			<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			id, k.secret, k.token, until.UTC().Format(time.RFC3339Nano))
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		io.WriteString(w, "metadata-token")
	case r.URL.Path == "/latest/meta-data/iam/security-credentials/":
		io.WriteString(w, "caudal-role")
	case r.URL.Path == "/latest/meta-data/iam/security-credentials/caudal-role" && r.Header.Get("X-Aws-Ec2-Metadata-Token") == "metadata-token":
		id, k, until := a.hand()
		a.write(w, map[string]any{"Code": "Success", "AccessKeyId": id, "SecretAccessKey": k.secret, "Token": k.token, "Expiration": until.UTC().Format(time.RFC3339Nano)})
	default:
		http.NotFound(w, r)
	}
}

func (a *authority) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.t.Error(err)
	}
}

// serveBucket lets through what was signed with keys that are good.
func (a *authority) serveBucket(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = a.verify(r, body)
	}
	if err != nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>AccessDenied</Code><Message>%v</Message></Error>", err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.pass.ServeHTTP(w, r)
}

// signed is a way to the bucket for requests without their signature: with that of the bucket's own keys in its place.
func (a *authority) signed() *httputil.ReverseProxy {
	pass := testservices.Pass(a.t, a.bucket.Endpoint)
	own := aws.Credentials{AccessKeyID: a.bucket.AccessKey, SecretAccessKey: a.bucket.SecretKey}
	to := pass.Rewrite
	pass.Rewrite = func(r *httputil.ProxyRequest) {
		to(r)
		for _, theirs := range []string{"Authorization", "X-Amz-Security-Token", "X-Amz-Date"} {
			r.Out.Header.Del(theirs)
		}
		if err := signer().SignHTTP(r.Out.Context(), own, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", a.bucket.Region, time.Now()); err != nil {
			a.t.Error(err)
		}
	}
	return pass
}

func signer() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// verify signs a request anew with the keys that were handed out, and compares.
func (a *authority) verify(r *http.Request, body []byte) error {
	given := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(given, "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	_, rest, _ = strings.Cut(given, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	a.mu.Lock()
	k, known := a.handed[id]
	a.mu.Unlock()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case !known:
		return errors.New("nobody was given this key")
	case time.Now().After(k.until):
		return errors.New("the key has expired")
	case r.Header.Get("X-Amz-Security-Token") != k.token:
		return errors.New("the token is another's")
	case err != nil:
		return err
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, name := range strings.Split(names, ";") {
		if name != "host" && name != "content-length" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	with := aws.Credentials{AccessKeyID: id, SecretAccessKey: k.secret, SessionToken: k.token}
	if err := signer().SignHTTP(r.Context(), with, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", a.bucket.Region, at); err != nil {
		return err
	}
	if again.Header.Get("Authorization") != given {
		return errors.New("the signature is wrong")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fresh++
	return nil
}

// TestALakeIsOpenedByARole reads and writes a bucket by temporary keys of each of the ways in which AWS gives a role to who has no keys: to a task or a pod, to
// a service account, to a machine. The keys expire while it does, and are renewed. Where no more are handed out, the error says what is missing.
func TestALakeIsOpenedByARole(t *testing.T) {
	for name, c := range map[string]struct {
		told time.Duration // so that keys are renewed while they are good: those of a task five minutes before they end, others then
		set  func(t *testing.T, url string)
	}{
		"a task or a pod": {5*time.Minute + keysFor/3, func(t *testing.T, url string) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url+"/container")
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-pod")
		}},
		"a service account": {keysFor / 3, func(t *testing.T, url string) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte("the-service-account"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/caudal")
			t.Setenv("AWS_ENDPOINT_URL_STS", url)
		}},
		"a machine": {keysFor / 3, func(t *testing.T, url string) { t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url) }},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, c.told)
			for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
				t.Setenv(variable, "")
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			c.set(t, a.URL)
			opt := lake.Options{CacheDir: t.TempDir(), Endpoint: a.URL, Region: a.bucket.Region, PathStyle: true, Timeout: 5 * time.Second}
			store := openStore(t, s3URL(t, a.bucket), opt)
			begun := time.Now()
			for i := 0; time.Since(begun) < 2*keysFor; i++ {
				key := fmt.Sprintf("probe/%d", i)
				if _, err := store.Create(t.Context(), key, []byte(key)); err != nil {
					t.Fatal(err)
				}
				if data, _, err := store.Get(t.Context(), key); err != nil || string(data) != key {
					t.Fatalf("%s, %v", data, err)
				}
				if _, err := store.Create(t.Context(), key, nil); !errors.Is(err, lake.ErrExists) {
					t.Fatalf("a second creation: %v", err)
				}
			}
			a.mu.Lock()
			t.Logf("%d requests by %d keys", a.fresh, len(a.handed))
			if len(a.handed) < 2 || a.fresh < 6 {
				t.Errorf("%d keys were handed out in the time of two", len(a.handed))
			}
			a.away = true
			a.mu.Unlock()
			time.Sleep(keysFor) // until the last keys have expired
			_, _, err := store.Get(t.Context(), "probe/0")
			if err == nil || strings.Contains(err.Error(), "temporary-secret") || strings.Contains(err.Error(), "session-token") {
				t.Errorf("without keys: %v", err)
			}
			t.Log(err)
		})
	}
}
