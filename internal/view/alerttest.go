package view

// AlertTest is an inline test of an alert: events, and what somebody is to be told of who looks at the alert after each of them. Tests are no part of
// what decides when an alert fires.
type AlertTest struct {
	Scene
	Expect     []ExpectedNotice // all that is told
	ExpectLine int
}

// ExpectedNotice is one notice that a test of an alert expects: what it says of it.
type ExpectedNotice struct {
	Line    int
	Kind    string           // of NoticeKinds
	Labels  []ExpectedColumn // of all dimensions that the alert goes by
	Columns []ExpectedColumn // of NoticeTimes, late, reason, and measures as "values.amount"
}

// NoticeKinds are what a notice of an alert can say.
func NoticeKinds() []string { return []string{"firing", "recovered", "corrected"} }

// NoticeTimes are the times that a notice has, as its JSON calls them.
func NoticeTimes() []string { return []string{"bucket", "last", "since", "until", "at"} }

// ValuePrefix is what a measure is called among the columns of an expected notice: "values.amount".
const ValuePrefix = "values."

// Over returns the same alert over a view with the same dimensions, measures and windows.
func (a *Alert) Over(v *View) *Alert {
	b := *a
	b.View, b.Tests = v, nil
	b.seal()
	return &b
}
