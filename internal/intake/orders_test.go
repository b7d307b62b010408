package intake

import (
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// orders is a source with one field of every type.
func orders() *view.Source {
	zero := `0`
	return &view.Source{
		Name: "orders", Topic: "orders", Format: "json",
		EventTime:    view.EventTime{Field: "at", Format: "2006-01-02 15:04:05", Timezone: "Europe/London"},
		EventID:      "id",
		DedupHorizon: 10 * time.Minute, DedupRecords: 1000,
		Lateness: time.Minute, MaxAhead: 5 * time.Minute,
		Fields: []view.Field{
			{Name: "id", Type: view.Type{Kind: view.String}, Nullable: true},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}},
			{Name: "country", Type: view.Type{Kind: view.String}},
			{Name: "quantity", Type: view.Type{Kind: view.Int64}, Default: &zero},
			{Name: "price", Type: decimal(12, 3), Nullable: true},
			{Name: "fee", Type: decimal(38, 10), Nullable: true, From: view.Keys("charge", "fee")},
			{Name: "weight", Type: view.Type{Kind: view.Double}, Nullable: true},
			{Name: "gift", Type: view.Type{Kind: view.Bool}, Nullable: true},
			{Name: "paid", Type: view.Type{Kind: view.Timestamp}, Nullable: true, From: view.Keys("charge", "at")},
			{Name: "due", Type: view.Type{Kind: view.Date}, Nullable: true},
		},
	}
}

func decimal(precision, scale uint8) view.Type {
	return view.Type{Kind: view.Decimal, Precision: precision, Scale: scale}
}

func mustSchema(t testing.TB, src *view.Source) *Schema {
	t.Helper()
	s, err := NewSchema(src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text writes row i as people read it, one value per field, for comparing and for golden files.
func text(r *Rows, i int) []string {
	out := make([]string, len(r.Columns))
	for c := range r.Columns {
		out[c] = cellText(&r.Columns[c], i)
	}
	return out
}
