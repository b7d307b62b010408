package pgwire

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// catalogueSchema is where the database has PostgreSQL's catalogue.
const catalogueSchema = "_caudal"

//go:embed catalogue.sql
var catalogueSQL string

// settings of the database, so that it computes as PostgreSQL does where the two differ.
const settings = `SET GLOBAL integer_division = true;
SET GLOBAL default_null_order = 'nulls_last_on_asc_first_on_desc';
SET GLOBAL TimeZone = 'UTC';
`

// catalogue is what of PostgreSQL's catalogue there is.
type catalogue struct {
	tables    map[string]bool // information_schema's with that before their names
	functions map[string]bool
	rows      map[string]bool // functions that stand in FROM
}

// settle prepares a database before it is confined.
func settle(ctx context.Context, conn *engine.Conn, database string) error {
	if err := conn.Exec(ctx, settings+strings.ReplaceAll(catalogueSQL, "{database}", sqltext.Text(database))); err != nil {
		return fmt.Errorf("make the catalogue: %w", err)
	}
	return nil
}

// readCatalogue lists what settle has made.
func readCatalogue(ctx context.Context, conn *engine.Conn) (*catalogue, error) {
	c := &catalogue{tables: map[string]bool{}, functions: map[string]bool{}, rows: map[string]bool{}}
	sql := `SELECT table_name, 'table' FROM duckdb_tables() WHERE schema_name = '` + catalogueSchema + `'
		UNION ALL SELECT function_name, function_type FROM duckdb_functions() WHERE schema_name = '` + catalogueSchema + `'`
	err := conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			of := map[string]map[string]bool{"table": c.tables, "macro": c.functions, "table_macro": c.rows}[string(row.Bytes(1))]
			of[string(row.Bytes(0))] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the catalogue: %w", err)
	}
	return c, nil
}

// catalogueOfSession are the tables that depend on what the caller may read.
var catalogueOfSession = []string{"pg_class", "pg_attribute", "pg_description", "pg_tables", "pg_database", "information_schema.tables", "information_schema.columns"}

// systemClasses are the ids of tables of the catalogue that clients name by them.
var systemClasses = map[string]string{"pg_class": "1259", "pg_namespace": "2615", "pg_type": "1247", "pg_proc": "1255", "pg_database": "1262", "pg_attrdef": "2604",
	"pg_constraint": "2606", "pg_attribute": "1249", "pg_trigger": "2620", "pg_rewrite": "2618", "pg_extension": "3079", "pg_foreign_server": "1417", "pg_language": "2612",
	"pg_roles": "1260", "pg_authid": "1260", "pg_tablespace": "1213"}

// The id of the first relation of a schema by name.
const (
	firstOID     = 20000
	firstLakeOID = 30000
)

func sortedKeys(relations map[string]*serving.Relation) []string {
	return slices.Sorted(maps.Keys(relations))
}

// oidOf is the id of a relation as a text.
func oidOf(relations map[string]*serving.Relation, key string) string {
	i := slices.Index(sortedKeys(relations), key)
	if relations[key].View == "" {
		return strconv.Itoa(firstLakeOID + i)
	}
	return strconv.Itoa(firstOID + i)
}

// sessionCatalogue makes the tables of catalogueOfSession.
func sessionCatalogue(ctx context.Context, conn *engine.Conn, relations map[string]*serving.Relation, database string) error {
	var classes, attributes, descriptions []string
	for _, key := range sortedKeys(relations) {
		r, oid := relations[key], oidOf(relations, key)
		schema, name, _ := strings.Cut(key, ".")
		namespace := 2200
		if schema == "lake" {
			namespace = 16384
		}
		classes = append(classes, fmt.Sprintf("(%s, %s, %d, %s, %d)", oid, sqltext.Text(name), namespace, sqltext.Text(schema), len(r.Columns)))
		if r.Description != "" {
			descriptions = append(descriptions, fmt.Sprintf("(%s, 0, %s)", oid, sqltext.Text(r.Description)))
		}
		for k, c := range r.Columns {
			id, mod := oidOfColumn(c)
			attributes = append(attributes, fmt.Sprintf("(%s, %s, %d, %d, %d, %s, %s, %t)", oid, sqltext.Text(c.Name), k+1, id, mod, sqltext.Text(schema), sqltext.Text(name), c.Role != "time" && c.Role != "end"))
			if c.Description != "" {
				descriptions = append(descriptions, fmt.Sprintf("(%s, %d, %s)", oid, k+1, sqltext.Text(c.Description)))
			}
		}
	}
	const noRows = " WHERE false"
	rows := func(list []string, empty string) string {
		if len(list) == 0 {
			return "SELECT * FROM (VALUES (" + empty + "))" + noRows
		}
		return "SELECT * FROM (VALUES " + strings.Join(list, ", ") + ")"
	}
	sql := strings.NewReplacer(
		"{classes}", rows(classes, "0, '', 0, '', 0"),
		"{attributes}", rows(attributes, "0, '', 0, 0, 0, '', '', true"),
		"{descriptions}", rows(descriptions, "0, 0, ''"),
		"{database}", sqltext.Text(database),
	).Replace(sessionSQL)
	if err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("make the catalogue of the session: %w", err)
	}
	return nil
}

//go:embed session.sql
var sessionSQL string

// oidOfColumn is PostgreSQL's type of a column, and its modifier.
func oidOfColumn(c serving.RelationColumn) (oid uint32, mod int32) {
	switch c.Type.Kind {
	case view.Decimal:
		return 1700, int32(c.Type.Precision)<<16 + int32(c.Type.Scale) + 4
	case view.Int128:
		return 1700, -1
	case view.List:
		return typeOf(columnSQL(c.Type.Element()), true).oid, -1
	}
	return typeOf(columnSQL(c.Type), false).oid, -1
}
