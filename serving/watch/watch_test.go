package watch

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
)

func TestAnAlertIsToldFromItsBeginningToItsEnd(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML)
	stop := w.start(nil)
	w.eventually("the alert was looked at before there were events", func() bool { return w.state("spender").Begun })
	w.cells.set("anna", 0, 11)
	w.cells.until(1)
	w.eventually("anna was told of", func() bool { return slices.Equal(w.told("ops.alerts"), []string{"firing anna@0"}) })
	w.cells.set("bob", 1, 12)
	w.cells.until(11)
	w.seen("spender", 11)
	if got := w.told("ops.alerts"); !slices.Equal(got, []string{"firing anna@0", "recovered anna@0", "firing bob@1"}) {
		t.Errorf("told %q", got)
	}
	w.cells.change(func() { w.cells.values["bob"][1] = 3; w.cells.snapshot = "s1" })
	w.eventually("a batch took bob's cause away", func() bool { return slices.Contains(w.told("ops.alerts"), "corrected bob@1") })
	must(t, stop())
	records := w.read("ops.alerts")
	if last := records[len(records)-1]; !strings.Contains(string(last.Value), `"reason":"corrected by batch"`) || string(last.Key) != string(records[2].Key) {
		t.Errorf("the last message is %s %s", last.Key, last.Value)
	}
}

func TestACrashBetweenAnyTwoStepsLosesNoAlertAndTellsNoneTwice(t *testing.T) {
	for _, step := range []string{"judged", "kept", "sent", "taken"} {
		for _, time := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s-%d", step, time), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				hooked := map[string]int{}
				hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					hooked[r.Header.Get(headerID)]++
				}))
				defer hook.Close()
				w := newWorld(t, hook.URL, viewYAML, strings.Replace(alertYAML, "[ops]", "[ops, hook]", 1))
				var met atomic.Int32
				crash := func(name string) error {
					if name == step && met.Add(1) == int32(time) {
						return errors.New(name)
					}
					return nil
				}
				stop := w.start(crash)
				defer func() { must(t, stop()) }()
				crashed := false
				story := []func(){
					func() { w.cells.set("anna", 0, 11); w.cells.set("bob", 0, 20); w.cells.until(1) },
					func() { w.cells.until(10) },
					func() { w.cells.set("anna", 2, 30); w.cells.until(12) },
					func() { w.cells.set("bob", 0, 1); w.cells.until(20) },
				}
				for i, happens := range story {
					happens()
					want := []int64{1, 10, 12, 20}[i]
					w.eventually(fmt.Sprintf("part %d was judged", i), func() bool {
						if !crashed && met.Load() >= int32(time) {
							if err := stop(); !errors.Is(err, errCrash) {
								t.Fatalf("it ended with %v", err)
							}
							crashed = true
							stop = w.start(nil)
						}
						s := w.state("spender")
						return s.Through >= want*minute && len(s.Outbox) == 0
					})
				}
				if !crashed {
					t.Fatal("it never came to the step")
				}
				want := []string{"corrected bob@0", "firing anna@0", "firing anna@2", "firing bob@0", "recovered anna@0", "recovered anna@2", "recovered bob@0"}
				got := w.told("ops.alerts")
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(hooked) != len(want) {
					t.Errorf("the webhook saw %d ids, want %d: %v", len(hooked), len(want), hooked)
				}
			})
		}
	}
}

