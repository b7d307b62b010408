package view

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const soundAlert = `alert: big_spender
description: d
view: sales
window: 1h
by: [country]
where: "country = 'France' or product like 'A%' and not (product in ('x', 'y'))"
when: "revenue > -5000.5 and lines >= 10 or avg_line is not null"
severity: critical
for: 2m
cool_down: 30m
group_by: []
to: [ops, log]
`

const sinksYAML = `sinks:
  ops: {kafka: ops.alerts}
  hook: {webhook: "https://example.com/x", secret: "${HOOK}", give_up: 10m}
  chat: {slack: "https://example.com/slack"}
`

func parseAlert(text string) (*Project, Problems) {
	files := []File{
		{Path: "caudal.yaml", Data: []byte(soundServices + sinksYAML)},
		{Path: "alerts/a.yaml", Data: []byte(text)},
		{Path: "views/a.yaml", Data: []byte(soundView)},
	}
	return Parse(files, func(string) (string, bool) { return "x", true }, fakeChecker{})
}

func TestAnAlertIsReadWithItsViewAndSinks(t *testing.T) {
	p, problems := parseAlert(soundAlert)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a := p.Alerts[0]
	if a.Name != "big_spender" || a.View.Name != "sales" || a.Window.Name != "1h" || a.For != 2*time.Minute || a.CoolDown != 30*time.Minute || a.Ungrouped ||
		a.LookBack != 12*time.Hour || !slices.Equal(a.To, []string{"ops", "log"}) || a.Severity != "critical" || a.Closed || len(a.Hash) != 64 {
		t.Errorf("the alert is %+v", a)
	}
	if got := a.Measures(); !slices.Equal(got, []string{"revenue", "lines", "avg_line"}) {
		t.Errorf("it looks at %v", got)
	}
	if s := p.Sinks; len(s) != 4 || s[0].Name != "log" || s[2].Secret != "x" || s[2].GiveUp != 10*time.Minute || s[3].Kind != SinkSlack {
		t.Errorf("the sinks are %+v", s)
	}
}

func TestAnAlertThatSaysLittleHasDefaults(t *testing.T) {
	p, problems := parseAlert("alert: quiet\nview: sales\nno_data: 10m\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a := p.Alerts[0]; a.Window.Name != "1m" || a.Severity != "warning" || !slices.Equal(a.To, []string{"log"}) || !a.Closed || !a.Ungrouped || a.NoData != 10*time.Minute {
		t.Errorf("the alert is %+v", a)
	}
	p, problems = parseAlert("alert: f\nview: sales\nwindow: 1h\nforecast: {measure: lines, season: 1d, least: 5, side: above}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if f := p.Alerts[0].Forecast; f.Periods != 7 || f.Enough != 4 || f.Sigmas != 3 || f.Least != 5 || !f.Above || f.Below {
		t.Errorf("the forecast is %+v", f)
	}
	p, problems = parseAlert("alert: c\nview: sales\nwindow: 1h\nchange: {measure: lines, against: 7d, above: 50%, below: -0.25}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c := p.Alerts[0].Change; c.Against != 7*24*time.Hour || *c.Above != 0.5 || *c.Below != -0.25 {
		t.Errorf("the change is %+v", c)
	}
}

func TestTheHashOfAnAlertIsOfWhatDecidesWhenItFires(t *testing.T) {
	hash := func(text string) string {
		p, problems := parseAlert(text)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return p.Alerts[0].Hash
	}
	was := hash(soundAlert)
	for _, told := range []string{"severity: info", "to: [hook]", "group_by: [country]", "description: other"} {
		key, _, _ := strings.Cut(told, ":")
		lines := strings.Split(soundAlert, "\n")
		for i := range lines {
			if strings.HasPrefix(lines[i], key+":") {
				lines[i] = told
			}
		}
		if got := hash(strings.Join(lines, "\n")); got != was {
			t.Errorf("%s changes the hash", told)
		}
	}
	for _, c := range [][2]string{{"for: 2m", "for: 3m"}, {"10 or", "11 or"}, {"'France'", "'Spain'"}, {"window: 1h", "window: 1d"}} {
		if hash(strings.Replace(soundAlert, c[0], c[1], 1)) == was {
			t.Errorf("%s leaves the hash", c[1])
		}
	}
}

const hopsYAML = "windows: [{name: last_2h, hopping: {size: 2h, every: 1h}}, {name: last_3h, hopping: {size: 3h, every: 2h}}, {name: visits, session: {gap: 1h, max: 2h}}]\n"

