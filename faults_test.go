package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/seamtest"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/serving"
)

// The faults by name: each role is a process of its own over real Kafka, Redis and S3, one fault happens, nobody helps, and every number
// of every view is then what the naive fold of the log says.

// faultSeed makes the stream of orders, and picks the cases of a short run.
const faultSeed = 19680812

// allFaults says whether every case is to run and not a handful: `CAUDAL_TEST_FAULTS=all`, as in CI.
func allFaults() bool { return os.Getenv("CAUDAL_TEST_FAULTS") == "all" }

// long leaves a test to the full list.
func long(t *testing.T) {
	t.Helper()
	if !allFaults() {
		t.Skip("SKIP a fault of the full list: CAUDAL_TEST_FAULTS=all runs it")
	}
}

// handful is all cases, or n of them where not all are to run.
func handful[T any](cases []T, n int) []T {
	if allFaults() || n >= len(cases) {
		return cases
	}
	var some []T
	for _, i := range mrand.New(mrand.NewPCG(faultSeed, uint64(len(cases)))).Perm(len(cases))[:n] {
		some = append(some, cases[i])
	}
	return some
}

// site is the small shop with its roles as processes. What it says of its services a test may have to itself.
type site struct {
	t       *testing.T
	dir     string
	name    string
	shop    *seamtest.Shop
	parts   *services
	runs    int
	running []*life

	asShipped bool                 // see where
	command   string               // program that roles are started with; "": the one under test
	group     string               // consumer group of a speed worker that is to own all partitions, whoever else does; "": the usual one
	recorded  map[string]recording // by role
	asking    context.CancelFunc
	asked     chan error
}

// where says which services a site uses; "" and nil: those that all tests of the binary share.
type where struct {
	brokers []string
	redis   string
	cluster []string // addresses of a Redis cluster, in the place of redis
	lake    string   // a folder
	name    string   // of the project and its topic; "": one of its own

	asShipped bool // with the sizes and times of production, and not those of tests
}

// siteOf makes a site of two partitions, of which no role runs yet.
func siteOf(t *testing.T, at where) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), recorded: map[string]recording{}, name: cmp.Or(at.name, "faults_"+strings.ToLower(rand.Text()[:8])), asShipped: at.asShipped}
	if at.name == "" {
		testservices.LeaveNoTopic(t, s.name)
		testservices.LeaveNoKeys(t, s.name)
	}
	if at.brokers == nil {
		at.brokers = testservices.Kafka(t)
	}
	if at.redis == "" && at.cluster == nil {
		at.redis = testservices.Redis(t)
	}
	redis := at.cluster
	if redis == nil {
		redis = []string{at.redis}
	}
	lake := fmt.Sprintf(`{url: %q}`, at.lake)
	if at.lake == "" {
		s3 := testservices.S3(t)
		lake = fmt.Sprintf(`{url: "s3://%s/%s", endpoint: %q, region: %q, access_key: %q, secret_key: %q, path_style: true}`,
			s3.Bucket, s.name, s3.Endpoint, s3.Region, s3.AccessKey, s3.SecretKey)
	}
	session := ", session_timeout: 1s"
	if at.asShipped {
		session = ""
	}
	config := fmt.Sprintf("kafka: {brokers: %s%s}\nredis: {addrs: %s}\nlake: %s\n", quoted(at.brokers), session, quoted(redis), lake)
	for path, text := range seamtest.ShopFiles(s.name, config, 2) {
		write(t, filepath.Join(s.dir, path), text)
	}
	project, err := loadProject(t.Context(), s.dir)
	s.check(err)
	s.parts, err = connect(t.Context(), project, s.dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.check(err)
	t.Cleanup(func() { s.check(s.parts.close()) })
	s.check(s.parts.ensureTopics(t.Context()))
	s.shop, err = seamtest.OpenShop(seamtest.ShopConfig{Project: project, Stream: s.parts.stream, Live: s.parts.live, Lake: s.parts.lake,
		CacheDir: t.TempDir(), Seed: faultSeed})
	s.check(err)
	t.Cleanup(func() { s.check(s.shop.Close()) })
	t.Cleanup(s.end)
	return s
}

