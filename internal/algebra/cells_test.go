package algebra

import (
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

func TestTrinoKnowsWhatIsLate(t *testing.T) {
	integer := view.Type{Kind: view.Int64}
	p, err := Compile(&view.View{Name: "v", Source: &view.Source{Name: "x", Fields: []view.Field{{Name: "n", Type: integer}}}, Where: "n > 0 or _late", Measures: []view.Measure{
		{Name: "came_late", Agg: view.Count, Filter: "_late", Type: integer},
	}})
	if err != nil {
		t.Fatal(err)
	}
	q, err := p.ForTrino()
	if err != nil {
		t.Fatal(err)
	}
	if sql := q.CellsSQL(CellsOptions{From: "records", Grain: view.Grain{Name: "1h", Unit: view.Fixed, Size: 3_600_000_000_000}}); !strings.Contains(sql, `"_late"`) {
		t.Errorf("the cells do not look at _late: %s", sql)
	}
}
