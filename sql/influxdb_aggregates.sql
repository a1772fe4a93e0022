\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_aggregates;
SET search_path = t_influxdb_aggregates;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_aggregates FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_aggregates OPTIONS (user :'user', password :'password');
\set ECHO all
-- Groups, aggregates, DISTINCT ON: what InfluxQL is asked, and that it means what PostgreSQL means.
\! test/load/influx.sh reset grouped
\! test/load/influx.sh write < test/data/influxdb_groups.lp

CREATE FOREIGN TABLE points (
  time timestamptz NOT NULL,
  ns bigint OPTIONS (kind 'time_ns'),
  a text OPTIONS (kind 'tag'),
  b text OPTIONS (kind 'tag'),
  f float8,
  i bigint,
  s text,
  o boolean,
  never float8   -- no point has this one
) SERVER t_influxdb_aggregates OPTIONS (measurement 'grouped');
CREATE TABLE native AS SELECT * FROM points;
SELECT count(*), count(a), count(b), count(f), count(i), count(s), count(o) FROM native;
-- The same points, where the user says that each has an i (and leaves out those that have none).
CREATE FOREIGN TABLE sure (
  time timestamptz NOT NULL,
  a text OPTIONS (kind 'tag'),
  b text OPTIONS (kind 'tag'),
  i bigint NOT NULL
) SERVER t_influxdb_aggregates OPTIONS (measurement 'grouped');

CREATE FUNCTION requests(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || q INTO plan;
  RETURN (SELECT format('%s requests, %s rows', sum((x->>'Requests')::int), sum((x->>'Remote Rows')::int)) FROM jsonb_path_query(plan, 'strict $.** ? (exists (@."Remote Rows"))') x);
END $$;

-- Aggregates of fields. A group is there if one of its points has any field, so others are called too.
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(f), sum(f), avg(f), min(f), max(f) FROM points;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a, count(f), avg(f) FROM points GROUP BY a ORDER BY a COLLATE "C";
SELECT a, count(f), avg(f) FROM points GROUP BY a ORDER BY a COLLATE "C";
EXPLAIN (VERBOSE, COSTS OFF) SELECT a, b, max(f) FROM points WHERE f > 0 GROUP BY b, a HAVING max(f) < 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM points WHERE i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*), count(time) FROM sure;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a, count(*), max(i) - min(i) FROM sure GROUP BY a;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(DISTINCT f), count(DISTINCT s), bool_and(o), bool_or(o) FROM points;
-- A sum of bigint comes with what tells that it did not wrap.
EXPLAIN (VERBOSE, COSTS OFF) SELECT sum(i), avg(i) FROM points WHERE a = 'x';

-- Buckets of the time: after now and before 1970, with an origin, in UTC.
EXPLAIN (VERBOSE, COSTS OFF) SELECT date_bin('5 min', time, '2000-01-01 00:00:10Z') AS bucket, count(i) FROM sure GROUP BY bucket;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT date_trunc('day', time, 'UTC') AS day, cipherhorizon.first(i, time), max(i), min(i), cipherhorizon.last(i, time)
  FROM sure WHERE a = 'x' AND time >= '1970-01-01Z' GROUP BY day;
SELECT date_trunc('day', time, 'UTC') AS day, cipherhorizon.first(i, time), max(i), min(i), cipherhorizon.last(i, time)
  FROM sure WHERE a = 'x' AND time >= '1970-01-01Z' GROUP BY day ORDER BY day;
EXPLAIN (VERBOSE, COSTS OFF) SELECT date_trunc('week', time, 'utc'), a, sum(f) FROM points WHERE time < '2026-01-02Z' GROUP BY 1, 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT date_trunc('milliseconds', time) FROM sure WHERE time BETWEEN '2026-01-01Z' AND '2026-01-02Z';
PREPARE q (timestamptz, interval) AS
  SELECT date_bin('1 min', time, '2000-01-01'), count(i) FROM sure WHERE time > $1 - $2 AND time <= $1 GROUP BY 1 ORDER BY 1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE q ('2026-01-01 01:00Z', '1 hour');
EXECUTE q ('2026-01-01 00:10Z', '1 hour');
RESET plan_cache_mode;

