-- The data: the same in every run.  What looks random is noise(), which is made
-- of integers alone.  The native tables and the twins are filled here; load.sh
-- fills the stores from the twins.
--
-- Prices and quantities of ticks are multiples of powers of two, so that sums
-- and products of them are exact in double precision, and do not depend on the
-- order in which a store adds up.
\set ON_ERROR_STOP 1
-- The rows are right; to check each foreign key would take most of the time.
SET session_replication_role = replica;
BEGIN;

-- A number from 0 to below 1, for a number and the purpose that it is for.
CREATE FUNCTION pg_temp.noise(n bigint, purpose bigint) RETURNS double precision IMMUTABLE LANGUAGE sql AS
$$SELECT ((hashint8extended(n, purpose) >> 12) & 1048575) / 1048576.0::double precision$$;

-- What trades: 20 symbols, their first price and the step of it, as a power of two.
CREATE TEMPORARY TABLE listed AS
SELECT n::int AS instrument_id, base || '-USDT' AS symbol, base, price, 2.0 ^ step AS step
FROM unnest('{BTC,ETH,BNB,SOL,XRP,ADA,DOGE,TRX,LTC,DOT,LINK,AVAX,UNI,ATOM,ETC,XLM,NEAR,FIL,APT,ARB}'::text[],
            '{60000,3000,550,150,0.5,0.4,0.125,0.15,80,6,15,30,9,7,25,0.1,5,4.5,8,0.75}'::double precision[],
            '{-2,-5,-7,-9,-14,-14,-16,-16,-9,-12,-11,-10,-12,-12,-11,-16,-13,-13,-12,-14}'::int[]) WITH ORDINALITY AS s (base, price, step, n);

-- One tick of each symbol every 2 seconds for a day: 864,000 of them, by turns at three venues.
INSERT INTO twin.ticks
SELECT now() - interval '1 day' + interval '2 s' * n + interval '50 ms' * s.instrument_id,
       s.symbol, (ARRAY['BINANCE', 'COINBASE', 'KRAKEN'])[n % 3 + 1],
       round(s.price * (1 + 0.03 * sin(n / 4000.0 + s.instrument_id) + 0.002 * pg_temp.noise(n * 20 + s.instrument_id, 1)) / s.step) * s.step,
       (1 + floor(pg_temp.noise(n * 20 + s.instrument_id, 2) * 255)) / 64,
       CASE WHEN pg_temp.noise(n * 20 + s.instrument_id, 3) < 0.5 THEN 'buy' ELSE 'sell' END
FROM generate_series(0, 43199) AS n, listed AS s;
CREATE INDEX ON twin.ticks (symbol, time DESC) INCLUDE (price);

-- The social graph.  1,000 traders; 5,000 times somebody follows somebody, 100 of them trader 42.
INSERT INTO twin.traders
SELECT n, 'trader_' || n, round((40.0 / (1 + n * 617 % 1000))::numeric, 6), 1 + n % 12
FROM generate_series(1, 1000) AS n;
INSERT INTO twin.follows
SELECT follower, leader, now() - interval '1 hour' * (leader * 7 + follower), (1 + (leader + follower) % 10) / 10.0
FROM (SELECT 10 * n + 1 AS follower, 42 AS leader FROM generate_series(0, 99) AS n
      UNION ALL
      (SELECT follower, leader
       FROM (SELECT DISTINCT 1 + (pg_temp.noise(n, 4) * 1000)::int % 1000 AS follower, 1 + (pg_temp.noise(n, 5) * 1000)::int % 1000 AS leader
             FROM generate_series(1, 5200) AS n) AS pair
       WHERE follower <> leader AND leader <> 42
       ORDER BY pg_temp.noise(follower * 1000 + leader, 6)
       LIMIT 4900)) AS edge;
CREATE INDEX ON twin.follows (leader_id, follower_id);
CREATE INDEX ON twin.follows (follower_id);

-- 300 strategies, 160 of them live, and 5 backtests of each.
INSERT INTO twin.strategies
SELECT doc->>'_id', doc->>'name', doc->>'status', (doc->>'owner_account_id')::bigint, doc->'risk_profile',
       (doc->>'max_drawdown_limit')::double precision, doc->'params', doc
