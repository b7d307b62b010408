package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// hostileTexts are what somebody who wants to leave a literal would write, and what a parser gets wrong.
var hostileTexts = []string{
	"", "France", "it's", "'; DROP TABLE r; --", "' OR 1=1 --", `"`, `\`, `\'`, "/*", "*/", "a\x00b", "\x00", "$1", "?", "$$", "E'\\'", "%", "_", "a_c%",
	"(?i)x", "[a-z]+", ".*", "é", "\u2028", "\n", "🙂", "null", "true", strings.Repeat("a", 300), "read_text('/etc/passwd')", "1; SELECT 2",
}

// rowView has fields and dimensions of every type, one of them with a name that wants to be more.
func rowView() *view.View {
	v := filterView()
	v.Source = &view.Source{Name: "s"}
	for _, d := range v.Dimensions {
		v.Source.Fields = append(v.Source.Fields, view.Field{Name: "f_" + d.Name, Type: d.Type, Nullable: true})
	}
	v.Source.Fields = append(v.Source.Fields, view.Field{Name: `x" OR 1=1; DROP TABLE r; --`, Type: view.Type{Kind: view.String}, Nullable: true})
	for i := range v.Dimensions {
		v.Dimensions[i].Expr = `"f_` + v.Dimensions[i].Name + `"`
	}
	v.Measures = []view.Measure{{Name: "lines", Agg: view.Count, Type: view.Type{Kind: view.Int64}}}
	return v
}

// TestConditionsOverRowsMeanInSQLWhatTheyMeanHere makes conditions of hostile names and values, and rows of the same, and compares DuckDB's
// verdict on each row with that of the predicate itself. Nothing but one SELECT may come of any of them.
func TestConditionsOverRowsMeanInSQLWhatTheyMeanHere(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1})
	must(t, err)
	defer db.Close()
	conn, err := db.Connect()
	must(t, err)
	v := rowView()
	plan, err := algebra.Compile(v)
	must(t, err)
	rapid.Check(t, func(t *rapid.T) {
		// A few texts, so that rows and conditions meet.
		text := rapid.SampledFrom(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostileTexts), rapid.String()), 1, 3).Draw(t, "texts"))
		where := drawCondition(t, text, v, 2)
		f, err := parseRowFilter(where, v)
		if err != nil {
			if strings.Contains(err.Error(), "letters") || strings.Contains(err.Error(), "bytes") {
				return
			}
			t.Fatalf("%s: %v", where, err)
		}
		values := make([]algebra.Value, len(f.columns)) // as the fields; the dimensions are the same again
		var cols []string
		for i, field := range v.Source.Fields {
			value := algebra.Null()
			if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
				value = drawValue(t, text, field.Type)
			}
			at := len(v.Dimensions) + i
			values[at] = value
			if i < len(v.Dimensions) {
				values[i] = value
			}
			cols = append(cols, fmt.Sprintf(`CAST(%s AS %s) AS "%s"`, condition.Literal(value), field.Type.SQL(), strings.ReplaceAll(field.Name, `"`, `""`)))
		}
		sql := "SELECT " + f.rowSQL(plan) + " FROM (SELECT " + strings.Join(cols, ", ") + ")"
		rows, passes := 0, false
		err = conn.Query(context.Background(), sql, func(c *engine.Chunk) error {
			rows += c.Len()
			passes = !c.Row(0).Null(0) && c.Row(0).Int64(0) == 1
			return nil
		})
		if err != nil || rows != 1 {
			t.Fatalf("%s\nbecomes %s\n%d rows, %v", where, sql, rows, err)
		}
		if want := f.Passes(values); passes != want {
			t.Fatalf("%s\nof %v is %t in SQL, %t here:\n%s", where, values, passes, want, sql)
		}
	})
}

