-- Functions for time series on plain tables, against the plain way to say the same.
CREATE SCHEMA t_analytics;
SET search_path = t_analytics, cipherhorizon, public;
SET timezone = 'America/New_York';
SET datestyle = 'ISO';
CREATE TABLE trades (id int, symbol text, at timestamptz, price float8, qty float8, amount numeric);
INSERT INTO trades VALUES
  (1, 'a', '2026-01-01 00:00:10Z', 10, 2, 1.5), (2, 'a', '2026-01-01 00:00:20Z', 12, 1, 2.5), (3, 'a', '2026-01-01 00:00:05Z', 11, 1, 0.1),
  (4, 'a', '2026-01-01 00:01:00Z', 9, 4, 7), (5, 'b', '2026-01-01 00:00:30Z', 100, 0, 3), (6, 'b', NULL, 50, 1, 4), (7, 'b', '2026-01-01 00:00:40Z', NULL, 5, 5),
  (8, 'c', '2026-01-01 00:00:01Z', 'NaN', 1, NULL), (9, 'c', '2026-01-01 00:00:02Z', '-Infinity', NULL, 'NaN'), (10, 'd', NULL, NULL, NULL, NULL),
  (11, 'e', '-infinity', 1, 1, 1), (12, 'e', '2026-01-01Z', 'Infinity', NULL, 2), (13, 'e', 'infinity', 2, 2, 'Infinity');

-- Rows of one query that the other has not, in both directions, and how many rows the first has
CREATE FUNCTION compare(a text, b text, OUT rows bigint, OUT differing text[]) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT count(*) FROM (%s) a', a) INTO rows;
  EXECUTE format('SELECT array_agg(d::text ORDER BY d::text) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d', '(' || a || ')', '(' || b || ')') INTO differing;
END $$;

-- ---- first and last: by time, and by other orders

SELECT symbol, first(price, at), last(price, at), first(id, id), last(amount, price) FROM trades GROUP BY symbol ORDER BY symbol;
SELECT first(symbol, amount), last(at, qty), last(symbol, symbol COLLATE "C"), first(row(id, price), at) FROM trades;
SELECT first(price, at) FILTER (WHERE id > 1), last(price, at ORDER BY id DESC), last(DISTINCT price, at) FROM trades WHERE symbol = 'a';
SELECT id, first(price, at) OVER w, last(price, at) OVER w, last(symbol, at) OVER (ORDER BY id ROWS 1 PRECEDING) FROM trades
WINDOW w AS (PARTITION BY symbol ORDER BY id) ORDER BY id;
-- nothing, one row, and only NULLs
SELECT first(price, at), last(price, at) FROM trades WHERE false;
SELECT first(price, at), last(price, at) FROM trades WHERE id = 4;
SELECT first(price, at), last(price, at) FROM trades WHERE id IN (6, 7, 10);
SELECT first(price, at), last(price, at) FROM trades WHERE false GROUP BY symbol;
-- of several at one time, any one
SELECT first(id, k) IN (1, 2), last(id, k) IN (3, 4) FROM (VALUES (1, 1), (2, 1), (3, 9), (4, 9)) v(id, k);
-- many types of values and of times
SELECT first(v, t::timestamp), last(v, t::date), first(v, t::time), last(v, t - '2026-01-01'), first(v, t::text), last(v, extract(epoch FROM t)), last(t, v)
FROM (VALUES ('x', '2026-01-02 03:00'::timestamp), ('y', '2026-01-01 04:00'), ('z', '2026-01-03 05:00')) v(v, t);
SELECT last(v, v), last(n, n), last(b, b), first(x, x), first(j, j), last(ARRAY[v], ARRAY[n]), first(r, r), last(i, row(n, v))
FROM (VALUES ('a'::varchar, 1::bigint, false, '\x01'::bytea, '{"a": 1}'::jsonb, '[1,2)'::int4range, '::1'::inet),
  ('b', 2, true, '\x0100', '{"a": 2}', 'empty', '127.0.0.1')) v(v, n, b, x, j, r, i);
