package view

import (
	"strings"
	"testing"
)

func TestSecureConnectionsAreRead(t *testing.T) {
	p := sound(t, soundServices, soundView)
	if p.Kafka.TLS.On || p.Redis.TLS.On || p.Kafka.SASL != (SASL{}) {
		t.Fatalf("secure without being told: %+v %+v", p.Kafka, p.Redis)
	}
	const head = "project: p\nsources: {s: {event_time: {field: ts}, fields: {ts: timestamp}}}\n"
	p, problems := parseTexts(head + `
kafka:
  brokers: ["k:9093"]
  tls: {ca: ca.pem, server_name: kafka}
  sasl: {mechanism: scram-sha-512, username: u, password: p}
redis: {addrs: ["r:6380"], cluster: true, tls: true}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if p.Kafka.TLS != (TLS{On: true, CA: "ca.pem", ServerName: "kafka"}) || p.Kafka.SASL != (SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "p"}) ||
		p.Redis.TLS != (TLS{On: true}) || !p.Redis.Cluster {
		t.Errorf("read %+v and %+v", p.Kafka, p.Redis)
	}
}

func TestKafkaMayKnowUsByIAM(t *testing.T) {
	p, problems := parseTexts("project: p\nsources: {s: {event_time: {field: ts}, fields: {ts: timestamp}}}\nkafka: {brokers: ['k:9098'], tls: true, sasl: {mechanism: aws_msk_iam, region: eu-west-1}}\n")
	if problems != nil || p.Kafka.SASL != (SASL{Mechanism: "AWS_MSK_IAM", Region: "eu-west-1"}) {
		t.Errorf("%+v, %v", p, problems)
	}
}

func TestUnsafeConnectionsAreRefusedAndNameTheMend(t *testing.T) {
	const head = "project: p\nsources: {s: {event_time: {field: ts}, fields: {ts: timestamp}}}\n"
	for text, want := range map[string]string{
		`kafka: {brokers: ["k:1"], sasl: {mechanism: PLAIN, username: u, password: hush}}`:                     "add `tls: true`",
		`kafka: {brokers: ["k:1"], tls: true, sasl: {mechanism: GSSAPI, username: u, password: hush}}`:         "write PLAIN",
		`kafka: {brokers: ["k:1"], tls: true, sasl: {mechanism: PLAIN, username: u, password: ""}}`:            "give both",
		`kafka: {brokers: ["k:1"], sasl: {mechanism: aws_msk_iam, region: eu-west-1}}`:                         "MSK listens for IAM on port 9098",
		`kafka: {brokers: ["k:1"], tls: true, sasl: {mechanism: aws_msk_iam, username: u, password: p}}`:       "leave both out",
		`kafka: {brokers: ["k:1"], tls: true, sasl: {mechanism: PLAIN, username: u, password: p, region: eu}}`: "leave it out",
		`kafka: {brokers: ["k:1"], tls: {cert: c.pem}}`:                                                        "only one of cert and key",
		`kafka: {brokers: ["k:1"], tls: maybe}`:                                                                "write true or false",
		`redis: {addrs: ["r:1"], tls: {cafile: x}}`:                                                            "the keys are ca, cert",
	} {
		_, problems := parseTexts(head + text)
		if len(problems) != 1 || !strings.Contains(problems.Error(), want) || strings.Contains(problems.Error(), "hush") {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
