package testservices

import (
	"fmt"
	"net"
	"strconv"
)

// SecureKafka is a Kafka that lets nobody in without TLS and a password.
type SecureKafka struct {
	*KafkaServer
	Certificates
	Secure             string // host:port of the listener that asks for both, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
	Username, Password string
	Guest              string // a second user, of PLAIN, with the same password, from whom rights can be taken
}

// StartSecureKafka starts one, with an empty log. Its other listener, plain, is for the tests' own questions.
func StartSecureKafka() (*SecureKafka, error) {
	s := &SecureKafka{Username: "caudal", Guest: "guest", Password: "open-sesame"}
	var err error
	s.KafkaServer, err = startKafka(func(dir string, port, controller int) (kafkaSetup, error) {
		if s.Certificates, err = makeCertificates(dir); err != nil {
			return kafkaSetup{}, err
		}
		secure, err := freePort()
		if err != nil {
			return kafkaSetup{}, err
		}
		s.Secure = net.JoinHostPort("127.0.0.1", strconv.Itoa(secure))
		return s.setup(port, controller), nil
	})
	return s, err
}

func (s *SecureKafka) setup(port, controller int) kafkaSetup {
	const modules = "org.apache.kafka.common.security."
	scram := func(mechanism string) string {
		return fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.Username, s.Password)
	}
	return kafkaSetup{
		properties: []string{
			fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,SECURE://%s,CONTROLLER://127.0.0.1:%d", port, s.Secure, controller),
			fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,SECURE://%s", port, s.Secure),
			"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
			"listener.name.secure.ssl.keystore.type=PEM",
			"listener.name.secure.ssl.keystore.location=" + s.keystore(),
			"listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			fmt.Sprintf("listener.name.secure.plain.sasl.jaas.config=%splain.PlainLoginModule required user_%s=\"%s\" user_%s=\"%s\";", modules, s.Username, s.Password, s.Guest, s.Password),
			// whoever has no rule may do everything, and these whatever the rules say
			"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"allow.everyone.if.no.acl.found=true",
			"super.users=User:ANONYMOUS;User:" + s.Username,
			"listener.name.secure.scram-sha-256.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
			"listener.name.secure.scram-sha-512.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
		},
		format: []string{"--add-scram", scram("SCRAM-SHA-256"), "--add-scram", scram("SCRAM-SHA-512")},
	}
}
