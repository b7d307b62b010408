package testservices

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Certificates are files in PEM: of an authority of the tests' own, and of a server on 127.0.0.1 that it vouches for.
type Certificates struct{ CA, Cert, Key string }

// keystore is the file of the server's key and certificates in one, as Kafka wants it.
func (c Certificates) keystore() string { return c.Key + ".store" }

// NewCertificates writes certificates into a folder, for a server of a test's own.
func NewCertificates(dir string) (Certificates, error) { return makeCertificates(dir) }

// makeCertificates writes new ones into a folder.
func makeCertificates(dir string) (Certificates, error) {
	c := Certificates{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "caudal's tests"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return c, err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, &serverKey.PublicKey, authorityKey)
	if err != nil {
		return c, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return c, err
	}
	var (
		chain = bytes.Join([][]byte{pemOf("CERTIFICATE", serverDER), pemOf("CERTIFICATE", authorityDER)}, nil)
		key   = pemOf("PRIVATE KEY", keyDER)
	)
	return c, errors.Join(
		os.WriteFile(c.CA, pemOf("CERTIFICATE", authorityDER), 0o644),
		os.WriteFile(c.Cert, chain, 0o644),
		os.WriteFile(c.Key, key, 0o600),
		os.WriteFile(c.keystore(), slices.Concat(key, chain), 0o600))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
