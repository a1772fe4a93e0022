-- Aggregates for time series on plain tables.
CREATE SCHEMA t_analytics;
SET search_path = t_analytics, cipherhorizon, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE trades (id int, symbol text, at timestamptz, price float8, qty float8, amount numeric);
INSERT INTO trades VALUES
  (1, 'a', '2026-01-01 00:00:10', 10, 2, 1.5), (2, 'a', '2026-01-01 00:00:20', 12, 1, 2.5), (3, 'a', '2026-01-01 00:00:05', 11, 1, 0.1),
  (4, 'a', '2026-01-01 00:01:00', 9, 4, 7), (5, 'b', '2026-01-01 00:00:30', 100, 0, 3), (6, 'b', NULL, 50, 1, 4), (7, 'b', '2026-01-01 00:00:40', NULL, 5, 5),
  (8, 'c', '2026-01-01 00:00:01', 'NaN', 1, NULL), (9, 'c', '2026-01-01 00:00:02', '-Infinity', NULL, 'NaN'), (10, 'd', NULL, NULL, NULL, NULL);

-- first and last by time, and by other orders
SELECT symbol, first(price, at), last(price, at), first(id, id), last(amount, price) FROM trades GROUP BY symbol ORDER BY symbol;
SELECT first(symbol, amount), last(at, qty), last(symbol, symbol COLLATE "C"), first(row(id, price), at) FROM trades;
SELECT first(price, at) FILTER (WHERE id > 1), last(price, at ORDER BY id DESC), last(DISTINCT price, at) FROM trades WHERE symbol = 'a';
SELECT first(price, at), last(price, at) FROM trades WHERE false;
SELECT id, last(price, at) OVER (PARTITION BY symbol ORDER BY id) FROM trades ORDER BY id;
SELECT first(1, point(0, 0));
-- the same as the plain way
SELECT symbol, first(id, at), last(id, at) FROM trades WHERE at IS NOT NULL GROUP BY symbol
EXCEPT
SELECT symbol, (array_agg(id ORDER BY at))[1], (array_agg(id ORDER BY at DESC))[1] FROM trades WHERE at IS NOT NULL GROUP BY symbol;
-- values that are stored out of line
CREATE TABLE long AS SELECT g AS id, repeat(md5(g::text), 2000) AS v FROM generate_series(1, 20) g;
SELECT md5(first(v, id)) = md5(repeat(md5('1'), 2000)), length(last(v, v)) FROM long;

-- vwap
SELECT symbol, vwap(price, qty), vwap(price::numeric, qty::numeric) FROM trades WHERE symbol IN ('a', 'b', 'd') GROUP BY symbol ORDER BY symbol;
SELECT vwap(price, qty) FROM trades;
SELECT vwap(x, 1e308) FROM (VALUES (1e308::float8)) v(x);
SELECT vwap(x, 3::numeric) FROM (VALUES (0.1), (0.2)) v(x);

-- candlestick
SELECT symbol, (candlestick(at, price, qty)).* FROM trades GROUP BY symbol ORDER BY symbol;
SELECT candlestick(at, price, qty) IS NULL FROM trades WHERE false;

-- buckets
SELECT time_bucket('1 week', '2026-01-01 12:00+00'::timestamptz), time_bucket('15 min', '2026-01-01 12:34:56'::timestamp),
       time_bucket('1 hour', '1969-12-31 23:59:59.999999+00'::timestamptz, '2000-01-01 00:30+00');
EXPLAIN (COSTS OFF, VERBOSE) SELECT time_bucket('1 min', at), (candlestick(at, price, qty)).close FROM trades GROUP BY 1;

-- parallel workers share the work
CREATE TABLE many AS SELECT g AS id, g % 7 AS k, '2026-01-01'::timestamptz + g * interval '1 sec' AS at, (g * 37 % 1000) / 8.0::float8 AS price, (g % 16)::float8 AS qty, 'v' || g AS v
FROM generate_series(1, 20000) g;
ANALYZE many;
CREATE TABLE alone AS SELECT k, first(price, at), last(v, at), vwap(price, qty), vwap(price::numeric, qty::numeric) AS exact, candlestick(at, price, qty) FROM many GROUP BY k;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT k, first(price, at), last(v, at), vwap(price, qty), vwap(price::numeric, qty::numeric) AS exact, candlestick(at, price, qty) FROM many GROUP BY k;
SELECT k, first(price, at), last(v, at), vwap(price, qty), vwap(price::numeric, qty::numeric) AS exact, candlestick(at, price, qty) FROM many GROUP BY k
EXCEPT SELECT * FROM alone;

DROP SCHEMA t_analytics CASCADE;
