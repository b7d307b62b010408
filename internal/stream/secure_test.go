package stream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// trusting returns the settings of who trusts the authority in a file.
func trusting(t *testing.T, ca string) *tls.Config {
	t.Helper()
	data, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatalf("%s holds no certificate", ca)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func TestABrokerThatAsksForTLSAndAPasswordIsServedByEachMechanism(t *testing.T) {
	k := testservices.KafkaWithPassword(t)
	for _, mechanism := range []string{stream.Plain, stream.ScramSHA256, stream.ScramSHA512} { // MSKIAM: TestABrokerThatAsksForIAMIsServed
		t.Run(mechanism, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := stream.Connect(stream.Config{Brokers: []string{k.Secure}, TLS: trusting(t, k.CA),
				SASL: stream.SASL{Mechanism: mechanism, Username: k.Username, Password: k.Password}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			topic := "secure-" + strings.ToLower(mechanism)
			if err := c.EnsureTopic(ctx, topic, 1); err != nil {
				t.Fatal(err)
			}
			p := c.Producer(topic)
			defer p.Close()
			if err := p.Write(ctx, []stream.Message{{Value: []byte("whispered")}}); err != nil {
				t.Fatal(err)
			}
			r := c.Reader(topic, 0, 0)
			defer r.Close()
			records, err := r.Fetch(ctx, 1, 20*time.Second, nil)
			if err != nil || len(records) != 1 || string(records[0].Value) != "whispered" {
				t.Fatalf("read %v, %v", records, err)
			}
			joined := errors.New("joined")
			err = c.RunGroup(ctx, topic, []string{topic}, func(ctx context.Context, a stream.Assignment) error {
				return stream.Permanent(errors.Join(joined, a.Commit(ctx, map[string]map[int]int64{topic: {0: 1}})))
			})
			if !errors.Is(err, joined) || err.Error() != "joined" {
				t.Error(err)
			}
		})
	}
}

func TestABrokerThatRefusesUsSaysWhyAndNotThePassword(t *testing.T) {
	k := testservices.KafkaWithPassword(t)
	const wrong = "open-barley"
	other := k.Certificates
	for name, c := range map[string]struct {
		config stream.Config
		want   string
	}{
		"wrong password, PLAIN": {stream.Config{TLS: trusting(t, other.CA), SASL: stream.SASL{Mechanism: stream.Plain, Username: k.Username, Password: wrong}}, "PLAIN"},
		"wrong password, SCRAM": {stream.Config{TLS: trusting(t, other.CA), SASL: stream.SASL{Mechanism: stream.ScramSHA512, Username: k.Username, Password: wrong}}, "SCRAM-SHA-512"},
		"unknown authority":     {stream.Config{TLS: &tls.Config{}, SASL: stream.SASL{Mechanism: stream.Plain, Username: k.Username, Password: k.Password}}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			c.config.Brokers = []string{k.Secure}
			client, err := stream.Connect(c.config)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Topic(ctx, "any")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), k.Password) {
				t.Errorf("the error is %v, and should speak of %q", err, c.want)
			}
		})
	}
}

func TestAPasswordIsNotSentInTheClear(t *testing.T) {
	_, err := stream.Connect(stream.Config{Brokers: []string{"localhost:9092"}, SASL: stream.SASL{Mechanism: stream.Plain, Username: "u", Password: "hush"}})
	if err == nil || !strings.Contains(err.Error(), "TLS") || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}
