-- ANALYZE, the stores' own counts, and what the planner makes of them.
\set ECHO none
\set suite statistics
\set servers t_stat
\set who CURRENT_USER
\i test/four_stores.sql
\! test/load/redis.sh redis_statistics
\! python3 test/load/neo4j.py test/data/neo4j_statistics.cypher
\! test/load/influx.sh reset statistics
\! seq 0 1999 | awk '{ printf "statistics,symbol=S%d price=%s,qty=%di %d000000000\n", $1 % 20, $1 / 8, $1 % 50, 1767225600 + $1 }' | test/load/influx.sh write
\! make -s -C test/load build/mongo_load && test/load/build/mongo_load --drop t_statistics.docs >/dev/null && seq 1 2000 | awk '{ printf "t_statistics\tdocs\t{\"_id\": %d, \"g\": %s, \"name\": \"n%d\"}\n", $1, $1 % 4 ? $1 % 40 : "null", $1 % 10 }' | test/load/build/mongo_load --load 2>/dev/null
CREATE FOREIGN TABLE r (k bigint OPTIONS (kind 'key'), n int, s text) SERVER t_stat_redis OPTIONS (type 'hash', key_prefix 't_redis_statistics:k:');
CREATE FOREIGN TABLE z (member text OPTIONS (kind 'member'), score float8 OPTIONS (kind 'score')) SERVER t_stat_redis OPTIONS (type 'zset', key 't_redis_statistics:z');
CREATE FOREIGN TABLE i (time timestamptz NOT NULL, symbol text OPTIONS (kind 'tag'), price float8 NOT NULL, qty bigint) SERVER t_stat_influx OPTIONS (measurement 'statistics');
CREATE FOREIGN TABLE m (_id int NOT NULL, g int, name text) SERVER t_stat_mongo OPTIONS (collection 'docs');
CREATE FOREIGN TABLE n (k int, g int, name text) SERVER t_stat_neo4j OPTIONS (label 'TStat');
CREATE TABLE nr AS SELECT * FROM r;
CREATE TABLE ni AS SELECT * FROM i;
CREATE TABLE nm AS SELECT * FROM m;
CREATE TABLE nn AS SELECT * FROM n;
CREATE FOREIGN TABLE nokey (k text OPTIONS (kind 'key'), n int) SERVER t_stat_redis OPTIONS (type 'hash', key_prefix 't_redis_statistics:none:');
CREATE FOREIGN TABLE rel (id text OPTIONS (kind 'id')) SERVER t_stat_neo4j OPTIONS (relationship 'T_STAT');
CREATE FOREIGN TABLE wide (index int OPTIONS (kind 'index'), value text OPTIONS (kind 'value')) SERVER t_stat_redis OPTIONS (type 'list', key 't_redis_statistics:wide');
CREATE FUNCTION rows_of(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
  RETURN (plan -> 0 -> 'Plan' ->> 'Plan Rows')::int;
END $$;
\set ECHO queries

-- Without statistics a guess, or the store's own count where it has one
SELECT rows_of('SELECT * FROM r'), rows_of('SELECT * FROM z'), rows_of('SELECT * FROM i'), rows_of('SELECT * FROM m'), rows_of('SELECT * FROM n');
ALTER SERVER t_stat_redis OPTIONS (ADD use_remote_estimate 'true');
ALTER SERVER t_stat_influx OPTIONS (ADD use_remote_estimate 'true');
ALTER SERVER t_stat_mongo OPTIONS (ADD use_remote_estimate 'true');
ALTER SERVER t_stat_neo4j OPTIONS (ADD use_remote_estimate 'true');
SELECT rows_of('SELECT * FROM z'), rows_of('SELECT * FROM i'), rows_of('SELECT * FROM m'), rows_of('SELECT * FROM n');
SELECT rows_of('SELECT * FROM r') BETWEEN 1 AND 200000 AS of_the_prefix;
-- a view asks as its owner does; whoever reads it needs no user mapping
CREATE ROLE t_stat_reader;
GRANT USAGE ON SCHEMA t_statistics TO t_stat_reader;
CREATE VIEW seen AS SELECT * FROM n;
GRANT SELECT ON seen TO t_stat_reader;
ALTER FOREIGN TABLE n OPTIONS (ADD use_remote_estimate 'true');	-- forgets what was counted
SET ROLE t_stat_reader;
SELECT rows_of('SELECT * FROM seen');
RESET ROLE;
-- of a type only the relationships between two labels; of a prefix that no key has, not none
ALTER FOREIGN TABLE rel OPTIONS (ADD start_label 'TStat');
SELECT rows_of('SELECT * FROM rel');
ALTER FOREIGN TABLE rel OPTIONS (ADD end_label 'TStatTen');
SELECT rows_of('SELECT * FROM rel');
SELECT rows_of('SELECT * FROM nokey') >= 1 AS some;

-- What a store knows to be unique is so without statistics, too
SELECT rows_of('SELECT * FROM generate_series(1, 10) g JOIN r ON r.k = g'), rows_of('SELECT * FROM m a JOIN m b ON a._id = b._id'),
       rows_of('SELECT _id FROM m GROUP BY _id');
SELECT rows_of('SELECT FROM m a JOIN (SELECT x._id FROM m x JOIN z ON true OFFSET 0) b ON a._id = b._id') > 10000 AS repeated;
CREATE INDEX ON nm USING brin (_id);	-- asks for statistics before it says of which table
EXPLAIN (COSTS OFF) SELECT FROM nm WHERE _id = 5;

-- ANALYZE: the same statistics as a native table's
ANALYZE r, z, i, m, n, nr, ni, nm, nn;
SELECT relname, reltuples FROM pg_class WHERE relnamespace = 't_statistics'::regnamespace AND relkind = 'f' AND reltuples >= 0 ORDER BY 1;
SELECT f.tablename, f.attname, f.null_frac = t.null_frac AS nulls, f.avg_width = t.avg_width AS width,
       abs(f.n_distinct - t.n_distinct) < 0.05 AS distinct_values, f.most_common_vals::text IS NOT DISTINCT FROM t.most_common_vals::text AS common,
       f.histogram_bounds::text IS NOT DISTINCT FROM t.histogram_bounds::text AS bounds
FROM pg_stats f JOIN pg_stats t ON t.schemaname = f.schemaname AND t.tablename = 'n' || f.tablename AND t.attname = f.attname
WHERE f.schemaname = 't_statistics' ORDER BY 1, 2;
SELECT rows_of('SELECT * FROM m WHERE g = 3'), rows_of('SELECT * FROM n WHERE name = ''n3'''), rows_of('SELECT * FROM i WHERE symbol = ''S1''');
-- and so the same estimates
CREATE TABLE few AS SELECT g AS k, g % 10 AS h FROM generate_series(1, 10) g;
ANALYZE few;
SELECT query, rows_of(query), rows_of(regexp_replace(query, '\m([rimn])\M(?= [xy])', 'n\1', 'g')) AS native FROM (VALUES
  ('SELECT FROM few JOIN r x ON x.k = few.k'),
  ('SELECT FROM few JOIN m x ON x._id = few.k'),
  ('SELECT FROM few JOIN n x ON x.g = few.h'),
  ('SELECT FROM few, LATERAL (SELECT FROM n x WHERE x.g = few.h ORDER BY k LIMIT 2) q'),
  ('SELECT FROM m x JOIN n y ON x.g = y.g'),
  ('SELECT FROM m x LEFT JOIN n y ON y.k = x._id'),
  ('SELECT FROM m x WHERE NOT EXISTS (SELECT FROM n y WHERE y.k = x._id)'),
  ('SELECT FROM m x WHERE _id IN (1, 2, 3)'),
  ('SELECT FROM m x WHERE _id > 1900 AND g IS NOT NULL'),
  ('SELECT FROM m x WHERE name LIKE ''n3%'''),
  ('SELECT FROM i x WHERE time < ''2026-01-01 00:10'' AND symbol = ''S3'''),
  ('SELECT symbol FROM i x GROUP BY symbol'),
  ('SELECT g, count(*) FROM n x GROUP BY g HAVING count(*) > 3')) AS queries (query);
-- a sample smaller than the table
SET default_statistics_target = 1;
ANALYZE m (g);
RESET default_statistics_target;
SELECT reltuples FROM pg_class WHERE oid = 'm'::regclass;
SELECT min(b) < 600 AND max(b) > 1400 AS of_all FROM (SELECT unnest(histogram_bounds::text::int[]) AS b FROM pg_stats WHERE tablename = 'm' AND attname = '_id') AS bounds;
-- one that would take too much memory
\setenv PGDATABASE :DBNAME
\! psql -Xq -c "SET maintenance_work_mem = '1MB'" -c 'ANALYZE VERBOSE t_statistics.wide' 2>&1 | grep 'in sample'
SELECT min(b) < 200 AND max(b) > 1800 AS of_all FROM (SELECT unnest(histogram_bounds::text::int[]) AS b FROM pg_stats WHERE tablename = 'wide' AND attname = 'index') AS bounds;
-- a column that is gone, a value that does not fit, none at all
ALTER FOREIGN TABLE m DROP COLUMN g;
ANALYZE m;
CREATE FOREIGN TABLE misfit (k int, name int) SERVER t_stat_neo4j OPTIONS (label 'TStatOne', on_type_mismatch 'null');
ANALYZE misfit;
SELECT attname, null_frac FROM pg_stats WHERE tablename = 'misfit' ORDER BY 1;
ALTER FOREIGN TABLE misfit OPTIONS (SET on_type_mismatch 'error');
ANALYZE misfit;
ANALYZE nokey;
SELECT reltuples FROM pg_class WHERE oid = 'nokey'::regclass;
-- half of the rows in the store, half here: so is the sample
CREATE TABLE halves (index int, value text);
CREATE FOREIGN TABLE half () INHERITS (halves) SERVER t_stat_redis OPTIONS (type 'list', key 't_redis_statistics:wide');
INSERT INTO halves SELECT -1, value FROM wide;
ANALYZE half;
SET default_statistics_target = 1;
ANALYZE halves;
RESET default_statistics_target;
SELECT most_common_vals, most_common_freqs[1] BETWEEN 0.3 AND 0.7 AS half FROM pg_stats WHERE tablename = 'halves' AND attname = 'index' AND inherited;

-- Few outer rows look up, many are joined to a scan of the whole
CREATE TABLE lots AS SELECT g AS k FROM generate_series(1, 20000) g;
ANALYZE lots;
EXPLAIN (COSTS OFF) SELECT * FROM few JOIN n ON n.k = few.k;
EXPLAIN (COSTS OFF) SELECT * FROM lots JOIN n ON n.k = lots.k;

-- A store that is down, or refuses: planning goes on without it, ANALYZE says so
CREATE SERVER t_stat_down FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host '127.0.0.1', port '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_stat_down OPTIONS (password 'x');
CREATE FOREIGN TABLE down (k text OPTIONS (kind 'key'), v text OPTIONS (kind 'value')) SERVER t_stat_down OPTIONS (type 'string', key_prefix 'x:');
EXPLAIN (COSTS OFF) SELECT * FROM down;
ALTER FOREIGN TABLE down OPTIONS (ADD use_remote_estimate 'true');
EXPLAIN (COSTS OFF) SELECT * FROM down;
SELECT rows_of('SELECT * FROM down');
ANALYZE down;
BEGIN;
SELECT rows_of('SELECT * FROM down');
SELECT 'goes on' AS transaction;
COMMIT;
-- ... until the server or the login changes
CREATE FOREIGN TABLE moved (member text OPTIONS (kind 'member')) SERVER t_stat_redis OPTIONS (type 'zset', key 't_redis_statistics:z');
ALTER SERVER t_stat_redis OPTIONS (SET port '1');
SELECT rows_of('SELECT * FROM moved');
\set ECHO none
ALTER SERVER t_stat_redis OPTIONS (SET port :'redis_port');
\set ECHO queries
SELECT rows_of('SELECT * FROM moved');
ALTER USER MAPPING FOR CURRENT_USER SERVER t_stat_redis OPTIONS (SET password 'x');
SELECT rows_of('SELECT * FROM moved');
\set ECHO none
ALTER USER MAPPING FOR CURRENT_USER SERVER t_stat_redis OPTIONS (SET password :'redis_password');
\set ECHO queries
SELECT rows_of('SELECT * FROM moved');

-- What a request costs is learnt; that a cursor rests is not the store's time
CREATE FUNCTION cost_of(query text, OUT request float8, OUT a_row float8) LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
  plan := plan -> 0 -> 'Plan';
  request := plan ->> 'Startup Cost';
  a_row := ((plan ->> 'Total Cost')::float8 - request) / (plan ->> 'Plan Rows')::float8;
END $$;
SELECT * FROM cost_of('SELECT * FROM n');
SET cipherhorizon.learn_costs = on;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM n;
MOVE 1 FROM c;
DO 'BEGIN PERFORM pg_sleep(1); END';
MOVE ALL FROM c;
COMMIT;
DO $$ DECLARE x int; BEGIN FOR i IN 1..20 LOOP SELECT n.k INTO x FROM n WHERE n.k = i; END LOOP; END $$;
SELECT request BETWEEN 1 AND 5000 AS request, a_row < 10 AS a_row FROM cost_of('SELECT * FROM n');
ALTER SERVER t_stat_neo4j OPTIONS (ADD fdw_startup_cost '7', ADD fdw_tuple_cost '3');
SELECT * FROM cost_of('SELECT * FROM n');
ALTER SERVER t_stat_neo4j OPTIONS (DROP fdw_startup_cost, DROP fdw_tuple_cost);
-- and forgotten when the server changes
SELECT * FROM cost_of('SELECT * FROM n');
SET cipherhorizon.learn_costs = off;

\set ECHO none
\! test/load/redis.sh redis_statistics drop
\! python3 test/load/neo4j.py -c 'MATCH (n:TStat|TStatTen|TStatOne) DETACH DELETE n'
\! test/load/build/mongo_load --drop t_statistics.docs >/dev/null
DROP SCHEMA t_statistics CASCADE;
DROP ROLE t_stat_reader;
DROP SERVER t_stat_redis, t_stat_influx, t_stat_mongo, t_stat_neo4j, t_stat_down CASCADE;