// drawCondition is a condition as somebody would write it.
func drawCondition(t *rapid.T, text *rapid.Generator[string], v *view.View, depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return "(" + drawCondition(t, text, v, depth-1) + " and " + drawCondition(t, text, v, depth-1) + ")"
		case 1:
			return "(" + drawCondition(t, text, v, depth-1) + " or " + drawCondition(t, text, v, depth-1) + ")"
		case 2:
			return "not (" + drawCondition(t, text, v, depth-1) + ")"
		}
	}
	var names []string
	var types []view.Type
	for _, d := range v.Dimensions {
		names, types = append(names, d.Name), append(types, d.Type)
	}
	for _, f := range v.Source.Fields {
		names, types = append(names, f.Name), append(types, f.Type)
	}
	i := rapid.IntRange(0, len(names)-1).Draw(t, "column")
	name := `"` + strings.ReplaceAll(names[i], `"`, `""`) + `"`
	literal := func() string { return written(drawValue(t, text, types[i])) }
	switch kind := rapid.IntRange(0, 4).Draw(t, "test"); {
	case kind == 0:
		return name + rapid.SampledFrom([]string{" is null", " is not null"}).Draw(t, "null test")
	case kind == 1:
		return name + rapid.SampledFrom([]string{" in (", " not in ("}).Draw(t, "in") + literal() + ", " + literal() + ")"
	case kind == 2 && types[i].Kind == view.String:
		return name + rapid.SampledFrom([]string{" like ", " not like "}).Draw(t, "like") + written(algebra.StringValue(drawPattern(t, drawValue(t, text, types[i]).Text())))
	}
	return name + " " + rapid.SampledFrom([]string{"=", "!=", "<>", "<", "<=", ">", ">="}).Draw(t, "sign") + " " + literal()
}

// drawPattern puts wildcards into a text.
func drawPattern(t *rapid.T, text string) string {
	letters := []rune(text)
	for range rapid.IntRange(0, 2).Draw(t, "wildcards") {
		at := rapid.IntRange(0, len(letters)).Draw(t, "at")
		if rapid.Bool().Draw(t, "one letter") && at < len(letters) {
			letters[at] = '_'
		} else {
			letters = slices.Insert(letters[:at:at], at, '%')
		}
	}
	return string(letters)
}

func drawValue(t *rapid.T, text *rapid.Generator[string], of view.Type) algebra.Value {
	switch of.Kind {
	case view.String:
		return algebra.StringValue(strings.ToValidUTF8(text.Draw(t, "text"), "?"))
	case view.Bool:
		return algebra.BoolValue(rapid.Bool().Draw(t, "bool"))
	case view.Timestamp:
		return algebra.TimestampValue(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(minInstant, maxInstant)).Draw(t, "time"))
	case view.Date:
		return algebra.DateValue(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-700_000, 2_900_000)).Draw(t, "date"))
	case view.Decimal:
		return algebra.DecimalValue(algebra.Int128Of(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-9_999_999_999, 9_999_999_999)).Draw(t, "decimal")), of.Scale)
	case view.Double:
		return algebra.FloatValue(rapid.OneOf(rapid.SampledFrom([]float64{0, 1, -1.5, 1e300, 1e-300}), rapid.Float64()).Draw(t, "double"))
	}
	return algebra.Int64Value(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()).Draw(t, "integer"))
}

// written is a value as a condition has it.
func written(v algebra.Value) string {
	switch v.Kind() {
	case view.String, view.Timestamp, view.Date:
		return sqltext.Text(v.String())
	}
	return v.String()
}

