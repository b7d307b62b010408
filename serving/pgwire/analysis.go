package pgwire

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/serving"
)

// use is a relation that a statement reads.
type use struct {
	relation *serving.Relation
	name     string // as the statement's SQL names it after analyse
	ranges   []bound
	places   int // in which the statement reads it; where it has more than ranges, one is not bounded
}

// bound is a condition on the time of a relation: all that it gives is in [from, to], where nil is no end.
type bound struct{ from, to any } // trees

// analysis is what a statement reads, and what it does with it.
type analysis struct {
	relations map[string]*serving.Relation // what may be read, by schema.name
	catalog   *catalogue
	database  string
	now       time.Time // the statement's

	uses      []*use
	describes bool            // it reads what describes the relations
	names     map[string]bool // parts of the names of columns that it has
	alone     map[string]bool // names that stand without a table: of a column, or of a table for its whole rows
	all       bool            // it may read every column
	added     []string        // columns that it adds up
	common    map[string]bool // names that it gives to queries of its own
}

// analyse finds out what a statement reads into a, refuses what it may not, and makes the tree one that DuckDB answers as PostgreSQL would: tables, functions
// and types of PostgreSQL's catalogue become those of ours.
func analyse(t tree, a *analysis) error {
	a.names, a.alone, a.common = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, step := range []func(tree) (tree, error){a.collect, a.expression, a.bounds, a.table} {
		if _, err := walk(t, step); err != nil {
			return err
		}
	}
	return nil
}

// collect notes the names that a statement has, before anything is made of them.
func (a *analysis) collect(node tree) (tree, error) {
	if entries, ok := node["cte_map"].(tree); ok {
		for _, entry := range list(entries, "map") {
			if e, ok := entry.(tree); ok {
				a.common[strings.ToLower(str(e, "key"))] = true
			}
		}
	}
	for _, column := range list(node, "using_columns") {
		s, _ := column.(string)
		a.names[strings.ToLower(s)] = true
	}
	if str(node, "ref_type") == "NATURAL" {
		a.all = true
	}
	switch str(node, "class") {
	case "STAR", "POSITIONAL_REFERENCE":
		a.all = true
	case "COLUMN_REF":
		parts := names(node)
		for _, name := range parts {
			a.names[name] = true
		}
		if len(parts) == 1 {
			a.alone[parts[0]] = true
		}
	case "FUNCTION":
		children := list(node, "children")
		if len(children) != 1 || !slices.Contains([]string{"sum", "avg"}, strings.ToLower(str(node, "function_name"))) {
			break
		}
		if child, ok := children[0].(tree); ok && str(child, "class") == "COLUMN_REF" {
			parts := names(child)
			a.added = append(a.added, parts[len(parts)-1])
		}
	}
	return nil, nil
}

// tableKinds are the things that may stand in FROM.
var tableKinds = []string{"BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SUBQUERY", "EXPRESSION_LIST", "EMPTY", "EMPTY_FROM"}

// table allows the tables that a statement may read, and no others.
func (a *analysis) table(node tree) (tree, error) {
	_, hasSample := node["sample"]
	_, hasAlias := node["alias"]
	kind := str(node, "type")
	if !hasSample || !hasAlias || str(node, "class") != "" {
		return nil, nil
	}
	if !slices.Contains(tableKinds, kind) {
		return nil, fail(stateNotSupported, "write it with SELECT, FROM and JOIN", "%s is not supported here", strings.ToLower(strings.ReplaceAll(kind, "_", " ")))
	}
	switch kind {
	case "BASE_TABLE":
		return nil, a.baseTable(node)
	case "TABLE_FUNCTION":
		function, _ := node["function"].(tree)
		name := strings.ToLower(str(function, "function_name"))
		switch {
		case a.catalog.rows[name]:
			function["schema"] = catalogueSchema
		case slices.Contains([]string{"generate_series", "range", "unnest"}, name):
			function["schema"] = ""
			if alias := str(node, "alias"); alias != "" && len(list(node, "column_name_alias")) == 0 {
				node["column_name_alias"] = []any{alias} // its column goes by the name of the table
			}
		default:
			return nil, fail(stateNotAllowed, "read the tables that \\d lists", "permission denied for function %s", name)
		}
	}
	return nil, nil
}