// quoted is a list as YAML has it.
func quoted(list []string) string { return `["` + strings.Join(list, `", "`) + `"]` }

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// end kills what runs, and shows what it said if the test has failed.
func (s *site) end() {
	s.quiet()
	for _, l := range s.running {
		select {
		case <-l.ended:
			if s.t.Failed() && l.err != nil {
				s.t.Logf("%s had ended before: %v", l.role, l.err)
			}
		default:
		}
		if err := l.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.t.Error(err)
		}
		<-l.ended
	}
	if !s.t.Failed() {
		return
	}
	for _, name := range []string{"speed", "archive", "batch"} {
		if text, err := os.ReadFile(s.log(name)); err == nil {
			s.t.Logf("%s said at last:\n%s", name, text[max(0, len(text)-6000):])
		}
	}
}

// log is the file of what a role says.
func (s *site) log(role string) string { return filepath.Join(s.dir, role+".log") }

// said is all that a role has said so far.
func (s *site) said(role string) string {
	text, err := os.ReadFile(s.log(role))
	s.check(err)
	return string(text)
}

// life is a process of a role.
type life struct {
	s     *site
	role  string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended
}

// start starts a role, which does the fault to itself when its time comes.
func (s *site) start(role string, fault stepFault) *life {
	s.t.Helper()
	return s.launch(role, fault, nil, "run", role, "--http", "")
}

func (s *site) launch(role string, fault stepFault, stdout io.Writer, args ...string) *life {
	s.t.Helper()
	l := &life{s: s, role: role, ended: make(chan struct{}), cmd: caudal(s.t, append(args, "--project", s.dir)...)}
	if s.command != "" {
		l.cmd.Path = s.command
	}
	log, err := os.OpenFile(s.log(role), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	s.check(err)
	l.cmd.Stdout, l.cmd.Stderr = stdout, log
	if !s.asShipped {
		l.cmd.Env = append(l.cmd.Env, ownGroup+"="+s.group, stepsFile+"="+s.stepsOf(role), clockShift+"="+filepath.Join(s.dir, "clock"))
	}
	if fault.do != "" {
		l.cmd.Env = append(l.cmd.Env, faultAt+"="+fault.String())
	}
	s.check(l.cmd.Start())
	s.check(log.Close())
	go func() { l.err = l.cmd.Wait(); close(l.ended) }()
	s.running = append(s.running, l)
	return l
}

// setClock moves the clock of all roles at once.
func (s *site) setClock(by string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "clock")
	s.check(os.WriteFile(path+".new", []byte(by), 0o644))
	s.check(os.Rename(path+".new", path))
}

// noted is what a role has written down of its steps; "" before its first one.
func (s *site) noted(role string) string {
	text, err := os.ReadFile(s.stepsOf(role))
	if !errors.Is(err, os.ErrNotExist) {
		s.check(err)
	}
	return string(text)
}

// stepsOf is the file of the steps that a role came to.
func (s *site) stepsOf(role string) string { return filepath.Join(s.dir, role+".steps") }

// signal sends a signal to the process.
func (l *life) signal(sig syscall.Signal) {
	l.s.t.Helper()
	l.s.check(l.cmd.Process.Signal(sig))
}

// killed waits until the process has died by SIGKILL; meanwhile is called again and again until then.
func (l *life) killed(meanwhile func()) {
	l.s.t.Helper()
	for deadline := time.Now().Add(patience); ; meanwhile() {
		select {
		case <-l.ended:
			var exit *exec.ExitError
			if errors.As(l.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
				return
			}
			l.s.t.Fatalf("%s ended by itself: %v", l.role, l.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			l.s.t.Fatalf("%s never came to its fault", l.role)
		}
	}
}

// patience is how long a test waits for what has to come: far longer than it takes, as others may want the machine too.
const patience = 2 * time.Minute

// stopWithin bounds how long a role may take to end after SIGTERM.
const stopWithin = 15 * time.Second

// stops waits until the process has ended in its own way, and well.
func (l *life) stops() {
	l.s.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(stopWithin):
		l.s.t.Fatalf("%s does not end within %v of SIGTERM", l.role, stopWithin)
	}
	if l.err != nil {
		l.s.t.Fatalf("%s does not end well after SIGTERM: %v", l.role, l.err)
	}
}

