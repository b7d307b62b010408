package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
)

func TestNothingIsServedBeyondLoopbackWithoutAWordAboutWhoMayComeIn(t *testing.T) {
	silent, off, on := view.Auth{}, view.Auth{Off: true}, view.Auth{Tokens: "tokens.jsonl"}
	for _, c := range []struct {
		address string
		auth    view.Auth
		want    bool
	}{
		{"127.0.0.1:8080", silent, true}, {"localhost:8080", silent, true}, {"[::1]:0", silent, true}, {"127.7.7.7:1", silent, true},
		{":8080", silent, false}, {"0.0.0.0:8080", silent, false}, {"[::]:8080", silent, false}, {"10.0.0.1:80", silent, false}, {"serve.internal:80", silent, false}, {"localhost.example.com:80", silent, false}, {"8080", silent, false},
		{":8080", off, true}, {":8080", on, true},
	} {
		if err := mayServe(&view.Project{Serving: view.Serving{Auth: c.auth}}, c.address); (err == nil) != c.want {
			t.Errorf("%s with %+v: %v", c.address, c.auth, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"kafka: {brokers: [\"127.0.0.1:1\"]}\nredis: {addrs: [\"127.0.0.1:1\"]}\n")
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	d := &devProcess{t: t, dir: dir}
	if out, status := d.caudal("run", "serve", "--http", ":0"); status != exitUsage || !strings.Contains(out, "serving.auth") || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("exit status %d: %s", status, out)
	}
}

func TestGrantsThatCannotBeGivenAreSaidWithTheirLine(t *testing.T) {
	for mistake, want := range map[string]string{
		`{claim: groups, role: root}`:                                            `caudal.yaml:21:33`,
		`{claim: groups, role: read, views: [sale]}`:                             `did you mean "sales"?`,
		`{claim: groups, role: read, where: {sales: "contry = 'France'"}}`:       `did you mean "country"?`,
		`{claim: groups, role: read, where: {sales: "country = 1"}}`:             `put text in single quotes`,
		`{claim: groups, role: read, where: {sales: "amount > 1"}}`:              `no dimension of view sales`,
		`{claim: groups, role: read, views: [sales], where: {stock: "a = 'b'"}}`: `add it there`,
		`{claim: groups, role: admin, views: [sales]}`:                           `leave out views and where`,
		`{claim: groups, role: read, views: []}`:                                 `it may read no view`,
		`{role: read}`:                                                           `a grant has no claim`,
		`{claim: groups, role: read, rows: 7}`:                                   `unknown key "rows"`,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "caudal.yaml"), strings.TrimRight(shopProject, "\n")+"\nserving:\n  auth:\n    oidc:\n      issuer: https://login.example.com\n      audience: caudal\n      grants:\n        - "+mistake+"\n")
		write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
		_, err := loadProject(t.Context(), dir)
		var problems view.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) || problems[0].Line != 21 {
			t.Errorf("%s: %v", mistake, err)
		}
	}
}

// certify writes a certificate for this machine and its key, and returns who trusts it.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "caudal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, filepath.Join(dir, "tls.crt"), string(cert))
	write(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// TestATokenOpensTheAPIOfAProjectThatAsksForOne is a person who gives out a token, and one who uses it, over TLS.
func TestATokenOpensTheAPIOfAProjectThatAsksForOne(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject+"serving:\n  tls: {cert: tls.crt, key: tls.key}\n  auth: {tokens: tokens.jsonl}\n")
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	pool := certify(t, dir)
	d := &devProcess{t: t, dir: dir}
	for _, c := range []struct{ args, want string }{
		{"--name x --role root", "no role"}, {"--name x --views stock", "no view"}, {"--name x --where sales", "--where"}, {"--name x --lasts never", "--lasts"}, {"--role read", "no name"},
	} {
		if out, status := d.caudal(append([]string{"token", "new"}, strings.Fields(c.args)...)...); status != exitUsage || !strings.Contains(out, c.want) {
			t.Errorf("token new %s: exit status %d: %s", c.args, status, out)
		}
	}
	token := strings.TrimSpace(d.must("token", "new", "--name", "ops", "--views", "sales", "--where", "sales: country = 'France'", "--lasts", "90d"))
	if out, status := d.caudal("token", "new", "--name", "ops"); status != exitUsage || !strings.Contains(out, "already") {
		t.Errorf("a second token of a name: exit status %d: %s", status, out)
	}
	d.cmd = caudal(t, "dev", dir, "--http", "127.0.0.1:0")
	url := startListening(t, d)
	defer d.stop()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	ask := func(path, token string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		if response.ProtoMajor != 2 {
			t.Errorf("%s came by %s", path, response.Proto)
		}
		return response.StatusCode
	}
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/livez", "", 200}, {"/", "", 200}, {"/v1/views", "", 401}, {"/metrics", "", 401}, {"/metrics", token, 403}, {"/v1/views", token, 200}, {"/v1/views/sales/query", token, 200}, {"/v1/views", token + "x", 401},
	} {
		if got := ask(c.path, c.token); got != c.want {
			t.Errorf("%s with token %.8q: status %d, want %d", c.path, c.token, got, c.want)
		}
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "tls.crt"))
	if out, status := d.caudal("status"); status == exitOK || !strings.Contains(out, "token") {
		t.Errorf("status without a token: exit status %d: %s", status, out)
	}
	t.Setenv("CAUDAL_TOKEN", token)
	d.must("status")
}

// startListening starts a dev process and returns where it runs.
func startListening(t *testing.T, d *devProcess) string {
	t.Helper()
	d.begin()
	for d.out.Scan() {
		if _, url, found := strings.Cut(d.out.Text(), "shop runs: "); found {
			return url
		}
	}
	t.Fatal("dev ended without saying where it runs")
	return ""
}
