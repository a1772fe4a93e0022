-- The demo's database: extension, four servers, a schema of foreign tables for
-- each, and the native portfolio schema.  Run again it changes nothing but the
-- addresses and passwords, which follow the environment.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

\getenv influx_url INFLUXDB_URL
\getenv influx_database INFLUXDB_DATABASE
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

BEGIN;
CREATE EXTENSION IF NOT EXISTS cipherhorizon;

-- InfluxDB: market data
CREATE SERVER IF NOT EXISTS influx FOREIGN DATA WRAPPER cipherhorizon_influxdb OPTIONS (url :'influx_url', dbname :'influx_database');
ALTER SERVER influx OPTIONS (SET url :'influx_url', SET dbname :'influx_database');
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER influx OPTIONS ("user" :'influx_user', password :'influx_password');
ALTER USER MAPPING FOR CURRENT_USER SERVER influx OPTIONS (SET "user" :'influx_user', SET password :'influx_password');
COMMENT ON SERVER influx IS 'Market data in InfluxDB';

CREATE SCHEMA IF NOT EXISTS influx;
CREATE FOREIGN TABLE IF NOT EXISTS influx.ticks (
    time timestamptz NOT NULL,
    symbol text OPTIONS (kind 'tag'),
    venue text OPTIONS (kind 'tag'),
    price double precision NOT NULL,
    qty double precision NOT NULL,
    side text NOT NULL,
    trade_id bigint
) SERVER influx OPTIONS (measurement 'ticks');
COMMENT ON FOREIGN TABLE influx.ticks IS 'Trades at the venue, as they were reported';
COMMENT ON COLUMN influx.ticks.side IS 'Who took: buy or sell';

-- MongoDB: strategies
CREATE SERVER IF NOT EXISTS mongo FOREIGN DATA WRAPPER cipherhorizon_mongodb
OPTIONS (host :'mongo_host', port :'mongo_port', auth_source 'admin');
ALTER SERVER mongo OPTIONS (SET host :'mongo_host', SET port :'mongo_port');
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER mongo OPTIONS ("user" :'mongo_user', password :'mongo_password');
ALTER USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS (SET "user" :'mongo_user', SET password :'mongo_password');
COMMENT ON SERVER mongo IS 'Trading strategies in MongoDB';

CREATE SCHEMA IF NOT EXISTS mongo;
-- Names sort as the store sorts them, by bytes, so it can do so itself.
CREATE FOREIGN TABLE IF NOT EXISTS mongo.strategies (
    _id text NOT NULL,
    name text COLLATE "C",
    type text COLLATE "C",
    status text COLLATE "C",
    owner_account_id bigint,
    risk_profile jsonb,
    risk_profile_max_loss double precision OPTIONS (path 'risk_profile.max_loss'),
    risk_profile_volatility double precision OPTIONS (path 'risk_profile.volatility'),
    max_drawdown_limit double precision,
    params jsonb,
    params_lookback integer OPTIONS (path 'params.lookback'),
    rules jsonb,
    capital numeric,
    updated_at timestamptz,
    _doc jsonb OPTIONS (kind 'document')
) SERVER mongo OPTIONS (database 'trading', collection 'strategies');
COMMENT ON FOREIGN TABLE mongo.strategies IS 'Strategy documents; strategy_123 is the decision record''s';
COMMENT ON COLUMN mongo.strategies._doc IS 'The whole document';

CREATE FOREIGN TABLE IF NOT EXISTS mongo.strategy_rules (
    strategy_id text OPTIONS (path '_id'),
    position integer OPTIONS (kind 'index'),
    indicator text OPTIONS (path 'rules.indicator'),
    condition text OPTIONS (path 'rules.condition'),
    action text OPTIONS (path 'rules.action')
) SERVER mongo OPTIONS (database 'trading', collection 'strategies', unwind 'rules');
COMMENT ON FOREIGN TABLE mongo.strategy_rules IS 'Rules of strategies, a row for each element of the array';

