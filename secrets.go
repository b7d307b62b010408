package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// environment is where definitions find their variables. Where NAME is not set and NAME_FILE is, the value is what that file holds, less
// the line's end: so a secret that is mounted as a file need not stand in the environment.
type environment struct {
	failed error             // files that could not be read
	found  map[string]string // values by name
}

// lookUp is a variable's value.
func (e *environment) lookUp(name string) (value string, set bool) {
	defer func() {
		if e.found == nil {
			e.found = map[string]string{}
		}
		e.found[name] = value
	}()
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

// hidden is how long a variable's value has to be to be kept out of what is said of a mistake, in characters: what is shorter is a word or a number that a person has to see,
// and no secret.
const hidden = 6

// hide puts the names of variables in the place of their values in what is wrong with definitions: a secret may stand where it does not belong.
func (e *environment) hide(err error) error {
	var problems view.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var values []string
	for _, name := range slices.Sorted(maps.Keys(e.found)) {
		if value := e.found[name]; len(value) >= hidden {
			values = append(values, value, "${"+name+"}")
		}
	}
	names := strings.NewReplacer(values...)
	shown := make(view.Problems, len(problems))
	for i, p := range problems {
		p.What, p.Mend = names.Replace(p.What), names.Replace(p.Mend)
		shown[i] = p
	}
	return shown
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
