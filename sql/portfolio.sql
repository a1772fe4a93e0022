-- The native schema: create_portfolio_schema(), its rules, and what is left
-- of it without the extension.
\set SHOW_CONTEXT never
SET client_min_messages = error;  -- wal_level may be below logical here
CREATE EXTENSION IF NOT EXISTS cipherhorizon;

-- Everything is made once ...
SELECT regexp_replace(object, '_\d{4}_\d\d$', '_YYYY_MM') AS object, kind, action
FROM cipherhorizon.create_portfolio_schema('portfolio');
RESET client_min_messages;

-- ... and a second call changes nothing.
SELECT kind, action, count(*) FROM cipherhorizon.create_portfolio_schema('portfolio') GROUP BY 1, 2 ORDER BY 1, 2;

-- What is missing is made again; what the user changed stays changed.
COMMENT ON TABLE portfolio.trades IS 'ours';
DROP INDEX portfolio.trades_order_idx;
SELECT * FROM cipherhorizon.create_portfolio_schema('portfolio') WHERE action <> 'exists';
SELECT obj_description('portfolio.trades'::regclass);

-- Ordinary objects: none of them is a member of the extension.
SELECT count(*) AS members
FROM pg_depend d JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
WHERE d.deptype = 'e' AND c.relnamespace = 'portfolio'::regnamespace;

-- Each table, view and function is explained.
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'portfolio'::regnamespace AND c.relkind IN ('r', 'p', 'v')
  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace IN ('portfolio'::regnamespace) AND obj_description(p.oid, 'pg_proc') IS NULL;

-- The publication has the tables and no partition of them.
SELECT tablename FROM pg_publication_tables WHERE pubname = 'cipherhorizon_portfolio' ORDER BY 1;
SELECT pubname, pubviaroot FROM pg_publication WHERE pubname LIKE 'cipherhorizon%' ORDER BY 1;

-- Any name will do.
\set odd 'it''s "odd" $body$ @schema@ %s'
SET client_min_messages = error;
SELECT action, count(*) FROM cipherhorizon.create_portfolio_schema(:'odd') GROUP BY 1;
SELECT action, count(*) FROM cipherhorizon.create_portfolio_schema(:'odd') GROUP BY 1;
DROP PUBLICATION "cipherhorizon_it's ""odd"" $body$ @schema@ %s";
DROP SCHEMA :"odd" CASCADE;
RESET client_min_messages;

-- A schema that has something else under one of the names is left alone.
CREATE SCHEMA portfolio_taken;
CREATE VIEW portfolio_taken.venues AS SELECT 1 AS venue_id;
SELECT count(*) FROM cipherhorizon.create_portfolio_schema('portfolio_taken');
SELECT relname FROM pg_class WHERE relnamespace = 'portfolio_taken'::regnamespace;
DROP SCHEMA portfolio_taken CASCADE;

-- It runs with the caller's rights; what takes a superuser is said, not done.
CREATE ROLE regress_portfolio_desk;
SELECT current_database() AS db \gset
SET ROLE regress_portfolio_desk;
\set VERBOSITY sqlstate
SELECT count(*) FROM cipherhorizon.create_portfolio_schema('portfolio_desk');
\set VERBOSITY default
RESET ROLE;
GRANT CREATE ON DATABASE :"db" TO regress_portfolio_desk;
SET ROLE regress_portfolio_desk;
SELECT action, count(*) FROM cipherhorizon.create_portfolio_schema('portfolio_desk') GROUP BY 1 ORDER BY 1;
RESET ROLE;
SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'portfolio_desk';
SET client_min_messages = error;
DROP SCHEMA portfolio_desk CASCADE;
RESET client_min_messages;
REVOKE CREATE ON DATABASE :"db" FROM regress_portfolio_desk;
DROP ROLE regress_portfolio_desk;

--
-- Two accounts, one instrument
--
SET search_path = portfolio;
INSERT INTO assets VALUES (1, 'XRP', 'crypto', 6, 'XRP'), (2, 'ETH', 'crypto', 18, 'Ether');
INSERT INTO venues VALUES (1, 'BINANCE', 'Binance');
INSERT INTO instruments (instrument_id, venue_id, symbol, instrument_type, base_asset_id, quote_asset_id, settle_asset_id)
VALUES (1, 1, 'XRP-ETH', 'spot', 1, 2, 2);
INSERT INTO accounts (account_id, handle, base_asset_id) VALUES (42, 'ada', 2), (43, 'bob', 2);
INSERT INTO portfolios (account_id, portfolio_id, name, kind, strategy_id, base_asset_id)
VALUES (42, 1, 'Momentum', 'strategy', 'strategy_123', 2);