-- The time of the last and the first point of each group; FILTER. Each is a statement of its own, of one request.
EXPLAIN (VERBOSE, COSTS OFF) SELECT a, max(time), cipherhorizon.last(i, time) FROM sure GROUP BY a;
SELECT a, max(time), cipherhorizon.last(i, time) FROM sure GROUP BY a ORDER BY a COLLATE "C";
EXPLAIN (VERBOSE, COSTS OFF) SELECT a, min(ns), max(ns), count(f), cipherhorizon.last(f, time) FROM points GROUP BY a;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT a, count(*) FILTER (WHERE i > 0), sum(f) FILTER (WHERE i > 0), sum(f), max(time) FILTER (WHERE o) FROM points WHERE b = 'x' GROUP BY a;
SELECT requests('SELECT count(i) FILTER (WHERE i > 0), count(i) FILTER (WHERE i < 0), max(time) FROM points');
EXPLAIN (VERBOSE, COSTS OFF) SELECT b, count(*), count(a) FROM sure GROUP BY b;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FILTER (WHERE i = ANY ('{}')), count(*) FILTER (WHERE i = 1) FROM points;
SELECT count(*) FILTER (WHERE i = ANY ('{}')), count(*) FILTER (WHERE i = 1) FROM points;

-- DISTINCT of tags, and the first row of each group by time.
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT a, b FROM points WHERE i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT a FROM points;
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT ON (a) a, time, i, f FROM points ORDER BY a, time DESC;
EXPLAIN (VERBOSE, COSTS OFF) SELECT DISTINCT ON (a, b) b, i FROM points WHERE i > 0 ORDER BY b, a, ns, time;
SELECT DISTINCT ON (a) a, time, i, f FROM points ORDER BY a, time DESC;

-- Nothing at all.
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(i), sum(i) FROM points WHERE a = '';
SELECT count(i), sum(i), max(time) FROM points WHERE a = '';
SELECT count(i), sum(i), max(time), count(*) FILTER (WHERE i > 0) FROM points WHERE a = 'none';
SELECT a, count(i) FROM points WHERE a = 'none' GROUP BY a;
SELECT count(never), min(never), sum(never) FROM points;
SELECT count(i) FROM points HAVING count(i) < 0;

