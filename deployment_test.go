package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/caudal/caudal/internal/testservices"
)

// call is how a description calls the command.
type call struct {
	where string
	args  []string
}

// callsOf finds the command lines of every description that this repository has, in compose, Kubernetes, systemd, cron and Terraform.
func callsOf(t *testing.T) (calls []call) {
	t.Helper()
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var compose struct {
		Services map[string]struct{ Command []string }
	}
	if err := yaml.UnmarshalWithOptions(read("infra/compose/compose.yaml"), &compose, yaml.AllowDuplicateMapKey()); err != nil { // "<<" and what it is overridden by
		t.Fatal(err)
	}
	for name, s := range compose.Services {
		if len(s.Command) > 0 && slices.Contains([]string{"run", "batch", "produce"}, s.Command[0]) {
			calls = append(calls, call{"compose " + name, s.Command})
		}
	}
	for pattern, line := range map[string]*regexp.Regexp{
		"infra/kubernetes/base/*.yaml":       regexp.MustCompile(`(?m)^ +args: \[(.*)\]$`),
		"infra/systemd/*.service":            regexp.MustCompile(`(?m)^ExecStart=/usr/bin/caudal (.*)$`),
		"infra/cron/caudal":                  regexp.MustCompile(`(?m)^0 .* caudal (flock .*)$`),
		"terraform/modules/roles/cluster.tf": regexp.MustCompile(`(?m)^ +[a-z]+ += \[("run", .*|"batch", .*)\]$`),
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range paths {
			for _, found := range line.FindAllStringSubmatch(string(read(path)), -1) {
				args := strings.FieldsFunc(found[1], func(r rune) bool { return strings.ContainsRune(` ,"`, r) })
				calls = append(calls, call{path, args})
			}
		}
	}
	return calls
}

// deployment is the project of infra/project on real services, with each role before a bucket that lets it do what Terraform does.
type deployment struct {
	t         *testing.T
	dir, name string
	s3        testservices.S3Server
	brokers   string
	redis     string
	rights    map[string]*customs // by role
	ended     []func()
	serve     []string // addresses
	watch     []string
}

// role is whose rights a call has.
func role(args []string) string {
	if args[0] == "run" {
		return args[1]
	}
	return args[0]
}

// prepared is a call as it can run here: with an address of its own and the project's folder, by the variables of compose.
func (d *deployment) prepared(args []string) (c *exec.Cmd, address string) {
	args = slices.Clone(args)
	var lock string
	if args[0] == "flock" {
		lock, args = args[2], args[4:] // flock -n LOCK caudal …
	}
	r := role(args)
	for i, arg := range args {
		switch {
		case i > 0 && args[i-1] == "--http":
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				d.t.Fatal(err)
			}
			address = l.Addr().String()
			l.Close()
			args[i] = address
		case arg == "/etc/caudal":
			args[i] = d.dir
		}
	}
	if r == "serve" {
		args = append(args, "--sql", "127.0.0.1:0") // the default is one for the machine
	}
	c = caudal(d.t, args...)
	if lock != "" {
		c.Args = append([]string{"flock", "-n", filepath.Join(d.dir, "lock"), c.Path}, args...)
		c.Path, c.Err = exec.LookPath("flock")
	}
	endpoint := d.s3.Endpoint
	if d.rights[r] != nil {
		endpoint = d.rights[r].URL
	}
	c.Dir = d.dir // as the image's WORKDIR
	c.Env = append(c.Env, "KAFKA_BROKERS="+d.brokers, "REDIS_ADDRS="+d.redis, "LAKE_URL=s3://"+d.s3.Bucket+"/"+d.name, "LAKE_ENDPOINT="+endpoint,
		"LAKE_ACCESS_KEY="+d.s3.AccessKey, "LAKE_SECRET_KEY="+d.s3.SecretKey, "LAKE_REGION="+d.s3.Region, "LAKE_PATH_STYLE=true", "CAUDAL_CACHE="+d.t.TempDir())
	return c, address
}

// TestEveryCommandOfTheDescriptionsDoesItsWork takes the command lines out of compose, Kubernetes, systemd, cron and Terraform and runs each for
// real, with the definitions, the variables and the rights to the lake that it has there: the roles until they are ready and answer, the batch
// until it has published, cron's line through flock. Nobody asks for a right that Terraform does not give, and serve uses all of its few.
func TestEveryCommandOfTheDescriptionsDoesItsWork(t *testing.T) {
	long(t)
	brokers, redis := testservices.Kafka(t), testservices.Redis(t)
	d := &deployment{t: t, dir: t.TempDir(), name: projectName(t), s3: testservices.S3(t), brokers: brokers[0], redis: redis, rights: map[string]*customs{}}
	for r, rights := range readRights(t) {
		d.rights[r] = passThrough(t, d.s3, d.name, rights)
	}
	d.files()
	roles, others := map[string]call{}, map[string]call{}
	seen := map[string]int{}
	for _, c := range callsOf(t) {
		seen[strings.Fields(c.where)[0]]++
		into := others
		if c.args[0] == "run" {
			into = roles
		}
		into[regexp.MustCompile(`--http \S+`).ReplaceAllString(strings.Join(c.args, " "), "--http X")] = c // each once, however many call it so
	}
	t.Logf("calls: %v", seen)
	if len(roles) != 8 || len(others) != 5 || seen["compose"] != 6 {
		t.Fatalf("%d calls of roles and %d others: %v, %v", len(roles), len(others), roles, others)
	}
	for _, line := range slices.Backward(slices.Sorted(maps.Keys(roles))) { // speed before archive: it is the first to say what there is
		d.runs(roles[line])
	}
	for _, line := range slices.Backward(slices.Sorted(maps.Keys(others))) { // produce before batch
		d.does(others[line])
	}
	d.asks()
	for _, end := range d.ended {
		end()
	}
	for r, c := range d.rights {
		if len(c.denied) > 0 {
			t.Errorf("%s asked for rights to the lake that Terraform does not give it: %v", r, c.denied)
		}
		for _, pattern := range c.rights.Put {
			if r == "serve" && !c.used[pattern] {
				t.Errorf("%s may put %s, and does not", r, pattern)
			}
		}
	}
}

