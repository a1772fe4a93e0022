-- The database of the analysts' queries: the native portfolio schema, a schema
-- of foreign tables for each of the other stores, and twin, where each of these
-- has a native table with the same rows.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

\getenv influx_url INFLUXDB_URL
\getenv influx_user INFLUXDB_USER
\getenv influx_password INFLUXDB_PASSWORD
\getenv mongo_host MONGODB_HOST
\getenv mongo_port MONGODB_PORT
\getenv mongo_user MONGODB_USER
\getenv mongo_password MONGODB_PASSWORD
\getenv redis_host REDIS_HOST
\getenv redis_port REDIS_PORT
\getenv redis_user REDIS_USER
\getenv redis_password REDIS_PASSWORD
\getenv neo4j_url NEO4J_URL
\getenv neo4j_user NEO4J_USER
\getenv neo4j_password NEO4J_PASSWORD

CREATE EXTENSION cipherhorizon;

-- The queries say now(), as people do, and the data ends at a fixed moment, so that a run is
-- like the last one.  So the clock stands still: our now() is found before PostgreSQL's.  The
-- cast makes it as stable, as cheap, and as little a constant as that one.
CREATE SCHEMA clock;
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS
$$SELECT (timestamp '2026-09-01 00:00')::timestamptz$$;
SELECT format('ALTER DATABASE %I SET timezone = ''UTC''', current_database()),
       format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()) \gexec

-- InfluxDB: market data
CREATE SERVER influx FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'influx_url', dbname 'bench_queries');
CREATE USER MAPPING FOR CURRENT_USER SERVER influx OPTIONS ("user" :'influx_user', password :'influx_password');
CREATE SCHEMA influx;
CREATE FOREIGN TABLE influx.ticks (
    time timestamptz NOT NULL,
    symbol text OPTIONS (kind 'tag'),
    venue text OPTIONS (kind 'tag'),
    price double precision NOT NULL,
    qty double precision NOT NULL,
    side text NOT NULL
) SERVER influx OPTIONS (measurement 'ticks');

-- MongoDB: strategies
CREATE SERVER mongo FOREIGN DATA WRAPPER cipherhorizon_mongodb
OPTIONS (host :'mongo_host', port :'mongo_port', auth_source 'admin', database 'bench_queries');
CREATE USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS ("user" :'mongo_user', password :'mongo_password');
CREATE SCHEMA mongo;
CREATE FOREIGN TABLE mongo.strategies (
    _id text NOT NULL,
    name text COLLATE "C",
    status text COLLATE "C",
    owner_account_id bigint,
    risk_profile jsonb,
    max_drawdown_limit double precision,
    params jsonb,
    _doc jsonb OPTIONS (kind 'document')
) SERVER mongo OPTIONS (collection 'strategies');
CREATE FOREIGN TABLE mongo.backtests (
    _id text NOT NULL,
    strategy_id text,
    finished_at timestamptz,
    sharpe double precision,
    total_return double precision,
    max_drawdown double precision
) SERVER mongo OPTIONS (collection 'backtests');

-- Redis: risk
CREATE SERVER redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
CREATE USER MAPPING FOR CURRENT_USER SERVER redis OPTIONS ("user" :'redis_user', password :'redis_password');
CREATE SCHEMA redis;
CREATE FOREIGN TABLE redis.risk_limits (
    account_id bigint OPTIONS (kind 'key'),
    max_notional bigint,
    used_notional bigint,
    max_leverage integer,
    kill_switch boolean,
    ttl_s bigint OPTIONS (kind 'ttl')
) SERVER redis OPTIONS (type 'hash', key_prefix 'bench_queries:risk:');

-- Neo4j: who follows whom
CREATE SERVER neo4j FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'neo4j_url');
CREATE USER MAPPING FOR CURRENT_USER SERVER neo4j OPTIONS ("user" :'neo4j_user', password :'neo4j_password');
CREATE SCHEMA neo4j;
CREATE FOREIGN TABLE neo4j.traders (
    account_id bigint NOT NULL,
    handle text COLLATE "C",
    pagerank double precision,
    community_id integer
) SERVER neo4j OPTIONS (label 'BenchQueriesTrader');
CREATE FOREIGN TABLE neo4j.follows (
    follower_id bigint OPTIONS (kind 'start', property 'account_id'),
    leader_id bigint OPTIONS (kind 'end', property 'account_id'),
    since timestamptz,
    copy_ratio double precision
) SERVER neo4j OPTIONS (relationship 'BENCH_QUERIES_FOLLOWS', start_label 'BenchQueriesTrader', end_label 'BenchQueriesTrader');

-- The same tables here.
CREATE SCHEMA twin;
CREATE TABLE twin.ticks (time timestamptz NOT NULL, symbol text, venue text, price double precision, qty double precision,
    side text);
CREATE TABLE twin.strategies (_id text PRIMARY KEY, name text COLLATE "C", status text COLLATE "C", owner_account_id bigint,
    risk_profile jsonb, max_drawdown_limit double precision, params jsonb, _doc jsonb);
CREATE TABLE twin.backtests (_id text PRIMARY KEY, strategy_id text, finished_at timestamptz, sharpe double precision,
    total_return double precision, max_drawdown double precision);
CREATE TABLE twin.risk_limits (account_id bigint PRIMARY KEY, max_notional bigint, used_notional bigint, max_leverage integer,
    kill_switch boolean, ttl_s bigint);
CREATE TABLE twin.traders (account_id bigint PRIMARY KEY, handle text COLLATE "C", pagerank double precision, community_id integer);
CREATE TABLE twin.follows (follower_id bigint, leader_id bigint, since timestamptz, copy_ratio double precision);

-- The native tables, with partitions for the months that the data is from.
SET client_min_messages = error; -- its publication works without wal_level = logical, too
SELECT count(*) FROM cipherhorizon.create_portfolio_schema('portfolio') \g /dev/null
SELECT format('CREATE TABLE IF NOT EXISTS portfolio.%1$s_%2$s PARTITION OF portfolio.%1$s FOR VALUES FROM (%3$L) TO (%4$L)', parent, name, month, following)
FROM unnest('{trades,portfolio_valuations}'::text[]) AS parent,
     (VALUES ('2026_07', '2026-07-01 00:00+00', '2026-08-01 00:00+00'), ('2026_08', '2026-08-01 00:00+00', '2026-09-01 00:00+00'),
             ('2026_09', '2026-09-01 00:00+00', '2026-10-01 00:00+00')) AS m (name, month, following) \gexec
