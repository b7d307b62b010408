package intake

import (
	"testing"

	"github.com/caudal/caudal/internal/view"
)

// While a rename goes round, records of both shapes are in the log.
func TestARenamedFieldIsFoundUnderTheNameThatItHad(t *testing.T) {
	src := &view.Source{Name: "s", EventTime: view.EventTime{Field: "ts", Format: "unix_s"}, Fields: []view.Field{
		{Name: "ts", Type: view.Type{Kind: view.Timestamp}},
		{Name: "customer", Type: view.Type{Kind: view.String}, Nullable: true, Was: []string{"client", "user"}},
		{Name: "n", Type: view.Type{Kind: view.Int64}, From: view.Keys("n"), Was: []string{"number"}},
		{Name: "far", Type: view.Type{Kind: view.String}, Nullable: true, From: view.Keys("a", "far"), Was: []string{"near"}},
	}}
	schema, err := NewSchema(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ record, customer, dead string }{
		{`{"ts":1,"n":1,"customer":"ann"}`, "ann", ""},
		{`{"ts":1,"n":1,"user":"ann"}`, "ann", ""},
		{`{"ts":1,"number":1,"client":"ann","user":"bob"}`, "ann", ""},
		{`{"ts":1,"n":1,"user":"bob","client":"ann"}`, "bob", ""},
		{`{"ts":1,"n":1,"user":"old","customer":"new"}`, "new", ""},
		{`{"ts":1,"n":1,"customer":"new","user":"old"}`, "new", ""},
		{`{"ts":1,"n":1,"user":"old","customer":null}`, "", ""},
		{`{"ts":1,"n":1,"customer":null,"user":"old"}`, "", ""},
		{`{"ts":1,"n":1,"user":5,"customer":"new"}`, "new", ""},
		{`{"ts":1,"n":1,"user":5}`, "", "customer"},
		{`{"ts":1,"user":"ann"}`, "", "n"},
		{`{"ts":1,"n":1,"near":7}`, "", ""}, // `from` says where it stands
	} {
		rows := NewRows(src)
		_, dead := newDecoder(schema).decode([]byte(c.record), rows)
		if (dead != nil) != (c.dead != "") || dead != nil && dead.Field != c.dead {
			t.Errorf("%s: dead letter %+v, want field %q", c.record, dead, c.dead)
			continue
		}
		if dead == nil && string(rows.Columns[1].Strs[0].Bytes()) != c.customer {
			t.Errorf("%s: customer is %q, want %q", c.record, rows.Columns[1].Strs[0].Bytes(), c.customer)
		}
	}
	src.Fields[0].Was = []string{"a"}
	if _, err := NewSchema(src); err == nil {
		t.Error("a value is to be where an object of another field is")
	}
}
