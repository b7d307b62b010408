package watch

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// sink takes messages. An error that is a *refusal says that it never will take this one; after others it is tried again.
type sink interface {
	send(ctx context.Context, m *alert.Message) error
}

// refusal is a message that a sink does not want.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// newSink is a sink of a definition.
func newSink(s view.Sink, cfg Config) sink {
	switch s.Kind {
	case view.SinkKafka:
		return &topicSink{log: cfg.Stream, topic: s.Where}
	case view.SinkWebhook:
		return &hookSink{client: cfg.HTTP, url: s.Where, secret: []byte(s.Secret), clock: cfg.Clock}
	case view.SinkSlack:
		return &slackSink{client: cfg.HTTP, url: s.Where}
	}
	return logSink{cfg.Logger}
}

// payload is a message as a sink gets it. It does not change but by additions.
type payload struct {
	ID      string         `json:"id"`
	Kind    alert.Phase    `json:"kind"`
	Alert   string         `json:"alert"`
	Group   alert.Labels   `json:"group,omitempty"`
	At      time.Time      `json:"at"`
	Notices []alert.Notice `json:"notices"`
}

// body is the JSON of a message.
func body(m *alert.Message) []byte {
	data, err := json.Marshal(payload{m.ID, m.Kind, m.Alert, m.Group, m.At, m.Notices})
	if err != nil {
		panic(fmt.Sprintf("BUG: encode message %s: %v", m.ID, err))
	}
	return data
}

// topicSink writes to a topic. What began and what ended has the same key, and so the same partition and, in a compacted topic, the last word.
type topicSink struct {
	log      Log
	topic    string
	producer *stream.Producer
}

func (s *topicSink) send(ctx context.Context, m *alert.Message) error {
	if s.producer == nil {
		if err := s.log.EnsureTopic(ctx, s.topic, 1); err != nil {
			return fmt.Errorf("make topic %s: %w", s.topic, err)
		}
		s.producer = s.log.Producer(s.topic)
	}
	key := m.ID
	if len(m.Notices) == 1 {
		key = m.Notices[0].Cause
	}
	return s.producer.Write(ctx, []stream.Message{{Key: []byte(key), Value: body(m)}})
}

// close ends the producer.
func (s *topicSink) close() error {
	if s.producer == nil {
		return nil
	}
	p := s.producer
	s.producer = nil
	return p.Close()
}

// logSink writes to the log of the process.
type logSink struct{ log *slog.Logger }

func (s logSink) send(_ context.Context, m *alert.Message) error {
	for i := range m.Notices {
		n := &m.Notices[i]
		level := slog.LevelWarn
		if n.Kind != alert.Firing {
			level = slog.LevelInfo
		}
		s.log.Log(context.Background(), level, "alert "+string(n.Kind), "alert", n.Alert, "severity", n.Severity, "labels", labelText(n.Labels), "bucket", n.Bucket,
			"values", labelText(n.Values), "reason", n.Reason, "id", n.ID)
	}
	return nil
}

// labelText writes labels as people read them.
func labelText(l alert.Labels) string {
	parts := make([]string, len(l))
	for i := range l {
		parts[i] = l[i].Name + "=null"
		if l[i].Value != nil {
			parts[i] = l[i].Name + "=" + *l[i].Value
		}
	}
	return strings.Join(parts, " ")
}

// hookTime is how long a webhook may take.
const hookTime = 10 * time.Second

// httpClient goes where it is sent and no further.
func httpClient() *http.Client {
	return &http.Client{Timeout: hookTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// The headers of a webhook. The signature is HMAC-SHA256, under the sink's secret, of the time, a point and the body.
const (
	headerID        = "Caudal-Id"
	headerTimestamp = "Caudal-Timestamp"
	headerSignature = "Caudal-Signature"
)

// hookSink sends signed requests.
type hookSink struct {
	client *http.Client
	url    string
	secret []byte
	clock  func() time.Time
}

func (s *hookSink) send(ctx context.Context, m *alert.Message) error {
	data := body(m)
	at := strconv.FormatInt(s.clock().Unix(), 10)
	return postJSON(ctx, s.client, s.url, data, headerID, m.ID, headerTimestamp, at, headerSignature, "v1="+sign(s.secret, at, data))
}

func sign(secret []byte, at string, data []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil))
}

// slackSink sends what Slack, and much else, shows as a message.
type slackSink struct {
	client *http.Client
	url    string
}

func (s *slackSink) send(ctx context.Context, m *alert.Message) error {
	var lines []string
	for i := range m.Notices {
		lines = append(lines, sentence(&m.Notices[i]))
	}
	data, err := json.Marshal(map[string]string{"text": strings.Join(lines, "\n")})
	if err != nil {
		return fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	return postJSON(ctx, s.client, s.url, data, headerID, m.ID)
}

// sentence is a notice for people. What events say is escaped as Slack wants it, so that it mentions nobody and links nowhere.
func sentence(n *alert.Notice) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	text := fmt.Sprintf("[%s] %s %s", strings.ToUpper(n.Severity), n.Alert, n.Kind)
	if len(n.Labels) > 0 {
		text += ": " + escape(labelText(n.Labels))
	}
	if n.Bucket != "" {
		text += " in the " + n.Window + " from " + n.Bucket
	}
	if n.Kind == alert.Firing && len(n.Values) > 0 {
		text += " (" + escape(labelText(n.Values)) + ")"
	}
	if n.Reason != "" {
		text += "; " + escape(n.Reason)
	}
	return text
}

// postJSON sends one request. Its errors do not name the URL, which is a secret.
func postJSON(ctx context.Context, client *http.Client, to string, data []byte, headers ...string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(data))
	if err != nil {
		return &refusal{"its URL is none"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "caudal")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		if of := (*url.Error)(nil); errors.As(err, &of) {
			err = of.Err
		}
		return fmt.Errorf("it was not reached: %w", err)
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, 64<<10); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("its answer broke off: %w", err)
	}
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("it answered %s", answer.Status)
	default:
		return &refusal{"it answered " + answer.Status}
	}
}