CREATE FOREIGN TABLE IF NOT EXISTS mongo.backtests (
    _id text NOT NULL,
    strategy_id text,
    finished_at timestamptz,
    sharpe double precision,
    total_return double precision,
    max_drawdown double precision
) SERVER mongo OPTIONS (database 'trading', collection 'backtests');
COMMENT ON FOREIGN TABLE mongo.backtests IS 'Results of backtests, several for each strategy';

-- Redis: risk
CREATE SERVER IF NOT EXISTS redis FOREIGN DATA WRAPPER cipherhorizon_redis OPTIONS (host :'redis_host', port :'redis_port');
ALTER SERVER redis OPTIONS (SET host :'redis_host', SET port :'redis_port');
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER redis OPTIONS ("user" :'redis_user', password :'redis_password');
ALTER USER MAPPING FOR CURRENT_USER SERVER redis OPTIONS (SET "user" :'redis_user', SET password :'redis_password');
COMMENT ON SERVER redis IS 'Risk limits in Redis';

CREATE SCHEMA IF NOT EXISTS redis;
CREATE FOREIGN TABLE IF NOT EXISTS redis.risk_limits (
    account_id bigint OPTIONS (kind 'key'),
    max_notional bigint,
    used_notional bigint,
    max_leverage integer,
    kill_switch boolean,
    ttl_s bigint OPTIONS (kind 'ttl')
) SERVER redis OPTIONS (type 'hash', key_prefix 'risk:');
COMMENT ON FOREIGN TABLE redis.risk_limits IS 'What each account may have at risk; notionals are in minor units of ETH, 10 ^ -8';
COMMENT ON COLUMN redis.risk_limits.ttl_s IS 'Seconds until the limit lapses, null when it does not';

CREATE FOREIGN TABLE IF NOT EXISTS redis.last_price (
    symbol text OPTIONS (kind 'key'),
    price numeric,
    updated_at timestamptz
) SERVER redis OPTIONS (type 'hash', key_prefix 'last_price:');
COMMENT ON FOREIGN TABLE redis.last_price IS 'Last price of each symbol, as the risk service keeps it';

-- Neo4j: who follows whom
CREATE SERVER IF NOT EXISTS neo4j FOREIGN DATA WRAPPER cipherhorizon_neo4j OPTIONS (url :'neo4j_url');
ALTER SERVER neo4j OPTIONS (SET url :'neo4j_url');
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER neo4j OPTIONS ("user" :'neo4j_user', password :'neo4j_password');
ALTER USER MAPPING FOR CURRENT_USER SERVER neo4j OPTIONS (SET "user" :'neo4j_user', SET password :'neo4j_password');
COMMENT ON SERVER neo4j IS 'The social graph in Neo4j';

CREATE SCHEMA IF NOT EXISTS neo4j;
CREATE FOREIGN TABLE IF NOT EXISTS neo4j.traders (
    account_id bigint NOT NULL,
    handle text COLLATE "C",
    pagerank double precision,
    community_id integer
) SERVER neo4j OPTIONS (label 'Trader');
COMMENT ON FOREIGN TABLE neo4j.traders IS 'Everybody in the social graph; some of them have an account here';
COMMENT ON COLUMN neo4j.traders.pagerank IS 'Influence; the mean is about 1';

CREATE FOREIGN TABLE IF NOT EXISTS neo4j.follows (
    follower_id bigint OPTIONS (kind 'start', property 'account_id'),
    leader_id bigint OPTIONS (kind 'end', property 'account_id'),
    since timestamptz,
    copy_ratio double precision
) SERVER neo4j OPTIONS (relationship 'FOLLOWS', start_label 'Trader', end_label 'Trader');
COMMENT ON FOREIGN TABLE neo4j.follows IS 'Who follows whom, and what part of the leader''s trades is copied';

-- The native tables.  pg_dump dumps these; the others are only addresses.
SELECT count(*) FILTER (WHERE action = 'created') AS created FROM cipherhorizon.create_portfolio_schema('portfolio') \g /dev/null

CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.loaded (ends_at timestamptz NOT NULL);
COMMENT ON TABLE demo.loaded IS 'When the data ends that is loaded in all five stores';
COMMIT;
