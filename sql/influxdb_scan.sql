\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_scan;
SET search_path = t_influxdb_scan;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_scan FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_scan OPTIONS (user :'user', password :'password');
-- What a query asked of the store: the plan's lines that do not depend on time or size.
CREATE FUNCTION asked(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ '(Remote Query|Pushed|Requests|Remote Rows):' THEN RETURN NEXT ltrim(line); END IF;
  END LOOP;
END $$;
\set ECHO all
-- Rows are points, read in batches as they come.
\! test/load/influx.sh reset ticks sparse
\! test/load/influx.sh ticks 25000 | test/load/influx.sh write

CREATE FOREIGN TABLE ticks (
  time timestamptz NOT NULL,
  exchange text OPTIONS (kind 'tag'),
  symbol text OPTIONS (kind 'tag'),
  price float8,
  volume float8
) SERVER t_influxdb_scan OPTIONS (measurement 'ticks');

SELECT * FROM ticks ORDER BY time LIMIT 3;
SELECT count(*), count(DISTINCT symbol), min(time), max(time), round(sum(price)::numeric, 2) FROM ticks;

-- The newest five are one request for five rows.
SELECT asked('SELECT * FROM ticks ORDER BY time DESC LIMIT 5');
SELECT time, exchange, symbol FROM ticks ORDER BY time DESC LIMIT 5;

-- So is what an expression of now, a parameter or an outer row selects.
SELECT asked($$SELECT * FROM ticks WHERE symbol = 'BTC-USDT' AND time > timestamptz '2026-01-01 00:24:50Z' + interval '1 s' ORDER BY time$$);
PREPARE latest (text, int) AS SELECT time, price FROM ticks WHERE symbol = $1 ORDER BY time DESC LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE latest ('ETH-USDT', 2);
EXECUTE latest ('nothing', 2);
RESET plan_cache_mode;
SELECT s, k.time, k.price
  FROM unnest(ARRAY['ADA-USDT', 'XRP-USDT', 'none']) s
  LEFT JOIN LATERAL (SELECT * FROM ticks WHERE symbol = s ORDER BY time DESC LIMIT 1) k ON true;

-- Two scans of one store at once have a connection each, and neither is disturbed by the other.
SELECT count(*) FROM ticks a JOIN ticks b USING (time) WHERE a.symbol = 'ADA-USDT' AND b.exchange = 'okx';

-- A cursor that is closed in the middle leaves nothing behind.
BEGIN;
DECLARE c CURSOR FOR SELECT time, symbol FROM ticks;
FETCH 2 FROM c;
MOVE 20000 IN c;
FETCH 1 FROM c;
CLOSE c;
SELECT count(*) FROM ticks WHERE symbol = 'SOL-USDT';
COMMIT;

-- The size of a batch changes nothing but the number of pieces.
ALTER FOREIGN TABLE ticks OPTIONS (ADD fetch_size '7');
SELECT count(*), round(sum(volume)::numeric, 3) FROM ticks WHERE time < '2026-01-01 00:01Z';
ALTER FOREIGN TABLE ticks OPTIONS (SET fetch_size '1000000');
SELECT count(*), round(sum(volume)::numeric, 3) FROM ticks WHERE time < '2026-01-01 00:01Z';

-- A row is a point that has at least one of the table's fields: one with nothing but the field c is no row of this table.
\! printf '%s\n' 'sparse,k=x a=1,b=1 1000' 'sparse,k=x a=2 2000' 'sparse,k=y b=3 3000' 'sparse c=4 4000' 'sparse a=5,c=5 5000' | test/load/influx.sh write
CREATE FOREIGN TABLE sparse (time timestamptz, k text OPTIONS (kind 'tag'), a float8, b float8)
  SERVER t_influxdb_scan OPTIONS (measurement 'sparse');
SELECT * FROM sparse;
SELECT count(*), count(k), count(a), count(b) FROM sparse;

-- The same rows, whatever is selected; so all fields are asked for, unless one is known to be there.
SELECT k FROM sparse;
SELECT b FROM sparse ORDER BY time DESC LIMIT 2;
SELECT asked('SELECT k FROM sparse');
SELECT asked('SELECT k FROM sparse WHERE b > 0');
SELECT asked('SELECT a FROM sparse WHERE a > 0 AND b IS NOT NULL');
SELECT asked('SELECT count(*) FROM sparse');

-- A NOT NULL field is one that every point has: a promise, as with every foreign table. (These points break it.)
CREATE FOREIGN TABLE dense (time timestamptz, k text OPTIONS (kind 'tag'), a float8 NOT NULL, b float8)
  SERVER t_influxdb_scan OPTIONS (measurement 'sparse');
SELECT asked('SELECT k FROM dense');
SELECT asked('SELECT a, k FROM dense');

-- A table without fields has the points with any field; a table without columns, too.
CREATE FOREIGN TABLE tags (time timestamptz, k text OPTIONS (kind 'tag')) SERVER t_influxdb_scan OPTIONS (measurement 'sparse');
SELECT * FROM tags;
SELECT asked('SELECT k FROM tags');
CREATE FOREIGN TABLE nothing () SERVER t_influxdb_scan OPTIONS (measurement 'sparse');
SELECT count(*) FROM nothing;

-- Names are quoted, whatever is in them; a column's remote name is its own unless the option field names another.
\! printf '%s\n' 'sel"ect\ \from,ta"g\,=1 fi"el\d=1,time\ of\ day="x",ü😀=2 1000' | test/load/influx.sh write
CREATE FOREIGN TABLE named (
  "time of day" text,
  at timestamptz OPTIONS (kind 'time'),
  a float8 OPTIONS (field 'fi"el\d'),
  t text OPTIONS (kind 'tag', field 'ta"g,'),
  b float8 OPTIONS (field 'ü😀')
) SERVER t_influxdb_scan OPTIONS (measurement 'sel"ect \from');
SELECT * FROM named WHERE t = '1' AND b = 2 AND a = 1 AND "time of day" = 'x';
SELECT asked($$SELECT * FROM named WHERE t = '1' AND b = 2 AND a = 1 AND "time of day" = 'x'$$);
\! test/load/influx.sh query 'DROP MEASUREMENT "sel\"ect \\from"' >/dev/null

-- A tag and a field may have one name.
\! test/load/influx.sh reset both; printf '%s\n' 'both,k=tag k="field",v=1 1000' 'both,k=field k="tag",v=2 2000' 'both v=3 3000' | test/load/influx.sh write
CREATE FOREIGN TABLE both_ways (at timestamptz OPTIONS (kind 'time'), k_tag text OPTIONS (kind 'tag', field 'k'), k_field text OPTIONS (field 'k'), v float8)
  SERVER t_influxdb_scan OPTIONS (measurement 'both');
SELECT k_tag, k_field, v FROM both_ways;
SELECT k_tag, k_field FROM both_ways WHERE k_tag = 'tag';
SELECT k_tag, k_field FROM both_ways WHERE k_field = 'tag';
SELECT v FROM both_ways WHERE k_tag <> 'tag' OR k_field <> 'tag';
CREATE FOREIGN TABLE tag_only (at timestamptz OPTIONS (kind 'time'), k text OPTIONS (kind 'tag'), v float8)
  SERVER t_influxdb_scan OPTIONS (measurement 'both');
SELECT k, v FROM tag_only WHERE k <> 'x';

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA t_influxdb_scan CASCADE;
DROP SERVER t_influxdb_scan CASCADE;
