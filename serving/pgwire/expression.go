package pgwire

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// refusedFunctions reach beyond the rows of a statement. What they would reach is closed to the database anyway.
var refusedFunctions = []string{"getenv", "nextval", "currval", "query", "query_table", "write_log", "json_execute_serialized_sql", "glob", "getvariable", "setseed", "pg_sleep",
	"pg_read_file", "pg_read_binary_file", "pg_ls_dir", "lo_import", "lo_export", "dblink", "current_query"}

// boundedFunctions make a value of any size from a short argument: ours refuse to.
var boundedFunctions = []string{"repeat", "lpad", "rpad", "range", "generate_series"}

// valueNames are functions that SQL calls without brackets.
var valueNames = []string{"current_user", "session_user", "user", "current_role", "current_schema", "current_catalog"}

var nowFunctions = []string{"now", "current_timestamp", "get_current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp"}
var todayFunctions = []string{"current_date", "today", "get_current_date"}

// expression makes the functions and types of PostgreSQL those of ours.
func (a *analysis) expression(node tree) (tree, error) {
	if str(node, "type") == "SELECT_NODE" {
		label(node)
	}
	switch str(node, "class") {
	case "FUNCTION", "WINDOW":
		return a.function(node)
	case "COLUMN_REF":
		parts := list(node, "column_names")
		name := names(node)[len(parts)-1]
		switch {
		case len(parts) == 1 && slices.Contains(valueNames, name):
			return named(call(name), node, name), nil
		case len(parts) == 1 && (slices.Contains(nowFunctions, name) || slices.Contains(todayFunctions, name)) && name != "now" && name != "today":
			return named(a.instant(name), node, name), nil
		case len(parts) > 2: // schema.table.column: tables go by their own names
			node["column_names"] = parts[len(parts)-2:]
		}
	case "SUBQUERY":
		return a.anyOf(node)
	case "COLLATE":
		if child, ok := node["child"].(tree); ok {
			return a.descend(child)
		}
	case "CAST":
		return a.castTo(node)
	}
	return nil, nil
}

// listOfAny is the list of x = ANY(list), which is read as a subquery over the list; nil: the node is something else.
func listOfAny(node tree) any {
	inner, _ := node["subquery"].(tree)
	query, _ := inner["node"].(tree)
	from, _ := query["from_table"].(tree)
	selected := list(query, "select_list")
	if str(node, "subquery_type") != "ANY" || str(node, "comparison_type") != "COMPARE_EQUAL" || len(selected) != 1 || str(from, "type") != "EMPTY" {
		return nil
	}
	unnest, _ := selected[0].(tree)
	if str(unnest, "function_name") != "unnest" || len(list(unnest, "children")) != 1 {
		return nil
	}
	return list(unnest, "children")[0]
}

// anyOf makes x = ANY(list) a question to the list.
func (a *analysis) anyOf(node tree) (tree, error) {
	items := listOfAny(node)
	if items == nil {
		return nil, nil
	}
	contains := call("list_contains", items, node["child"])
	contains["schema"], contains["alias"] = "", str(node, "alias")
	return a.descend(contains)
}

// descend is a node that takes its parent's place.
func (a *analysis) descend(child tree) (tree, error) {
	other, err := walk(child, a.expression)
	if err != nil {
		return nil, err
	}
	return other.(tree), nil
}

// function makes a call one of what we have.
func (a *analysis) function(node tree) (tree, error) {
	name, schema := strings.ToLower(str(node, "function_name")), strings.ToLower(str(node, "schema"))
	switch {
	case slices.Contains(refusedFunctions, name), strings.HasPrefix(name, "pragma_"), strings.HasPrefix(name, "duckdb_"), strings.HasPrefix(name, "read_"),
		strings.HasPrefix(name, "parquet_"), strings.HasPrefix(name, "sniff_"):
		return nil, fail(stateNotAllowed, "", "permission denied for function %s", name)
	case schema != "" && schema != "pg_catalog" && schema != "information_schema" && schema != "public" && schema != "main":
		return nil, fail(stateNoFunction, "leave the schema out", "function %s.%s does not exist", schema, name)
	case len(list(node, "children")) == 0 && (slices.Contains(nowFunctions, name) || slices.Contains(todayFunctions, name)):
		return named(a.instant(name), node, name), nil
	case name == "json_build_object", name == "jsonb_build_object":
		node["function_name"] = "json_object"
	case name == "regexp_full_match": // x ~ pattern, which finds the pattern anywhere
		node["function_name"] = "regexp_matches"
	case slices.Contains(boundedFunctions, name) && str(node, "class") == "FUNCTION", a.catalog.functions[name]:
		node["schema"], node["catalog"], node["is_operator"] = catalogueSchema, "", false
		a.describes = a.describes || strings.HasSuffix(name, "_description")
		return nil, nil
	}
	node["schema"], node["catalog"] = "", ""
	return nil, nil
}

