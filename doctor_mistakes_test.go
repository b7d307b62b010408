package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// patient is a project in which a mistake is made: everything else of it is in order, on real services.
type patient struct {
	t                  *testing.T
	dir                string
	topic              string
	kafka, redis, lake string // of caudal.yaml
	retention          string // of the source
	view               string
	topics             testservices.Topics
	s3                 testservices.S3Server
	now                time.Time
	without            bool          // the topic is not made
	patience           time.Duration // where something is asked again and again
}

// lakeAt is the project's lake in the bucket, with some settings in place of the right ones.
func (p *patient) lakeAt(change ...string) string {
	return strings.NewReplacer(change...).Replace(fmt.Sprintf("lake: {url: 's3://%s/%s', endpoint: '%s', region: %s, path_style: true, access_key: %s, secret_key: %s}",
		p.s3.Bucket, p.topic, p.s3.Endpoint, p.s3.Region, p.s3.AccessKey, p.s3.SecretKey))
}

// through puts a proxy before the bucket, whose answers change makes.
func (p *patient) through(change func(r *http.Request, answer *http.Response)) string {
	pass := testservices.Pass(p.t, p.s3.Endpoint)
	pass.ModifyResponse = func(answer *http.Response) error {
		change(answer.Request, answer)
		return nil
	}
	proxy := httptest.NewServer(pass)
	p.t.Cleanup(proxy.Close)
	return p.lakeAt(p.s3.Endpoint, proxy.URL)
}

// refuse makes an answer what S3 says to who lacks a right.
func refuse(answer *http.Response, code string) {
	text := "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>no</Message></Error>"
	answer.StatusCode = http.StatusForbidden
	answer.Header = http.Header{"Content-Type": {"application/xml"}}
	answer.Body = io.NopCloser(strings.NewReader(text))
}

// ownRedis is a Redis that a mistake can be made in.
func (p *patient) ownRedis(commands ...[]string) *testservices.RedisServer {
	redis, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(p.t, "redis", err)
	}
	p.t.Cleanup(func() { p.must(redis.Stop()) })
	for _, c := range commands {
		if answer, err := redis.Do(c...); err != nil || answer != "OK" {
			p.t.Fatalf("%v: %s, %v", c, answer, err)
		}
	}
	p.redis = "redis: {addrs: ['" + redis.Addr() + "']}"
	return redis
}

// guest is a broker that asks for a password, as the user from whom rights can be taken.
func (p *patient) guest() *testservices.SecureKafka {
	k := testservices.KafkaWithPassword(p.t)
	p.topics = testservices.Topics{Brokers: k.Brokers()}
	p.kafka = fmt.Sprintf("kafka: {brokers: ['%s'], tls: {ca: '%s'}, sasl: {mechanism: PLAIN, username: %s, password: %s}}", k.Secure, k.CA, k.Guest, k.Password)
	return k
}

// set changes a setting of the topic, once it is there.
func (p *patient) set(name, value string) {
	p.make()
	p.must(p.topics.Set(p.t.Context(), p.topic, name, value))
}

func (p *patient) make() {
	p.must(p.topics.Create(p.t.Context(), p.topic, 2))
	p.without = true
}