// files copies the project, under a name of its own and with an alert, so that watch has work.
func (d *deployment) files() {
	for _, path := range []string{"caudal.yaml", "views/sales.yaml"} {
		text, err := os.ReadFile(filepath.Join("infra/project", path))
		if err != nil {
			d.t.Fatal(err)
		}
		changed := strings.NewReplacer("project: shop\n", "project: "+d.name+"\nsinks: {ops: {kafka: "+d.name+"_alerts}}\n", "  orders:\n", "  orders:\n    topic: "+d.name+"\n").Replace(string(text))
		write(d.t, filepath.Join(d.dir, path), changed)
	}
	testservices.LeaveNoTopic(d.t, d.name+"_alerts")
	write(d.t, filepath.Join(d.dir, "alerts", "busy.yaml"), "alert: busy\nview: sales\nby: [country]\nwhen: \"lines > 1\"\nto: [ops]\nlook_back: 3000d\n")
}

// runs starts a role and waits until it is ready; it has to end well when it is told to.
func (d *deployment) runs(c call) {
	run, address := d.prepared(c.args)
	var log bytes.Buffer
	run.Stderr = &log
	if err := run.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	if err := eventually(func() error {
		select {
		case err := <-ended:
			d.t.Fatalf("%s: caudal %s ended: %v\n%s", c.where, strings.Join(c.args, " "), err, &log)
		default:
		}
		return isReady(address)
	}); err != nil {
		d.t.Fatalf("%s: caudal %s is not ready: %v\n%s", c.where, strings.Join(c.args, " "), err, &log)
	}
	switch role(c.args) {
	case "serve":
		d.serve = append(d.serve, address)
	case "watch":
		d.watch = append(d.watch, address)
	}
	d.ended = append(d.ended, func() {
		if err := run.Process.Signal(os.Interrupt); err != nil {
			d.t.Error(err)
		}
		if err := <-ended; err != nil {
			d.t.Errorf("%s: caudal %s: %v\n%s", c.where, strings.Join(c.args, " "), err, &log)
		}
	})
}

// does runs a command to its end.
func (d *deployment) does(c call) {
	run, _ := d.prepared(c.args)
	if c.args[0] == "produce" {
		var lines strings.Builder
		for i := range 50 {
			fmt.Fprintf(&lines, `{"line_id":"l%d","order_id":"o%d","ordered_at":"2026-01-01T10:%02d:00Z","country":"Spain","customer_id":"c%d","amount":"1.50"}`+"\n", i, i/2, i%3, i%7)
		}
		run.Stdin = strings.NewReader(lines.String())
	}
	if out, err := run.CombinedOutput(); err != nil {
		d.t.Errorf("%s: %s: %v\n%s", c.where, strings.Join(c.args, " "), err, out)
	}
}

// asks sees that all servers answer with what was produced and published, silences an alert and acknowledges what it found through one of them, and
// sees that one of those who watch does.
func (d *deployment) asks() {
	get := func(method, url string) (string, error) {
		request, err := http.NewRequest(method, url, nil)
		if err != nil {
			return "", err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode >= 300 {
			err = fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, text)
		}
		return string(text), err
	}
	until := func(what string, holds func() error) {
		d.t.Helper()
		if err := eventually(holds); err != nil {
			d.t.Errorf("%s: %v", what, err)
		}
	}
	for _, address := range d.serve {
		until("an answer by batch", func() error {
			text, err := get(http.MethodGet, "http://"+address+"/v1/views/sales/query?measures=lines,revenue&grain=1d")
			if err == nil && !(strings.Contains(text, `"75.00"`) && strings.Contains(text, `"batch"`)) {
				err = fmt.Errorf("%s", text)
			}
			return err
		})
	}
	id := ""
	until("an alert", func() error {
		text, err := get(http.MethodGet, "http://"+d.serve[0]+"/v1/alerts?phase=firing,pending,recovered,passed,waiting,corrected")
		if found := regexp.MustCompile(`"id": ?"([^"]+)"`).FindStringSubmatch(text); err == nil && found == nil {
			err = fmt.Errorf("%s", text)
		} else if err == nil {
			id = found[1]
		}
		return err
	})
	for _, path := range []string{"/v1/silences?alert=busy&labels=country=Spain&for=1h", "/v1/alerts/" + id + "/acknowledge?comment=seen"} {
		if _, err := get(http.MethodPost, "http://"+d.serve[0]+path); err != nil {
			d.t.Error(err)
		}
	}
	until("who watches", func() error {
		works := 0
		for _, address := range d.watch {
			text, err := get(http.MethodGet, "http://"+address+"/metrics")
			if err != nil {
				return err
			}
			works += strings.Count(text, "\ncaudal_watch_working 1\n")
		}
		if works != 1 {
			return fmt.Errorf("%d of %d watch", works, len(d.watch))
		}
		return nil
	})
}

// eventually asks until there is no error, for a minute at most, and returns the last one.
func eventually(holds func() error) (err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = holds(); err == nil {
			return nil
		}
	}
	return err
}
