-- What of PostgreSQL's catalogue depends on the relations that the caller may read.
CREATE OR REPLACE TEMP TABLE "pg_class" AS SELECT oid::BIGINT AS oid, relname, relnamespace::BIGINT AS relnamespace, 0::BIGINT AS reltype, 0::BIGINT AS reloftype, 10::BIGINT AS relowner, 2::BIGINT AS relam,
	0::BIGINT AS relfilenode, 0::BIGINT AS reltablespace, 0 AS relpages, -1::FLOAT AS reltuples, 0 AS relallvisible, 0::BIGINT AS reltoastrelid, false AS relhasindex, false AS relisshared,
	'p' AS relpersistence, 'r' AS relkind, relnatts::SMALLINT AS relnatts, 0::SMALLINT AS relchecks, false AS relhasrules, false AS relhastriggers, false AS relhassubclass, false AS relrowsecurity,
	false AS relforcerowsecurity, true AS relispopulated, 'n' AS relreplident, false AS relispartition, 0::BIGINT AS relrewrite, 0::BIGINT AS relfrozenxid, 0::BIGINT AS relminmxid,
	NULL::VARCHAR[] AS relacl, NULL::VARCHAR[] AS reloptions, NULL::VARCHAR AS relpartbound, false AS relhasoids, 1259::BIGINT AS tableoid, 0::BIGINT AS xmin
	FROM ({classes}) AS t(oid, relname, relnamespace, schema, relnatts);
CREATE OR REPLACE TEMP TABLE "pg_attribute" AS SELECT attrelid::BIGINT AS attrelid, attname, atttypid::BIGINT AS atttypid, -1 AS attstattarget, t.typlen AS attlen, attnum::SMALLINT AS attnum, 0 AS attndims,
	-1 AS attcacheoff, atttypmod::INTEGER AS atttypmod, false AS attbyval, 'i' AS attalign, 'p' AS attstorage, '' AS attcompression, NOT nullable AS attnotnull, false AS atthasdef, false AS atthasmissing, '' AS attidentity,
	'' AS attgenerated, false AS attisdropped, true AS attislocal, 0 AS attinhcount, 0::BIGINT AS attcollation, NULL::VARCHAR[] AS attacl, NULL::VARCHAR[] AS attoptions, NULL::VARCHAR[] AS attfdwoptions,
	1249::BIGINT AS tableoid, 0::BIGINT AS xmin
	FROM ({attributes}) AS a(attrelid, attname, attnum, atttypid, atttypmod, schema, relname, nullable) LEFT JOIN _caudal.pg_type AS t ON t.oid = a.atttypid;
CREATE OR REPLACE TEMP TABLE "pg_description" AS SELECT objoid::BIGINT AS objoid, 1259::BIGINT AS classoid, objsubid::INTEGER AS objsubid, description FROM ({descriptions}) AS t(objoid, objsubid, description);
CREATE OR REPLACE TEMP TABLE "pg_tables" AS SELECT schema AS schemaname, relname AS tablename, 'caudal' AS tableowner, NULL::VARCHAR AS tablespace, false AS hasindexes, false AS hasrules, false AS hastriggers,
	false AS rowsecurity FROM ({classes}) AS t(oid, relname, relnamespace, schema, relnatts);
CREATE OR REPLACE TEMP TABLE "pg_database" AS SELECT 16385::BIGINT AS oid, {database} AS datname, 10::BIGINT AS datdba, 6 AS encoding, 'c' AS datlocprovider, false AS datistemplate, true AS datallowconn, -1 AS datconnlimit,
	0::BIGINT AS datlastsysoid, 0::BIGINT AS datfrozenxid, 0::BIGINT AS datminmxid, 1663::BIGINT AS dattablespace, 'C.UTF-8' AS datcollate, 'C.UTF-8' AS datctype, NULL::VARCHAR AS daticulocale,
	NULL::VARCHAR AS datcollversion, NULL::VARCHAR[] AS datacl, 1262::BIGINT AS tableoid, 0::BIGINT AS xmin;
CREATE OR REPLACE TEMP TABLE "information_schema.tables" AS SELECT {database} AS table_catalog, schema AS table_schema, relname AS table_name, 'BASE TABLE' AS table_type, 'NO' AS is_insertable_into, 'NO' AS is_typed
	FROM ({classes}) AS t(oid, relname, relnamespace, schema, relnatts);
CREATE OR REPLACE TEMP TABLE "information_schema.columns" AS SELECT {database} AS table_catalog, schema AS table_schema, relname AS table_name, attname AS column_name, attnum::INTEGER AS ordinal_position,
	NULL::VARCHAR AS column_default, CASE WHEN nullable THEN 'YES' ELSE 'NO' END AS is_nullable, regexp_replace(_caudal.format_type(atttypid, atttypmod), '\(.*', '') AS data_type,
	NULL::INTEGER AS character_maximum_length, NULL::INTEGER AS character_octet_length, CASE WHEN atttypmod > 4 THEN (atttypmod - 4) >> 16 END AS numeric_precision, 10 AS numeric_precision_radix,
	CASE WHEN atttypmod > 4 THEN (atttypmod - 4) & 65535 END AS numeric_scale, CASE WHEN atttypid = 1184 THEN 6 END AS datetime_precision, NULL::VARCHAR AS interval_type, NULL::VARCHAR AS character_set_name,
	NULL::VARCHAR AS collation_name, NULL::VARCHAR AS domain_name, {database} AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name, 'NO' AS is_identity, NULL::VARCHAR AS identity_generation,
	'NEVER' AS is_generated, NULL::VARCHAR AS generation_expression, 'NO' AS is_updatable
	FROM ({attributes}) AS a(attrelid, attname, attnum, atttypid, atttypmod, schema, relname, nullable) LEFT JOIN _caudal.pg_type AS t ON t.oid = a.atttypid;