-- A strategy portfolio names its strategy.
\set VERBOSITY terse
INSERT INTO portfolios (account_id, portfolio_id, name, kind, base_asset_id) VALUES (42, 2, 'Which?', 'strategy', 2);

\set VERBOSITY default
-- leaves_qty follows the fills, and is 0 once the order is over.
INSERT INTO orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, order_qty, price)
VALUES (42, 1, 1, 'a', 1, 'buy', 'limit', 100, 0.0014) RETURNING ord_status, leaves_qty;
UPDATE orders SET cum_qty = 40, avg_px = 0.0014, ord_status = 'partially_filled' WHERE (account_id, order_id) = (42, 1)
RETURNING ord_status, leaves_qty;
UPDATE orders SET ord_status = 'canceled' WHERE (account_id, order_id) = (42, 1) RETURNING ord_status, leaves_qty;

-- Checks
\set VERBOSITY terse
UPDATE orders SET cum_qty = 101 WHERE (account_id, order_id) = (42, 1);
UPDATE orders SET ord_status = 'lost' WHERE (account_id, order_id) = (42, 1);
UPDATE orders SET order_qty = 'NaN' WHERE (account_id, order_id) = (42, 1);
UPDATE orders SET leaves_qty = 5 WHERE (account_id, order_id) = (42, 1);
UPDATE orders SET price = NULL WHERE (account_id, order_id) = (42, 1);
INSERT INTO orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, order_qty)
VALUES (42, 2, 1, 'a', 1, 'sell', 'market', 1);
INSERT INTO orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, order_qty)
VALUES (43, 2, 1, 'a', 1, 'sell', 'market', 1);
UPDATE assets SET decimals = 19;
\set VERBOSITY default

-- A fill lands in its month, or in the default partition when it has none.
INSERT INTO trades (account_id, trade_id, order_id, portfolio_id, instrument_id, exec_id, side, last_qty, last_px, executed_at)
VALUES (42, 1, 1, 1, 1, 'x1', 'buy', 30, 0.0014, now()), (42, 2, 1, 1, 1, 'x2', 'buy', 10, 0.0014, '2019-10-11 00:00:11+00');
SELECT trade_id, regexp_replace(tableoid::regclass::text, '\d{4}_\d\d', 'YYYY_MM') AS partition FROM trades ORDER BY 1;
\set VERBOSITY terse
INSERT INTO trades (account_id, trade_id, order_id, portfolio_id, instrument_id, exec_id, side, last_qty, last_px, executed_at)
VALUES (42, 3, 1, 1, 1, 'x2', 'buy', 10, 0.0014, '2019-10-11 00:00:11+00');
\set VERBOSITY default

-- A month whose rows are in the default partition already is skipped, and said.
ALTER TABLE trades DETACH PARTITION trades_default;
DO $$ BEGIN
    EXECUTE (SELECT 'DROP TABLE ' || max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'trades'::regclass);
END $$;
ALTER TABLE trades ATTACH PARTITION trades_default DEFAULT;
INSERT INTO trades (account_id, trade_id, order_id, portfolio_id, instrument_id, exec_id, side, last_qty, last_px, executed_at)
VALUES (42, 4, 1, 1, 1, 'x4', 'buy', 1, 0.0014, date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '70 days');
SET client_min_messages = error;
SELECT kind, action FROM cipherhorizon.create_portfolio_schema('portfolio') WHERE action <> 'exists';
RESET client_min_messages;
DELETE FROM trades WHERE trade_id = 4;
SELECT kind, action FROM cipherhorizon.create_portfolio_schema('portfolio') WHERE action <> 'exists';

--
-- The ledger
--
SELECT open_ledger_account(42, 2, 'cash'), open_ledger_account(42, 2, 'clearing'), open_ledger_account(42, 1, 'cash'),
       open_ledger_account(42, 2, 'cash') AS again;
SELECT ledger_account_id, asset_id, type, purpose FROM ledger_accounts ORDER BY 1;

SELECT post_ledger_transaction(42, 'deposit 1', 'deposit', '{1,2}', '{10,-10}');
SELECT line_no, ledger_account_id, asset_id, trim_scale(amount) AS amount, direction FROM ledger_entries ORDER BY 1;

-- The same again is the same transaction; another one under its key is refused.
SELECT post_ledger_transaction(42, 'deposit 1', 'deposit', '{1,2}', '{10.00,-10}');
SELECT post_ledger_transaction(42, 'deposit 1', 'deposit', '{1,2}', '{11,-11}');

