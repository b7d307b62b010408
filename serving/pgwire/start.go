package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// What the first packet of a connection may ask for.
const (
	codeVersion3 = 3 << 16
	codeVersion9 = 3<<16 | 99
	codeTLS      = 80877103
	codeGSS      = 80877104
	codeCancel   = 80877102
	startPacket  = 10_000 // bytes at most
)

// maxMessage bounds a message of a client, and so a statement and its parameters, in bytes.
const maxMessage = 1 << 20

// serve answers one connection until it ends.
func (s *Server) serve(ctx context.Context, conn net.Conn) error {
	defer func() { conn.Close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := conn.SetDeadline(time.Now().Add(s.cfg.StartTimeout)); err != nil {
		return err
	}
	conn, packet, err := s.first(ctx, conn)
	if err != nil || packet == nil {
		return err
	}
	p := startPump(conn, func() { cancel(errGone) })
	defer p.stop()
	c := &session{server: s, conn: conn, wire: pgproto3.NewBackend(p, conn), secret: make([]byte, 4), settings: map[string]string{}, statements: map[string]*prepared{}, portals: map[string]*portal{}}
	c.wire.SetMaxBodyLen(startPacket)
	c.ctx, err = s.admit(ctx, c, packet)
	if err != nil {
		f := explain(err)
		f.fatal = true
		s.metrics.accepted.WithLabelValues(f.state).Inc()
		c.wire.Send(f.response())
		return errors.Join(err, c.wire.Flush())
	}
	defer s.leave(c)
	s.metrics.accepted.WithLabelValues("00000").Inc()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	c.wire.SetMaxBodyLen(maxMessage)
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })()
	if c.db, err = s.db.Connect(); err != nil {
		return err
	}
	defer c.db.Close()
	return c.run()
}

// first reads what a connection begins with, over TLS where the client asks for it and there is some. A packet of nil: there is nothing to answer.
func (s *Server) first(ctx context.Context, conn net.Conn) (net.Conn, *pgproto3.StartupMessage, error) {
	encryption := s.post.Now().TLS
	for range 3 {
		body, err := readPacket(conn)
		if err != nil {
			return conn, nil, err
		}
		switch code := binary.BigEndian.Uint32(body); {
		case code == codeTLS && encryption != nil:
			if _, err := conn.Write([]byte{'S'}); err != nil {
				return conn, nil, err
			}
			secure := tls.Server(conn, encryption)
			if err := secure.HandshakeContext(ctx); err != nil {
				return conn, nil, fmt.Errorf("begin TLS: %w", err)
			}
			conn = secure
		case code == codeTLS, code == codeGSS:
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return conn, nil, err
			}
		case code == codeCancel && len(body) > 8:
			s.cancel(binary.BigEndian.Uint32(body[4:]), body[8:])
			return conn, nil, nil
		case code >= codeVersion3 && code <= codeVersion9:
			binary.BigEndian.PutUint32(body, codeVersion3)
			m := &pgproto3.StartupMessage{}
			if err := m.Decode(body); err != nil {
				return conn, nil, fmt.Errorf("read the first packet: %w", err)
			}
			return conn, m, nil
		default:
			return conn, nil, fmt.Errorf("the first packet asks for %d, which is not PostgreSQL's protocol 3", code)
		}
	}
	return conn, nil, errors.New("the client asks for encryption again and again")
}

// readPacket reads the first packet without a byte of what follows.
func readPacket(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > startPacket {
		return nil, fmt.Errorf("the first packet says that it has %d bytes", n)
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(conn, body)
	return body, err
}

// admit asks who is there, and tells the client what it has to know.
func (s *Server) admit(ctx context.Context, c *session, m *pgproto3.StartupMessage) (context.Context, error) {
	if now := s.post.Now(); now.Authenticate != nil {
		var err error
		if ctx, err = now.authenticate(ctx, c); err != nil {
			return nil, err
		}
	}
	if _, err := rand.Read(c.secret); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	if !s.enter(c) {
		return nil, fail(stateTooMany, "close some", "sorry, too many clients already: %d", s.cfg.Connections)
	}
	for name, value := range m.Parameters {
		if name != "user" && name != "database" && name != "options" && name != "replication" {
			c.settings[settingName(name)] = value
		}
	}
	c.settings["timezone"] = "UTC"
	c.wire.Send(&pgproto3.AuthenticationOk{})
	for _, name := range []string{"server_version", "server_encoding", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings",
		"is_superuser", "session_authorization", "application_name", "default_transaction_read_only", "in_hot_standby"} {
		c.wire.Send(&pgproto3.ParameterStatus{Name: name, Value: c.setting(name)})
	}
	c.wire.Send(&pgproto3.BackendKeyData{ProcessID: c.id, SecretKey: c.secret})
	c.ready()
	return ctx, nil
}

// authenticate asks for a password, where nobody can listen.
func (b Behind) authenticate(ctx context.Context, c *session) (context.Context, error) {
	if _, secure := c.conn.(*tls.Conn); !secure && !isLoopback(c.conn.RemoteAddr()) {
		return nil, fail(stateNoAuth, "connect with sslmode=require; where the server has no certificate, give it one, or connect from its own machine", "a password is only taken over TLS")
	}
	if err := c.wire.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return nil, err
	}
	c.wire.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := c.wire.Flush(); err != nil {
		return nil, err
	}
	message, err := c.wire.Receive()
	if err != nil {
		return nil, err
	}
	password, ok := message.(*pgproto3.PasswordMessage)
	if !ok {
		return nil, fail(stateProtocol, "", "expected a password")
	}
	c.password = password.Password
	return b.who(ctx, c.password)
}

// who is ctx on behalf of the holder of a password. Authenticate is not nil.
func (b Behind) who(ctx context.Context, password string) (context.Context, error) {
	who, err := b.Authenticate(ctx, password)
	var known *failure
	if err != nil && !errors.As(err, &known) {
		return nil, fail(stateWrongPassword, "the password is a bearer token of this server", "password authentication failed: %v", err)
	}
	return who, err
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// hasSecret says whether a request to cancel comes from the client itself.
func (c *session) hasSecret(secret []byte) bool {
	return subtle.ConstantTimeCompare(c.secret, secret) == 1
}