func (p *patient) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// mistakes are what people do wrong, each with what the doctor says of it. The list is in docs/operations/doctor.md too.
var mistakes = []struct {
	name                       string
	make                       func(p *patient)
	check, result, found, mend string // TOPIC stands for the topic's name, PROJECT for the project's
}{
	{"wrong broker", func(p *patient) { p.kafka = "kafka: {brokers: ['127.0.0.1:1']}" }, "kafka TOPIC", isFail, "127.0.0.1:1", "kafka.brokers"},
	{"a topic that nobody made", func(p *patient) { p.without = true }, "kafka TOPIC", isFail, "there is no topic", "make it by hand"},
	{"too few partitions", func(p *patient) {
		p.must(p.topics.Create(p.t.Context(), p.topic, 1))
		p.without = true
	}, "kafka TOPIC", isWarn, "has 1 partitions, and its source asks for 2", "add partitions"},
	{"retention shorter than two times between batches", func(p *patient) { p.set("retention.ms", "3600000") }, "retention TOPIC", isWarn, "records stay for 1h0m0s, less than twice the time between batches (24h0m0s)", "set retention.ms of the topic to 172800000"},
	{"retention shorter than the horizon of duplicates", func(p *patient) {
		p.retention = "\n    dedup_horizon: 240h"
		p.set("retention.ms", "259200000")
	}, "retention TOPIC", isWarn, "the dedup horizon (240h0m0s)", "set retention.ms of the topic to 864000000"},
	{"retention bounded by bytes", func(p *patient) { p.set("retention.bytes", "1000000") }, "retention TOPIC", isWarn, "more than 1000000 bytes", "set retention.bytes=-1"},
	{"a compacted topic", func(p *patient) { p.set("cleanup.policy", "compact") }, "retention TOPIC", isFail, "the topic is compacted", "set cleanup.policy=delete"},
	{"no TLS where the broker asks for it", func(p *patient) {
		p.patience = 2 * time.Second
		k := p.guest()
		p.kafka = fmt.Sprintf("kafka: {brokers: ['%s'], sasl: {mechanism: SCRAM-SHA-512, username: %s, password: %s}}", k.Secure, k.Username, k.Password)
	}, "kafka TOPIC", isFail, "", "kafka.tls"},
	{"a certificate that nobody here trusts", func(p *patient) {
		k := p.guest()
		p.kafka = strings.Replace(p.kafka, "tls: {ca: '"+k.CA+"'}", "tls: true", 1)
	}, "kafka TOPIC", isFail, "certificate", "kafka.tls"},
	{"a wrong password of Kafka", func(p *patient) { k := p.guest(); p.kafka = strings.Replace(p.kafka, k.Password, "open-barley", 1) }, "kafka TOPIC", isFail, "refused our credentials", "see kafka.sasl"},
	{"another SASL mechanism than the broker's user has", func(p *patient) { p.guest(); p.kafka = strings.Replace(p.kafka, "PLAIN", "SCRAM-SHA-512", 1) }, "kafka TOPIC", isFail, "refused our credentials", "its mechanism"},
	{"a consumer group without rights", func(p *patient) {
		k := p.guest()
		p.must(p.topics.AllowGroup(p.t.Context(), k.Guest, "caudal-"+p.topic+"-speed", "describe"))
	}, "kafka group caudal-PROJECT-speed", isFail, "refuses the right", "--operation READ --group caudal-PROJECT-speed"},
	{"a topic that may be described and not read", func(p *patient) {
		k := p.guest()
		p.must(p.topics.AllowTopic(p.t.Context(), k.Guest, p.topic, "describe"))
	}, "kafka TOPIC", isFail, "refuses the right", "--operation READ --topic TOPIC"},
	{"no right to see how long records stay", func(p *patient) {
		k := p.guest()
		p.must(p.topics.AllowTopic(p.t.Context(), k.Guest, p.topic, "read"))
	}, "retention TOPIC", isWarn, "not known", "right to describe the topic's configuration"},

	{"wrong Redis", func(p *patient) { p.redis = "redis: {addrs: ['127.0.0.1:1']}" }, "redis", isFail, "127.0.0.1:1", "redis.addrs"},
	{"a Redis that evicts", func(p *patient) { p.ownRedis([]string{"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}) }, "redis", isFail, "set maxmemory-policy noeviction", "see the message"},
	{"a Redis without a limit of memory", func(p *patient) { p.ownRedis() }, "redis memory", isWarn, "there is no limit", "set maxmemory"},
	{"a Redis that is nearly full", func(p *patient) { p.ownRedis([]string{"CONFIG", "SET", "maxmemory", "1100kb"}) }, "redis memory", isFail, "MiB are used (", "give Redis more memory"},
	{"a wrong password of Redis", func(p *patient) {
		p.ownRedis([]string{"CONFIG", "SET", "requirepass", "open-sesame"})
		p.redis = strings.Replace(p.redis, "}", ", password: open-barley}", 1)
	}, "redis", isFail, "WRONGPASS", "password"},
	{"a Redis user without scripts", func(p *patient) {
		p.ownRedis([]string{"ACL", "SETUSER", "caudal", "on", ">open-sesame", "~*", "+@all", "-eval", "-evalsha"})
		p.redis = strings.Replace(p.redis, "}", ", username: caudal, password: open-sesame}", 1)
	}, "redis rights", isFail, "NOPERM", "+@scripting"},
	{"a Redis user of other keys", func(p *patient) {
		p.ownRedis([]string{"ACL", "SETUSER", "caudal", "on", ">open-sesame", "~app:*", "+@all"})
		p.redis = strings.Replace(p.redis, "}", ", username: caudal, password: open-sesame}", 1)
	}, "redis rights", isFail, "NOPERM", "~*"},
	{"a Redis that takes no writes", func(p *patient) { p.ownRedis([]string{"REPLICAOF", "127.0.0.1", "1"}) }, "redis rights", isFail, "READONLY", "redis.cluster"},
	{"cluster: true before a Redis that is none", func(p *patient) { p.ownRedis(); p.redis = strings.Replace(p.redis, "}", ", cluster: true}", 1) }, "redis", isFail, "cluster", "redis.addrs"},

	{"a bucket that there is not", func(p *patient) { p.lake = p.lakeAt("s3://"+p.s3.Bucket, "s3://none-of-ours") }, "lake", isFail, "NoSuchBucket", "make the bucket"},
	{"an access key that the store does not know", func(p *patient) { p.lake = p.lakeAt("access_key: "+p.s3.AccessKey, "access_key: nobody") }, "lake", isFail, "", "see lake.access_key"},
	{"a wrong secret key", func(p *patient) { p.lake = p.lakeAt(p.s3.SecretKey, "open-barley") }, "lake", isFail, "SignatureDoesNotMatch", "see lake.secret_key"},
	{"credentials that may read only", func(p *patient) {
		p.lake = p.through(func(r *http.Request, answer *http.Response) {
			if r.Method == http.MethodPut {
				refuse(answer, "AccessDenied")
			}
		})
	}, "lake", isFail, "AccessDenied", "give the right to put"},
	{"a bucket without conditional writes", func(p *patient) {
		p.lake = p.through(func(r *http.Request, answer *http.Response) {
			if answer.StatusCode == http.StatusPreconditionFailed {
				answer.StatusCode = http.StatusOK
				answer.Body = io.NopCloser(strings.NewReader(""))
				answer.Header = http.Header{"Etag": {`"d41d8cd98f00b204e9800998ecf8427e"`}}
			}
		})
	}, "lake", isFail, "does not refuse to create an object twice", "use a store that has conditional puts"},
	{"an endpoint where nobody listens", func(p *patient) { p.lake = p.lakeAt(p.s3.Endpoint, "http://127.0.0.1:1") }, "lake", isFail, "connection refused", "lake.endpoint"},
	{"addresses by host name where the store wants them by path", func(p *patient) {
		p.lake = p.lakeAt("path_style: true", "path_style: false", "127.0.0.1", "store.invalid")
	}, "lake", isFail, "no such host", "lake.path_style: true"},
	{"a lake in a file", func(p *patient) {
		write(p.t, filepath.Join(p.dir, "file"), "")
		p.lake = "lake: {url: '" + filepath.Join(p.dir, "file", "lake") + "'}"
	}, "lake", isFail, "not a directory", "name in lake.url a folder"},
	{"a clock that is an hour behind", func(p *patient) { p.now = time.Now().Add(-time.Hour) }, "clock", isWarn, "off this machine's", "NTP"},

	{"a mistake in a view", func(p *patient) { p.view = shopView + "  - {name: more, agg: nothing}\n" }, "definitions", isFail, "nothing", "caudal lint"},
	{"a variable that is not set", func(p *patient) { p.redis = "redis: {addrs: ['${CAUDAL_TEST_NOT_SET}']}" }, "definitions", isFail, "CAUDAL_TEST_NOT_SET", "caudal lint"},
	{"a secret's file that is not there", func(p *patient) {
		p.redis = "redis: {addrs: ['127.0.0.1:1'], password: '${CAUDAL_TEST_SECRET}'}"
	}, "definitions", isFail, "CAUDAL_TEST_SECRET_FILE", "see the message"},
	{"no Kafka named, and no dev that runs", func(p *patient) { p.kafka = "" }, "services", isFail, "no `caudal dev` runs", "name kafka.brokers"},
	{"a speed layer that nobody runs", func(p *patient) {}, "speed sales", isFail, "the speed layer has no state", "caudal run speed"},
	{"a batch that nobody runs", func(p *patient) {}, "batch sales", isWarn, "no batch has run yet", "run caudal batch run"},
}

// TestTheDoctorFindsWhatPeopleDoWrongAndNamesTheMend makes each mistake on real services.
func TestTheDoctorFindsWhatPeopleDoWrongAndNamesTheMend(t *testing.T) {
	page, err := os.ReadFile("docs/operations/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	brokers, redis, s3 := testservices.Kafka(t), testservices.Redis(t), testservices.S3(t)
	t.Setenv("CAUDAL_TEST_SECRET_FILE", filepath.Join(t.TempDir(), "none"))
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel() // some wait for what does not answer
			if !strings.Contains(string(page), "| "+m.name+" |") {
				t.Errorf("docs/operations/doctor.md does not list it")
			}
			name := projectName(t)
			p := &patient{t: t, dir: t.TempDir(), topic: name, kafka: "kafka: {brokers: ['" + strings.Join(brokers, "', '") + "']}", redis: "redis: {addrs: ['" + redis + "']}",
				topics: testservices.Topics{Brokers: brokers}, s3: s3, view: shopView, now: time.Now()}
			m.make(p)
			if !p.without {
				p.make()
			}
			project := strings.NewReplacer("project: shop", "project: "+name, "  orders:", "  orders:\n    topic: "+name+p.retention).Replace(shopProject)
			write(t, filepath.Join(p.dir, "caudal.yaml"), project+strings.Join([]string{p.kafka, p.redis, p.lake}, "\n")+"\n")
			write(t, filepath.Join(p.dir, "views", "sales.yaml"), p.view)
			early := time.Since(p.now)
			d := &doctor{app: &app{projectDir: p.dir, stdout: os.Stdout, stderr: os.Stderr}, dir: p.dir, patience: p.patience, now: func() time.Time { return time.Now().Add(-early) }}
			d.examine(t.Context())
			words := strings.NewReplacer("TOPIC", name, "PROJECT", name)
			var seen []string
			for _, f := range d.findings {
				if strings.HasPrefix(f.Check, words.Replace(m.check)) && f.Result == m.result && strings.Contains(f.Found, words.Replace(m.found)) && strings.Contains(f.Mend, words.Replace(m.mend)) {
					return
				}
				seen = append(seen, fmt.Sprintf("%s %s: %s; mend: %s", f.Result, f.Check, f.Found, f.Mend))
			}
			t.Errorf("no %s of %q that says %q and names %q among\n%s", m.result, m.check, m.found, m.mend, strings.Join(seen, "\n"))
		})
	}
}
