\set ECHO none
\getenv url INFLUXDB_URL
\getenv user INFLUXDB_USER
\getenv password INFLUXDB_PASSWORD
CREATE SCHEMA t_influxdb_write;
SET search_path = t_influxdb_write;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER t_influxdb_write FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'url', dbname 't_influx');
CREATE USER MAPPING FOR CURRENT_USER SERVER t_influxdb_write OPTIONS (user :'user', password :'password');
\set ECHO all
-- Points written from SQL are read back as they were.
\! test/load/influx.sh reset w_ticks w_types w_hidden w_part
CREATE FOREIGN TABLE ticks (
  time timestamptz NOT NULL, ns bigint OPTIONS (kind 'time_ns'), symbol text OPTIONS (kind 'tag'), exchange text OPTIONS (kind 'tag'),
  price float8, qty float8, trades bigint, note text, buy boolean
) SERVER t_influxdb_write OPTIONS (measurement 'w_ticks');
INSERT INTO ticks (time, symbol, exchange, price, qty, trades, note, buy) VALUES
  ('2026-01-01 00:00:00.000001', 'BTC-USDT', 'binance', 87000.5, 0.001, 3, 'first', true),
  ('2026-01-01 00:00:01', 'ETH-USDT', NULL, 3000, 1e-7, 9223372036854775807, E'quotes " '' and \\ back\nslash 😀', false),
  ('1969-12-31 23:59:59.999999', 'old, = one\,x', 'kraken', '-0', 1.7976931348623157e308, -9223372036854775808, '', NULL);
SELECT time, ns, symbol, exchange, price, qty, trades, note, buy FROM ticks ORDER BY ns;
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO ticks (time, symbol, price) VALUES (now(), 'x', 1);

-- Nanoseconds; the same point again is overwritten, field by field.
INSERT INTO ticks (time, ns, symbol, price) VALUES ('1970-01-01 00:00:00.000001', 1001, 'NS', 1), ('1970-01-01 00:00:00.000001', 1002, 'NS', 2);
INSERT INTO ticks (time, ns, symbol, qty) VALUES ('1970-01-01 00:00:00.000001', 1002, 'NS', 5);
SELECT ns, price, qty FROM ticks WHERE symbol = 'NS' ORDER BY ns;
INSERT INTO ticks (time, ns, symbol, price) VALUES ('1970-01-01 00:00:00.000002', 1001, 'NS', 1);

-- RETURNING, defaults and COPY.
ALTER FOREIGN TABLE ticks ALTER COLUMN time SET DEFAULT '2026-02-01', ALTER COLUMN exchange SET DEFAULT 'okx';
INSERT INTO ticks (symbol, price) VALUES ('DEF', 1) RETURNING time, symbol, exchange, price;
COPY ticks (time, symbol, price, trades) FROM stdin;
2026-03-01 00:00:00	COPY	1.5	1
2026-03-01 00:00:01	COPY	2.5	2
\.
SELECT time, exchange, price, trades FROM ticks WHERE symbol = 'COPY' ORDER BY time;
INSERT INTO ticks (time, symbol, price) SELECT '2026-04-01'::timestamptz + i * interval '1 ms', 'MANY', i FROM generate_series(1, 25000) i;
SELECT count(*), min(price), max(price) FROM ticks WHERE symbol = 'MANY';

-- Nothing is sent before the commit; a rollback, also to a savepoint, drops it.
BEGIN;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-01', 'TX', 1);
SELECT count(*) FROM ticks WHERE symbol = 'TX';
SAVEPOINT s;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-02', 'TX', 2);
ROLLBACK TO s;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-03', 'TX', 3);
SAVEPOINT s2;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-04', 'TX', 4);
RELEASE s2;
COMMIT;
SELECT time, price FROM ticks WHERE symbol = 'TX' ORDER BY time;
BEGIN;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-05', 'TX', 5);
ROLLBACK;
SELECT count(*) FROM ticks WHERE symbol = 'TX';
-- At once, if the table says so: then it stays.
ALTER FOREIGN TABLE ticks OPTIONS (ADD write_mode 'immediate');
BEGIN;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-06', 'TX', 6);
SELECT count(*) FROM ticks WHERE symbol = 'TX';
ROLLBACK;
SELECT count(*) FROM ticks WHERE symbol = 'TX';
ALTER FOREIGN TABLE ticks OPTIONS (DROP write_mode);