-- It balances for each asset, or it is not posted.
SELECT post_ledger_transaction(42, 'bad 1', 'deposit', '{1,2}', '{10,-0.5}');
SELECT post_ledger_transaction(42, 'bad 2', 'deposit', '{1,3}', '{10,-10}');
SELECT post_ledger_transaction(42, 'bad 3', 'deposit', '{}', '{}');
SELECT post_ledger_transaction(42, 'bad 4', 'deposit', '{1,2}', '{10}');
SELECT post_ledger_transaction(42, 'bad 5', 'deposit', '{1,99}', '{10,-10}');
SELECT post_ledger_transaction(43, 'bad 6', 'deposit', '{1,2}', '{10,-10}');

-- The tables themselves enforce it, at commit.
BEGIN;
INSERT INTO ledger_transactions (account_id, ledger_txn_id, idempotency_key, type) VALUES (42, 1001, 'raw', 'deposit');
INSERT INTO ledger_entries VALUES (42, 1001, 1, 1, 2, 10);
INSERT INTO ledger_entries VALUES (42, 1001, 2, 2, 2, -10);
COMMIT;
BEGIN;
INSERT INTO ledger_transactions (account_id, ledger_txn_id, idempotency_key, type) VALUES (42, 1002, 'raw 2', 'deposit');
INSERT INTO ledger_entries VALUES (42, 1002, 1, 1, 2, 10);
COMMIT;
INSERT INTO ledger_transactions (account_id, ledger_txn_id, idempotency_key, type) VALUES (42, 1003, 'raw 3', 'deposit');
INSERT INTO ledger_entries VALUES (42, 1001, 3, 1, 2, 1);
INSERT INTO ledger_entries VALUES (42, 1001, 3, 1, 1, 1);  -- asset 1 on a ledger account of asset 2
INSERT INTO ledger_entries VALUES (42, 1001, 3, 1, 2, 0);

-- Append-only
UPDATE ledger_entries SET amount = 2 * amount;
DELETE FROM ledger_entries;
TRUNCATE ledger_entries;
UPDATE ledger_transactions SET type = 'gift';
DELETE FROM ledger_transactions;
SELECT reverse_ledger_transaction(42, 1001, 'undo raw');
SELECT reverse_ledger_transaction(42, 1001, 'undo raw');
SELECT reverse_ledger_transaction(42, 1001, 'undo raw twice');
SELECT reverse_ledger_transaction(42, 77, 'undo nothing');

-- A transfer is two balanced transactions with one transfer_id.
\set transfer '9b2f5a8e-3c1d-4f5e-8a6b-7c8d9e0f1a2b'
SELECT from_txn_id IS NOT NULL AS sent, to_txn_id IS NOT NULL AS received FROM post_transfer(:'transfer', 42, 43, 2, 4);
SELECT count(*) FROM (SELECT post_transfer(:'transfer', 42, 43, 2, 4)) again;
SELECT account_id, l.purpose, e.asset_id, trim_scale(e.amount) AS amount
FROM ledger_transactions t JOIN ledger_entries e USING (account_id, ledger_txn_id)
JOIN ledger_accounts l USING (account_id, ledger_account_id)
WHERE t.transfer_id = :'transfer' ORDER BY account_id, line_no;
SELECT * FROM post_transfer(gen_random_uuid(), 42, 43, 2, -4);
SELECT account_id, asset, type, purpose, trim_scale(balance) AS balance, trim_scale(normal_balance) AS normal_balance
FROM balances ORDER BY account_id, ledger_account_id;

--
-- pg_dump keeps all of it, for a database that has no such extension
--
\setenv PGDATABASE :db
CREATE DATABASE regress_portfolio_copy TEMPLATE template0;
\! pg_dump -n portfolio | psql -qX -v ON_ERROR_STOP=1 -d regress_portfolio_copy >/dev/null && echo restored
\! bash -c 'dump() { pg_dump -n portfolio -d "$1" | grep -v -e "^.restrict" -e "^.unrestrict"; }; diff <(dump "$PGDATABASE") <(dump regress_portfolio_copy) && echo equal'
\c regress_portfolio_copy
SET search_path = portfolio;
SELECT count(*) FROM pg_extension WHERE extname = 'cipherhorizon';
SELECT post_ledger_transaction(42, 'after restore', 'deposit', '{1,2}', '{10,-1}');
DELETE FROM ledger_entries;
SELECT trim_scale(balance) AS balance FROM balances WHERE (account_id, asset, purpose) = (43, 'ETH', 'cash');
\c :db
DROP DATABASE regress_portfolio_copy;

-- A dump of the whole database has the publication too.
\! pg_dump -s | grep 'ADD TABLES IN SCHEMA portfolio;'

-- DROP EXTENSION leaves the user's data.
SET client_min_messages = error;
BEGIN;
DROP EXTENSION cipherhorizon CASCADE;
SELECT count(*) FROM portfolio.ledger_entries;
ROLLBACK;

DROP PUBLICATION cipherhorizon_portfolio;
DROP SCHEMA portfolio CASCADE;
