-- Nothing is sent to InfluxDB, MongoDB and Redis before the commit; Neo4j has a transaction of its own, which is committed with this one.
BEGIN;
INSERT INTO portfolio.accounts (account_id, handle, base_asset_id) SELECT 1000007, 'demo', min(asset_id) FROM portfolio.assets;
INSERT INTO influx.ticks (time, symbol, venue, price, qty, side) VALUES (now(), 'DEMO-USDT', 'demo', 100.5, 2, 'buy');
INSERT INTO mongo.strategies (_id, name, status, owner_account_id, risk_profile_max_loss) VALUES ('demo', 'written from psql', 'draft', 1000007, 0.05);
INSERT INTO redis.risk_limits (account_id, max_notional, used_notional, kill_switch, ttl_s) VALUES (1000007, 1000000, 0, false, 3600);
INSERT INTO neo4j.traders (account_id, handle) VALUES (1000007, 'demo');
COMMIT;

-- One command in Redis, which loses no other session's change; no row is fetched.
UPDATE redis.risk_limits SET used_notional = used_notional + 201 WHERE account_id = 1000007;

SELECT a.account_id, n.handle AS neo4j, s.name AS mongodb, k.price AS influxdb, r.used_notional AS redis, r.ttl_s > 3500 AS expires
  FROM portfolio.accounts a
  JOIN neo4j.traders n USING (account_id)
  JOIN redis.risk_limits r USING (account_id)
  JOIN mongo.strategies s ON s.owner_account_id = a.account_id
  JOIN influx.ticks k ON k.symbol = 'DEMO-USDT'
 WHERE a.account_id = 1000007;

DELETE FROM influx.ticks WHERE symbol = 'DEMO-USDT';
DELETE FROM mongo.strategies WHERE _id = 'demo';
DELETE FROM redis.risk_limits WHERE account_id = 1000007;
DELETE FROM neo4j.traders WHERE account_id = 1000007;
DELETE FROM portfolio.accounts WHERE account_id = 1000007;