// instant is the statement's now, or its day: the same wherever the statement asks.
func (a *analysis) instant(name string) tree {
	text := a.now.UTC().Format("2006-01-02 15:04:05.999999") + "+00"
	now := cast(constant(&text), "TIMESTAMP WITH TIME ZONE")
	if slices.Contains(todayFunctions, name) {
		now = cast(now, "DATE")
	}
	return now
}

// named gives what takes a node's place the name that it had, or else one of its own.
func named(other, node tree, name string) tree {
	if other["alias"] = str(node, "alias"); other["alias"] == "" {
		other["alias"] = name
	}
	return other
}

// label gives what a SELECT lists the names that PostgreSQL gives it.
func label(node tree) {
	for _, x := range list(node, "select_list") {
		item, _ := x.(tree)
		if item == nil || str(item, "alias") != "" {
			continue
		}
		if name := nameOf(item); name != "" {
			item["alias"] = name
		}
	}
}

// nameOf is PostgreSQL's name of an expression; "" for what has one by itself.
func nameOf(item tree) string {
	switch str(item, "class") {
	case "COLUMN_REF", "STAR":
		return ""
	case "FUNCTION", "WINDOW":
		if operator, _ := item["is_operator"].(bool); operator {
			break
		}
		name := strings.ToLower(str(item, "function_name"))
		if other, ok := map[string]string{"count_star": "count", "regexp_full_match": "", "list_value": "array"}[name]; ok {
			name = other
		}
		if name != "" {
			return name
		}
	case "CAST":
		child, _ := item["child"].(tree)
		if parts := names(child); len(parts) > 0 {
			return parts[len(parts)-1]
		}
		if str(child, "class") != "CONSTANT" {
			return nameOf(child)
		}
	case "CASE":
		return "case"
	case "SUBQUERY":
		if str(item, "subquery_type") == "EXISTS" {
			return "exists"
		}
	}
	return "?column?"
}

// ourTypes are what PostgreSQL's types without a counterpart are here.
var ourTypes = map[string]string{"name": "VARCHAR", "oid": "BIGINT", "xid": "BIGINT", "regproc": "VARCHAR", "regtype": "VARCHAR", "regrole": "VARCHAR", "regnamespace": "VARCHAR",
	"regclass": "VARCHAR", "regprocedure": "VARCHAR", "citext": "VARCHAR", "information_schema.cardinal_number": "INTEGER", "char": "VARCHAR", "bpchar": "VARCHAR",
	"text": "VARCHAR", "varchar": "VARCHAR", "bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP",
	"interval": "INTERVAL", "uuid": "UUID", "\"char\"": "VARCHAR", "sql_identifier": "VARCHAR", "timestamptz": "TIMESTAMP WITH TIME ZONE"}

// castTo makes the type of a cast one that DuckDB has.
func (a *analysis) castTo(node tree) (tree, error) {
	to, _ := node["cast_type"].(tree)
	if child, ok := node["child"].(tree); ok && str(to, "id") == "LIST" && str(child, "class") == "CONSTANT" {
		if value, ok := child["value"].(tree); ok && strings.HasPrefix(str(value, "value"), "{") { // '{a,b}' as PostgreSQL writes lists
			value["value"] = "[" + strings.TrimSuffix(str(value, "value")[1:], "}") + "]"
		}
	}
	info, _ := to["type_info"].(tree)
	if str(to, "id") != "UNBOUND" || info == nil {
		return nil, nil
	}
	name := strings.ToLower(str(info, "name"))
	if name == "regclass" {
		if child, ok := node["child"].(tree); ok && str(child, "class") == "CONSTANT" {
			if value, ok := child["value"].(tree); ok {
				return a.classOf(value)
			}
		}
	}
	if ours := ourTypes[name]; ours != "" {
		node["cast_type"] = tree{"id": ours, "type_info": nil}
		return nil, nil
	}
	info["schema"] = ""
	return nil, nil
}

// classOf is the id of the table that 'name'::regclass means.
func (a *analysis) classOf(value tree) (tree, error) {
	name := strings.ToLower(strings.ReplaceAll(str(value, "value"), `"`, ""))
	if _, isNumber := value["value"].(json.Number); isNumber || strings.Trim(name, "0123456789") == "" {
		text := name
		if isNumber {
			text = value["value"].(json.Number).String()
		}
		return cast(constant(&text), "BIGINT"), nil
	}
	id := systemClasses[strings.TrimPrefix(name, "pg_catalog.")]
	if id == "" {
		for _, key := range sortedKeys(a.relations) {
			if key == name || key == "public."+name {
				id = oidOf(a.relations, key)
			}
		}
	}
	if id == "" {
		return nil, fail(stateNoTable, a.near(name), "relation %q does not exist", name)
	}
	return cast(constant(&id), "BIGINT"), nil
}

// micros is an instant of µs UTC.
func micros(us int64) time.Time { return time.UnixMicro(us).UTC() }
