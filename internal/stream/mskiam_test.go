package stream_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// iamDoor stands before a broker as MSK's listener for IAM does: over TLS, it answers SASL's handshake by AWS_MSK_IAM alone, checks the
// signature, and lets through whoever's is right. It is not MSK, which no test here can reach.
type iamDoor struct {
	t                  *testing.T
	listener           net.Listener
	behind             string // address of the broker
	key, secret, token string
	region             string
	mu                 sync.Mutex
	let                int // connections let through
	said               map[string]string
}

func (d *iamDoor) serve() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if err := d.talk(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				d.t.Logf("the door: %v", err)
			}
		}()
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r, frame)
	return frame, err
}

func writeFrame(w io.Writer, frame []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	return err
}

// talk answers SASL's requests, gives ApiVersions to the broker, and lets everything pass once the client is known.
func (d *iamDoor) talk(c net.Conn) error {
	const handshake, apiVersions, authenticate = 17, 18, 36
	broker, err := net.Dial("tcp", d.behind)
	if err != nil {
		return err
	}
	defer broker.Close()
	for {
		frame, err := readFrame(c)
		if err != nil {
			return err
		}
		api, version := binary.BigEndian.Uint16(frame), binary.BigEndian.Uint16(frame[2:])
		client := int(binary.BigEndian.Uint16(frame[8:]))
		body, answer := frame[10+client:], append([]byte{}, frame[4:8]...)
		switch api {
		case apiVersions:
			if err := writeFrame(broker, frame); err != nil {
				return err
			}
			if answer, err = readFrame(broker); err != nil {
				return err
			}
		case handshake:
			code := uint16(0)
			if asked := string(body[2:]); asked != "AWS_MSK_IAM" {
				code = 33 // unsupported mechanism
			}
			answer = binary.BigEndian.AppendUint16(answer, code)
			answer = binary.BigEndian.AppendUint32(answer, 1)
			answer = append(binary.BigEndian.AppendUint16(answer, 11), "AWS_MSK_IAM"...)
		case authenticate:
			refused := d.check(body[4:])
			if refused == nil {
				answer = append(answer, 0, 0, 0xff, 0xff)
				answer = binary.BigEndian.AppendUint32(answer, 0)
			} else {
				answer = binary.BigEndian.AppendUint16(answer, 58) // SASL authentication failed
				answer = append(binary.BigEndian.AppendUint16(answer, uint16(len(refused.Error()))), refused.Error()...)
				answer = binary.BigEndian.AppendUint32(answer, 0)
			}
			if version > 0 {
				answer = binary.BigEndian.AppendUint64(answer, 0)
			}
			if err := writeFrame(c, answer); err != nil || refused != nil {
				return err
			}
			go func() { _, _ = io.Copy(c, broker); c.Close() }()
			_, err := io.Copy(broker, c)
			return err
		default:
			return fmt.Errorf("request %d of one who is not known", api)
		}
		if err := writeFrame(c, answer); err != nil {
			return err
		}
	}
}

// check works the signature out from what is said and from the secret, as AWS' documentation of version 4 says, and not by the SDK.
func (d *iamDoor) check(payload []byte) error {
	said := map[string]string{}
	if err := json.Unmarshal(payload, &said); err != nil {
		return err
	}
	d.mu.Lock()
	d.said = said
	d.mu.Unlock()
	made, err := time.Parse("20060102T150405Z", said["x-amz-date"])
	scope := strings.Join([]string{made.Format("20060102"), d.region, "kafka-cluster", "aws4_request"}, "/")
	switch {
	case err != nil || time.Since(made).Abs() > 15*time.Minute:
		return fmt.Errorf("date %q", said["x-amz-date"])
	case said["version"] != "2020_10_22" || said["action"] != "kafka-cluster:Connect" || said["x-amz-signedheaders"] != "host" || said["user-agent"] == "":
		return fmt.Errorf("said %v", said)
	case said["x-amz-credential"] != d.key+"/"+scope || said["x-amz-security-token"] != d.token:
		return errors.New("another credential, or another region")
	}
	query := url.Values{"Action": {said["action"]}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {said["x-amz-credential"]}, "X-Amz-Date": {said["x-amz-date"]},
		"X-Amz-Expires": {said["x-amz-expires"]}, "X-Amz-Security-Token": {d.token}, "X-Amz-SignedHeaders": {"host"}}
	nothing := sha256.Sum256(nil)
	request := strings.Join([]string{"GET", "/", strings.ReplaceAll(query.Encode(), "+", "%20"), "host:" + said["host"], "", "host", hex.EncodeToString(nothing[:])}, "\n")
	sum := sha256.Sum256([]byte(request))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", said["x-amz-date"], scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + d.secret)
	for _, part := range append(strings.Split(scope, "/"), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if said["x-amz-signature"] != hex.EncodeToString(key) {
		return errors.New("the signature does not match")
	}
	d.mu.Lock()
	d.let++
	d.mu.Unlock()
	return nil
}

func TestABrokerThatAsksForIAMIsServed(t *testing.T) {
	certificates, err := testservices.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.LoadX509KeyPair(certificates.Cert, certificates.Key)
	if err != nil {
		t.Fatal(err)
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d := &iamDoor{t: t, listener: listener, behind: broker.Addrs()[0], key: "AKIDEXAMPLE", secret: "open-sesame/with+signs", token: "of/the+session==", region: "eu-west-1"}
	go d.serve()
	connect := func(region string) *stream.Client {
		c, err := stream.Connect(stream.Config{Brokers: []string{listener.Addr().String()}, TLS: trusting(t, certificates.CA), SASL: stream.SASL{Mechanism: stream.MSKIAM, Region: region},
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) { // whichever address the broker names, it is behind the door
				return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
			}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	t.Setenv("AWS_ACCESS_KEY_ID", d.key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", d.secret)
	t.Setenv("AWS_SESSION_TOKEN", d.token)
	t.Setenv("AWS_REGION", "us-east-1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := connect("eu-west-1")
	if err := c.EnsureTopic(ctx, "orders", 1); err != nil {
		t.Fatal(err)
	}
	p := c.Producer("orders")
	defer p.Close()
	if err := p.Write(ctx, []stream.Message{{Value: []byte("signed")}}); err != nil {
		t.Fatal(err)
	}
	r := c.Reader("orders", 0, 0)
	defer r.Close()
	if records, err := r.Fetch(ctx, 1, 20*time.Second, nil); err != nil || len(records) != 1 || string(records[0].Value) != "signed" {
		t.Fatalf("read %v, %v", records, err)
	}
	if d.let < 2 || d.said["host"] == "" {
		t.Errorf("%d connections were let through, the last said %v", d.let, d.said)
	}
	// The environment's region is another than the cluster's.
	if _, err := connect("").Topic(ctx, "orders"); !errors.Is(err, stream.ErrRefused) {
		t.Errorf("with another region: %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "open-barley")
	if _, err := connect("eu-west-1").Topic(ctx, "orders"); !errors.Is(err, stream.ErrRefused) || strings.Contains(err.Error(), "open-barley") {
		t.Errorf("with another secret: %v", err)
	}
	if err := (stream.Config{Brokers: []string{"a:1"}, SASL: stream.SASL{Mechanism: stream.MSKIAM}}).Validate(); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("without TLS: %v", err)
	}
}