func TestAnAlertMayBeOverHops(t *testing.T) {
	parse := func(windows, alert string) (*Project, Problems) {
		return Parse([]File{{Path: "caudal.yaml", Data: []byte(soundServices + sinksYAML)}, {Path: "alerts/a.yaml", Data: []byte(alert)},
			{Path: "views/a.yaml", Data: []byte(soundView + windows)}}, func(string) (string, bool) { return "x", true }, fakeChecker{})
	}
	over := func(window string) string { return strings.Replace(soundAlert, "window: 1h", "window: "+window, 1) }
	p, problems := parse(hopsYAML, over("last_2h"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a := p.Alerts[0]
	if a.Window.Name != "last_2h" || a.Window.Size() != 2*time.Hour || a.Window.Step() != time.Hour || a.LookBack != 24*time.Hour {
		t.Errorf("the alert is %+v", a)
	}
	other, problems := parse(strings.Replace(hopsYAML, "size: 2h", "size: 4h", 1), over("last_2h"))
	if len(problems) > 0 || other.Alerts[0].Hash == a.Hash || other.Views[0].Hash != p.Views[0].Hash {
		t.Errorf("another size of the hops leaves the alert's hash, or changes the view's: %v", problems)
	}
	change := func(window, rest string) string {
		return "alert: c\nview: sales\nwindow: " + window + "\nchange: {measure: lines, above: 50%" + rest + "}\n"
	}
	for alert, want := range map[string]string{
		over("last_2"): `alerts/a.yaml:4:9: view sales has no grain and no hopping window "last_2" for window of alert big_spender: did you mean "last_2h"?; or add it to the view`,
		over("visits"): `alerts/a.yaml:4:9: window of alert big_spender: visits is a session window, and late events move where a session begins, join two and cut one, so that nothing could be told of it once: ` +
			`name a grain, or hops that are as long as a session may be: {name: last_2h, hopping: {size: 2h, every: 1h}} in windows of view sales; that one is over tells no_data: 1h, without a window`,
		change("last_3h", ""):                                   `change of alert c is against the hop before, and none of window last_3h ends where another begins: write against`,
		change("last_3h", ", against: 3h"):                      `against of change of alert c is no whole number of windows of last_3h`,
		"alert: q\nview: sales\nwindow: last_2h\nno_data: 1h\n": `alert q: no_data has no window that hops: leave window out`,
	} {
		if _, problems := parse(hopsYAML, alert); !containsProblem(problems, want) {
			t.Errorf("%s: got\n%v\nwant %s", alert, problems, want)
		}
	}
	for _, alert := range []string{change("last_2h", ""), change("last_3h", ", against: 4h")} {
		if _, problems := parse(hopsYAML, alert); len(problems) > 0 {
			t.Errorf("%s: %v", alert, problems)
		}
	}
}

// What is proposed in place of sessions can be written as it stands.
func TestWhatIsProposedInPlaceOfSessionsIsSound(t *testing.T) {
	proposed := regexp.MustCompile(`{name: (last_\w+), hopping: {.*?}}`)
	noData := regexp.MustCompile(`no_data: \w+`)
	for _, session := range []string{"gap: 1h, max: 2h", "gap: 30m, max: 12h", "gap: 90m, max: 100m", "gap: 7m, max: 31d", "gap: 2m30s, max: 150s", "gap: 26h, max: 72h"} {
		parse := func(windows, alert string) Problems {
			_, problems := Parse([]File{{Path: "caudal.yaml", Data: []byte(soundServices + sinksYAML)}, {Path: "alerts/a.yaml", Data: []byte(alert)},
				{Path: "views/a.yaml", Data: []byte(soundView + "windows: [{name: visits, session: {" + session + "}}" + windows + "]\n")}}, func(string) (string, bool) { return "x", true }, fakeChecker{})
			return problems
		}
		problems := parse("", strings.Replace(soundAlert, "window: 1h", "window: visits", 1))
		if len(problems) != 1 {
			t.Fatalf("%s: %v", session, problems)
		}
		text := fmt.Sprint(problems)
		hop, quiet := proposed.FindStringSubmatch(text), noData.FindString(text)
		if hop == nil || quiet == "" {
			t.Fatalf("%s: %s", session, text)
		}
		if problems := parse(", "+hop[0], strings.Replace(soundAlert, "window: 1h", "window: "+hop[1], 1)); len(problems) > 0 {
			t.Errorf("%s, %s: %v", session, hop[0], problems)
		}
		if problems := parse("", "alert: q\nview: sales\n"+quiet+"\n"); len(problems) > 0 {
			t.Errorf("%s, %s: %v", session, quiet, problems)
		}
	}
}

func TestMistakesOfAnAlertAreToldWithTheirPlaceAndMend(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"view: sales", "view: sale", `alerts/a.yaml:3:7: unknown view "sale" in alert big_spender: did you mean "sales"?`},
		{"window: 1h", "window: 5m", `view sales has no grain and no hopping window "5m" for window of alert big_spender: did you mean "1m"?; or add it to the view`},
		{"by: [country]", "by: [contry]", `alerts/a.yaml:5:6: unknown dimension "contry" in by of alert big_spender: did you mean "country"?`},
		{"revenue > ", "revenu > ", `alerts/a.yaml:7:8: when of alert big_spender: "revenu" is no measure of view sales: mend`},
		{"avg_line is not null", "avg_line = 'x", `alerts/a.yaml:7:56: when of alert big_spender: a quote that is not closed`},
		{"country = 'France'", "contry = 'France'", `alerts/a.yaml:6:9: where of alert big_spender: "contry" is no dimension of view sales: mend`},
		{"severity: critical", "severity: bad", `severity "bad" of alert big_spender is not known`},
		{"to: [ops, log]", "to: [opps]", `unknown sink "opps" in to of alert big_spender: did you mean "ops"?`},
		{"group_by: []", "group_by: [product]", `unknown dimension of by "product" in group_by of alert big_spender`},
		{"description", "descripton", `unknown key "descripton" in the alert: did you mean "description"?`},
		{"for: 2m", "no_data: 2m", "alert big_spender says when and no_data of when, change, no_data and forecast"},
		{"alert: big_spender", "alert: Big", `alert "Big" is no name`},
	} {
		if _, problems := parseAlert(strings.Replace(soundAlert, c.old, c.new, 1)); !containsProblem(problems, c.want) {
			t.Errorf("%s: got\n%v\nwant %s", c.new, problems, c.want)
		}
	}
}

