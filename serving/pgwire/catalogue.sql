-- PostgreSQL's catalogue as clients ask for it. What depends on the relations is made for each session (session_catalogue.go); the rest is here. Ids are
-- BIGINT: clients send them as texts and numbers. Tables that hold nothing are there for the joins that name them.
CREATE SCHEMA _caudal;

CREATE TABLE _caudal.pg_namespace AS SELECT * FROM (VALUES
	(11::BIGINT, 'pg_catalog', 10::BIGINT, NULL::VARCHAR[], 2615::BIGINT, 0::BIGINT),
	(2200, 'public', 10, NULL, 2615, 0),
	(13000, 'information_schema', 10, NULL, 2615, 0),
	(16384, 'lake', 10, NULL, 2615, 0)) AS t(oid, nspname, nspowner, nspacl, tableoid, xmin);

CREATE TABLE _caudal.pg_roles AS SELECT 10::BIGINT AS oid, 'caudal' AS rolname, false AS rolsuper, true AS rolinherit, false AS rolcreaterole, false AS rolcreatedb,
	true AS rolcanlogin, false AS rolreplication, -1 AS rolconnlimit, NULL::VARCHAR AS rolpassword, NULL::TIMESTAMPTZ AS rolvaliduntil, false AS rolbypassrls, NULL::VARCHAR[] AS rolconfig;
CREATE TABLE _caudal.pg_authid AS SELECT * FROM _caudal.pg_roles;
CREATE TABLE _caudal.pg_user AS SELECT 'caudal' AS usename, 10::BIGINT AS usesysid, false AS usecreatedb, false AS usesuper, false AS userepl, false AS usebypassrls, NULL::VARCHAR AS passwd,
	NULL::TIMESTAMPTZ AS valuntil, NULL::VARCHAR[] AS useconfig;
CREATE TABLE _caudal.pg_auth_members (roleid BIGINT, member BIGINT, grantor BIGINT, admin_option BOOLEAN);

CREATE TABLE _caudal.pg_type AS SELECT oid::BIGINT AS oid, typname, 11::BIGINT AS typnamespace, 10::BIGINT AS typowner, typlen::SMALLINT AS typlen, true AS typbyval,
	'b' AS typtype, typcategory, typcategory IN ('N', 'S') AND typname IN ('float8', 'text') AS typispreferred, true AS typisdefined, ',' AS typdelim, 0::BIGINT AS typrelid, typelem::BIGINT AS typelem,
	typarray::BIGINT AS typarray, typname || CASE WHEN typelem > 0 THEN '' ELSE 'in' END AS typinput, 'out' AS typoutput, CASE WHEN typelem > 0 THEN 'array_recv' ELSE typname || 'recv' END AS typreceive,
	'i' AS typalign, 'p' AS typstorage, false AS typnotnull, 0::BIGINT AS typbasetype, -1 AS typtypmod, 0 AS typndims, 0::BIGINT AS typcollation, NULL::VARCHAR AS typdefault,
	NULL::VARCHAR[] AS typacl, 1247::BIGINT AS tableoid, 0::BIGINT AS typsubscript, 0::BIGINT AS xmin
FROM (VALUES (16, 'bool', 1, 'B', 0, 1000), (17, 'bytea', -1, 'U', 0, 1001), (18, 'char', 1, 'S', 0, 1002), (19, 'name', 64, 'S', 0, 1003), (20, 'int8', 8, 'N', 0, 1016),
	(21, 'int2', 2, 'N', 0, 1005), (23, 'int4', 4, 'N', 0, 1007), (25, 'text', -1, 'S', 0, 1009), (26, 'oid', 4, 'N', 0, 1028), (114, 'json', -1, 'U', 0, 199),
	(700, 'float4', 4, 'N', 0, 1021), (701, 'float8', 8, 'N', 0, 1022), (1042, 'bpchar', -1, 'S', 0, 1014), (1043, 'varchar', -1, 'S', 0, 1015), (1082, 'date', 4, 'D', 0, 1182),
	(1083, 'time', 8, 'D', 0, 1183), (1114, 'timestamp', 8, 'D', 0, 1115), (1184, 'timestamptz', 8, 'D', 0, 1185), (1186, 'interval', 16, 'T', 0, 1187), (1700, 'numeric', -1, 'N', 0, 1231),
	(2950, 'uuid', 16, 'U', 0, 2951), (1000, '_bool', -1, 'A', 16, 0), (1005, '_int2', -1, 'A', 21, 0), (1007, '_int4', -1, 'A', 23, 0), (1009, '_text', -1, 'A', 25, 0),
	(1016, '_int8', -1, 'A', 20, 0), (1021, '_float4', -1, 'A', 700, 0), (1022, '_float8', -1, 'A', 701, 0), (1115, '_timestamp', -1, 'A', 1114, 0), (1182, '_date', -1, 'A', 1082, 0),
	(1185, '_timestamptz', -1, 'A', 1184, 0), (1231, '_numeric', -1, 'A', 1700, 0)) AS t(oid, typname, typlen, typcategory, typelem, typarray);