CREATE TYPE mood AS ENUM ('bad', 'good');
CREATE DOMAIN day AS date CHECK (value > '2000-01-01');
SELECT first(m, d), last(d, m), first('text'::text, m) FROM (VALUES ('good'::mood, '2026-01-01'::day), ('bad', '2026-01-02')) v(m, d);
SELECT first(1, point(0, 0));
SELECT first(1, ARRAY[point(0, 0)]);
SELECT last(1, '{}'::json);
-- a time is compared by its own collation, whatever that of the value
CREATE TABLE words (value text COLLATE "C", word text COLLATE "en-x-icu", bytes text COLLATE "C", n int);
INSERT INTO words VALUES ('upper', 'B', 'B', 1), ('lower', 'a', 'a', 2);
SELECT first(value, word), first(word, bytes), first(n, word), first(n, bytes), first(n, word COLLATE "C") FROM words;
SELECT first(value, word) OVER (), first(n, word) OVER (), first(n, bytes) OVER () FROM words LIMIT 1;
SELECT first(value, word) OVER (), first(word, bytes) OVER () FROM words LIMIT 1;
-- the plain way
SELECT * FROM compare('SELECT symbol, first(id, at), last(id, at) FROM trades WHERE at IS NOT NULL GROUP BY symbol',
  'SELECT symbol, (array_agg(id ORDER BY at))[1], (array_agg(id ORDER BY at DESC))[1] FROM trades WHERE at IS NOT NULL GROUP BY symbol');
-- values that are stored compressed and out of line
CREATE TABLE long (id int, v text, w text);
ALTER TABLE long ALTER w SET STORAGE external;
INSERT INTO long SELECT g, repeat(md5(g::text), 2000), repeat(md5(g::text), 500) FROM generate_series(1, 20) g;
SELECT md5(first(v, id)) = md5(repeat(md5('1'), 2000)), length(last(v, v)), md5(last(w, id)) = md5(repeat(md5('20'), 500)), max(v) = last(v, w) FROM long WHERE v = repeat(md5(id::text), 2000);
SELECT count(*) FROM long a JOIN (SELECT id % 3 AS k, last(v, id) AS v, first(w, -id) AS w FROM long GROUP BY 1) b USING (v, w);
DO $$
DECLARE a int[]; b int[];
BEGIN
  -- arrays that PL/pgSQL holds expanded
  a := ARRAY[1, 2]; a[3] := 3;
  SELECT last(x, x) INTO b FROM (VALUES (a), (a[1:1])) v(x);
  RAISE INFO '% %', b, array_length(b, 1);
END $$;

-- ---- vwap

SELECT symbol, vwap(price, qty), vwap(price::numeric, qty::numeric) FROM trades WHERE symbol < 'c' OR symbol = 'd' GROUP BY symbol ORDER BY symbol;
SELECT symbol, vwap(price, qty), vwap(price::numeric, qty::numeric) FROM trades WHERE symbol IN ('c', 'e') GROUP BY symbol ORDER BY symbol;
SELECT vwap(price, qty), vwap(amount, 1) FROM trades WHERE false;
SELECT vwap(price, 0), vwap(amount, 0) FROM trades WHERE symbol = 'a';
-- debits and credits, integers, FILTER, DISTINCT, windows
SELECT vwap(p, q), vwap(p, -q), vwap(p, q) FILTER (WHERE q > 1), vwap(DISTINCT p, 1) FROM (VALUES (10, 1), (20, 3), (20, 4)) v(p, q);
SELECT vwap(p, q) FROM (VALUES (10, 1), (20, -1)) v(p, q);
SELECT id, vwap(price, qty) OVER w, vwap(amount, qty::numeric) OVER w, vwap(price, qty) OVER (ORDER BY id ROWS 1 PRECEDING) FROM trades WHERE symbol = 'a'
WINDOW w AS (ORDER BY id) ORDER BY id;
-- out of range as the operators are, numeric is exact
SELECT vwap(x, 1e308) FROM (VALUES (1e308::float8)) v(x);
SELECT vwap(1e308::float8, 1) FROM generate_series(1, 2);
SELECT vwap(1e-300::float8, 1e-300);
SELECT vwap(x, 1) FROM (VALUES ('Infinity'::float8), ('-Infinity')) v(x);
SELECT vwap(x, 3::numeric), vwap(x, 1e-50::numeric), vwap(1e30 + x, 1e30::numeric) FROM (VALUES (0.1), (0.2)) v(x);
SELECT vwap(1e100000::numeric, 1e100000::numeric);