-- UPDATE finds a point by its nanoseconds and every tag.
UPDATE ticks SET price = price * 2, note = 'changed' WHERE symbol = 'TX' AND price < 6;
SELECT time, price, note FROM ticks WHERE symbol = 'TX' ORDER BY time;
CREATE TEMP TABLE fixes (symbol text, p float8);
INSERT INTO fixes VALUES ('NS', 7), ('DEF', 8);
UPDATE ticks t SET price = f.p FROM fixes f WHERE f.symbol = t.symbol RETURNING t.symbol, t.price;
SELECT ns, symbol, exchange, price, qty FROM ticks WHERE symbol IN ('NS', 'DEF') ORDER BY ns;
UPDATE ticks SET note = NULL WHERE symbol = 'TX';
UPDATE ticks SET qty = NULL, trades = trades + 1 WHERE symbol = 'TX' AND qty IS NULL;
UPDATE ticks SET symbol = 'x' WHERE symbol = 'TX';
UPDATE ticks SET time = now() WHERE symbol = 'TX';
EXPLAIN (VERBOSE, COSTS OFF) UPDATE ticks SET price = 0 WHERE symbol = 'TX';

-- DELETE by time and tags is one statement; by a field it takes the rows.
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM ticks WHERE symbol = 'MANY' AND time < '2026-04-01 00:00:20';
DELETE FROM ticks WHERE symbol = 'MANY' AND time < '2026-04-01 00:00:20';
SELECT count(*) FROM ticks WHERE symbol = 'MANY';
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM ticks WHERE symbol = 'TX' AND price > 5;
DELETE FROM ticks WHERE symbol = 'TX' AND price > 5;
SELECT time, price FROM ticks WHERE symbol = 'TX' ORDER BY time;
DELETE FROM ticks WHERE symbol = 'old, = one\,x' RETURNING ns, note;
DELETE FROM ticks WHERE exchange IS NULL AND symbol = 'ETH-USDT' AND NOT buy;
SELECT count(*) FROM ticks WHERE symbol IN ('ETH-USDT', 'old, = one\,x');
BEGIN;
DELETE FROM ticks WHERE symbol = 'COPY';
ROLLBACK;
SELECT count(*) FROM ticks WHERE symbol = 'COPY';
PREPARE del(text) AS DELETE FROM ticks WHERE symbol = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE del('COPY');
EXECUTE del(NULL);
EXECUTE del('');
RESET plan_cache_mode;
SELECT count(*) FROM ticks WHERE symbol = 'COPY';

