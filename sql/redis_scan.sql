-- Reading Redis: every type of key, found by prefix, by set, or by name.
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_password REDIS_PASSWORD
\! test/load/redis.sh redis_scan
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;
RESET client_min_messages;
CREATE SCHEMA t_redis_scan;
SET search_path = t_redis_scan;
CREATE SERVER t_redis_scan FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_redis_scan OPTIONS (password :'redis_password');

-- requests and rows that a query takes
CREATE FUNCTION cost_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT format('%s requests, %s rows', sum((r #>> '{}')::int), (SELECT sum((x #>> '{}')::int) FROM jsonb_path_query(plan::jsonb, '$.**."Remote Rows"') x))
			FROM jsonb_path_query(plan::jsonb, '$.**."Requests"') r);
END $$;

-- A hash is a row. A field that is not there is NULL, a key of another type or
-- one that is no bigint ("007", "history") is no row, a hash without any of
-- the fields is one.
CREATE FOREIGN TABLE limits (
	account_id bigint OPTIONS (kind 'key'),
	max_notional bigint,
	used bigint OPTIONS (field 'used_notional'),
	max_leverage numeric,
	kill_switch boolean
) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:limit:');
SELECT * FROM limits ORDER BY account_id;
SELECT count(*) FROM limits;
SELECT count(used) FROM limits;
SELECT * FROM limits WHERE account_id = 2;
SELECT * FROM limits WHERE account_id IN (1, 4, 5, 6);
EXPLAIN (VERBOSE, COSTS OFF) SELECT max_notional FROM limits;
SELECT cost_of('SELECT * FROM limits WHERE account_id = 2');

-- Time to live: interval, or seconds; NULL for none.
CREATE FOREIGN TABLE limits_ttl (
	account_id int OPTIONS (kind 'key'),
	ttl interval,
	seconds int OPTIONS (kind 'ttl'),
	doc jsonb OPTIONS (kind 'value')
) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:limit:');
SELECT account_id, ttl BETWEEN '24 hours' AND '25 hours' AS ttl, seconds BETWEEN 86400 AND 90000 AS seconds, doc
FROM limits_ttl ORDER BY account_id;
SELECT ttl IS NULL AS no_ttl FROM limits_ttl WHERE account_id = 1;

-- A time to live that no interval holds.
CREATE FOREIGN TABLE limits_far (account_id int OPTIONS (kind 'key'), ttl interval) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:far:');
CREATE FOREIGN TABLE limits_far_n (account_id int OPTIONS (kind 'key'), ttl bigint) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:far:');
ALTER FOREIGN TABLE limits_far OPTIONS (ADD on_type_mismatch 'null');
SET client_min_messages = error;
SELECT * FROM limits_far;
RESET client_min_messages;
SELECT ttl / 1000000000000 AS ttl FROM limits_far_n;

-- A string is a row; its key may be empty after the prefix.
CREATE FOREIGN TABLE prices (symbol text OPTIONS (kind 'key'), value float8)
SERVER t_redis_scan OPTIONS (type 'string', key_prefix 't_redis_scan:price:');
SELECT * FROM prices ORDER BY symbol;
SELECT symbol FROM prices ORDER BY symbol;
SELECT * FROM prices WHERE symbol = 'ETH-USDT';
SELECT symbol FROM prices WHERE symbol IN ('ETH-USDT', 'wrong', 'none', '');
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM prices WHERE symbol = ANY ('{ETH-USDT,BTC-USDT}');

-- Keys that a set names: whole keys, of the table's type.
CREATE FOREIGN TABLE watched (key text, max_notional bigint)
SERVER t_redis_scan OPTIONS (type 'hash', key_set 't_redis_scan:watched');
SELECT * FROM watched ORDER BY key;
SELECT * FROM watched WHERE key = 't_redis_scan:limit:3';
SELECT * FROM watched WHERE key = 't_redis_scan:limit:2';	-- there, but not in the set
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM watched WHERE key = 't_redis_scan:limit:3';
EXPLAIN (VERBOSE, COSTS OFF) SELECT max_notional FROM watched;

-- Lists, sets, sorted sets and streams: a row for each entry.
CREATE FOREIGN TABLE queue (index int, value text) SERVER t_redis_scan OPTIONS (type 'list', key 't_redis_scan:queue');
SELECT * FROM queue;
CREATE FOREIGN TABLE orders (id int OPTIONS (kind 'key'), index int, value text)
SERVER t_redis_scan OPTIONS (type 'list', key_prefix 't_redis_scan:orders:');
SELECT * FROM orders ORDER BY id, index;
CREATE FOREIGN TABLE symbols (key text, member text) SERVER t_redis_scan OPTIONS (type 'set', key 't_redis_scan:symbols');
SELECT * FROM symbols ORDER BY member;
CREATE FOREIGN TABLE board (member text, score float8) SERVER t_redis_scan OPTIONS (type 'zset', key 't_redis_scan:board');
SELECT * FROM board ORDER BY score, member COLLATE "C";
CREATE FOREIGN TABLE fills (id text, at timestamptz OPTIONS (kind 'id'), ms bigint OPTIONS (kind 'id'), price int, side text, doc jsonb OPTIONS (kind 'value'))
SERVER t_redis_scan OPTIONS (type 'stream', key 't_redis_scan:fills');
SET timezone = 'UTC';
SELECT * FROM fills;
RESET timezone;
-- of a field that an entry has twice the last one counts, whatever is selected
CREATE FOREIGN TABLE twice (b text, a int, doc jsonb OPTIONS (kind 'value')) SERVER t_redis_scan OPTIONS (type 'stream', key 't_redis_scan:twice');
SELECT a FROM twice;
SELECT b, a FROM twice;
SELECT * FROM twice;
-- a key that is not there has no rows
CREATE FOREIGN TABLE none (member text) SERVER t_redis_scan OPTIONS (type 'set', key 't_redis_scan:none');
SELECT * FROM none;

-- Large ones come page by page, each entry once.
CREATE FOREIGN TABLE big_set (member text) SERVER t_redis_scan OPTIONS (type 'set', key 't_redis_scan:big:set', fetch_size '100');
CREATE FOREIGN TABLE big_zset (member text, score int) SERVER t_redis_scan OPTIONS (type 'zset', key 't_redis_scan:big:zset', fetch_size '100');
CREATE FOREIGN TABLE big_list (index bigint, value int) SERVER t_redis_scan OPTIONS (type 'list', key 't_redis_scan:big:list', fetch_size '100');
CREATE FOREIGN TABLE big_stream (ms bigint OPTIONS (kind 'id'), n int) SERVER t_redis_scan OPTIONS (type 'stream', key 't_redis_scan:big:stream', fetch_size '100');
CREATE FOREIGN TABLE many (key int, n int) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:many:', fetch_size '100');
SELECT count(*), count(DISTINCT member) FROM big_set;
SELECT count(*), count(DISTINCT member), sum(score) FROM big_zset;
SELECT count(*), count(DISTINCT member), sum(score) FROM (SELECT * FROM big_zset ORDER BY score OFFSET 0) s;
SELECT count(*), count(DISTINCT member), sum(score) FROM (SELECT * FROM big_zset ORDER BY score DESC OFFSET 0) s;
SELECT count(*), sum(value), bool_and(value = index + 1) FROM big_list;
SELECT count(*), sum(value), bool_and(value = index + 1) FROM (SELECT * FROM big_list ORDER BY index DESC OFFSET 0) s;
SELECT count(*), sum(n), bool_and(n = ms) FROM big_stream;
SELECT count(*), sum(n), bool_and(n = ms) FROM (SELECT * FROM big_stream ORDER BY ms DESC OFFSET 0) s;
SELECT count(*), count(DISTINCT key), sum(n), bool_and(n = key) FROM many;
SELECT count(*), sum(n) FROM many WHERE key = ANY (ARRAY(SELECT generate_series(2901, 3100)));
SELECT cost_of('SELECT n FROM many WHERE key = ANY (ARRAY(SELECT generate_series(1, 100)))');

-- A LIMIT that ends a scan early, and the connection after it.
SELECT count(*) FROM (SELECT n FROM many LIMIT 7) s;
SELECT cost_of('SELECT n FROM many WHERE n > 0 LIMIT 7') IS NOT NULL AS stopped;
SELECT count(*) FROM (SELECT n FROM many WHERE n % 2 = 0 LIMIT 700) s;
SELECT count(*) FROM (SELECT n FROM many OFFSET 2990) s;
SELECT count(*) FROM (SELECT member FROM big_set LIMIT 500 OFFSET 2000) s;
SELECT count(*) FROM (SELECT n FROM many LIMIT 0) s;

-- The characters of a pattern are characters of a prefix.
CREATE FOREIGN TABLE glob (key text, v text) SERVER t_redis_scan OPTIONS (type 'hash', key_prefix 't_redis_scan:a*b[c]?:');
SELECT * FROM glob;
EXPLAIN (VERBOSE, COSTS OFF) SELECT v FROM glob;

-- A nested loop asks key by key, a cursor page by page; two scans at once take
-- two connections.
SELECT o.id, o.index, l.max_notional FROM orders o JOIN limits l ON l.account_id = o.id ORDER BY 1, 2;
BEGIN;
DECLARE c CURSOR FOR SELECT index, value FROM big_list;
FETCH 2 FROM c;
SELECT count(*) FROM big_list;
MOVE 2000 FROM c;
FETCH 1 FROM c;
COMMIT;

-- The same rows whatever is pushed.
SET cipherhorizon.enable_where_pushdown = off;
SET cipherhorizon.enable_sort_pushdown = off;
SET cipherhorizon.enable_limit_pushdown = off;
SELECT * FROM limits WHERE account_id IN (1, 4, 5, 6) ORDER BY 1;
SELECT * FROM watched WHERE key = 't_redis_scan:limit:2';
SELECT symbol FROM prices WHERE symbol IN ('ETH-USDT', 'wrong', 'none', '') ORDER BY symbol;

\! test/load/redis.sh redis_scan drop
SET client_min_messages = warning;
DROP SCHEMA t_redis_scan CASCADE;
DROP SERVER t_redis_scan CASCADE;
