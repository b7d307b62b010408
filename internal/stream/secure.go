package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/caudal/caudal/internal/mskiam"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL is how a client says who it is. The zero value says nothing.
type SASL struct {
	Mechanism          string // one of Mechanisms; "": none
	Username, Password string // of all but MSKIAM
	Region             string // of MSKIAM: the cluster's; "": the one that the environment names
}

// Mechanisms of SASL, as Kafka names them.
const (
	Plain       = "PLAIN" // sends the password itself: only over TLS
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	MSKIAM      = mskiam.Name // AWS' credentials; what is sent can be sent again by who hears it: only over TLS
)

// Mechanisms lists them.
func Mechanisms() []string { return []string{Plain, ScramSHA256, ScramSHA512, MSKIAM} }

// mechanism returns kafka-go's, or nil where there is none.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	if !slices.Contains(Mechanisms(), s.Mechanism) {
		return nil, fmt.Errorf("kafka: no SASL mechanism %q: use one of %v", s.Mechanism, Mechanisms())
	}
	if s.Mechanism == MSKIAM {
		return iam{mskiam.New(s.Region)}, nil
	}
	if s.Username == "" || s.Password == "" {
		return nil, fmt.Errorf("kafka: SASL %s needs a user name and a password", s.Mechanism)
	}
	switch s.Mechanism {
	case ScramSHA256:
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case ScramSHA512:
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	}
	return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
}

// iam is AWS_MSK_IAM: everything is said at once, and the broker's answer says nothing.
type iam struct{ signer *mskiam.Signer }

// Name is the mechanism's.
func (iam) Name() string { return MSKIAM }

// Start signs for the broker that is being connected to.
func (m iam) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	to := sasl.MetadataFromContext(ctx)
	if to == nil {
		return nil, nil, errors.New("BUG: SASL is started without the broker's address")
	}
	payload, err := m.signer.Payload(ctx, to.Host)
	return m, payload, err
}

// Next ends the conversation: a broker that refuses says so by an error.
func (m iam) Next(context.Context, []byte) (bool, []byte, error) { return true, nil, nil }

// ErrRefused: the broker does not let us in. The password that it was told is not in the message.
var ErrRefused = errors.New("the broker refused our credentials")

// secured puts TLS over a connection to addr, if the configuration says so.
func (c *Client) secured(ctx context.Context, raw net.Conn, addr string) (net.Conn, error) {
	if c.cfg.TLS == nil {
		return raw, nil
	}
	settings := c.cfg.TLS
	if settings.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		settings = settings.Clone()
		settings.ServerName = host
	}
	encrypted := tls.Client(raw, settings)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return encrypted, nil
}

// authenticate says who we are: Kafka's SaslHandshake, then as many SaslAuthenticate as the mechanism takes.
func (cn *conn) authenticate(ctx context.Context, m sasl.Mechanism, addr string) error {
	answer, err := cn.call(ctx, &saslhandshake.Request{Mechanism: m.Name()})
	if err != nil {
		return err
	}
	handshake := answer.(*saslhandshake.Response)
	if kafka.Error(handshake.ErrorCode) == kafka.UnsupportedSASLMechanism {
		return fmt.Errorf("%w: it offers SASL %v, not %s", ErrRefused, handshake.Mechanisms, m.Name())
	}
	if err := codeErr(handshake.ErrorCode); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	session, say, err := m.Start(sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number}))
	if err != nil {
		return err
	}
	for done := false; !done; {
		answer, err := cn.call(ctx, &saslauthenticate.Request{AuthBytes: say})
		if err != nil {
			return err
		}
		heard := answer.(*saslauthenticate.Response)
		if heard.ErrorCode != 0 {
			return fmt.Errorf("%w: SASL %s: %s", ErrRefused, m.Name(), heard.ErrorMessage)
		}
		if done, say, err = session.Next(ctx, heard.AuthBytes); err != nil {
			return fmt.Errorf("%w: SASL %s: %w", ErrRefused, m.Name(), err)
		}
	}
	return nil
}
