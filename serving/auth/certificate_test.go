package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certify writes a certificate of a serial number, and its key.
func certify(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "caudal"}, DNSNames: []string{"caudal.test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

func TestACertificateThatWasReplacedIsServedFromThenOn(t *testing.T) {
	clock := newHands()
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	first := certify(t, certFile, keyFile, 1)
	c, err := NewCertificate(certFile, keyFile, slog.New(slog.DiscardHandler), clock.now)
	must(t, err)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = c.Config()
	server.StartTLS()
	defer server.Close()
	ask := func(trusted *x509.Certificate, most uint16) (int64, error) {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "caudal.test", MaxVersion: most})
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if serial, err := ask(first, 0); err != nil || serial != 1 {
		t.Fatalf("serial %d, %v", serial, err)
	}
	if _, err := ask(first, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	// Half of a change: the key does not belong to the certificate yet.
	second := certify(t, certFile+".new", keyFile+".new", 2)
	must(t, os.Rename(certFile+".new", certFile))
	clock.turn(2 * time.Second)
	if serial, err := ask(first, 0); err != nil || serial != 1 {
		t.Errorf("while it is being replaced: serial %d, %v", serial, err)
	}
	must(t, os.Rename(keyFile+".new", keyFile))
	clock.turn(2 * time.Second)
	if serial, err := ask(second, 0); err != nil || serial != 2 {
		t.Errorf("after it was replaced: serial %d, %v", serial, err)
	}
	if _, err := NewCertificate(certFile, certFile, slog.New(slog.DiscardHandler), clock.now); err == nil {
		t.Error("a certificate without a key was taken")
	}
}
