\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_pushdown;
SET search_path = t_influxdb_pushdown;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_pushdown FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_pushdown OPTIONS (user :'user', password :'password');
\set ECHO all
-- What InfluxQL is asked, and that it means what PostgreSQL means.
\! test/load/influx.sh reset points
\! test/load/influx.sh write < test/data/influxdb_points.lp

CREATE FOREIGN TABLE points (
  time timestamptz NOT NULL,
  ns bigint OPTIONS (kind 'time_ns'),
  a text OPTIONS (kind 'tag'),
  b text OPTIONS (kind 'tag'),
  f float8,
  i bigint,
  s text,
  o boolean,
  late text,      -- only the newest shard has this field
  never text      -- no shard has this one
) SERVER t_influxdb_pushdown OPTIONS (measurement 'points');
CREATE TABLE native AS SELECT * FROM points;
SELECT count(*), count(a), count(b), count(f), count(i), count(s), count(o), count(late), count(never) FROM native;

-- Tags: a missing one compares as the empty string there, and is NULL here.
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a = 'x';
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a <> 'x' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a IN ('x', 'y', '') AND b NOT IN ('x', '') AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a IS NULL AND b IS NOT NULL AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a = '';
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE a < 'x' AND i > 0;

-- Fields.
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i BETWEEN -9223372036854775808 AND 9007199254740993;
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE f IN (0.1, 1e20, 1e-7, -0.0, 'NaN', 'infinity');
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE f < 'infinity';
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE f = 'NaN';
EXPLAIN (VERBOSE, COSTS OFF) SELECT s FROM points WHERE s = E'it''s \\ "q"\n😀' OR s <> '';
EXPLAIN (VERBOSE, COSTS OFF) SELECT s FROM points WHERE s >= 'x' AND s IS NOT NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT o FROM points WHERE o AND (NOT o OR o IS NOT NULL);
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE f IS NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM points WHERE (a = 'x' AND f > 1) OR (b = 'y' AND NOT (i = 3 OR s = 'z'));

-- Times: microseconds here, nanoseconds there.
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time = '1969-12-31 23:59:59.999999Z' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time > '2026-01-01Z' AND time <= '2026-01-02Z' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time >= '-infinity' AND time < 'infinity' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time > '3000-01-01Z' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time IN ('2026-01-01Z', '2026-01-02Z') AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE time <> '2026-01-01Z' AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE (time > '2026-01-01Z' OR a = 'x') AND i > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE ns > 1700000000123456789 AND ns <= 9223372036854775807 AND i > 0;

-- Parameters, and expressions that have no column of the table.
PREPARE q (text, timestamptz, int) AS SELECT i FROM points WHERE a = $1 AND time > $2 - interval '1 min' AND i > $3 ORDER BY time DESC LIMIT $3 OFFSET 1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE q ('x', now(), 3);
RESET plan_cache_mode;

-- Sorts and limits.
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY time DESC LIMIT 3 OFFSET 2;
-- InfluxQL's OFFSET without a LIMIT returns one row
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY time DESC LIMIT NULL OFFSET 2;
SELECT count(*) FROM (SELECT i FROM points ORDER BY time DESC OFFSET 2) x;
PREPARE no_limit (bigint, bigint) AS SELECT count(*) FROM (SELECT i FROM points ORDER BY time DESC LIMIT $1 OFFSET $2) x;
SET plan_cache_mode = force_generic_plan;
EXECUTE no_limit(NULL, 2);
EXECUTE no_limit(3, 2);
RESET plan_cache_mode;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY time, ns LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY time, ns DESC LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY i LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 AND time IN ('2026-01-01Z', '2026-01-02Z') LIMIT 3;
EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT i FROM points WHERE i > 0 LIMIT 0;

