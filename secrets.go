package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// environment is where definitions find their variables. Where NAME is not set and NAME_FILE is, the value is what that file holds, less
// the line's end: so a secret that is mounted as a file need not stand in the environment.
type environment struct{ failed error } // files that could not be read

func (e *environment) lookUp(name string) (string, bool) {
	if value, set := os.LookupEnv(name); set {
		return value, true
	}
	path, set := os.LookupEnv(name + "_FILE")
	if !set {
		return "", false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		e.failed = errors.Join(e.failed, fmt.Errorf("read %s_FILE: %w", name, err))
		return "", true
	}
	return strings.TrimRight(string(data), "\r\n"), true
}

// tlsConfig makes what a definition says into Go's settings; nil where it says nothing.
func tlsConfig(t view.TLS, dir string) (*tls.Config, error) {
	if !t.On {
		return nil, nil
	}
	at := func(file string) string {
		if filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		data, err := os.ReadFile(at(t.CA))
		if err != nil {
			return nil, fmt.Errorf("read the trusted certificates: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", at(t.CA))
		}
	}
	if t.Cert == "" {
		return c, nil
	}
	own, err := tls.LoadX509KeyPair(at(t.Cert), at(t.Key))
	if err != nil {
		return nil, fmt.Errorf("read our certificate: %w", err)
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}