func TestMistakesOfSinksAreToldWithoutTheirSecrets(t *testing.T) {
	parse := func(sinks string) Problems {
		_, problems := Parse([]File{{Path: "caudal.yaml", Data: []byte(soundServices + sinks)}, {Path: "views/a.yaml", Data: []byte(soundView)}},
			func(string) (string, bool) { return "hush", true }, fakeChecker{})
		return problems
	}
	for sinks, want := range map[string]string{
		"sinks: {a: {webhook: \"${URL}\", secret: s}}":                                 "sink a: webhook is no URL",
		"sinks: {a: {webhook: \"https://x.example/\"}}":                                "sink a has no secret",
		"sinks: {a: {kafka: t, slack: \"https://x.example/\"}}":                        "sink a is not of one kind",
		"sinks: {a: {kafka: \"a b\"}}":                                                 "sink a: kafka names no topic",
		"sinks: {log: {kafka: t}}":                                                     "sink log is defined twice",
		"sinks: {a: {kafka: t, secret: \"${S}\"}}":                                     "sink a: only webhooks are signed",
		"sinks: {a: {webook: \"https://x.example/\"}}":                                 `unknown key "webook" in sink a: did you mean "webhook"?`,
		"sinks: {a: {webhook: \"https://x.example/\", secret: \"\", give_up: \"0s\"}}": `give_up "0s" is too short`,
	} {
		problems := parse(sinks)
		if !containsProblem(problems, want) {
			t.Errorf("%s: got\n%v\nwant %s", sinks, problems, want)
		}
		if strings.Contains(problems.Error(), "hush") {
			t.Errorf("%s: a secret is told: %v", sinks, problems)
		}
	}
}

func TestAViewSaysWhichOfItsRowsGoToATopic(t *testing.T) {
	parse := func(emit string) (*Project, Problems) {
		return Parse([]File{{Path: "caudal.yaml", Data: []byte(soundServices)}, {Path: "views/a.yaml", Data: []byte(soundView + emit)}},
			func(string) (string, bool) { return "x", true }, fakeChecker{})
	}
	plain, _ := parse("")
	p, problems := parse("emit: {to: sales.rows, on: both, grain: 1h, dimensions: [country], measures: [lines], look_back: 2d}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if e := p.Emits[0]; e.View != p.Views[0] || e.To != "sales.rows" || !e.OnClose || !e.OnUpdate || e.Grain.Name != "1h" || len(e.Dimensions) != 1 || e.LookBack != 48*time.Hour {
		t.Errorf("emit is %+v", e)
	}
	if plain.Views[0].Hash != p.Views[0].Hash {
		t.Error("emit changes the hash of the view")
	}
	for emit, want := range map[string]string{
		"emit: {to: x, on: closed}":           `views/a.yaml:19:19: on "closed" of emit of view sales is not known: did you mean "close"?`,
		"emit: {to: shop.orders}":             "emit of view sales writes to the topic of source orders",
		"emit: {to: x, grain: 5m}":            `view sales has no grain "5m" for grain of emit of view sales`,
		"emit: {to: x, dimensions: [cuntry]}": `unknown dimension "cuntry" in dimensions of emit of view sales: did you mean "country"?`,
		"emit: {too: x}":                      "emit of view sales has no to",
		"emit: {to: x, measures: [lins]}":     `unknown measure "lins"`,
	} {
		if _, problems := parse(emit + "\n"); !containsProblem(problems, want) {
			t.Errorf("%s: got\n%v\nwant %s", emit, problems, want)
		}
	}
}

func TestTheSchemaOfAlertsAcceptsAndRefusesAsParseDoes(t *testing.T) {
	s := compileSchema(t, AlertSchema())
	if err := validate(t, s, []byte(soundAlert)); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"alert: a\nview: v", "alert: a\nview: v\nwhen: x > 1\nno_data: 1m", "alert: a\nview: v\nwhen: x > 1\nseverity: bad"} {
		if validate(t, s, []byte(text)) == nil {
			t.Errorf("accepted:\n%s", text)
		}
	}
	if err := validate(t, compileSchema(t, ProjectSchema()), []byte(soundServices+sinksYAML)); err != nil {
		t.Error(err)
	}
}