// A burst is in the hops 1 to 4, which are all open when it comes.
func TestABurstInManyHopsIsToldOnceWhereverItCrashes(t *testing.T) {
	for _, step := range []string{"judged", "kept", "sent", "taken"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML+"window: last_20m\n")
			var met atomic.Int32
			stop := w.start(func(name string) error {
				if name == step && met.Add(1) == 1 {
					return errors.New(name)
				}
				return nil
			})
			defer func() { must(t, stop()) }()
			crashed := false
			burst := func(n int64) {
				w.cells.change(func() { w.cells.values["anna"] = map[int64]int64{0: 6, 1: n, 2: n, 3: n, 4: n, 5: 6} })
			}
			for i, happens := range []func(){
				func() { burst(12); w.cells.until(19) },
				func() { w.cells.until(44) },
				func() { w.cells.until(45) }, // hop 5 is over
				func() { w.cells.change(func() { w.cells.snapshot = "s1" }); burst(9) },
			} {
				happens()
				want := []int64{19, 44, 45, 45}[i]
				w.eventually(fmt.Sprintf("part %d was judged", i), func() bool {
					if !crashed && met.Load() > 0 {
						if err := stop(); !errors.Is(err, errCrash) {
							t.Fatalf("it ended with %v", err)
						}
						crashed = true
						stop = w.start(nil)
					}
					s := w.state("spender")
					return s.Through >= want*minute && len(s.Outbox) == 0 && (i < 3 || len(w.told("ops.alerts")) == 3)
				})
				if told := w.told("ops.alerts"); i == 1 && !slices.Equal(told, []string{"firing anna@1"}) {
					t.Errorf("before hop 5 is over told %q", told)
				}
			}
			if !crashed {
				t.Fatal("it never came to the step")
			}
			if got, want := w.told("ops.alerts"), []string{"firing anna@1", "recovered anna@1", "corrected anna@1"}; !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

func TestAWebhookIsSignedAndTriedAgain(t *testing.T) {
	var mu sync.Mutex
	var ids []string
	hook := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if ids = append(ids, r.Header.Get(headerID)); len(ids) < 3 {
			out.WriteHeader(http.StatusBadGateway)
			return
		}
		mac := hmac.New(sha256.New, []byte("hush"))
		fmt.Fprintf(mac, "%s.%s", r.Header.Get(headerTimestamp), text)
		if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); r.Header.Get(headerSignature) != want {
			t.Errorf("signed %s, want %s", r.Header.Get(headerSignature), want)
		}
		var m payload
		if err := json.Unmarshal(text, &m); err != nil || m.ID != ids[0] || m.Notices[0].Severity != "warning" {
			t.Errorf("the body is %s, %v", text, err)
		}
	}))
	defer hook.Close()
	w := newWorld(t, hook.URL, viewYAML, strings.Replace(alertYAML, "[ops]", "[hook]", 1))
	stop := w.start(nil)
	w.cells.set("anna", 0, 11)
	w.cells.until(1)
	w.seen("spender", 1)
	must(t, stop())
	if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("the ids are %v", ids)
	}
}

func TestAMessageThatNobodyTakesIsPutAsideAndSentOnceMore(t *testing.T) {
	var answer atomic.Int32
	answer.Store(http.StatusServiceUnavailable)
	hook := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { out.WriteHeader(int(answer.Load())) }))
	defer hook.Close()
	w := newWorld(t, hook.URL, viewYAML, strings.Replace(alertYAML, "[ops]", "[hook, chat]", 1))
	stop := w.start(nil)
	w.cells.set("anna", 0, 11)
	w.cells.until(1)
	w.eventually("the alert fires", func() bool { return len(w.state("spender").Outbox) == 1 })
	w.pass(61 * time.Minute)
	w.seen("spender", 1)
	answer.Store(http.StatusBadRequest) // this one is not tried again
	w.cells.set("bob", 1, 11)
	w.cells.until(6)
	w.seen("spender", 6)
	must(t, stop())
	letters, err := DeadLetters(context.Background(), w.lake)
	must(t, err)
	if len(letters) != 4 || letters[0].Sink != "chat" || letters[3].Sink != "hook" || !strings.Contains(letters[0].Reason+letters[1].Reason, "it answered 503") {
		t.Fatalf("dead letters %+v", letters)
	}
	for _, l := range letters {
		if strings.Contains(l.Reason, hook.URL[7:]) {
			t.Errorf("the reason names the URL: %s", l.Reason)
		}
	}
	again := Config{Project: w.project, Lake: w.lake, Stream: w.stream}
	if err := Resend(context.Background(), again, letters[0]); err == nil {
		t.Error("it was taken")
	}
	answer.Store(http.StatusOK)
	for _, l := range letters {
		must(t, Resend(context.Background(), again, l))
	}
	if letters, err = DeadLetters(context.Background(), w.lake); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
}

func TestOneWatchesAndTheNextGoesOn(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML)
	first := w.start(nil)
	w.cells.set("anna", 0, 11)
	w.cells.until(1)
	w.seen("spender", 1)
	second := w.start(nil)
	w.cells.until(10)
	w.seen("spender", 10)
	must(t, first())
	w.cells.set("bob", 2, 11)
	w.cells.until(12)
	w.seen("spender", 12)
	must(t, second())
	if got := w.told("ops.alerts"); !slices.Equal(got, []string{"firing anna@0", "recovered anna@0", "firing bob@2"}) {
		t.Errorf("told %q", got)
	}
}

