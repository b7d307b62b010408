// Package mskiam says to Amazon MSK who we are by IAM: what a client of the SASL mechanism AWS_MSK_IAM sends. The credentials are whatever the
// AWS SDK finds: environment, profile, web identity (IRSA), or the role of the task, the pod or the machine.
package mskiam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Name is the mechanism's, as Kafka knows it.
const Name = "AWS_MSK_IAM"

// What brokers ask for (github.com/aws/aws-msk-iam-auth, "Details").
const (
	version  = "2020_10_22"
	action   = "kafka-cluster:Connect"
	service  = "kafka-cluster"
	noBody   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	validFor = "900"                                                              // seconds, the most that a broker takes
	agent    = "caudal"
)

// Signer makes the payload of a connection. It is safe for concurrent use.
type Signer struct {
	signer *v4.Signer
	load   func(ctx context.Context) (aws.Config, error)
	region string
	now    func() time.Time
}

// New signs for a cluster in a region; "": the one that the environment or the profile names. Nothing is looked up before the first connection.
func New(region string) *Signer {
	return &Signer{signer: v4.NewSigner(), region: region, now: time.Now, load: func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }}
}

// Payload is what is said to the broker at host: a presigned request in JSON. Credentials are asked for each time, so that those which expire are
// renewed. Errors hold no secret.
func (s *Signer) Payload(ctx context.Context, host string) ([]byte, error) {
	cfg, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	region := s.region
	if region == "" {
		region = cfg.Region
	}
	if region == "" {
		return nil, errors.New("no AWS region: set kafka.sasl.region, or AWS_REGION")
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	at := url.URL{Scheme: "kafka", Host: host, Path: "/", RawQuery: url.Values{"Action": {action}, "X-Amz-Expires": {validFor}}.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", host, err)
	}
	signed, _, err := s.signer.PresignHTTP(ctx, credentials, request, noBody, service, region, s.now())
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", host, err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", host, err)
	}
	said := map[string]string{"version": version, "host": host, "user-agent": agent}
	for key, values := range u.Query() {
		said[strings.ToLower(key)] = values[0]
	}
	return json.Marshal(said)
}