-- Each condition, and its negation, gives the native table's rows.
CREATE TABLE conditions (c text);
INSERT INTO conditions
  SELECT format('%I %s %L', col, op, val)
    FROM unnest(ARRAY['a', 'b', 's', 'late', 'never']) col, unnest(ARRAY['=', '<>', '<', '>=']) op, unnest(ARRAY['', 'x', 'y', E'it''s \\ "q"\n😀', 'none']) val
  UNION ALL
  SELECT format('%I %s %s', 'f', op, val)
    FROM unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op, unnest(ARRAY['0.1', '0', '-0.0::float8', '1e20', '-1e300::float8', '5e-324::float8', $$'NaN'$$, $$'infinity'$$, $$'-infinity'$$]) val
  UNION ALL
  SELECT format('%I %s %L', 'i', op, val)
    FROM unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op, unnest(ARRAY['0', '-1', '9007199254740992', '9007199254740993', '9223372036854775807', '-9223372036854775808']::bigint[]) val
  UNION ALL
  SELECT format('%I %s %L', 'time', op, val)
    FROM unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op,
         unnest(ARRAY['1969-12-31 23:59:59.999998Z', '1969-12-31 23:59:59.999999Z', '1970-01-01Z', '1970-01-01 00:00:00.000001Z', '2026-01-01Z', '-infinity', 'infinity',
                      '1677-09-21 00:12:43.145224Z', '1677-09-21 00:12:43.145225Z', '2262-04-11 23:47:16.854775Z', '2262-04-11 23:47:16.854776Z', '0001-01-01 BC', '9999-01-01Z']::timestamptz[]) val
  UNION ALL
  SELECT format('%I %s %L', 'ns', op, val)
    FROM unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) op,
         unnest(ARRAY[-1000, -999, -1, 0, 1, 999, 1000, 9223372036854775806, 9223372036854775807, -9223372036854775807, -9223372036854775806, -9223372036854775808]::bigint[]) val
  UNION ALL
  SELECT format(x, col) FROM unnest(ARRAY['a', 'b', 'f', 'i', 's', 'o', 'late', 'never', 'time', 'ns']) col, unnest(ARRAY['%I IS NULL', '%I IS NOT NULL']) x
  UNION ALL
  VALUES ('o'), ('o = false'), ('o <> true'), ('o IS TRUE'), ('o IS NOT FALSE'), ('o IS UNKNOWN'), ('o > false'),
         ('a IN (''x'', ''y'', '''')'), ('a NOT IN (''x'', '''')'), ('a NOT IN (''x'', NULL)'), ('s IN (''x'', '''')'), ('s NOT IN (''x'', '''')'), ('late NOT IN (''x'')'),
         ('f IN (0.1, ''NaN'')'), ('f NOT IN (0.1, ''NaN'', ''-infinity'')'), ('i = ANY (''{1,2,-1}'')'), ('i <> ALL (''{1,2,-1}'')'), ('a = ANY (''{}'')'), ('a <> ALL (''{}'')'),
         ('time IN (''1970-01-01Z'', ''2026-01-01Z'')'), ('time NOT IN (''1970-01-01Z'', ''2026-01-01Z'')'), ('ns IN (0, 999)');
CREATE FUNCTION differs(cond text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE bad boolean;
BEGIN
  EXECUTE format('SELECT (SELECT array_agg(p::text ORDER BY p::text COLLATE "C") FROM points p WHERE %1$s)
              IS DISTINCT FROM (SELECT array_agg(p::text ORDER BY p::text COLLATE "C") FROM native p WHERE %1$s)', cond) INTO bad;
  RETURN bad;
END $$;
SELECT count(*) FROM conditions;
SELECT c FROM conditions WHERE differs(c);
SELECT c FROM conditions WHERE differs(format('NOT (%s)', c));

-- So do pairs of them, below AND and OR.
SELECT x.c, y.c
  FROM (SELECT c, row_number() OVER (ORDER BY md5(c)) n FROM conditions) x
  JOIN (SELECT c, row_number() OVER (ORDER BY md5(c || 'y')) n FROM conditions) y USING (n)
 WHERE differs(format('(%s) OR (%s)', x.c, y.c)) OR differs(format('(%s) AND NOT (%s)', x.c, y.c));

-- With pushdown off, the answer is the same.
SET cipherhorizon.enable_where_pushdown = off;
SET cipherhorizon.enable_sort_pushdown = off;
SET cipherhorizon.enable_limit_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM points WHERE i > 0 ORDER BY time LIMIT 2;
SELECT i FROM points WHERE i > 0 ORDER BY time LIMIT 2;
RESET cipherhorizon.enable_where_pushdown;
RESET cipherhorizon.enable_sort_pushdown;
RESET cipherhorizon.enable_limit_pushdown;
SELECT i FROM points WHERE i > 0 ORDER BY time LIMIT 2;

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_pushdown CASCADE;
DROP SERVER t_influxdb_pushdown CASCADE;
