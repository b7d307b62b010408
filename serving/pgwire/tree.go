package pgwire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
)

// tree is a node of the parse tree of a statement, as DuckDB writes it in JSON.
type tree = map[string]any

// nowhere is the position of what the statement does not hold itself.
const nowhere = json.Number("18446744073709551615")

// parse reads one SELECT statement; anything else is refused.
func parse(ctx context.Context, conn *engine.Conn, sql string) (tree, error) {
	var found []byte
	err := conn.Query(ctx, "SELECT CAST(json_serialize_sql("+sqltext.Text(sql)+") AS VARCHAR)", func(chunk *engine.Chunk) error {
		found = append(found, chunk.Row(0).Bytes(0)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	parsed, err := decode(found)
	if err != nil {
		return nil, fmt.Errorf("read the parse tree: %w", err)
	}
	if failed, _ := parsed["error"].(bool); failed {
		message, _ := parsed["error_message"].(string)
		if strings.HasPrefix(message, "Only SELECT") {
			return nil, fail(stateReadOnly, "only SELECT is answered", "cannot execute this statement: the database is read-only")
		}
		return nil, fail(stateSyntax, "", "%s", message)
	}
	statements, _ := parsed["statements"].([]any)
	if len(statements) != 1 {
		return nil, fail(stateSyntax, "send one at a time", "cannot insert multiple commands into a prepared statement")
	}
	return parsed, nil
}

// decode reads JSON without changing its numbers.
func decode(text []byte) (tree, error) {
	var t tree
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&t)
	return t, err
}

// copyOf is a tree that shares nothing with t.
func copyOf(t tree) (tree, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("copy a parse tree: %w", err)
	}
	return decode(text)
}

// render is the SQL of a tree.
func render(ctx context.Context, conn *engine.Conn, t tree) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write a parse tree: %w", err)
	}
	var sql []byte
	err = conn.Query(ctx, "SELECT json_deserialize_sql(CAST("+sqltext.Text(string(text))+" AS JSON))", func(chunk *engine.Chunk) error {
		sql = append(sql, chunk.Row(0).Bytes(0)...)
		return nil
	})
	return string(sql), err
}

// walk calls enter for every node of a tree, parents first. A node that enter replaces is entered no further.
func walk(x any, enter func(tree) (tree, error)) (any, error) {
	var err error
	switch node := x.(type) {
	case []any:
		for i := range node {
			if node[i], err = walk(node[i], enter); err != nil {
				return nil, err
			}
		}
	case tree:
		other, err := enter(node)
		if err != nil {
			return nil, err
		}
		if other != nil {
			return other, nil
		}
		for key, child := range node {
			switch child.(type) {
			case []any, tree:
				if node[key], err = walk(child, enter); err != nil {
					return nil, err
				}
			}
		}
	}
	return x, nil
}

// str is a text of a node; "" where it has none.
func str(t tree, key string) string {
	s, _ := t[key].(string)
	return s
}

// list is a list of a node.
func list(t tree, key string) []any {
	l, _ := t[key].([]any)
	return l
}

// names are the parts of a column's name, in lower case.
func names(column tree) []string {
	var parts []string
	for _, part := range list(column, "column_names") {
		s, _ := part.(string)
		parts = append(parts, strings.ToLower(s))
	}
	return parts
}

// constant is a text in a tree; nil: null.
func constant(text *string) tree {
	value := tree{"type": tree{"id": "VARCHAR", "type_info": nil}, "is_null": text == nil}
	if text != nil {
		value["value"] = *text
	}
	return tree{"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "query_location": nowhere, "value": value}
}

// cast is a node as another type, which is one without parameters.
func cast(child any, to string) tree {
	return tree{"class": "CAST", "type": "OPERATOR_CAST", "alias": "", "query_location": nowhere, "child": child, "cast_type": tree{"id": to, "type_info": nil}, "try_cast": false}
}

// call is a call of a function of ours.
func call(name string, arguments ...any) tree {
	if arguments == nil {
		arguments = []any{}
	}
	return tree{"class": "FUNCTION", "type": "FUNCTION", "alias": "", "query_location": nowhere, "function_name": name, "schema": catalogueSchema, "children": arguments,
		"filter": nil, "order_bys": tree{"type": "ORDER_MODIFIER", "orders": []any{}}, "distinct": false, "is_operator": false, "export_state": false, "catalog": ""}
}