func TestPartialAnswersAreNotJudged(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, strings.Replace(alertYAML, "> 10", "< 5", 1))
	defer w.start(nil)()
	w.eventually("the alert was looked at", func() bool { return w.state("spender").Begun })
	w.cells.change(func() {
		w.cells.values["anna"] = map[int64]int64{0: 1}
		w.cells.partial, w.cells.watermark = "the speed layer is away", 1
	})
	before := w.cells.asked
	w.eventually("it was asked again and again", func() bool {
		w.cells.mu.Lock()
		defer w.cells.mu.Unlock()
		return w.cells.asked > before+5
	})
	if s := w.state("spender"); len(s.Causes) != 0 {
		t.Errorf("a partial answer was judged: %+v", s.Causes)
	}
	w.cells.change(func() { w.cells.values["anna"][0], w.cells.partial = 100, "" })
	w.seen("spender", 1)
	if s := w.state("spender"); len(s.Causes) != 0 {
		t.Errorf("judged %+v", s.Causes)
	}
}

func TestAHistoryThatIsReplayedIsJudgedWholeAndInParts(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML)
	w.adjust = func(c *Config) { c.Windows = 3 }
	stop := w.start(nil)
	w.eventually("the alert was looked at before there were events", func() bool { return w.state("spender").Begun })
	w.cells.change(func() {
		w.cells.values["anna"] = map[int64]int64{10: 11, 11: 12, 12: 11, 13: 1, 1000: 12, 1001: 2, 5000: 3}
		w.cells.watermark = 5 * 5000
	})
	w.seen("spender", 5*5000)
	must(t, stop())
	if got := w.told("ops.alerts"); !slices.Equal(got, []string{"firing anna@10", "recovered anna@10", "firing anna@1000", "recovered anna@1000"}) {
		t.Errorf("told %q", got)
	}
}

// What is looked at again each time is more than one look may have of what there is to catch up with.
func TestAnAlertThatLooksFarBackGetsToTheEnd(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML+"look_back: 5h\n")
	w.adjust = func(c *Config) { c.Windows = 3 }
	stop := w.start(nil)
	w.cells.change(func() {
		w.cells.values["anna"] = map[int64]int64{}
		for bucket := range int64(100) {
			w.cells.values["anna"][bucket] = 1
		}
		w.cells.values["anna"][90] = 11
		w.cells.watermark = 500
	})
	w.seen("spender", 500)
	w.cells.set("anna", 95, 11)
	w.eventually("what came later is judged, too", func() bool { return len(w.told("ops.alerts")) == 4 })
	must(t, stop())
	if got := w.told("ops.alerts"); !slices.Equal(got, []string{"firing anna@90", "recovered anna@90", "firing anna@95", "recovered anna@95"}) {
		t.Errorf("told %q", got)
	}
}

func TestASilenceOfTheLakeIsHeard(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML)
	w.adjust = func(c *Config) { c.Beat = time.Second }
	silence, err := json.Marshal([]alert.Silence{{ID: "s", Alert: "spender", Until: w.clock().Add(time.Hour)}})
	must(t, err)
	must(t, w.lake.ChangeNote(context.Background(), "silences", func([]byte) ([]byte, error) { return silence, nil }))
	stop := w.start(nil)
	w.cells.set("anna", 0, 11)
	w.cells.until(1)
	w.seen("spender", 1)
	if got := w.read("ops.alerts"); len(got) != 0 {
		t.Errorf("told %v", got)
	}
	w.pass(2 * time.Hour)
	w.eventually("anna is told of when the silence is over", func() bool { return len(w.told("ops.alerts")) == 1 })
	must(t, stop())
}

func TestASentenceForPeopleMentionsNobody(t *testing.T) {
	user := "<!channel> & <http://x>"
	n := alert.Notice{Kind: alert.Firing, Severity: "critical", Alert: "a", Labels: alert.Labels{{Name: "user", Value: &user}}, Window: "5m", Bucket: "b"}
	if got, want := sentence(&n), "[CRITICAL] a firing: user=&lt;!channel&gt; &amp; &lt;http://x&gt; in the 5m from b"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestALockOfAnotherIsStoodByFor(t *testing.T) {
	w := newWorld(t, "http://127.0.0.1:1", viewYAML, alertYAML)
	lock, err := w.lake.Lock(context.Background(), "watch-shop", "other", w.clock(), time.Hour)
	must(t, err)
	watcher, err := New(Config{Project: w.project, Asker: w.cells, Lake: w.lake, Stream: w.stream, Clock: w.clock, LockTTL: 20 * time.Millisecond})
	must(t, err)
	if watcher.Ready() == nil {
		t.Error("it is ready before it has asked the lake")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- watcher.Run(ctx) }()
	w.eventually("it stands by", func() bool { return watcher.Ready() == nil })
	if s := w.state("spender"); s.Begun {
		t.Error("it works without the lock")
	}
	must(t, lock.Release(context.Background()))
	w.eventually("it works", func() bool { return w.state("spender").Begun })
	cancel()
	<-ended
}
