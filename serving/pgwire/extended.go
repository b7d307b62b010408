package pgwire

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/caudal/caudal/internal/engine"
)

// portal is a statement with the values of its parameters.
type portal struct {
	prepared *prepared
	values   []*string
	formats  []int16
	waiting  []*pgproto3.DataRow // that were not asked for yet
	ran      bool
}

// parse reads a statement under a name.
func (c *session) parse(m *pgproto3.Parse) error {
	if m.Name != "" && c.statements[m.Name] != nil {
		return fail("42P05", "", "prepared statement %q already exists", m.Name)
	}
	if len(c.statements) >= maxPrepared {
		return fail(stateTooLarge, "DEALLOCATE some", "more than %d prepared statements", maxPrepared)
	}
	statements := split(m.Query)
	p := &prepared{}
	switch len(statements) {
	case 0:
	case 1:
		var err error
		if p, err = c.prepare(statements[0], m.ParameterOIDs); err != nil {
			return err
		}
	default:
		return fail(stateSyntax, "send one at a time", "cannot insert multiple commands into a prepared statement")
	}
	c.statements[m.Name] = p
	c.wire.Send(&pgproto3.ParseComplete{})
	return nil
}

// bind gives a statement the values of its parameters.
func (c *session) bind(m *pgproto3.Bind) error {
	p := c.statements[m.PreparedStatement]
	switch {
	case p == nil:
		return fail(stateNoStatement, "", "prepared statement %q does not exist", m.PreparedStatement)
	case len(m.Parameters) != len(p.parameters):
		return fail(stateProtocol, "", "bind message supplies %d parameters, but the statement requires %d", len(m.Parameters), len(p.parameters))
	case len(c.portals) >= maxPortals:
		return fail(stateTooLarge, "close some", "more than %d portals", maxPortals)
	}
	o := &portal{prepared: p, formats: append([]int16{}, m.ResultFormatCodes...), values: make([]*string, len(m.Parameters))}
	types := newTypes()
	for i, raw := range m.Parameters {
		if raw == nil {
			continue
		}
		value, err := parameterText(types, p.parameters[i], formatOf(m.ParameterFormatCodes, i), raw)
		if err != nil {
			return fail(stateUnreadable, "", "parameter $%d: %v", i+1, err)
		}
		o.values[i] = &value
	}
	c.portals[m.DestinationPortal] = o
	c.wire.Send(&pgproto3.BindComplete{})
	return nil
}

// formatOf is the format of value i: 0 is text, 1 binary. One format may stand for all.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return 0
}

// parameterText is a parameter as the text of a cast.
func parameterText(types *pgtype.Map, oid uint32, format int16, raw []byte) (string, error) {
	if format == pgtype.TextFormatCode && !strings.HasSuffix(parameterSQL(oid), "[]") {
		return string(raw), nil
	}
	known, ok := types.TypeForOID(oid)
	if !ok {
		return "", fmt.Errorf("its type %d is not known in the binary format", oid)
	}
	value, err := known.Codec.DecodeValue(types, oid, format, raw)
	if err != nil {
		return "", err
	}
	if items, isList := value.([]any); isList {
		return listText(types, items)
	}
	if text, isText := value.(string); isText {
		return text, nil
	}
	text, err := types.Encode(oid, pgtype.TextFormatCode, value, nil)
	return string(text), err
}