// terminate ends the process with SIGTERM.
func (l *life) terminate() {
	l.s.t.Helper()
	l.signal(syscall.SIGTERM)
	l.stops()
}

// kill ends the process as kill -9 does.
func (l *life) kill() {
	l.s.t.Helper()
	l.signal(syscall.SIGKILL)
	<-l.ended
}

// frozen waits until the process has stopped itself; meanwhile is called again and again until then.
func (l *life) frozen(meanwhile func()) {
	l.s.t.Helper()
	l.s.until(l.role+" is frozen", func() error {
		select {
		case <-l.ended:
			l.s.t.Fatalf("%s ended by itself: %v", l.role, l.err)
		default:
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.cmd.Process.Pid))
		if err == nil && !bytes.Contains(stat, []byte(") T ")) {
			meanwhile()
			err = errors.New("it runs")
		}
		return err
	})
}

// until waits for what others bring about, without help.
func (s *site) until(what string, holds func() error) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := holds()
		if err == nil {
			return
		}
		if seamtest.Wrong(err) {
			s.t.Fatalf("%s: %v", what, err)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not come about: %v", what, err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.t.Context().Done():
			s.t.Fatal(s.t.Context().Err())
		}
	}
}

// produce writes the next orders.
func (s *site) produce(n int) {
	s.t.Helper()
	s.check(s.shop.Produce(s.t.Context(), n))
}

// ask begins to ask both views in the background, through all that happens: answers may be missing and partial, never wrong.
func (s *site) ask() {
	s.quiet()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.asking, s.asked = cancel, make(chan error, 1)
	questions := append(seamtest.Totals(), serving.Query{View: "sales", Grain: "1h", Dimensions: []string{"country"}})
	go func() {
		for i := 0; ; i++ {
			if _, err := s.shop.Ask(ctx, questions[i%len(questions)]); seamtest.Wrong(err) {
				s.asked <- err
				return
			}
			select {
			case <-ctx.Done():
				s.asked <- nil
				return
			case <-time.After(30 * time.Millisecond):
			}
		}
	}()
}

// quiet ends the questions of ask.
func (s *site) quiet() {
	s.t.Helper()
	if s.asking == nil {
		return
	}
	s.asking()
	s.asking = nil
	if err := <-s.asked; err != nil {
		s.t.Errorf("an answer during the fault: %v", err)
	}
}

// heals waits until every record is in the answers, and compares every number of them.
func (s *site) heals() {
	s.t.Helper()
	s.until("the answers are whole", func() error { return s.shop.UpToDate(s.t.Context()) })
	s.check(s.shop.Whole(s.t.Context()))
}

// archived waits until every record is in the lake, once.
func (s *site) archived() {
	s.t.Helper()
	s.until("the log is archived", func() error { return s.shop.Archived(s.t.Context()) })
}

// settles is the end of most tests: answers whole, the log archived, and a batch run that publishes the same numbers and has nothing in
// its ledger that nobody can explain.
func (s *site) settles() {
	s.t.Helper()
	s.quiet()
	s.heals()
	s.archived()
	s.batch("--full")
	s.heals()
}

// batch runs the batch layer as cron does, again while the lock of a run that was killed stands.
func (s *site) batch(args ...string) (report batch.Report) {
	s.t.Helper()
	s.until("a batch run", func() (err error) {
		report, err = s.tryBatch(args...)
		return err
	})
	s.explained(report)
	return report
}

// tryBatch runs the batch layer.
func (s *site) tryBatch(args ...string) (report batch.Report, err error) {
	s.t.Helper()
	var out bytes.Buffer
	l := s.launch("batch", none, &out, append([]string{"batch", "run", "-o", "json"}, args...)...)
	<-l.ended
	if l.err != nil {
		return report, fmt.Errorf("%w: %s", l.err, lastLine(s.said("batch")))
	}
	return report, json.Unmarshal(out.Bytes(), &report)
}

// explained fails where a run changed an answer and does not know why.
func (s *site) explained(report batch.Report) {
	s.t.Helper()
	for _, v := range report.Views {
		if v.Unexplained > 0 {
			s.t.Fatalf("run %s: the ledger of view %s has %d answers that changed and nobody knows why: %+v", report.Run, v.View, v.Unexplained, v)
		}
	}
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// none is no fault.
var none = stepFault{}