FROM generate_series(1, 300) AS n, LATERAL (SELECT jsonb_build_object(
       '_id', 'strategy_' || n,
       'name', (ARRAY['Alpine', 'Harbor', 'Meridian', 'Quartz', 'Summit'])[1 + n % 5] || ' ' || n,
       'status', CASE WHEN n * 7 % 300 < 160 THEN 'live' WHEN n * 7 % 300 < 260 THEN 'paper' ELSE 'retired' END,
       'owner_account_id', 1 + n * 3,
       'risk_profile', jsonb_build_object('max_loss', round((0.01 + 0.24 * pg_temp.noise(n, 7))::numeric, 3),
                                          'volatility', round((0.05 + 0.5 * pg_temp.noise(n, 8))::numeric, 2)),
       'max_drawdown_limit', round((0.05 + 0.3 * pg_temp.noise(n, 9))::numeric, 2),
       'params', jsonb_build_object('lookback', (ARRAY[14, 20, 30, 60, 90])[1 + n % 5], 'rebalance', (ARRAY['hourly', 'daily', 'weekly'])[1 + n % 3],
                                    'symbols', jsonb_build_array((SELECT symbol FROM listed WHERE instrument_id = 1 + n % 20)))) AS doc) AS d;
INSERT INTO twin.backtests
SELECT format('backtest_%s_%s', n, run), 'strategy_' || n, now() - interval '7 days' * run - interval '1 minute' * n,
       round((0.3 + 1.6 * pg_temp.noise(n * 5 + run, 10))::numeric, 3), round((0.4 * pg_temp.noise(n * 5 + run, 11) - 0.1)::numeric, 4),
       round((0.02 + 0.4 * pg_temp.noise(n * 5 + run, 12))::numeric, 4)
FROM generate_series(1, 300) AS n, generate_series(1, 5) AS run;
CREATE INDEX ON twin.backtests (strategy_id, finished_at DESC);

-- Risk limits: 23 accounts are stopped, three of them have open orders.
INSERT INTO twin.risk_limits
SELECT n, (1 + n % 50) * 1000000000::bigint, n * 1234567, (ARRAY[1, 2, 3, 5, 10])[1 + n % 5], n IN (30, 330, 730) OR n % 50 = 7
FROM generate_series(1, 1000) AS n;

-- 1,000 accounts with three portfolios each; 300 of these belong to a strategy, 22 of which began in the last 30 days.
INSERT INTO portfolio.assets (asset_id, code, asset_class, decimals, name)
SELECT 1, 'USDT', 'stablecoin', 6, 'Tether'
UNION ALL
SELECT 1 + instrument_id, base, 'crypto', 8, base FROM listed;
INSERT INTO portfolio.venues (venue_id, code, name) VALUES (1, 'BINANCE', 'Binance');
INSERT INTO portfolio.instruments (instrument_id, venue_id, symbol, instrument_type, base_asset_id, quote_asset_id, settle_asset_id)
SELECT instrument_id, 1, symbol, 'spot', 1 + instrument_id, 1, 1 FROM listed;
INSERT INTO portfolio.accounts (account_id, handle, base_asset_id, opened_at)
SELECT n, 'trader_' || n, 1, now() - interval '400 days' - interval '1 hour' * n FROM generate_series(1, 1000) AS n;
INSERT INTO portfolio.portfolios (account_id, portfolio_id, name, kind, strategy_id, base_asset_id, opened_at)
SELECT a, p, (ARRAY['Main', 'Systematic', 'Copied'])[p], CASE WHEN strategy IS NOT NULL THEN 'strategy' WHEN p = 3 THEN 'copy' ELSE 'discretionary' END,
       'strategy_' || strategy, 1, now() - CASE WHEN strategy % 13 = 0 AND strategy <= 286 THEN interval '20 days' ELSE interval '90 days' END - interval '1 minute' * a
FROM generate_series(1, 1000) AS a, generate_series(1, 3) AS p,
     LATERAL (SELECT CASE WHEN p = 2 AND a % 3 = 1 AND a BETWEEN 4 AND 901 THEN (a - 1) / 3 END AS strategy) AS s;

-- About two positions in each portfolio, four in the first one of account 42.
INSERT INTO portfolio.positions (account_id, portfolio_id, instrument_id, qty, avg_entry_px, realized_pnl, updated_at)
SELECT p.account_id, p.portfolio_id, s.instrument_id,
       round(((pg_temp.noise(key, 13) - 0.3) * 20000 / s.price)::numeric, 4), round((s.price * (0.9 + 0.2 * pg_temp.noise(key, 14)))::numeric, 6),
       round(((pg_temp.noise(key, 15) - 0.5) * 1000)::numeric, 2), now() - interval '1 hour'