// listText is a list as DuckDB reads it.
func listText(types *pgtype.Map, items []any) (string, error) {
	parts := make([]string, len(items))
	for i, item := range items {
		if item == nil {
			parts[i] = "NULL"
			continue
		}
		known, ok := types.TypeForValue(item)
		if !ok {
			return "", fmt.Errorf("a list of %T is not known", item)
		}
		text, err := types.Encode(known.OID, pgtype.TextFormatCode, item, nil)
		if err != nil {
			return "", err
		}
		parts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(text)) + `"`
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

// fillIn puts the values of the parameters in their places.
func fillIn(t tree, oids []uint32, values []*string) error {
	_, err := walk(t, func(node tree) (tree, error) {
		if str(node, "class") != "PARAMETER" {
			return nil, nil
		}
		var n int
		if _, err := fmt.Sscan(str(node, "identifier"), &n); err != nil || n < 1 || n > len(values) {
			return nil, fail(stateUndefinedParam, "", "there is no parameter $%s", str(node, "identifier"))
		}
		value := constant(values[n-1])
		value["alias"] = str(node, "alias")
		switch to := parameterSQL(oids[n-1]); {
		case to == "DECIMAL":
			return castNumber(value, values[n-1]), nil
		case strings.HasSuffix(to, "[]"):
			return castList(value, strings.TrimSuffix(to, "[]")), nil
		case to != "" && (to != "VARCHAR" || values[n-1] == nil): // a text that stands by itself becomes what it is compared with
			return cast(value, to), nil
		}
		return value, nil
	})
	t["named_param_map"] = []any{}
	for _, s := range list(t, "statements") {
		if statement, ok := s.(tree); ok {
			statement["named_param_map"] = []any{}
		}
	}
	return err
}

// castNumber is a number as exact as its text.
func castNumber(child any, text *string) tree {
	node := cast(child, "DOUBLE")
	if text != nil && (strings.Trim(*text, "-0123456789.") != "" || len(*text) > 38) {
		return node
	}
	scale := 0
	if text != nil {
		_, after, _ := strings.Cut(*text, ".")
		scale = len(after)
	}
	node["cast_type"] = tree{"id": "DECIMAL", "type_info": tree{"type": "DECIMAL_TYPE_INFO", "alias": "", "extension_info": nil, "width": 38, "scale": scale}}
	return node
}

// castList is a node as a list of a type.
func castList(child any, of string) tree {
	node := cast(child, "LIST")
	node["cast_type"] = tree{"id": "LIST", "type_info": tree{"type": "LIST_TYPE_INFO", "alias": "", "extension_info": nil, "child_type": tree{"id": of, "type_info": nil}}}
	return node
}

// describe tells the types of a statement or a portal.
func (c *session) describe(m *pgproto3.Describe) error {
	if m.ObjectType == 'S' {
		p := c.statements[m.Name]
		if p == nil {
			return fail(stateNoStatement, "", "prepared statement %q does not exist", m.Name)
		}
		c.wire.Send(&pgproto3.ParameterDescription{ParameterOIDs: p.parameters})
		return c.sendColumns(p, nil)
	}
	o := c.portals[m.Name]
	if o == nil {
		return fail(stateNoPortal, "", "portal %q does not exist", m.Name)
	}
	return c.sendColumns(o.prepared, o.formats)
}

// sendColumns says what the rows of a statement are.
func (c *session) sendColumns(p *prepared, formats []int16) error {
	columns := p.columns
	if p.command != nil && p.command.column != "" {
		columns = []engine.ColumnInfo{{Name: p.command.column, SQL: "VARCHAR"}}
	}
	if columns == nil {
		c.wire.Send(&pgproto3.NoData{})
		return nil
	}
	description, err := describeColumns(columns, formats)
	if err != nil {
		return err
	}
	c.wire.Send(description)
	return nil
}

func describeColumns(columns []engine.ColumnInfo, formats []int16) (*pgproto3.RowDescription, error) {
	d := &pgproto3.RowDescription{}
	for i, column := range columns {
		e, err := newEncoder(column, false, nil)
		if err != nil {
			return nil, err
		}
		modifier := int32(-1)
		if column.SQL == "DECIMAL" && !column.List {
			modifier = int32(column.Type.Precision)<<16 + int32(column.Type.Scale) + 4
		}
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(column.Name), DataTypeOID: e.to.oid, DataTypeSize: e.to.size, TypeModifier: modifier, Format: formatOf(formats, i)})
	}
	return d, nil
}

// execute runs a portal, or goes on with it.
func (c *session) execute(m *pgproto3.Execute) error {
	o := c.portals[m.Portal]
	if o == nil {
		return fail(stateNoPortal, "", "portal %q does not exist", m.Portal)
	}
	if o.prepared.command == nil && o.prepared.tree == nil {
		c.wire.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	return c.answer(o.prepared, o, int(m.MaxRows), false)
}

// close forgets a statement or a portal.
func (c *session) close(m *pgproto3.Close) error {
	if m.ObjectType == 'S' {
		delete(c.statements, m.Name)
	} else {
		delete(c.portals, m.Name)
	}
	c.wire.Send(&pgproto3.CloseComplete{})
	return nil
}