-- ---- candlestick

SELECT symbol, (candlestick(at, price, qty)).* FROM trades GROUP BY symbol ORDER BY symbol;
SELECT symbol, (candlestick(at, amount, qty::numeric)).* FROM trades GROUP BY symbol ORDER BY symbol;
SELECT candlestick(at, price, qty) IS NULL, candlestick(at, amount, amount) IS NULL FROM trades WHERE false;
SELECT candlestick(at, price, qty) FILTER (WHERE id > 2), candlestick(at, price, NULL), candlestick(at, amount, NULL), candlestick(DISTINCT at, 1::numeric, 1) FROM trades WHERE symbol = 'a';
SELECT id, (candlestick(at, price, qty) OVER w).*, (candlestick(at, amount, amount) OVER w).high FROM trades WHERE symbol = 'a' WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT pg_typeof(candlestick(at, price, qty)), pg_typeof(candlestick(at, amount, amount)), pg_typeof(candlestick(at, price::real, 1)), pg_typeof(candlestick(at, amount, 1)) FROM trades;

-- ---- buckets

SELECT time_bucket('1 week', '2026-01-01 12:00+00'::timestamptz) AT TIME ZONE 'UTC', time_bucket('15 min', '2026-01-01 12:34:56'::timestamp),
       time_bucket('1 hour', '1969-12-31 23:59:59.999999+00'::timestamptz, '2000-01-01 00:30+00') AT TIME ZONE 'UTC', time_bucket('1 day', '1999-12-31 12:00'::timestamp, '2000-01-01 06:00');
SELECT time_bucket('1 day', '2026-01-01'::date), time_bucket('1 week', '2026-01-01'::date), time_bucket('1 week', '2026-01-01'::date, '2000-01-01'), time_bucket('1 hour', '2026-01-01'::date);
SELECT time_bucket(NULL, now()), time_bucket('1 day', NULL::timestamptz), time_bucket('1 day', now(), NULL), time_bucket('1 day', 'infinity'::timestamptz);
SELECT time_bucket('1 month', now());
SELECT time_bucket('-1 day', now());
-- the planner sees date_bin
EXPLAIN (COSTS OFF, VERBOSE) SELECT time_bucket('1 min', at) FROM trades;
EXPLAIN (COSTS OFF, VERBOSE) SELECT time_bucket('1 min', at::timestamp, '2026-01-01') FROM trades;
EXPLAIN (COSTS OFF, VERBOSE) SELECT time_bucket('7 days', at::date) FROM trades;

-- ---- many rows, many groups, parallel workers

CREATE TABLE many AS SELECT g AS id, g % 7 AS k, '2026-01-01'::timestamptz + (g * 7919 % 20011) * interval '1 sec' AS at, (g * 37 % 1000) / 8.0::float8 AS price,
  CASE WHEN g % 11 > 0 THEN (g % 16)::float8 END AS qty, 'v' || g AS v, g % 2000 AS few, CASE WHEN g % 13 > 0 THEN (g * 37 % 1000) / 7.0 END AS exact
FROM generate_series(1, 20000) g;
ANALYZE many;
CREATE VIEW ours AS
SELECT k, first(price, at), last(v, at), first(id, v COLLATE "C") AS by_text, last(row(id, v), at)::text AS by_row, last(acldefault('r', id::oid), at)::text AS no_binary, first(exact, -exact) AS greatest,
  vwap(price, qty), vwap(exact, qty::numeric) AS exact, candlestick(at, price, qty), candlestick(at, exact, qty::numeric) AS exact_candle
