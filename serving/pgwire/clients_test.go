package pgwire

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const searchPath = `SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'),','),1),
	array_upper(string_to_array(current_setting('search_path'),','),1)) as i, string_to_array(current_setting('search_path'),',') s`

// What Grafana's source for PostgreSQL sends: when it is set up, from its query builder, and from panels with its macros put in.
var grafana = []string{
	"SELECT current_setting('server_version_num')::int/100 as version",
	"SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
	`SELECT CASE WHEN quote_ident(table_schema) IN (` + searchPath + `) THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
		FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache') ORDER BY 1`,
	`SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('sales_1h'),1) = 2
		THEN quote_ident(table_schema) = (parse_ident('sales_1h'))[1] AND quote_ident(table_name) = (parse_ident('sales_1h'))[2]
		ELSE quote_ident(table_name) = (parse_ident('sales_1h'))[1] AND quote_ident(table_schema) IN (` + searchPath + `) END`,
	`SELECT time AS "time", revenue FROM sales_1h WHERE time BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T02:00:00Z' ORDER BY 1`,
	`SELECT floor(extract(epoch from time)/3600)*3600 AS "time", country AS metric, sum(revenue) AS revenue FROM sales_1h WHERE time BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-02T00:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2`,
	`SELECT DISTINCT country FROM sales_1h`,
}

// What DBeaver sends when it connects, opens the tree of tables, and shows one; the driver of it (pgjdbc) sends the first ones.
var dbeaver = []string{
	"SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'", "SELECT version()", "SHOW TRANSACTION ISOLATION LEVEL", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
	"SET application_name = 'DBeaver 24.2.0 - Main <shop>'", "SELECT current_schema(),session_user", "SHOW search_path", "BEGIN READ ONLY", "COMMIT",
	"SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname = 'shop'",
	"select * from pg_catalog.pg_settings where name='standard_conforming_strings'",
	"select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ( '{a,abs,absolute,action}'::text[] )",
	"SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname",
	"SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1184",
	"SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
	"SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c')",
	"select c.oid,pg_catalog.pg_total_relation_size(c.oid) as total_rel_size,pg_catalog.pg_relation_size(c.oid) as rel_size FROM pg_class c WHERE c.relnamespace=2200",
	"SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.oid=20000 ORDER BY a.attnum",
	`SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description, case when c.contype='c' then "substring"(pg_get_constraintdef(c.oid), 7) else null end consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass WHERE c.conrelid=20000`,
	"SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr,pg_catalog.pg_relation_size(i.indexrelid) as index_rel_size,pg_catalog.pg_stat_get_numscans(i.indexrelid) as index_num_scans FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid WHERE i.indrelid=20000 ORDER BY tabrelname, c.relname",
	"SELECT DISTINCT dep.deptype, dep.classid, dep.objid, cl.relkind, attr.attname,pg_get_expr(ad.adbin, ad.adrelid) adefval FROM pg_depend dep LEFT JOIN pg_class cl ON dep.objid=cl.oid LEFT JOIN pg_attribute attr ON dep.objid=attr.attrelid AND dep.objsubid=attr.attnum LEFT JOIN pg_attrdef ad ON dep.objid = ad.oid WHERE dep.refobjid=20000",
	"SELECT x.oid,x.*,p.relname FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_class p ON p.oid = x.tgrelid WHERE x.tgrelid=20000",
	"SELECT x.* FROM public.sales_1h x LIMIT 200",
}

func TestWhatGrafanaAndDBeaverSendIsAnswered(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	for _, sql := range append(grafana, dbeaver...) {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%.200s\n%v", sql, err)
		}
		if strings.HasPrefix(sql, "SET") || strings.HasPrefix(sql, "BEGIN") || sql == "COMMIT" {
			continue
		}
		rows, err := conn.Query(t.Context(), sql, pgx.QueryResultFormats{0})
		if err != nil {
			t.Errorf("prepared: %.200s\n%v", sql, err)
			continue
		}
		if rows.Close(); rows.Err() != nil {
			t.Errorf("prepared: %.200s\n%v", sql, rows.Err())
		}
	}
	if got := table(t, conn, grafana[2]); got != "lake.orders\nsales_1h" {
		t.Errorf("Grafana's tables: %s", got)
	}
	if got := table(t, conn, grafana[3]+" ORDER BY 1"); got != "country|text\norders|bigint\nrevenue|numeric\ntime|timestamp with time zone" {
		t.Errorf("Grafana's columns: %s", got)
	}
}
