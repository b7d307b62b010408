package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/auth"
)

// mayServe refuses to serve beyond loopback where the project does not say who may come in, so that nobody gives out numbers by leaving out a line.
func mayServe(project *view.Project, address string) error {
	if a := project.Serving.Auth; a.On() || a.Off || isLoopback(address) {
		return nil
	}
	return usageError{fmt.Errorf("%s can be reached from other machines, and the project does not say who may come in: "+
		"add serving.auth to caudal.yaml (docs/auth.md; `auth: off` where the network itself keeps others out), or listen on 127.0.0.1", address)}
}

// guard is what the project says about who may come in at an address; nil: everybody.
func (s *services) guard(addresses []string) (*auth.Guard, error) {
	near, address := true, addresses[0]
	for _, at := range addresses {
		if err := mayServe(s.project, at); err != nil {
			return nil, err
		}
		if !isLoopback(at) {
			near, address = false, at
		}
	}
	a := s.project.Serving.Auth
	switch {
	case a.Off && !near:
		s.log.Warn("serving.auth is off: whoever reaches the address may read everything and send events", "address", address)
		return nil, nil
	case !a.On():
		return nil, nil
	}
	if !near && s.project.Serving.Cert == "" {
		s.log.Warn("tokens are sent over connections that are not encrypted: add serving.tls, or let a proxy encrypt", "address", address)
	}
	cfg := auth.Config{TokenFile: s.below(a.Tokens), Open: a.Open, Rate: float64(a.Rate), Logger: s.log,
		OIDC:  auth.OIDC{Issuer: a.OIDC.Issuer, Audience: a.OIDC.Audience, Name: a.OIDC.Name},
		Check: func(g auth.Grant) error { return serving.CheckGrant(s.project, g) }}
	for _, c := range a.OIDC.Grants {
		g, err := grantOf(c)
		if err != nil {
			return nil, err
		}
		cfg.OIDC.Grants = append(cfg.OIDC.Grants, auth.ClaimGrant{Claim: c.Claim, Value: c.Value, Grant: g})
	}
	return auth.New(cfg)
}

// certificate is what connections are encrypted with; nil: nothing.
func (s *services) certificate() (*auth.Certificate, error) {
	if s.project.Serving.Cert == "" {
		return nil, nil
	}
	return auth.NewCertificate(s.below(s.project.Serving.Cert), s.below(s.project.Serving.Key), s.log, time.Now)
}

// below is a file of the project; "" stays what it is.
func (s *services) below(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(s.dir, file)
}

// isLoopback says whether only this machine reaches a listen address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func grantOf(c view.ClaimGrant) (auth.Grant, error) {
	role, err := auth.ParseRole(c.Role)
	g := auth.Grant{Role: role, Views: c.Views, Where: c.Where}
	return g, errors.Join(err, g.Validate())
}

// checkGrants looks for what the project's grants contradict themselves in, or name that it has not.
func checkGrants(p *view.Project) error {
	var problems view.Problems
	for _, c := range p.Serving.Auth.OIDC.Grants {
		g, err := grantOf(c)
		if err == nil {
			err = serving.CheckGrant(p, g)
		}
		if err != nil {
			problems = append(problems, view.Problem{File: "caudal.yaml", Line: c.Line, Column: c.Column, What: "this grant cannot be given", Mend: err.Error()})
		}
	}
	if problems == nil {
		return nil
	}
	return problems
}