FROM many GROUP BY k;
CREATE VIEW plain (k, first, last, by_text, by_row, no_binary, greatest, vwap, exact, candlestick, exact_candle) AS
SELECT k, (array_agg(price ORDER BY at))[1], (array_agg(v ORDER BY at DESC))[1], (array_agg(id ORDER BY v COLLATE "C"))[1], (array_agg(row(id, v) ORDER BY at DESC))[1]::text,
  (array_agg(acldefault('r', id::oid)::text ORDER BY at DESC))[1], max(exact), sum(price * qty) / sum(qty) FILTER (WHERE price IS NOT NULL),
  sum(exact * qty::numeric) / sum(qty::numeric) FILTER (WHERE exact IS NOT NULL),
  row((array_agg(price ORDER BY at))[1], max(price), min(price), (array_agg(price ORDER BY at DESC))[1], sum(qty), sum(price * qty) / sum(qty),
    min(at), max(at), count(*))::candlestick,
  row((array_agg(exact ORDER BY at) FILTER (WHERE exact IS NOT NULL))[1], max(exact), min(exact), (array_agg(exact ORDER BY at DESC) FILTER (WHERE exact IS NOT NULL))[1],
    sum(qty::numeric) FILTER (WHERE exact IS NOT NULL), sum(exact * qty::numeric) / sum(qty::numeric) FILTER (WHERE exact IS NOT NULL),
    min(at) FILTER (WHERE exact IS NOT NULL), max(at) FILTER (WHERE exact IS NOT NULL), count(exact))::candlestick_numeric
FROM many GROUP BY k;
SET max_parallel_workers_per_gather = 0;
SELECT * FROM compare('TABLE ours', 'TABLE plain');
CREATE TABLE alone AS TABLE ours;
SELECT k, first, last, vwap, round(exact, 10) AS exact, candlestick FROM alone ORDER BY k LIMIT 2;
-- a state is small enough to hash the groups
EXPLAIN (COSTS OFF) SELECT few, first(price, at), vwap(exact, exact), candlestick(at, exact, exact) FROM many GROUP BY few;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) TABLE ours;
SELECT * FROM compare('TABLE ours', 'TABLE alone');
-- parts of which some have nothing to give
EXPLAIN (COSTS OFF) SELECT first(price, at), last(v, at), vwap(price, qty), vwap(exact, exact), candlestick(at, price, qty), candlestick(at, exact, exact) FROM many WHERE id + 0 > 20000;
SELECT first(price, at), last(v, at), vwap(price, qty), vwap(exact, exact), candlestick(at, price, qty), candlestick(at, exact, exact) FROM many WHERE id + 0 > 20000;
SELECT first(price, at), last(v, at), vwap(price, qty), vwap(exact, 1), candlestick(at, price, NULL), candlestick(at, round(exact, 4), NULL) FROM many WHERE id + 0 BETWEEN 7 AND 7;
-- out-of-line values from a worker
ALTER TABLE long SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT first(v, id), last(w, id) FROM long;
SELECT md5(first(v, id)) = md5(repeat(md5('1'), 2000)), md5(last(w, id)) = md5(repeat(md5('20'), 500)) FROM long;

-- ---- anyone may use them

CREATE ROLE ch_analytics_user;
GRANT USAGE ON SCHEMA t_analytics TO ch_analytics_user;
GRANT SELECT ON trades TO ch_analytics_user;
SET ROLE ch_analytics_user;
SELECT first(price, at), vwap(price, qty), vwap(amount, 1), (candlestick(at, price, qty)).trades, min(time_bucket('1 day', at::timestamp)) FROM trades WHERE symbol = 'a';
RESET ROLE;
-- their parts are only good for them
SELECT proname, pg_get_function_identity_arguments(oid) FROM pg_proc
WHERE pronamespace = 'cipherhorizon'::regnamespace AND proname ~ '^_(first|last|end|vwap|candlestick)' AND NOT 'internal'::regtype = ANY (proargtypes);
SELECT aggfnoid::regprocedure, proparallel, provolatile, aggcombinefn <> 0 AS combines, aggserialfn <> 0 AS serializes FROM pg_aggregate JOIN pg_proc ON aggfnoid = pg_proc.oid
WHERE pronamespace = 'cipherhorizon'::regnamespace AND proname IN ('first', 'last', 'vwap', 'candlestick') ORDER BY 1::text;

SET client_min_messages = warning;
DROP SCHEMA t_analytics CASCADE;
DROP ROLE ch_analytics_user;
