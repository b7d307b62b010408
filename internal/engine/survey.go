package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
)

// survey is what the parse tree of an expression shows.
type survey struct {
	problem    string // why the expression is refused
	candidates []string
	volatile   bool
}

// refused are the classes of expressions that are no function of one row, and what they are called.
var refused = map[string]string{
	"WINDOW":               "a window function depends on other events: an expression sees one event",
	"SUBQUERY":             "a subquery is not an expression over one event",
	"STAR":                 "* is not an expression over one event",
	"PARAMETER":            "parameters are not known here",
	"POSITIONAL_REFERENCE": "columns are referred to by name",
	"DEFAULT":              "DEFAULT has no meaning here",
}

// survey parses an expression and walks its tree. It is parsed in square brackets: what closes a bracket that it did not open, or is more
// than one expression, does not pass as a list of one.
func (c *Checker) survey(ctx context.Context, expr string, columns map[string]bool) (survey, error) {
	tree, problem, err := c.parse(ctx, "SELECT ["+expr+"\n]")
	if err != nil || problem != "" {
		return survey{problem: problem}, err
	}
	var s survey
	node, ok := onlyExpression(tree)
	if !ok {
		return survey{problem: "it is not one expression"}, nil
	}
	return s, c.walk(ctx, node, columns, &s, 0)
}

// parse returns the parse tree of a statement, or what is wrong with it.
func (c *Checker) parse(ctx context.Context, sql string) (tree map[string]any, problem string, err error) {
	var text []byte
	err = c.conn.Query(ctx, "SELECT CAST(json_serialize_sql("+sqltext.Text(sql)+") AS VARCHAR)", func(chunk *Chunk) error {
		text = append(text, chunk.Row(0).Bytes(0)...)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, "", fmt.Errorf("read its parse tree: %w", err)
	}
	if failed, _ := tree["error"].(bool); failed {
		message, _ := tree["error_message"].(string)
		message, _ = explain(&Error{Text: message})
		return nil, strings.TrimSpace("syntax error: " + strings.TrimPrefix(message, "syntax error ")), nil
	}
	return tree, "", nil
}

// onlyExpression is the expression in SELECT [expression].
func onlyExpression(tree map[string]any) (map[string]any, bool) {
	statements, _ := tree["statements"].([]any)
	if len(statements) != 1 {
		return nil, false
	}
	statement, _ := statements[0].(map[string]any)
	node, _ := statement["node"].(map[string]any)
	selected, _ := node["select_list"].([]any)
	from, _ := node["from_table"].(map[string]any)
	if len(selected) != 1 || node["type"] != "SELECT_NODE" || from["type"] != "EMPTY" {
		return nil, false
	}
	list, _ := selected[0].(map[string]any)
	children, _ := list["children"].([]any)
	if list["class"] != "FUNCTION" && list["type"] != "ARRAY_CONSTRUCTOR" || len(children) != 1 {
		return nil, false
	}
	one, ok := children[0].(map[string]any)
	return one, ok
}

// macroDepth bounds how deep macros in macros are followed.
const macroDepth = 8

// walk notes what a tree of expressions uses.
func (c *Checker) walk(ctx context.Context, node any, columns map[string]bool, s *survey, depth int) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := c.walk(ctx, child, columns, s, depth); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := node["class"].(string)
		if problem := refused[class]; problem != "" && s.problem == "" {
			s.problem = problem
		}
		switch class {
		case "FUNCTION":
			if err := c.use(ctx, node, s, depth); err != nil {
				return err
			}
		case "COLUMN_REF":
			c.refer(node, columns, s, depth)
		case "LAMBDA":
			return c.walk(ctx, node["expr"], nil, s, depth)
		}
		for _, child := range node {
			if err := c.walk(ctx, child, columns, s, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// use notes a call of a function.
func (c *Checker) use(ctx context.Context, node map[string]any, s *survey, depth int) error {
	name, _ := node["function_name"].(string)
	f := c.functions[strings.ToLower(name)]
	if f.aggregate && !f.scalar && s.problem == "" {
		s.problem = fmt.Sprintf("%q is an aggregate: an expression sees one event", name)
	}
	s.volatile = s.volatile || f.volatile
	if f.macro == "" || depth == macroDepth {
		return nil
	}
	tree, problem, err := c.parse(ctx, "SELECT ["+f.macro+"\n]")
	if err != nil || problem != "" {
		return err
	}
	if body, ok := onlyExpression(tree); ok {
		return c.walk(ctx, body, nil, s, depth+1)
	}
	return nil
}

// refer notes a name. One that is no column is either unknown, which binding will tell, or one of the names that SQL gives a value of
// its own: current_date, user. Those are not a function of the row.
func (c *Checker) refer(node map[string]any, columns map[string]bool, s *survey, depth int) {
	names, _ := node["column_names"].([]any)
	if columns == nil || depth > 0 || len(names) == 0 {
		return
	}
	if len(names) > 1 && s.problem == "" {
		s.problem = "columns are named without a table"
	}
	if name, _ := names[0].(string); !columns[strings.ToLower(name)] {
		s.volatile = true
	}
}
