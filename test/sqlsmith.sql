-- What sqlsmith finds in a database of its own server: the user smith, who may
-- read everything, also in the stores, and write native tables but the largest.
\set ON_ERROR_STOP 1
SELECT format('GRANT USAGE ON SCHEMA %I TO smith; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO smith', nspname)
FROM pg_namespace WHERE nspname IN ('influx', 'mongo', 'redis', 'neo4j', 'odd', 'twin', 'portfolio', 'clock', 'cipherhorizon') \gexec
SELECT format('GRANT INSERT, UPDATE, DELETE ON %s TO smith', oid::regclass)
FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('twin', 'portfolio')) AND relname <> 'ticks' \gexec
SELECT format('CREATE USER MAPPING FOR smith SERVER %I OPTIONS (%s)', srvname,
              (SELECT string_agg(format('%I %L', option_name, option_value), ', ') FROM pg_options_to_table(umoptions)))
FROM pg_user_mappings \gexec

-- sqlsmith pairs ranges and other generic types wrongly, and hardly a statement would get past
-- the parser.  It reads pg_proc by its search path, and pg_operator by its full name.
CREATE SCHEMA smith;
GRANT USAGE ON SCHEMA smith TO smith;
CREATE TABLE smith.unfit AS
SELECT oid FROM pg_type
WHERE typtype IN ('r', 'm') OR typcategory = 'G' -- ranges, geometry
   OR typname ~ '^_?(tsquery|tsvector|macaddr8?|money|bit|varbit|xml|unknown|cstring|internal|txid_snapshot)$|^any(range|multirange|enum|compatible|array)|^reg|_handler$|^pg_';
CREATE MATERIALIZED VIEW smith.pg_proc AS
SELECT * FROM pg_catalog.pg_proc p
WHERE has_function_privilege('smith', p.oid, 'EXECUTE') AND p.prorettype NOT IN (TABLE smith.unfit) AND NOT p.proargtypes::oid[] && ARRAY(TABLE smith.unfit);
CREATE INDEX ON smith.pg_proc (oid);
GRANT SELECT ON smith.pg_proc TO smith;
DELETE FROM pg_operator
WHERE oprleft IN (TABLE smith.unfit) OR oprright IN (TABLE smith.unfit);
SELECT format('ALTER ROLE smith IN DATABASE %I SET search_path = smith, %spg_catalog', current_database(),
              (SELECT 'clock, ' FROM pg_namespace WHERE nspname = 'clock')) \gexec
