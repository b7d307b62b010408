package testservices

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Tab is a page of a browser, with a storage of its own. Its methods fail the test that it was opened for.
type Tab struct {
	tb      testing.TB
	browser *Browser
	session string

	mu         sync.Mutex
	complaints []string
}

// Screen is what a tab is shown on.
type Screen struct {
	Width, Height int // CSS px
	Phone         bool
	Dark          bool
	Still         bool   // the reader wants no motion
	Locale        string // of the reader; default en-GB
}

// Open opens an address on a screen and closes it when the test ends.
func (b *Browser) Open(tb testing.TB, screen Screen, url string) *Tab {
	tb.Helper()
	t := &Tab{tb: tb, browser: b}
	var context struct {
		ID string `json:"browserContextId"`
	}
	t.must(b.call("", "Target.createBrowserContext", map[string]any{}, &context))
	tb.Cleanup(func() {
		b.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": context.ID}, nil)
	})
	var target struct {
		ID string `json:"targetId"`
	}
	t.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.ID}, &target))
	var attached struct {
		Session string `json:"sessionId"`
	}
	t.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached))
	t.session = attached.Session
	b.mu.Lock()
	b.tabs[t.session] = t
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		t.call(domain+".enable", map[string]any{}, nil)
	}
	t.call("Target.activateTarget", map[string]any{"targetId": target.ID}, nil)
	t.Show(screen)
	t.Go(url)
	return t
}

// Show changes the screen.
func (t *Tab) Show(s Screen) {
	t.tb.Helper()
	scheme, motion := "light", "no-preference"
	if s.Dark {
		scheme = "dark"
	}
	if s.Still {
		motion = "reduce"
	}
	if s.Locale == "" {
		s.Locale = "en-GB"
	}
	t.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": s.Width, "height": s.Height, "deviceScaleFactor": 1, "mobile": s.Phone}, nil)
	t.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}}}, nil)
	t.call("Emulation.setLocaleOverride", map[string]any{"locale": s.Locale}, nil)
}

// Go loads an address, and returns once the document is there; what its scripts do then is another matter: Wait.
func (t *Tab) Go(url string) {
	t.tb.Helper()
	var went struct {
		Error string `json:"errorText"`
	}
	t.call("Page.navigate", map[string]any{"url": url}, &went)
	if went.Error != "" {
		t.tb.Fatalf("open %s: %s", url, went.Error)
	}
	t.Wait(`document.readyState === 'complete'`)
}

// Eval evaluates JavaScript in the page and reads what it gives, a promise's end too, into a value, unless that is nil.
func (t *Tab) Eval(expression string, into any) {
	t.tb.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
				Value       any    `json:"value"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	t.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &answer)
	if e := answer.Exception; e != nil {
		t.tb.Fatalf("%s: %s %s %v", expression, e.Text, e.Exception.Description, e.Exception.Value)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.Result.Value, into); err != nil {
		t.tb.Fatalf("%s: %v: %s", expression, err, answer.Result.Value)
	}
}

// Wait waits until a JavaScript condition holds, ten seconds at most.
func (t *Tab) Wait(condition string) {
	t.tb.Helper()
	var held bool
	t.Eval(fmt.Sprintf(`new Promise(end => { const last = Date.now() + 10000; (function look() { const held = !!(%s); if (held || Date.now() > last) end(held); else setTimeout(look, 15); })(); })`, condition), &held)
	if !held {
		var text string
		t.Eval("document.body.innerText.slice(0, 3000)", &text)
		t.tb.Fatalf("it does not come true: %s\n%v\n%s", condition, t.Complaints(), text)
	}
}

// Click presses the mouse in the middle of an element, as a person would: what covers it gets the click.
func (t *Tab) Click(selector string) {
	t.tb.Helper()
	var at struct{ X, Y float64 }
	t.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({ block: 'center', behavior: 'instant' }); const r = e.getBoundingClientRect(); return { X: r.x + r.width / 2, Y: r.y + r.height / 2 }; })()`, selector), &at)
	t.Point(at.X, at.Y)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		t.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Point moves the mouse to a place, in CSS px of the window.
func (t *Tab) Point(x, y float64) {
	t.tb.Helper()
	t.call("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": x, "y": y}, nil)
}

var keyCodes = map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}

// Press presses keys by their names, as KeyboardEvent.key has them.
func (t *Tab) Press(keys ...string) {
	t.tb.Helper()
	for _, key := range keys {
		text := map[string]string{"Enter": "\r", " ": " "}[key]
		t.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": keyCodes[key], "text": text}, nil)
		t.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": keyCodes[key]}, nil)
	}
}

// Type writes a text into what has the focus.
func (t *Tab) Type(text string) {
	t.tb.Helper()
	t.call("Input.insertText", map[string]any{"text": text}, nil)
}

// Picture writes a picture of the page, all of it, as a PNG. It scrolls the page to its top.
func (t *Tab) Picture(path string) {
	t.tb.Helper()
	t.Eval(`scrollTo({ top: 0, behavior: 'instant' })`, nil)
	var shot struct {
		Data string `json:"data"`
	}
	t.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	t.must(err)
	t.must(os.MkdirAll(filepath.Dir(path), 0o755))
	t.must(os.WriteFile(path, data, 0o644))
}

// Complaints are errors and warnings of the console, exceptions that nobody caught and requests that failed, since the tab was opened.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.complaints...)
}

// note keeps what the browser complains about.
func (t *Tab) note(method string, params json.RawMessage) {
	var said struct {
		Type     string            `json:"type"`
		Args     []json.RawMessage `json:"args"`
		Entry    struct{ Level, Text, URL string }
		Details  struct{ Text string } `json:"exceptionDetails"`
		Canceled bool                  `json:"canceled"`
	}
	if json.Unmarshal(params, &said) != nil {
		return
	}
	var wrong bool
	switch method {
	case "Runtime.consoleAPICalled":
		wrong = said.Type == "error" || said.Type == "warning"
	case "Runtime.exceptionThrown":
		wrong = true
	case "Log.entryAdded":
		wrong = said.Entry.Level == "error" || said.Entry.Level == "warning"
	case "Network.loadingFailed":
		wrong = !said.Canceled
	}
	if wrong {
		t.mu.Lock()
		t.complaints = append(t.complaints, method+" "+string(params))
		t.mu.Unlock()
	}
}

func (t *Tab) call(method string, params, into any) {
	t.tb.Helper()
	t.must(t.browser.call(t.session, method, params, into))
}

func (t *Tab) must(err error) {
	t.tb.Helper()
	if err != nil {
		t.tb.Fatal(err)
	}
}