CREATE TABLE _caudal.pg_am AS SELECT 2::BIGINT AS oid, 'heap' AS amname, 't' AS amtype, 'heap_tableam_handler' AS amhandler;
CREATE TABLE _caudal.pg_collation AS SELECT 100::BIGINT AS oid, 'default' AS collname, 11::BIGINT AS collnamespace, 10::BIGINT AS collowner, 'd' AS collprovider, true AS collisdeterministic,
	-1 AS collencoding, ''::VARCHAR AS collcollate, ''::VARCHAR AS collctype, NULL::VARCHAR AS collversion;
CREATE TABLE _caudal.pg_language AS SELECT 14::BIGINT AS oid, 'sql' AS lanname, 10::BIGINT AS lanowner, false AS lanispl, true AS lanpltrusted;
CREATE TABLE _caudal.pg_tablespace AS SELECT 1663::BIGINT AS oid, 'pg_default' AS spcname, 10::BIGINT AS spcowner, NULL::VARCHAR[] AS spcacl, NULL::VARCHAR[] AS spcoptions;
CREATE TABLE _caudal.pg_timezone_names AS SELECT 'UTC' AS name, 'UTC' AS abbrev, INTERVAL 0 SECONDS AS utc_offset, false AS is_dst;

CREATE TABLE _caudal.pg_index (indexrelid BIGINT, indrelid BIGINT, indnatts SMALLINT, indnkeyatts SMALLINT, indisunique BOOLEAN, indisprimary BOOLEAN, indisexclusion BOOLEAN, indimmediate BOOLEAN,
	indisclustered BOOLEAN, indisvalid BOOLEAN, indcheckxmin BOOLEAN, indisready BOOLEAN, indislive BOOLEAN, indisreplident BOOLEAN, indkey SMALLINT[], indcollation BIGINT[], indclass BIGINT[],
	indoption SMALLINT[], indexprs VARCHAR, indpred VARCHAR, indnullsnotdistinct BOOLEAN, xmin BIGINT);
CREATE TABLE _caudal.pg_constraint (oid BIGINT, conname VARCHAR, connamespace BIGINT, contype VARCHAR, condeferrable BOOLEAN, condeferred BOOLEAN, convalidated BOOLEAN, conrelid BIGINT, contypid BIGINT,
	conindid BIGINT, conparentid BIGINT, confrelid BIGINT, confupdtype VARCHAR, confdeltype VARCHAR, confmatchtype VARCHAR, conislocal BOOLEAN, coninhcount INTEGER, connoinherit BOOLEAN,
	conkey SMALLINT[], confkey SMALLINT[], conbin VARCHAR, consrc VARCHAR, tableoid BIGINT, xmin BIGINT);