// baseTable resolves the name of a table.
func (a *analysis) baseTable(node tree) error {
	schema, name := strings.ToLower(str(node, "schema_name")), strings.ToLower(str(node, "table_name"))
	if catalog := str(node, "catalog_name"); catalog != "" && !strings.EqualFold(catalog, a.database) {
		return fail(stateNotSupported, "leave the database out of the name", "cross-database references are not implemented: %s.%s.%s", catalog, schema, name)
	}
	if str(node, "alias") == "" {
		node["alias"] = str(node, "table_name")
	}
	a.all = a.all || a.alone[strings.ToLower(str(node, "alias"))]
	if schema == "" && a.common[name] {
		return nil
	}
	key := schema + "." + name
	if schema == "" {
		key = "public." + name
	}
	if r := a.relations[key]; r != nil {
		node["catalog_name"], node["schema_name"], node["table_name"] = "temp", "main", key
		i := slices.IndexFunc(a.uses, func(u *use) bool { return u.name == key })
		if i < 0 {
			a.uses = append(a.uses, &use{relation: r, name: key})
			i = len(a.uses) - 1
		}
		a.uses[i].places++
		return nil
	}
	shape := name
	if schema == "information_schema" {
		shape = "information_schema." + name
	}
	switch {
	case schema != "" && schema != "pg_catalog" && schema != "information_schema":
	case slices.Contains(catalogueOfSession, shape):
		a.describes = true
		node["catalog_name"], node["schema_name"], node["table_name"] = "temp", "main", shape
		return nil
	case a.catalog.tables[shape]:
		node["catalog_name"], node["schema_name"], node["table_name"] = "", catalogueSchema, shape
		return nil
	}
	return fail(stateNoTable, a.near(name), "relation %q does not exist", strings.TrimPrefix(schema+"."+name, "."))
}

// near names the relations that a name may have meant.
func (a *analysis) near(name string) string {
	var found, all []string
	for key := range a.relations {
		key = strings.TrimPrefix(key, "public.")
		all = append(all, key)
		if stem, _, _ := strings.Cut(name, "_"); strings.Contains(key, stem) {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		found = all
	}
	slices.Sort(found)
	const most = 5
	if len(found) > most {
		return fmt.Sprintf("there are %s and %d more", strings.Join(found[:most], ", "), len(found)-most)
	}
	return "there are " + strings.Join(found, ", ")
}

// columns are the dimensions and measures of a relation that a statement reads. One that names neither reads all of them, so that count(*) counts
// what * shows.
func (a *analysis) columns(u *use) (columns []serving.RelationColumn) {
	named := false
	for _, c := range u.relation.Columns {
		always := c.Role == "time" || c.Role == "end" || u.relation.Whole && c.Role == "dimension"
		asked := a.all || a.names[strings.ToLower(c.Name)]
		if always || asked {
			columns = append(columns, c)
		}
		named = named || asked && c.Role != "time" && c.Role != "end"
	}
	if !named {
		return u.relation.Columns
	}
	return columns
}

// warnings say what a statement does that is hardly meant.
func (a *analysis) warnings() (texts []string) {
	for _, u := range a.uses {
		for _, c := range u.relation.Columns {
			if c.Role == "measure" && !c.Additive && slices.Contains(a.added, strings.ToLower(c.Name)) {
				texts = append(texts, fmt.Sprintf("%s of %s does not add up over rows: name no more dimensions than the answer has, or take a coarser grain", c.Name, strings.TrimPrefix(u.name, "public.")))
			}
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
