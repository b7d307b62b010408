package view

import "strings"

// TLS says how a connection is encrypted. Files are in PEM; relative names are below the project's folder.
type TLS struct {
	On         bool
	CA         string // file of the certificates that are trusted; "": the machine's
	Cert, Key  string // files of our own certificate, where the server asks for one
	ServerName string // whom the server's certificate must name; "": the host of its address
}

// SASL says who we are to Kafka. The zero value says nothing.
type SASL struct {
	Mechanism          string // "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512" or "AWS_MSK_IAM"
	Username, Password string // not with AWS_MSK_IAM, which takes what the AWS SDK finds
	Region             string // with AWS_MSK_IAM alone; "": the environment's
}

func tlsKeys() []string  { return []string{"ca", "cert", "key", "server_name"} }
func saslKeys() []string { return []string{"mechanism", "username", "password", "region"} }

// tls reads `tls: true`, or a mapping that says more.
func (r *reader) tls(n *node, of string) TLS {
	if n == nil {
		return TLS{}
	}
	if n.shape != mapping {
		return TLS{On: r.boolean(n, of)}
	}
	if !r.mapping(n, of, tlsKeys()) {
		return TLS{}
	}
	t := TLS{On: true, CA: r.text(n.get("ca"), of+".ca"), Cert: r.text(n.get("cert"), of+".cert"), Key: r.text(n.get("key"), of+".key"),
		ServerName: r.text(n.get("server_name"), of+".server_name")}
	if (t.Cert == "") != (t.Key == "") {
		r.add(n, of+" has only one of cert and key", "give both, or none where the server asks for no certificate")
	}
	return t
}

// sasl reads who we are to Kafka. An empty mechanism is none, so that a variable can leave it out.
func (r *reader) sasl(n *node, encrypted bool) SASL {
	if n == nil || !r.mapping(n, "kafka.sasl", saslKeys()) {
		return SASL{}
	}
	r.require(n, "kafka.sasl", "mechanism")
	s := SASL{Mechanism: strings.ToUpper(r.text(n.get("mechanism"), "kafka.sasl.mechanism")),
		Username: r.text(n.get("username"), "kafka.sasl.username"), Password: r.text(n.get("password"), "kafka.sasl.password"),
		Region: r.text(n.get("region"), "kafka.sasl.region")}
	switch s.Mechanism {
	case "":
		return SASL{}
	case "AWS_MSK_IAM":
		if s.Username != "" || s.Password != "" {
			r.add(n, "kafka.sasl AWS_MSK_IAM takes no user name and no password", "leave both out: the AWS SDK finds the role of the task, the pod or the machine, or AWS_ACCESS_KEY_ID")
		}
		if !encrypted {
			r.add(n, "kafka.sasl AWS_MSK_IAM over a connection that is not encrypted can be used by whoever hears it", "add `tls: true` to kafka; MSK listens for IAM on port 9098")
		}
		return s
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
	default:
		r.add(n.get("mechanism"), quote("kafka.sasl.mechanism", s.Mechanism)+" is not known", "write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM")
		return s
	}
	if s.Region != "" {
		r.add(n.get("region"), "kafka.sasl.region is of AWS_MSK_IAM alone", "leave it out")
	}
	if s.Username == "" || s.Password == "" {
		r.add(n, "kafka.sasl has no user name or no password", "give both, best as ${VARIABLE}s; NAME_FILE=… in the environment reads the variable NAME from a file")
	}
	if s.Mechanism == "PLAIN" && !encrypted {
		r.add(n, "kafka.sasl PLAIN sends the password as it is over a connection that is not encrypted", "add `tls: true` to kafka, or take SCRAM-SHA-512")
	}
	return s
}