CREATE TABLE _caudal.pg_attrdef (oid BIGINT, adrelid BIGINT, adnum SMALLINT, adbin VARCHAR, adsrc VARCHAR);
CREATE TABLE _caudal.pg_inherits (inhrelid BIGINT, inhparent BIGINT, inhseqno INTEGER, inhdetachpending BOOLEAN);
CREATE TABLE _caudal.pg_policy (oid BIGINT, polname VARCHAR, polrelid BIGINT, polcmd VARCHAR, polpermissive BOOLEAN, polroles BIGINT[], polqual VARCHAR, polwithcheck VARCHAR);
CREATE TABLE _caudal.pg_statistic_ext (oid BIGINT, stxrelid BIGINT, stxname VARCHAR, stxnamespace BIGINT, stxowner BIGINT, stxstattarget INTEGER, stxkeys SMALLINT[], stxkind VARCHAR[], stxexprs VARCHAR);
CREATE TABLE _caudal.pg_publication (oid BIGINT, pubname VARCHAR, pubowner BIGINT, puballtables BOOLEAN, pubinsert BOOLEAN, pubupdate BOOLEAN, pubdelete BOOLEAN, pubtruncate BOOLEAN, pubviaroot BOOLEAN);
CREATE TABLE _caudal.pg_publication_rel (oid BIGINT, prpubid BIGINT, prrelid BIGINT, prqual VARCHAR, prattrs SMALLINT[]);
CREATE TABLE _caudal.pg_publication_namespace (oid BIGINT, pnpubid BIGINT, pnnspid BIGINT);
CREATE TABLE _caudal.pg_subscription (oid BIGINT, subname VARCHAR);
CREATE TABLE _caudal.pg_trigger (oid BIGINT, tgrelid BIGINT, tgparentid BIGINT, tgname VARCHAR, tgfoid BIGINT, tgtype SMALLINT, tgenabled VARCHAR, tgisinternal BOOLEAN, tgconstrrelid BIGINT,
	tgconstrindid BIGINT, tgconstraint BIGINT, tgdeferrable BOOLEAN, tginitdeferred BOOLEAN, tgnargs SMALLINT, tgattr SMALLINT[], tgargs VARCHAR, tgqual VARCHAR);
CREATE TABLE _caudal.pg_rewrite (oid BIGINT, rulename VARCHAR, ev_class BIGINT, ev_type VARCHAR, ev_enabled VARCHAR, is_instead BOOLEAN, ev_qual VARCHAR, ev_action VARCHAR);
CREATE TABLE _caudal.pg_depend (classid BIGINT, objid BIGINT, objsubid INTEGER, refclassid BIGINT, refobjid BIGINT, refobjsubid INTEGER, deptype VARCHAR);
CREATE TABLE _caudal.pg_shdepend AS SELECT * FROM _caudal.pg_depend;
CREATE TABLE _caudal.pg_shdescription (objoid BIGINT, classoid BIGINT, description VARCHAR);
CREATE TABLE _caudal.pg_seclabel (objoid BIGINT, classoid BIGINT, objsubid INTEGER, provider VARCHAR, label VARCHAR);
CREATE TABLE _caudal.pg_extension (oid BIGINT, extname VARCHAR, extowner BIGINT, extnamespace BIGINT, extrelocatable BOOLEAN, extversion VARCHAR, extconfig BIGINT[], extcondition VARCHAR[], tableoid BIGINT, xmin BIGINT);
CREATE TABLE _caudal.pg_available_extensions (name VARCHAR, default_version VARCHAR, installed_version VARCHAR, comment VARCHAR);
CREATE TABLE _caudal.pg_enum (oid BIGINT, enumtypid BIGINT, enumsortorder FLOAT, enumlabel VARCHAR);
CREATE TABLE _caudal.pg_range (rngtypid BIGINT, rngsubtype BIGINT, rngmultitypid BIGINT, rngcollation BIGINT, rngsubopc BIGINT, rngcanonical VARCHAR, rngsubdiff VARCHAR);
CREATE TABLE _caudal.pg_proc (oid BIGINT, proname VARCHAR, pronamespace BIGINT, proowner BIGINT, prolang BIGINT, procost FLOAT, prorows FLOAT, provariadic BIGINT, prokind VARCHAR, prosecdef BOOLEAN,
	proleakproof BOOLEAN, proisstrict BOOLEAN, proretset BOOLEAN, provolatile VARCHAR, proparallel VARCHAR, pronargs SMALLINT, pronargdefaults SMALLINT, prorettype BIGINT, proargtypes BIGINT[],
	proallargtypes BIGINT[], proargmodes VARCHAR[], proargnames VARCHAR[], prosrc VARCHAR, proisagg BOOLEAN, proiswindow BOOLEAN, xmin BIGINT, tableoid BIGINT);