-- What InfluxDB cannot hold is refused by name, and nothing of the statement is sent.
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', 'BAD', 1), ('2026-06-02', 'BAD', 'NaN');
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', 'BAD', 'infinity');
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', '', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', E'a\nb', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', 'back\', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', repeat('x', 70000), 1);
INSERT INTO ticks (time, symbol) VALUES ('2026-06-01', 'BAD');
INSERT INTO ticks (time, symbol, price) VALUES (NULL, 'BAD', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('1500-01-01', 'BAD', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('infinity', 'BAD', 1);
INSERT INTO ticks (time, symbol, price) VALUES ('2026-06-01', 'BAD', 1) ON CONFLICT DO NOTHING;
SELECT count(*) FROM ticks WHERE symbol = 'BAD';

-- Types: as what a field is written.
CREATE FOREIGN TABLE types (
  time timestamptz, t text OPTIONS (kind 'tag'), s smallint, i int, f4 real, n numeric, v varchar(5), u uuid, e name,
  fi bigint OPTIONS (field_type 'float'), ni numeric OPTIONS (field_type 'integer'), d date, j jsonb
) SERVER t_influxdb_write OPTIONS (measurement 'w_types');
INSERT INTO types (time, t, s, i, f4, n, v, u, e, fi, ni) VALUES
  ('2026-01-01', 'a', -32768, 2147483647, 0.1, 0.1, 'ü😀', '00000000-0000-0000-0000-00000000002a', 'some name', 9007199254740992, 123456789012345678);
SELECT * FROM types;
\! test/load/influx.sh query 'SHOW FIELD KEYS FROM w_types' | tr '{}[]' '\n' | grep '","' | sort
INSERT INTO types (time, t, n) VALUES ('2026-01-01', 'b', 0.1234567890123456789);
INSERT INTO types (time, t, n) VALUES ('2026-01-01', 'b', 'NaN');
INSERT INTO types (time, t, fi) VALUES ('2026-01-01', 'b', 9007199254740993);
INSERT INTO types (time, t, ni) VALUES ('2026-01-01', 'b', 1.5);
INSERT INTO types (time, t, ni) VALUES ('2026-01-01', 'b', 1e20);
INSERT INTO types (time, t, d) VALUES ('2026-01-01', 'b', '2026-01-01');
INSERT INTO types (time, t, j) VALUES ('2026-01-01', 'b', '{}');
-- another type than the field has in the store
ALTER FOREIGN TABLE types ALTER COLUMN i OPTIONS (ADD field_type 'float');
INSERT INTO types (time, t, i) VALUES ('2026-01-01', 'c', 1), ('2026-01-02', 'c', 2);
-- of a request the points without the error are kept, and of a transaction the requests before
INSERT INTO types (time, t, i, v) VALUES ('2026-01-01', 'c', 1, NULL), ('2026-01-02', 'c', NULL, 'kept');
ALTER FOREIGN TABLE types OPTIONS (ADD batch_size '1');
INSERT INTO types (time, t, i, v) VALUES ('2026-01-03', 'c', NULL, 'kept'), ('2026-01-04', 'c', 1, NULL);
ALTER FOREIGN TABLE types OPTIONS (DROP batch_size);
SELECT time, v FROM types WHERE t = 'c' ORDER BY time;
SELECT server, outcome FROM cipherhorizon.in_doubt WHERE server = 't_influxdb_write';
DELETE FROM cipherhorizon.in_doubt WHERE server = 't_influxdb_write';
-- and a generated column
CREATE FOREIGN TABLE generated (
  time timestamptz, price float8, qty float8, value float8 GENERATED ALWAYS AS (price * qty) STORED
) SERVER t_influxdb_write OPTIONS (measurement 'w_types');
INSERT INTO generated (time, price, qty) VALUES ('2026-01-02', 3, 4) RETURNING value;
SELECT value FROM generated WHERE value IS NOT NULL;

-- A table that does not show all tags cannot tell points apart.
\! printf '%s\n' 'w_hidden,a=1,b=1 v=1 1000' 'w_hidden,a=1,b=2 v=2 1000' | test/load/influx.sh write
CREATE FOREIGN TABLE hidden (time timestamptz, ns bigint OPTIONS (kind 'time_ns'), a text OPTIONS (kind 'tag'), v float8)
  SERVER t_influxdb_write OPTIONS (measurement 'w_hidden');
UPDATE hidden SET v = 5 WHERE v = 1;
DELETE FROM hidden WHERE v = 1;
SELECT v FROM hidden ORDER BY v;
-- and one without nanoseconds cannot find them
CREATE FOREIGN TABLE micro (time timestamptz, a text OPTIONS (kind 'tag'), b text OPTIONS (kind 'tag'), v float8)
  SERVER t_influxdb_write OPTIONS (measurement 'w_hidden');
UPDATE micro SET v = 5 WHERE v = 1;
DELETE FROM micro WHERE v = 1;
DELETE FROM micro WHERE b = '2';
SELECT v FROM micro;

-- Rows are routed to partitions that are foreign tables.
CREATE TABLE parted (time timestamptz NOT NULL, kind text, v float8) PARTITION BY LIST (kind);
CREATE FOREIGN TABLE parted_remote PARTITION OF parted FOR VALUES IN ('remote') SERVER t_influxdb_write OPTIONS (measurement 'w_part');
ALTER FOREIGN TABLE parted_remote ALTER COLUMN kind OPTIONS (ADD kind 'tag');
CREATE TABLE parted_local PARTITION OF parted FOR VALUES IN ('local');
INSERT INTO parted VALUES ('2026-01-01', 'remote', 1), ('2026-01-01', 'local', 2), ('2026-01-02', 'remote', 3);
SELECT tableoid::regclass, time, kind, v FROM parted ORDER BY v;

-- Guards.
TRUNCATE parted_remote;
ALTER FOREIGN TABLE parted_remote OPTIONS (ADD truncatable 'true');
TRUNCATE parted_remote;
SELECT count(*) FROM parted_remote;
ALTER FOREIGN TABLE parted_remote OPTIONS (ADD updatable 'false');
INSERT INTO parted_remote VALUES ('2026-01-01', 'remote', 1);
SELECT is_insertable_into FROM information_schema.tables WHERE table_name = 'parted_remote';
BEGIN;
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-09', 'TX', 1);
PREPARE TRANSACTION 'x';

-- gzip
ALTER SERVER t_influxdb_write OPTIONS (ADD gzip 'true');
INSERT INTO ticks (time, symbol, price) SELECT '2026-07-01'::timestamptz + i * interval '1 s', 'GZ', i FROM generate_series(1, 100) i;
SELECT count(*), sum(price) FROM ticks WHERE symbol = 'GZ';
-- a database that is not there
ALTER SERVER t_influxdb_write OPTIONS (SET dbname 'no_such');
INSERT INTO ticks (time, symbol, price) VALUES ('2026-05-09', 'TX', 1);