FROM portfolio.portfolios p, listed s, LATERAL (SELECT (p.account_id * 3 + p.portfolio_id) * 20 + s.instrument_id AS key) k
WHERE CASE WHEN (p.account_id, p.portfolio_id) = (42, 1) THEN s.instrument_id IN (1, 2, 4, 11) ELSE pg_temp.noise(key, 16) < 0.1 END;

-- 20,000 orders that were filled within the last day, 14 of them account 42's, who bought or sold BTC in the last hour; then 30 that are open, of 10 accounts.
CREATE TEMPORARY TABLE filled AS
SELECT o.*, round((k.price * (1 + 0.001 * (pg_temp.noise(order_id, 17) - 0.5)))::numeric, 6) AS price,
       round((5 + 4000 * pg_temp.noise(order_id, 19) / k.price)::numeric, 4) AS qty
FROM (SELECT n AS order_id, CASE WHEN n <= 14 THEN 42 ELSE 1 + (43 + n * 7919) % 999 + ((43 + n * 7919) % 999 >= 41)::int END AS account_id,
             1 + floor(pg_temp.noise(n, 22) * 3)::int AS portfolio_id, s.instrument_id, s.symbol,
             CASE WHEN pg_temp.noise(n, 18) < 0.5 THEN 'buy' ELSE 'sell' END AS side,
             CASE WHEN n <= 3 THEN now() - interval '17 min' * n
                  ELSE now() - interval '1 day' + interval '10 s' + interval '1 s' * floor(pg_temp.noise(n, 20) * 86380) END AS at
      FROM generate_series(1, 20000) AS n JOIN listed s ON s.instrument_id = CASE WHEN n <= 3 THEN 1 ELSE 1 + n * 11 % 20 END) AS o
CROSS JOIN LATERAL (SELECT price FROM twin.ticks k WHERE k.symbol = o.symbol AND k.time <= o.at ORDER BY k.time DESC LIMIT 1) AS k;
INSERT INTO portfolio.orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, time_in_force, order_qty, ord_status, cum_qty, avg_px, transact_time)
SELECT account_id, order_id, portfolio_id, 'C' || order_id, instrument_id, side, 'market', 'ioc', qty, 'filled', qty, price, at FROM filled;
INSERT INTO portfolio.trades (account_id, trade_id, order_id, portfolio_id, instrument_id, exec_id, side, last_qty, last_px, liquidity, fee, fee_asset_id, executed_at)
SELECT account_id, order_id, order_id, portfolio_id, instrument_id, 'E' || order_id, side, qty, price, 'taker', round(qty * price * 0.001, 6), 1, at FROM filled;
INSERT INTO portfolio.orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, order_qty, price, ord_status, transact_time)
SELECT 30 + 100 * (n % 10), 20000 + n, 1, 'C' || 20000 + n, s.instrument_id, 'buy', 'limit', 10 + n, round((s.price * 0.97)::numeric, 6), 'new', now() - interval '1 minute' * n
FROM generate_series(1, 30) AS n JOIN listed s ON s.instrument_id = 1 + n % 20;

-- What portfolios were worth at each midnight: those of strategies in the last 60 days, or since they began; the others in the last week.
INSERT INTO portfolio.portfolio_valuations (account_id, portfolio_id, as_of, nav, cash, gross_exposure, net_exposure)
SELECT p.account_id, p.portfolio_id, as_of, nav, round(nav / 4, 2), round(nav * 3 / 4, 2), round(nav / 2, 2)
FROM portfolio.portfolios p, generate_series(greatest(now() - CASE p.kind WHEN 'strategy' THEN interval '60 days' ELSE interval '7 days' END,
                                          date_trunc('day', p.opened_at + interval '1 day')), now(), interval '1 day') AS as_of,
     LATERAL (SELECT p.account_id * 3 + p.portfolio_id AS key, extract(epoch FROM as_of)::bigint / 86400 AS day) AS k,
     LATERAL (SELECT round((10000 * (1 + 0.1 * sin(day / 9.0 + key) + 0.04 * pg_temp.noise(key * 100000 + day, 21)))::numeric, 2) AS nav) AS v;

COMMIT;
RESET session_replication_role;
VACUUM ANALYZE;