CREATE TABLE _caudal.pg_aggregate (aggfnoid BIGINT, aggkind VARCHAR, aggnumdirectargs SMALLINT, aggtransfn VARCHAR);
CREATE TABLE _caudal.pg_operator (oid BIGINT, oprname VARCHAR, oprnamespace BIGINT, oprowner BIGINT, oprleft BIGINT, oprright BIGINT, oprresult BIGINT, oprcode VARCHAR);
CREATE TABLE _caudal.pg_opclass (oid BIGINT, opcmethod BIGINT, opcname VARCHAR, opcnamespace BIGINT, opcowner BIGINT, opcfamily BIGINT, opcintype BIGINT, opcdefault BOOLEAN, opckeytype BIGINT);
CREATE TABLE _caudal.pg_cast (oid BIGINT, castsource BIGINT, casttarget BIGINT, castfunc BIGINT, castcontext VARCHAR, castmethod VARCHAR);
CREATE TABLE _caudal.pg_conversion (oid BIGINT, conname VARCHAR, connamespace BIGINT);
CREATE TABLE _caudal.pg_sequence (seqrelid BIGINT, seqtypid BIGINT, seqstart BIGINT, seqincrement BIGINT, seqmax BIGINT, seqmin BIGINT, seqcache BIGINT, seqcycle BOOLEAN);
CREATE TABLE _caudal.pg_sequences (schemaname VARCHAR, sequencename VARCHAR, sequenceowner VARCHAR, data_type VARCHAR);
CREATE TABLE _caudal.pg_partitioned_table (partrelid BIGINT, partstrat VARCHAR, partnatts SMALLINT, partdefid BIGINT, partattrs SMALLINT[], partexprs VARCHAR);
CREATE TABLE _caudal.pg_foreign_table (ftrelid BIGINT, ftserver BIGINT, ftoptions VARCHAR[]);
CREATE TABLE _caudal.pg_foreign_server (oid BIGINT, srvname VARCHAR, srvowner BIGINT, srvfdw BIGINT, srvtype VARCHAR, srvversion VARCHAR, srvacl VARCHAR[], srvoptions VARCHAR[]);
CREATE TABLE _caudal.pg_foreign_data_wrapper (oid BIGINT, fdwname VARCHAR, fdwowner BIGINT, fdwhandler BIGINT, fdwvalidator BIGINT);
CREATE TABLE _caudal.pg_event_trigger (oid BIGINT, evtname VARCHAR, evtevent VARCHAR, evtowner BIGINT, evtfoid BIGINT, evtenabled VARCHAR, evttags VARCHAR[]);
CREATE TABLE _caudal.pg_default_acl (oid BIGINT, defaclrole BIGINT, defaclnamespace BIGINT, defaclobjtype VARCHAR, defaclacl VARCHAR[]);
CREATE TABLE _caudal.pg_views (schemaname VARCHAR, viewname VARCHAR, viewowner VARCHAR, definition VARCHAR);
CREATE TABLE _caudal.pg_matviews (schemaname VARCHAR, matviewname VARCHAR, matviewowner VARCHAR, tablespace VARCHAR, hasindexes BOOLEAN, ispopulated BOOLEAN, definition VARCHAR);
CREATE TABLE _caudal.pg_indexes (schemaname VARCHAR, tablename VARCHAR, indexname VARCHAR, tablespace VARCHAR, indexdef VARCHAR);
CREATE TABLE _caudal.pg_locks (locktype VARCHAR, database BIGINT, relation BIGINT, pid INTEGER, mode VARCHAR, granted BOOLEAN, transactionid BIGINT);
CREATE TABLE _caudal.pg_stat_activity (datid BIGINT, datname VARCHAR, pid INTEGER, usename VARCHAR, application_name VARCHAR, state VARCHAR, query VARCHAR, query_start TIMESTAMPTZ);
CREATE TABLE _caudal.pg_prepared_xacts (transaction BIGINT, gid VARCHAR, prepared TIMESTAMPTZ, owner VARCHAR, database VARCHAR);
CREATE TABLE _caudal."information_schema.schemata" AS SELECT {database} AS catalog_name, nspname AS schema_name, 'caudal' AS schema_owner FROM _caudal.pg_namespace;
CREATE TABLE _caudal."information_schema.views" (table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, view_definition VARCHAR, check_option VARCHAR, is_updatable VARCHAR);
CREATE TABLE _caudal."information_schema.table_constraints" (constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR,
	constraint_type VARCHAR, is_deferrable VARCHAR, initially_deferred VARCHAR);