func TestPatternsOfAScanMatchWhatTheyMatchHere(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1})
	must(t, err)
	defer db.Close()
	conn, err := db.Connect()
	must(t, err)
	var rows []string
	for _, text := range hostileTexts {
		rows = append(rows, "("+algebra.TextSQL(text)+")")
	}
	must(t, conn.Exec(context.Background(), "CREATE TABLE r (x VARCHAR); INSERT INTO r VALUES "+strings.Join(rows, ", ")))
	for _, text := range hostileTexts {
		letters := []rune(text)
		patterns := []string{text, "%" + text, text + "%", "%" + text + "%", "_" + text}
		if len(letters) > 0 {
			patterns = append(patterns, "_"+string(letters[1:]), string(letters[:len(letters)-1])+"_", string(letters[:1])+"%")
		}
		for _, p := range patterns {
			var got, want []bool
			must(t, conn.Query(context.Background(), "SELECT "+condition.Pattern{Text: []rune(p)}.SQL([]string{"x"})+" FROM r ORDER BY rowid", func(c *engine.Chunk) error {
				for i := range c.Len() {
					got = append(got, c.Row(i).Int64(0) == 1)
				}
				return nil
			}))
			for _, x := range hostileTexts {
				want = append(want, condition.Pattern{Text: []rune(p)}.Eval([]algebra.Value{algebra.StringValue(x)}) == condition.True)
			}
			if !slices.Equal(got, want) {
				t.Errorf("like %q: %v in SQL, %v here", p, got, want)
			}
		}
	}
}

func TestAPatternOfAScanTakesLittleTime(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1})
	must(t, err)
	defer db.Close()
	conn, err := db.Connect()
	must(t, err)
	v := rowView()
	plan, err := algebra.Compile(v)
	must(t, err)
	f, err := parseRowFilter("country like '"+strings.Repeat("%a_", 80)+"%b'", v)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20_000_000_000)
	defer cancel()
	must(t, conn.Query(ctx, `SELECT count(*) FROM (SELECT repeat('a', 3000) || i AS "f_country" FROM range(50) t(i)) WHERE `+f.rowSQL(plan), func(c *engine.Chunk) error {
		if c.Row(0).Int64(0) != 0 {
			t.Error("matched")
		}
		return nil
	}))
	if _, err := parseRowFilter("country like '"+strings.Repeat("%", maxRowPattern+1)+"'", v); err == nil {
		t.Error("a pattern may be of any length")
	}
}

// FuzzRowFilter: whatever is written, what becomes of it is one condition that DuckDB can read.
func FuzzRowFilter(f *testing.F) {
	for _, seed := range append([]string{
		"f_country = 'France' and f_size in (1, 2)", "not (f_country like 'a%_' or price <= 1.5)", `"f_odd name" is not null`, "f_day = '0001-03-01'", "f_at < '9998-03-01T10:00:00Z'",
		`"f_odd name" = -1e400`, `"x"" OR 1=1; DROP TABLE r; --" = 'x'`, "f_paid = true", "f_size = 9223372036854775807",
	}, hostileTexts...) {
		f.Add(seed)
		f.Add("country = '" + strings.ReplaceAll(seed, "'", "''") + "'")
	}
	v := rowView()
	plan, err := algebra.Compile(v)
	must(f, err)
	db, err := engine.Open(engine.Options{Threads: 1})
	must(f, err)
	f.Cleanup(func() { db.Close() })
	conn, err := db.Connect()
	must(f, err)
	var fields []string
	for _, field := range v.Source.Fields {
		fields = append(fields, fmt.Sprintf(`"%s" %s`, strings.ReplaceAll(field.Name, `"`, `""`), field.Type.SQL()))
	}
	must(f, conn.Exec(context.Background(), "CREATE TABLE r ("+strings.Join(fields, ", ")+"); INSERT INTO r DEFAULT VALUES"))
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseRowFilter(text, v)
		if err != nil || parsed.Root == nil {
			return
		}
		rows := int64(-1)
		err = conn.Query(context.Background(), "SELECT count("+parsed.rowSQL(plan)+" OR TRUE) FROM r", func(c *engine.Chunk) error {
			rows = c.Row(0).Int64(0)
			return nil
		})
		if err != nil || rows != 1 {
			t.Fatalf("%q becomes %s: %d rows, %v", text, parsed.rowSQL(plan), rows, err)
		}
	})
}
