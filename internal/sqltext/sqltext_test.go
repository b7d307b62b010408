package sqltext_test

import (
	"testing"

	"github.com/caudal/caudal/internal/sqltext"
)

func TestQuotesInsideAreDoubled(t *testing.T) {
	for in, want := range map[string]string{"": `""`, "a": `"a"`, `a"; --`: `"a""; --"`, "it's": `"it's"`} {
		if got := sqltext.Name(in); got != want {
			t.Errorf("name %q is %s and should be %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "''", "a": "'a'", "it's'; --": "'it''s''; --'", `"`: `'"'`} {
		if got := sqltext.Text(in); got != want {
			t.Errorf("text %q is %s and should be %s", in, got, want)
		}
	}
}