CREATE TABLE _caudal."information_schema.key_column_usage" (constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR,
	column_name VARCHAR, ordinal_position INTEGER, position_in_unique_constraint INTEGER);
CREATE TABLE _caudal."information_schema.constraint_column_usage" (table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR);
CREATE TABLE _caudal."information_schema.referential_constraints" (constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, unique_constraint_schema VARCHAR, unique_constraint_name VARCHAR,
	match_option VARCHAR, update_rule VARCHAR, delete_rule VARCHAR);
CREATE TABLE _caudal."information_schema.routines" (specific_name VARCHAR, routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR, routine_type VARCHAR, data_type VARCHAR);
CREATE TABLE _caudal."information_schema.parameters" (specific_name VARCHAR, ordinal_position INTEGER, parameter_mode VARCHAR, parameter_name VARCHAR, data_type VARCHAR);
CREATE TABLE _caudal."information_schema.sequences" (sequence_catalog VARCHAR, sequence_schema VARCHAR, sequence_name VARCHAR, data_type VARCHAR);
CREATE TABLE _caudal."information_schema.triggers" (trigger_catalog VARCHAR, trigger_schema VARCHAR, trigger_name VARCHAR, event_object_schema VARCHAR, event_object_table VARCHAR);

CREATE MACRO _caudal.pg_get_keywords() AS TABLE SELECT 'select' AS word, 'R' AS catcode, 'reserved' AS catdesc;