-- What stays here, and why.
CREATE FOREIGN TABLE other (
  time timestamptz NOT NULL,
  a text OPTIONS (kind 'tag'),
  b varchar(20) OPTIONS (kind 'tag'),
  f numeric,
  i smallint OPTIONS (field_type 'float'),
  s varchar(20),
  r real OPTIONS (field 'f')
) SERVER t_influxdb_aggregates OPTIONS (measurement 'grouped');
CREATE FOREIGN TABLE nulls (
  time timestamptz NOT NULL,
  a text OPTIONS (kind 'tag'),
  i bigint NOT NULL
) SERVER t_influxdb_aggregates OPTIONS (measurement 'grouped', on_type_mismatch 'null');
CREATE FUNCTION why(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || q LOOP
    IF line ~ 'Not Pushed' THEN RETURN NEXT trim(line); END IF;
  END LOOP;
END $$;
SELECT q, why(q) FROM unnest(ARRAY[
  'SELECT count(*) FROM points',
  'SELECT count(a) FROM points',
  'SELECT count(DISTINCT a) FROM points',
  'SELECT max(s COLLATE "C") FROM points',
  'SELECT max(f) FROM points GROUP BY i',
  'SELECT max(f) FROM points GROUP BY time',
  'SELECT max(f) FROM points GROUP BY date_trunc(''day'', time)',
  'SELECT max(f) FROM points GROUP BY date_trunc(''day'', time, ''Europe/Berlin'')',
  'SELECT max(f) FROM points GROUP BY date_trunc(''month'', time, ''UTC'')',
  'SELECT max(f) FROM points GROUP BY date_bin(''30000 days'', time, ''2000-01-01'')',
  'SELECT max(f) FROM points GROUP BY date_bin(''1 day'', time, ''0001-01-01 BC'')',
  'SELECT max(f) FROM points GROUP BY date_bin(''1 day'', time, ''2000-01-01''), date_bin(''1 hour'', time, ''2000-01-01'')',
  'SELECT max(time) FROM points GROUP BY date_bin(''1 day'', time, ''2000-01-01'')',
  'SELECT cipherhorizon.last(time, time) FROM points',
  'SELECT sum(DISTINCT i) FROM points',
  'SELECT sum(f * i) FROM points',
  'SELECT sum(f) FROM points WHERE i IS NULL',
  'SELECT sum(f) FILTER (WHERE i IS NULL) FROM points',
  'SELECT max(i) FROM nulls',
  'SELECT DISTINCT ON (a) i FROM nulls ORDER BY a, time',
  'SELECT max(f) FROM other GROUP BY b',
  'SELECT sum(f) FROM other',
  'SELECT count(i) FROM other',
  'SELECT count(s) FROM other',
  'SELECT max(r) FROM other',
  'SELECT DISTINCT ON (i) f FROM points ORDER BY i, time',
  'SELECT DISTINCT ON (a) f FROM points ORDER BY a, time, b COLLATE "C"']) q;
-- An aggregate of that name that is somebody else's means something else.
CREATE FUNCTION add_one(n bigint, bigint, timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN n + 1;
CREATE AGGREGATE cipherhorizon.first(bigint, timestamptz) (sfunc = add_one, stype = bigint, initcond = 0);
EXPLAIN (VERBOSE, COSTS OFF) SELECT cipherhorizon.first(i, time) FROM points;
DROP AGGREGATE cipherhorizon.first(bigint, timestamptz);
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE i > 0 AND date_bin('1 day', time, '2000-01-01') = '2026-01-01' ORDER BY date_bin('1 day', time, '2000-01-01'), time LIMIT 3;
SET cipherhorizon.enable_aggregate_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT max(i) FROM sure;
RESET cipherhorizon.enable_aggregate_pushdown;

-- Every aggregate by every key under every condition is the native table's. (-0 and 0 are equal.)
CREATE FUNCTION answer(q text, OUT r text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT coalesce(string_agg(x::text, '' '' ORDER BY x::text COLLATE "C"), ''none'') FROM (%s) x', q) INTO r;
  r := regexp_replace(r, '([(,])-0(?=[,)])', '\10', 'g');
EXCEPTION WHEN OTHERS THEN r := SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE queries (q text);
INSERT INTO queries
  SELECT format('SELECT %s, %s FROM %%1$I %s GROUP BY 1', key, aggs, cond)
    FROM unnest(ARRAY['a', 'b', 'date_bin(''1 min'', time, ''2000-01-01'')', 'date_bin(''37 s'', time, ''2026-01-01 00:00:00.000001'')', 'date_trunc(''second'', time)',
                      'date_trunc(''week'', time, ''UTC'')', 'date_bin(''1 us'', time, ''2000-01-01'')', 'date_bin(''100 days'', time, ''2026-07-01'')', '0']) key,
         unnest(ARRAY['count(f), sum(f), avg(f), min(f), max(f)', 'count(i), sum(i), avg(i), min(i), max(i)', 'cipherhorizon.first(f, time), cipherhorizon.last(i, time)',
                      'cipherhorizon.first(s, time), cipherhorizon.last(o, time)', 'count(DISTINCT f), count(DISTINCT i), count(DISTINCT s), count(DISTINCT o)',
                      'bool_and(o), bool_or(o), count(o), count(s), count(a), count(b) FILTER (WHERE i > 0)', 'max(time), min(time), max(ns)', 'count(*) FILTER (WHERE i > 0), sum(i) FILTER (WHERE o), max(f)']) aggs,
         unnest(ARRAY['', 'WHERE f > 0', 'WHERE a = ''x'' OR b = ''x''', 'WHERE b IS NULL AND i <> 1', 'WHERE time >= ''1970-01-01'' AND time < ''2026-01-01 00:02''', 'WHERE s = ''none''']) cond
  UNION ALL
  SELECT format('SELECT %s FROM %%1$I %s', aggs, cond)
    FROM unnest(ARRAY['count(f), sum(f), avg(f), min(f), max(f), max(time), min(ns)', 'count(i), sum(i), avg(i), cipherhorizon.first(i, time)', 'count(DISTINCT f), count(never), bool_or(o)',
                      'count(i) FILTER (WHERE o), max(time) FILTER (WHERE i = 2)']) aggs,
         unnest(ARRAY['', 'WHERE i IN (1, 2, 3)', 'WHERE a <> ''x'' AND NOT o', 'WHERE time > ''2026-01-01''', 'WHERE s = ''none''']) cond
  UNION ALL
  SELECT format('SELECT DISTINCT ON (%1$s) %2$s FROM %%1$I %3$s ORDER BY %1$s, %4$s', key, columns, cond, ord)
    FROM unnest(ARRAY['a', 'b, a']) key, unnest(ARRAY['*', 'f', 'time, b']) columns, unnest(ARRAY['', 'WHERE i > 0', 'WHERE b IS NULL']) cond, unnest(ARRAY['time', 'time DESC', 'ns DESC']) ord
  UNION ALL
  SELECT format('SELECT DISTINCT %s FROM %%1$I %s', key, cond)
    FROM unnest(ARRAY['a', 'b, a', 'a, date_trunc(''minute'', time, ''UTC'')']) key, unnest(ARRAY['', 'WHERE o', 'WHERE b IS NULL']) cond;
SELECT count(*) FROM queries;
SELECT q FROM queries WHERE answer(format(q, 'points')) IS DISTINCT FROM answer(format(q, 'native'));
SET cipherhorizon.enable_aggregate_pushdown = off;
SELECT q FROM queries WHERE answer(format(q, 'points')) IS DISTINCT FROM answer(format(q, 'native'));
RESET cipherhorizon.enable_aggregate_pushdown;

-- A field may have another type than its column. That is known when the store answers: then its points are
-- asked for, and grouped here, so that a value counts or raises as in a scan.
\! test/load/influx.sh reset types
\! printf '%s\n' 'types,a=x f=1i,g=1,n=1i,t=1 1767225600000000000' 'types,a=x f=2i,g=2,n=9223372036854775807i,t=2.5 1767225660000000000' 'types,a=y f=4i,g=4,n=9223372036854775807i,t=3 1767225720000000000' 'types,a=y f=9i,g=9,n=40000i,t=3 1769904000000000000' | test/load/influx.sh write
CREATE FOREIGN TABLE types (
  time timestamptz NOT NULL,
  a text OPTIONS (kind 'tag'),
  f float8,                          -- integers in the store
  g bigint,                          -- whole floats
  n bigint,                          -- integers whose sum no bigint holds
  t bigint,                          -- floats, one not whole
  small integer OPTIONS (field 'n'), -- integers that it does not hold
  dec numeric OPTIONS (field 'g')
) SERVER t_influxdb_aggregates OPTIONS (measurement 'types');
SELECT a, sum(f), avg(f), max(f), cipherhorizon.last(f, time) FROM types GROUP BY a ORDER BY a;
SELECT a, sum(g), avg(g), count(DISTINCT g), min(g), max(time), pg_typeof(sum(g)) FROM types GROUP BY a ORDER BY a;
SELECT date_bin('1 day', time, '2026-01-01') AS day, sum(g) FILTER (WHERE a = 'x'), sum(f) FROM types GROUP BY day ORDER BY day;
SELECT sum(n), avg(n) FROM types;
SELECT a, sum(n), count(*) FILTER (WHERE n > 1) FROM types GROUP BY a ORDER BY a;
SELECT max(dec), min(dec), count(dec), cipherhorizon.first(dec, time) FROM types;
-- One request when the types are known; two, when it is found out after asking.
\c -
SET search_path = t_influxdb_aggregates;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT requests('SELECT a, sum(g) FROM types GROUP BY a');
SELECT requests('SELECT a, sum(g) FROM types GROUP BY a');
SELECT requests('SELECT a, max(n) FROM types GROUP BY a');
-- Errors as a scan has them.
SELECT t FROM types WHERE time >= '2026-01-01 00:01Z';
SELECT count(t) FROM types WHERE time >= '2026-01-01 00:01Z';
SELECT count(t) FROM types WHERE time >= '2026-01-01 00:02Z';
SELECT max(small) FROM types;
SELECT sum(small), count(small), avg(small) FROM types WHERE n < 50000;
SELECT a, count(small) FROM types GROUP BY a;
\! printf '%s\n' 'types,a=z big=1e308 1767225600000000000' 'types,a=z big=1.5e308 1767225660000000000' | test/load/influx.sh write
CREATE FOREIGN TABLE big (
  time timestamptz NOT NULL,
  big float8 NOT NULL
) SERVER t_influxdb_aggregates OPTIONS (measurement 'types');
SELECT count(*), max(big) FROM big;
SELECT sum(big) FROM big;

-- Points at the edge of time, where InfluxDB's buckets err.
\! test/load/influx.sh reset edges
\! printf '%s\n' 'edges v=1 -9223372036854775806' 'edges v=2 0' 'edges v=3 9223372036854775806' | test/load/influx.sh write
CREATE FOREIGN TABLE edges (time timestamptz NOT NULL, v float8 NOT NULL) SERVER t_influxdb_aggregates OPTIONS (measurement 'edges');
SELECT date_bin('1 hour', time, '2000-01-01Z') AS hour, count(*), sum(v) FROM edges GROUP BY hour ORDER BY hour;
SELECT date_bin('1 hour', time, '2000-01-01Z') AS hour, count(*), sum(v) FROM edges WHERE time >= '1900-01-01Z' AND time < '2100-01-01Z' GROUP BY hour ORDER BY hour;
SELECT date_bin('10000 days', time, '2000-01-01Z') AS bucket, count(*), sum(v) FROM edges WHERE time < '2100-01-01Z' GROUP BY bucket ORDER BY bucket;
SELECT count(*), min(time), max(time) FROM edges;

-- Aggregates for each row of another table: many groups in one request, also where rows are folded here.
CREATE TABLE keys AS
  SELECT k, (ARRAY['x', 'y', 'z', 'none', NULL])[k % 5 + 1] AS a, '2026-01-01'::timestamptz + (k - 10) * interval '7 sec' AS since FROM generate_series(1, 40) k;
CREATE TABLE native_types AS SELECT time, a, f, g, n FROM types;
ANALYZE keys;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE FUNCTION compare(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE batched text := answer(replace(q, '@', '')); single text;
BEGIN
  PERFORM set_config('cipherhorizon.enable_batch_join', 'off', true);
  single := answer(replace(q, '@', ''));
  PERFORM set_config('cipherhorizon.enable_batch_join', 'on', true);
  RETURN requests(replace(q, '@', '')) || CASE WHEN batched = single AND single = answer(regexp_replace(regexp_replace(q, '@points', 'native'), '@types', 'native_types')) THEN '' ELSE ' DIFFER' END;
END $$;
SELECT compare('SELECT k.k, x.* FROM keys k LEFT JOIN LATERAL (SELECT count(f), max(f) FROM @points p WHERE p.a = k.a) x ON true');
SELECT compare('SELECT k.k, x.* FROM keys k LEFT JOIN LATERAL (SELECT count(*), sum(i), max(time), count(*) FILTER (WHERE f > 0) FROM @points p WHERE p.a = k.a AND p.time > k.since AND i > 0) x ON true');
SELECT compare('SELECT k.k, x.* FROM keys k LEFT JOIN LATERAL (SELECT b, min(f), cipherhorizon.last(i, time) FROM @points p WHERE p.a = k.a GROUP BY b) x ON true');
SELECT compare('SELECT k.k, x.* FROM keys k CROSS JOIN LATERAL (SELECT date_bin(''1 min'', time, ''2000-01-01''), sum(i) FROM @points p WHERE p.a = k.a AND p.time >= k.since GROUP BY 1) x');
SELECT compare('SELECT k.k, x.* FROM keys k CROSS JOIN LATERAL (SELECT DISTINCT ON (b) b, time, f FROM @points p WHERE p.a = k.a ORDER BY b, time DESC) x');
SELECT compare('SELECT k.k, x.* FROM keys k CROSS JOIN LATERAL (SELECT sum(g), sum(f), sum(n) FROM @types p WHERE p.a = k.a AND p.time >= k.since) x');
SELECT compare('SELECT k.k, x.* FROM keys k CROSS JOIN LATERAL (SELECT a, max(g), count(f), max(time) FROM @types p WHERE p.time >= k.since GROUP BY a) x');

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_aggregates CASCADE;
DROP SERVER t_influxdb_aggregates CASCADE;