CREATE MACRO _caudal.current_database() AS {database};
CREATE MACRO _caudal.current_catalog() AS {database};
CREATE MACRO _caudal.version() AS 'PostgreSQL 14.0 (caudal), read-only';
CREATE MACRO _caudal.current_user() AS 'caudal';
CREATE MACRO _caudal.session_user() AS 'caudal';
CREATE MACRO _caudal.user() AS 'caudal';
CREATE MACRO _caudal.current_role() AS 'caudal';
CREATE MACRO _caudal.current_schema() AS 'public';
CREATE MACRO _caudal.current_schemas(implicit) AS CASE WHEN implicit THEN ['pg_catalog', 'public'] ELSE ['public'] END;
CREATE MACRO _caudal.pg_my_temp_schema() AS 0::BIGINT;
CREATE MACRO _caudal.pg_is_other_temp_schema(id) AS false;
CREATE MACRO _caudal.pg_backend_pid() AS 1;
CREATE MACRO _caudal.pg_is_in_recovery() AS false;
CREATE MACRO _caudal.pg_is_wal_replay_paused() AS false;
CREATE MACRO _caudal.pg_postmaster_start_time() AS now();
CREATE MACRO _caudal.pg_conf_load_time() AS now();
CREATE MACRO _caudal.txid_current() AS 1::BIGINT;
CREATE MACRO _caudal.inet_server_addr() AS NULL::VARCHAR;
CREATE MACRO _caudal.inet_server_port() AS NULL::INTEGER;
CREATE MACRO _caudal.inet_client_addr() AS NULL::VARCHAR;
CREATE MACRO _caudal.pg_get_userbyid(id) AS 'caudal';
CREATE MACRO _caudal.pg_encoding_to_char(id) AS 'UTF8';
CREATE MACRO _caudal.pg_client_encoding() AS 'UTF8';
CREATE MACRO _caudal.pg_table_is_visible(id) AS CAST(id AS BIGINT) < 30000; -- of lake they are not
CREATE MACRO _caudal.pg_collation_is_visible(id) AS true;
CREATE MACRO _caudal.pg_type_is_visible(id) AS true;
CREATE MACRO _caudal.pg_function_is_visible(id) AS true;
CREATE MACRO _caudal.pg_relation_is_publishable(id) AS false;
CREATE MACRO _caudal.pg_get_expr(e, id) AS CAST(NULL AS VARCHAR), (e, id, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_constraintdef(id) AS CAST(NULL AS VARCHAR), (id, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_indexdef(id) AS CAST(NULL AS VARCHAR), (id, col, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_viewdef(id) AS CAST(NULL AS VARCHAR), (id, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_ruledef(id) AS CAST(NULL AS VARCHAR), (id, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_triggerdef(id) AS CAST(NULL AS VARCHAR), (id, pretty) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_partkeydef(id) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_statisticsobjdef_columns(id) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_serial_sequence(t, c) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_function_identity_arguments(id) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_function_result(id) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.pg_get_function_arguments(id) AS CAST(NULL AS VARCHAR);
CREATE MACRO _caudal.shobj_description(id, catalog) AS CAST(NULL AS VARCHAR);
CREATE TEMP TABLE pg_description (objoid BIGINT, objsubid INTEGER, description VARCHAR); -- of no session: those have one of their own
CREATE MACRO _caudal.obj_description(id) AS (SELECT any_value(d.description) FROM temp.main.pg_description AS d WHERE d.objoid = id AND d.objsubid = 0),
	(id, catalog) AS (SELECT any_value(d.description) FROM temp.main.pg_description AS d WHERE d.objoid = id AND d.objsubid = 0 AND catalog = 'pg_class');
CREATE MACRO _caudal.col_description(id, col) AS (SELECT any_value(d.description) FROM temp.main.pg_description AS d WHERE d.objoid = id AND d.objsubid = col);
CREATE MACRO _caudal.array_remove(items, item) AS list_filter(items, lambda x: x IS DISTINCT FROM item);
CREATE MACRO _caudal.pg_char_to_encoding(name) AS 6;
CREATE TABLE _caudal.pg_db_role_setting (setdatabase BIGINT, setrole BIGINT, setconfig VARCHAR[]);
CREATE TABLE _caudal.pg_opfamily (oid BIGINT, opfmethod BIGINT, opfname VARCHAR, opfnamespace BIGINT, opfowner BIGINT);
CREATE MACRO _caudal.pg_relation_size(id) AS 0::BIGINT, (id, fork) AS 0::BIGINT;
CREATE MACRO _caudal.pg_table_size(id) AS 0::BIGINT;
CREATE MACRO _caudal.pg_indexes_size(id) AS 0::BIGINT;
CREATE MACRO _caudal.pg_total_relation_size(id) AS 0::BIGINT;
CREATE MACRO _caudal.pg_database_size(id) AS 0::BIGINT;
CREATE MACRO _caudal.pg_size_pretty(n) AS format_bytes(n);
CREATE MACRO _caudal.pg_tablespace_location(id) AS '';
CREATE MACRO _caudal.pg_stat_get_numscans(id) AS 0::BIGINT;
CREATE MACRO _caudal.has_table_privilege(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.has_schema_privilege(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.has_database_privilege(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.has_column_privilege(a, b, c) AS true, (a, b, c, d) AS true;
CREATE MACRO _caudal.has_any_column_privilege(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.has_function_privilege(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.pg_has_role(a, b) AS true, (a, b, c) AS true;
CREATE MACRO _caudal.set_config(name, value, is_local) AS value;
CREATE MACRO _caudal.to_regclass(name) AS CAST(NULL AS BIGINT);
CREATE MACRO _caudal.to_regtype(name) AS CAST(NULL AS BIGINT);
CREATE MACRO _caudal.array_lower(items, n) AS 1;
CREATE MACRO _caudal.array_upper(items, n) AS len(items);
CREATE MACRO _caudal.parse_ident(name) AS string_split(replace(name, '"', ''), '.');
CREATE MACRO _caudal.string_to_array(t, separator) AS TABLE SELECT string_split(t, separator) AS s; -- in FROM; elsewhere it is DuckDB's
CREATE TABLE _caudal.pg_settings AS SELECT name, setting, NULL::VARCHAR AS unit, NULL::VARCHAR AS category, NULL::VARCHAR AS short_desc, 'user' AS context, 'string' AS vartype, 'default' AS source, setting AS reset_val
	FROM (VALUES ('standard_conforming_strings', 'on'), ('server_version', '14.0'), ('TimeZone', 'UTC'), ('client_encoding', 'UTF8'), ('max_index_keys', '32'), ('search_path', '"$user", public')) AS t(name, setting);
CREATE MACRO _caudal.quote_ident(name) AS CASE WHEN regexp_full_match(name, '[a-z_][a-z0-9_$]*') THEN name ELSE '"' || replace(name, '"', '""') || '"' END;
CREATE MACRO _caudal.quote_literal(name) AS '''' || replace(name, '''', '''''') || '''';
CREATE MACRO _caudal.current_setting(name) AS CASE lower(name) WHEN 'server_version_num' THEN '140000' WHEN 'server_version' THEN '14.0' WHEN 'search_path' THEN '"$user", public'
	WHEN 'timezone' THEN 'UTC' WHEN 'is_superuser' THEN 'off' WHEN 'block_size' THEN '8192' WHEN 'max_index_keys' THEN '32' WHEN 'server_encoding' THEN 'UTF8' END,
	(name, missing_ok) AS CASE lower(name) WHEN 'server_version_num' THEN '140000' WHEN 'server_version' THEN '14.0' WHEN 'search_path' THEN '"$user", public' WHEN 'timezone' THEN 'UTC' END;
CREATE MACRO _caudal.format_type(id, mod) AS CASE id WHEN 16 THEN 'boolean' WHEN 17 THEN 'bytea' WHEN 18 THEN '"char"' WHEN 19 THEN 'name' WHEN 20 THEN 'bigint' WHEN 21 THEN 'smallint' WHEN 23 THEN 'integer'
	WHEN 25 THEN 'text' WHEN 26 THEN 'oid' WHEN 114 THEN 'json' WHEN 700 THEN 'real' WHEN 701 THEN 'double precision' WHEN 1042 THEN 'character' WHEN 1043 THEN 'character varying' WHEN 1082 THEN 'date'
	WHEN 1083 THEN 'time without time zone' WHEN 1114 THEN 'timestamp without time zone' WHEN 1184 THEN 'timestamp with time zone' WHEN 1186 THEN 'interval' WHEN 2950 THEN 'uuid' WHEN 1009 THEN 'text[]'
	WHEN 1000 THEN 'boolean[]' WHEN 1016 THEN 'bigint[]' WHEN 1022 THEN 'double precision[]' WHEN 1182 THEN 'date[]' WHEN 1185 THEN 'timestamp with time zone[]' WHEN 1231 THEN 'numeric[]'
	WHEN 1700 THEN CASE WHEN coalesce(mod, -1) < 4 THEN 'numeric' ELSE 'numeric(' || ((mod - 4) >> 16)::VARCHAR || ',' || ((mod - 4) & 65535)::VARCHAR || ')' END ELSE '???' END;

-- A value as large as a short argument says is no longer answered: DuckDB does not count it against its memory before it is there.
CREATE MACRO _caudal.repeat(s, n) AS CASE WHEN length(s) * n::HUGEINT > 1000000 THEN error('repeat: the result is longer than 1,000,000') ELSE repeat(s, n) END;
CREATE MACRO _caudal.lpad(s, n) AS CASE WHEN n::HUGEINT > 1000000 THEN error('lpad: the result is longer than 1,000,000') ELSE lpad(s, n, ' ') END,
	(s, n, c) AS CASE WHEN n::HUGEINT > 1000000 THEN error('lpad: the result is longer than 1,000,000') ELSE lpad(s, n, c) END;
CREATE MACRO _caudal.rpad(s, n) AS CASE WHEN n::HUGEINT > 1000000 THEN error('rpad: the result is longer than 1,000,000') ELSE rpad(s, n, ' ') END,
	(s, n, c) AS CASE WHEN n::HUGEINT > 1000000 THEN error('rpad: the result is longer than 1,000,000') ELSE rpad(s, n, c) END;
CREATE MACRO _caudal.range(n) AS CASE WHEN n > 1000000 THEN error('range: more than 1,000,000 values') ELSE range(n) END,
	(a, b) AS CASE WHEN b::HUGEINT - a > 1000000 THEN error('range: more than 1,000,000 values') ELSE range(a, b) END;
CREATE MACRO _caudal.generate_series(a, b) AS CASE WHEN b::HUGEINT - a > 1000000 THEN error('generate_series: more than 1,000,000 values') ELSE generate_series(a, b) END;
