-- The native part of a trading platform: accounts, portfolios, orders, trades,
-- positions and a double-entry ledger.  These are the user's tables, so they
-- are made by a function that is called after CREATE EXTENSION and never
-- belong to the extension: pg_dump dumps them, and DROP EXTENSION leaves them.
--
-- portfolio_definition() is the list of statements, and
-- create_portfolio_schema() runs those whose object is missing.

CREATE FUNCTION @extschema@.portfolio_definition(schema name DEFAULT 'portfolio')
RETURNS TABLE (ordinal int, kind text, object text, parent text, statement text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- bounds of partitions are months of UTC, written so that every session reads them alike
SET datestyle = 'ISO' SET timezone = 'UTC'
AS $definition$
WITH template (kind, name, parent, statement, body, remark) AS (VALUES
-- What every account shares: reference tables for Citus.
('table', 'assets', NULL,
$ddl$CREATE TABLE @schema@.assets (
    asset_id int PRIMARY KEY,
    code text NOT NULL UNIQUE,
    asset_class text NOT NULL CHECK (asset_class IN ('crypto', 'stablecoin', 'fiat')),
    decimals smallint NOT NULL CHECK (decimals BETWEEN 0 AND 18),
    name text
);
COMMENT ON COLUMN @schema@.assets.code IS 'Ticker of the asset, such as BTC';
COMMENT ON COLUMN @schema@.assets.decimals IS 'Digits after the point of the smallest unit; a minor unit is 10 ^ -decimals'$ddl$, NULL,
$$What can be owned, priced in or paid with$$),
('table', 'venues', NULL,
$ddl$CREATE TABLE @schema@.venues (
    venue_id int PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text
);
COMMENT ON COLUMN @schema@.venues.code IS 'ISO 10383 market identifier where there is one; equals the tag venue of ticks'$ddl$, NULL,
$$Where instruments trade$$),
('table', 'instruments', NULL,
$ddl$CREATE TABLE @schema@.instruments (
    instrument_id int PRIMARY KEY,
    venue_id int NOT NULL REFERENCES @schema@.venues,
    symbol text NOT NULL,
    instrument_type text NOT NULL CHECK (instrument_type IN ('spot', 'perpetual', 'future', 'option')),
    base_asset_id int NOT NULL REFERENCES @schema@.assets,
    quote_asset_id int NOT NULL REFERENCES @schema@.assets,
    settle_asset_id int NOT NULL REFERENCES @schema@.assets,
    tick_size numeric(38,18) CHECK (tick_size > 0),
    lot_size numeric(38,18) CHECK (lot_size > 0),
    contract_size numeric(38,18) NOT NULL DEFAULT 1 CHECK (contract_size > 0),
    expiry timestamptz,
    status text NOT NULL DEFAULT 'trading' CHECK (status IN ('trading', 'halted', 'delisted')),
    UNIQUE (venue_id, symbol)
);
COMMENT ON COLUMN @schema@.instruments.symbol IS 'FIX 55 Symbol; equals the tag symbol of ticks';
COMMENT ON COLUMN @schema@.instruments.base_asset_id IS 'What is bought: XRP in XRP-ETH';
COMMENT ON COLUMN @schema@.instruments.quote_asset_id IS 'What prices are quoted in: ETH in XRP-ETH';
COMMENT ON COLUMN @schema@.instruments.settle_asset_id IS 'What profit and loss is paid in';
COMMENT ON COLUMN @schema@.instruments.tick_size IS 'Smallest step of a price';
COMMENT ON COLUMN @schema@.instruments.lot_size IS 'Smallest step of a quantity';
COMMENT ON COLUMN @schema@.instruments.contract_size IS 'Units of the base asset in a quantity of 1';
COMMENT ON COLUMN @schema@.instruments.expiry IS 'Null for spot and perpetual'$ddl$, NULL,
$$What is traded, one row for each venue and symbol$$),

-- What belongs to an account: every key starts with account_id, the column to
-- distribute by, so a row's parents are always on its own shard.
('table', 'accounts', NULL,
$ddl$CREATE TABLE @schema@.accounts (
    account_id bigint PRIMARY KEY,
    handle text NOT NULL,
    base_asset_id int NOT NULL REFERENCES @schema@.assets,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'restricted', 'closed')),
    opened_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN @schema@.accounts.account_id IS 'Distribution column; equals account_id of the social graph and of risk keys';
COMMENT ON COLUMN @schema@.accounts.handle IS 'Public name; not unique here, since a distributed table can only be unique with account_id';
COMMENT ON COLUMN @schema@.accounts.base_asset_id IS 'Asset that totals of the account are reported in'$ddl$, NULL,
$$Traders and the books they own$$),
('table', 'portfolios', NULL,
$ddl$CREATE TABLE @schema@.portfolios (
    account_id bigint NOT NULL REFERENCES @schema@.accounts,
    portfolio_id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL DEFAULT 'discretionary' CHECK (kind IN ('discretionary', 'strategy', 'copy')),
    strategy_id text,
    base_asset_id int NOT NULL REFERENCES @schema@.assets,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz CHECK (closed_at >= opened_at),
    PRIMARY KEY (account_id, portfolio_id),
    CONSTRAINT portfolios_strategy_check CHECK (kind <> 'strategy' OR strategy_id IS NOT NULL)
);
COMMENT ON COLUMN @schema@.portfolios.kind IS 'Who decides: the trader, a strategy, or another trader who is copied';
COMMENT ON COLUMN @schema@.portfolios.strategy_id IS '_id of the strategy document in MongoDB; required when kind is strategy';
COMMENT ON COLUMN @schema@.portfolios.base_asset_id IS 'Asset that valuations are in';
COMMENT ON COLUMN @schema@.portfolios.closed_at IS 'Null while open'$ddl$, NULL,
$$Parts of an account that are valued and judged on their own$$),
('table', 'orders', NULL,
$ddl$CREATE TABLE @schema@.orders (
    account_id bigint NOT NULL,
    order_id bigint NOT NULL,
    portfolio_id bigint NOT NULL,
    cl_ord_id text NOT NULL,
    instrument_id int NOT NULL REFERENCES @schema@.instruments,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    ord_type text NOT NULL CHECK (ord_type IN ('market', 'limit', 'stop', 'stop_limit')),
    time_in_force text NOT NULL DEFAULT 'gtc' CHECK (time_in_force IN ('day', 'gtc', 'ioc', 'fok')),
    order_qty numeric(38,18) NOT NULL CHECK (order_qty > 0 AND order_qty < 'NaN'),
    price numeric(38,18),
    stop_px numeric(38,18),
    ord_status text NOT NULL DEFAULT 'new' CHECK (ord_status IN ('pending_new', 'new', 'partially_filled', 'filled',
        'pending_cancel', 'canceled', 'replaced', 'rejected', 'expired')),
    cum_qty numeric(38,18) NOT NULL DEFAULT 0,
    avg_px numeric(38,18),
    leaves_qty numeric(38,18) GENERATED ALWAYS AS (
        CASE WHEN ord_status IN ('filled', 'canceled', 'replaced', 'rejected', 'expired') THEN 0
             ELSE order_qty - cum_qty END) STORED,
    copied_from_account_id bigint,
    transact_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, order_id),
    UNIQUE (account_id, cl_ord_id),
    FOREIGN KEY (account_id, portfolio_id) REFERENCES @schema@.portfolios,
    CONSTRAINT orders_cum_qty_check CHECK (cum_qty BETWEEN 0 AND order_qty),
    CONSTRAINT orders_price_check CHECK (ord_type NOT IN ('limit', 'stop_limit') OR price IS NOT NULL),
    CONSTRAINT orders_stop_px_check CHECK (ord_type NOT IN ('stop', 'stop_limit') OR stop_px IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON COLUMN @schema@.orders.order_id IS 'FIX 37 OrderID';
COMMENT ON COLUMN @schema@.orders.cl_ord_id IS 'FIX 11 ClOrdID, the client''s own name of the order';
COMMENT ON COLUMN @schema@.orders.side IS 'FIX 54 Side';
COMMENT ON COLUMN @schema@.orders.ord_type IS 'FIX 40 OrdType';
COMMENT ON COLUMN @schema@.orders.time_in_force IS 'FIX 59 TimeInForce';
COMMENT ON COLUMN @schema@.orders.order_qty IS 'FIX 38 OrderQty, in the base asset';
COMMENT ON COLUMN @schema@.orders.price IS 'FIX 44 Price, the limit';
COMMENT ON COLUMN @schema@.orders.stop_px IS 'FIX 99 StopPx, the trigger';
COMMENT ON COLUMN @schema@.orders.ord_status IS 'FIX 39 OrdStatus; replaced ends this row, its successor is a row of its own';
COMMENT ON COLUMN @schema@.orders.cum_qty IS 'FIX 14 CumQty, filled so far';
COMMENT ON COLUMN @schema@.orders.avg_px IS 'FIX 6 AvgPx, mean price of what was filled';
COMMENT ON COLUMN @schema@.orders.leaves_qty IS 'FIX 151 LeavesQty, still open: 0 when the status is final';
COMMENT ON COLUMN @schema@.orders.copied_from_account_id IS 'Leader of a copied order; no foreign key, since the leader may be on another shard';
COMMENT ON COLUMN @schema@.orders.transact_time IS 'FIX 60 TransactTime, last change'$ddl$, NULL,
$$Orders and how far they are filled; a fifth of each page is left free so that fills are HOT updates$$),
('index', 'orders_portfolio_idx', 'orders',
$ddl$CREATE INDEX orders_portfolio_idx ON @schema@.orders (account_id, portfolio_id)$ddl$, NULL,
$$Orders of a portfolio; none of its columns changes, so updates stay HOT$$),
('table', 'trades', NULL,
$ddl$CREATE TABLE @schema@.trades (
    account_id bigint NOT NULL,
    trade_id bigint NOT NULL,
    order_id bigint NOT NULL,
    portfolio_id bigint NOT NULL,
    instrument_id int NOT NULL REFERENCES @schema@.instruments,
    exec_id text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    last_qty numeric(38,18) NOT NULL CHECK (last_qty > 0 AND last_qty < 'NaN'),
    last_px numeric(38,18) NOT NULL CHECK (last_px < 'NaN'),
    liquidity text CHECK (liquidity IN ('maker', 'taker')),
    fee numeric(38,18) NOT NULL DEFAULT 0,
    fee_asset_id int REFERENCES @schema@.assets,
    realized_pnl numeric(38,18) NOT NULL DEFAULT 0,
    executed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, executed_at, trade_id),
    UNIQUE (account_id, executed_at, exec_id),
    FOREIGN KEY (account_id, order_id) REFERENCES @schema@.orders,
    FOREIGN KEY (account_id, portfolio_id) REFERENCES @schema@.portfolios,
    CONSTRAINT trades_fee_asset_check CHECK (fee = 0 OR fee_asset_id IS NOT NULL)
) PARTITION BY RANGE (executed_at);
COMMENT ON COLUMN @schema@.trades.exec_id IS 'FIX 17 ExecID';
COMMENT ON COLUMN @schema@.trades.side IS 'FIX 54 Side';
COMMENT ON COLUMN @schema@.trades.last_qty IS 'FIX 32 LastQty, in the base asset';
COMMENT ON COLUMN @schema@.trades.last_px IS 'FIX 31 LastPx, in the quote asset';
COMMENT ON COLUMN @schema@.trades.liquidity IS 'FIX 851: maker added liquidity, taker removed it';
COMMENT ON COLUMN @schema@.trades.fee IS 'Paid when positive, a rebate when negative, in fee_asset_id';
COMMENT ON COLUMN @schema@.trades.realized_pnl IS 'Profit of the part that closed a position, in the quote asset, before the fee';
COMMENT ON COLUMN @schema@.trades.executed_at IS 'Time at the venue; chooses the partition'$ddl$, NULL,
$$Fills.  Partitioned by month: history leaves by DETACH instead of DELETE, and indexes and vacuum stay at the size of a month$$),
('index', 'trades_executed_at_idx', 'trades',
$ddl$CREATE INDEX trades_executed_at_idx ON @schema@.trades USING brin (executed_at)$ddl$, NULL,
$$Time ranges over all accounts; fills arrive nearly in order, so BRIN is enough and costs a few pages$$),
('index', 'trades_portfolio_idx', 'trades',
$ddl$CREATE INDEX trades_portfolio_idx ON @schema@.trades (account_id, portfolio_id, executed_at)$ddl$, NULL,
$$Fills of a portfolio in time order$$),
('index', 'trades_order_idx', 'trades',
$ddl$CREATE INDEX trades_order_idx ON @schema@.trades (account_id, order_id)$ddl$, NULL,
$$Fills of an order; also what the foreign key asks when an order is deleted$$),
('table', 'positions', NULL,
$ddl$CREATE TABLE @schema@.positions (
    account_id bigint NOT NULL,
    portfolio_id bigint NOT NULL,
    instrument_id int NOT NULL REFERENCES @schema@.instruments,
    qty numeric(38,18) NOT NULL DEFAULT 0,
    avg_entry_px numeric(38,18) NOT NULL DEFAULT 0,
    realized_pnl numeric(38,18) NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, portfolio_id, instrument_id),
    FOREIGN KEY (account_id, portfolio_id) REFERENCES @schema@.portfolios
) WITH (fillfactor = 70);
COMMENT ON COLUMN @schema@.positions.qty IS 'Base asset held: long above 0, short below';
COMMENT ON COLUMN @schema@.positions.avg_entry_px IS 'Mean price of what is held, in the quote asset; 0 when flat';
COMMENT ON COLUMN @schema@.positions.realized_pnl IS 'Sum over the fills that closed something, in the quote asset, before fees';
COMMENT ON COLUMN @schema@.positions.version IS 'Raised by every update, so that a reader who computed on an older one can notice'$ddl$, NULL,
$$What a portfolio holds now; no index on what changes and room in each page, so every fill is a HOT update$$),
('table', 'portfolio_valuations', NULL,
$ddl$CREATE TABLE @schema@.portfolio_valuations (
    account_id bigint NOT NULL,
    portfolio_id bigint NOT NULL,
    as_of timestamptz NOT NULL,
    nav numeric(38,18) NOT NULL,
    cash numeric(38,18) NOT NULL,
    gross_exposure numeric(38,18) NOT NULL,
    net_exposure numeric(38,18) NOT NULL,
    PRIMARY KEY (account_id, portfolio_id, as_of),
    FOREIGN KEY (account_id, portfolio_id) REFERENCES @schema@.portfolios
) PARTITION BY RANGE (as_of);
COMMENT ON COLUMN @schema@.portfolio_valuations.nav IS 'Net asset value: cash and positions, in the base asset of the portfolio';
COMMENT ON COLUMN @schema@.portfolio_valuations.cash IS 'Part of nav that is not in positions';
COMMENT ON COLUMN @schema@.portfolio_valuations.gross_exposure IS 'Sum of the absolute values of positions';
COMMENT ON COLUMN @schema@.portfolio_valuations.net_exposure IS 'Sum of the signed values of positions'$ddl$, NULL,
$$Value of each portfolio over time.  Partitioned by month, like trades$$),

-- The ledger: one book for each account, so a transaction never leaves its shard.
('table', 'ledger_accounts', NULL,
$ddl$CREATE TABLE @schema@.ledger_accounts (
    account_id bigint NOT NULL REFERENCES @schema@.accounts,
    ledger_account_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    asset_id int NOT NULL REFERENCES @schema@.assets,
    type text NOT NULL CHECK (type IN ('asset', 'liability', 'equity', 'income', 'expense')),
    purpose text NOT NULL CHECK (purpose IN ('cash', 'reserved', 'fees', 'trading_pnl', 'funding', 'clearing')),
    PRIMARY KEY (account_id, ledger_account_id),
    UNIQUE (account_id, asset_id, purpose),
    CONSTRAINT ledger_accounts_asset_key UNIQUE (account_id, ledger_account_id, asset_id)
);
COMMENT ON COLUMN @schema@.ledger_accounts.account_id IS 'Owner of the book';
COMMENT ON COLUMN @schema@.ledger_accounts.type IS 'Debits raise asset and expense, credits raise the others';
COMMENT ON COLUMN @schema@.ledger_accounts.purpose IS 'clearing is the counterpart of what enters or leaves the book';
COMMENT ON CONSTRAINT ledger_accounts_asset_key ON @schema@.ledger_accounts IS 'What an entry refers to, so that its asset is always its ledger account''s'$ddl$, NULL,
$$Accounts of each trader's book, one for an asset and a purpose$$),
('table', 'ledger_transactions', NULL,
$ddl$CREATE TABLE @schema@.ledger_transactions (
    account_id bigint NOT NULL REFERENCES @schema@.accounts,
    ledger_txn_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    idempotency_key text NOT NULL,
    type text NOT NULL CHECK (type <> ''),
    transfer_id uuid,
    reverses_txn_id bigint,
    posted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, ledger_txn_id),
    UNIQUE (account_id, idempotency_key),
    CONSTRAINT ledger_transactions_reversed_once_key UNIQUE (account_id, reverses_txn_id),
    FOREIGN KEY (account_id, reverses_txn_id) REFERENCES @schema@.ledger_transactions
);
COMMENT ON COLUMN @schema@.ledger_transactions.idempotency_key IS 'The caller''s name of the transaction: posting it again returns the first one';
COMMENT ON COLUMN @schema@.ledger_transactions.type IS 'Such as deposit, trade, fee, transfer, reversal; open, for applications have their own';
COMMENT ON COLUMN @schema@.ledger_transactions.transfer_id IS 'Joins the two sides of a transfer between two books';
COMMENT ON COLUMN @schema@.ledger_transactions.reverses_txn_id IS 'Transaction of the same book that this one undoes'$ddl$, NULL,
$$Headers of the ledger; append-only, and never without entries$$),
('index', 'ledger_transactions_transfer_idx', 'ledger_transactions',
$ddl$CREATE INDEX ledger_transactions_transfer_idx ON @schema@.ledger_transactions (transfer_id) WHERE transfer_id IS NOT NULL$ddl$, NULL,
$$The other side of a transfer$$),
('table', 'ledger_entries', NULL,
$ddl$CREATE TABLE @schema@.ledger_entries (
    account_id bigint NOT NULL,
    ledger_txn_id bigint NOT NULL,
    line_no smallint NOT NULL CHECK (line_no > 0),
    ledger_account_id bigint NOT NULL,
    asset_id int NOT NULL,
    amount numeric(38,18) NOT NULL CHECK (amount <> 0 AND amount < 'NaN'),
    direction text GENERATED ALWAYS AS (CASE WHEN amount > 0 THEN 'debit' ELSE 'credit' END) STORED,
    PRIMARY KEY (account_id, ledger_txn_id, line_no),
    FOREIGN KEY (account_id, ledger_txn_id) REFERENCES @schema@.ledger_transactions,
    CONSTRAINT ledger_entries_ledger_account_fkey FOREIGN KEY (account_id, ledger_account_id, asset_id)
        REFERENCES @schema@.ledger_accounts (account_id, ledger_account_id, asset_id)
);
COMMENT ON COLUMN @schema@.ledger_entries.asset_id IS 'Asset of the ledger account, repeated so that a transaction balances for each asset without a join';
COMMENT ON COLUMN @schema@.ledger_entries.amount IS 'Debit above 0, credit below'$ddl$, NULL,
$$Lines of the ledger; append-only, and they add up to 0 for each transaction and asset$$),
('index', 'ledger_entries_balance_idx', 'ledger_entries',
$ddl$CREATE INDEX ledger_entries_balance_idx ON @schema@.ledger_entries (account_id, ledger_account_id) INCLUDE (amount)$ddl$, NULL,
$$A balance is an index-only scan$$),
('view', 'balances', NULL,
$ddl$CREATE VIEW @schema@.balances WITH (security_invoker = true) AS
SELECT l.account_id, l.ledger_account_id, l.asset_id, a.code AS asset, l.type, l.purpose,
    coalesce(e.total, 0) AS balance,
    CASE WHEN l.type IN ('asset', 'expense') THEN 1 ELSE -1 END * coalesce(e.total, 0) AS normal_balance
FROM @schema@.ledger_accounts l
JOIN @schema@.assets a ON a.asset_id = l.asset_id
LEFT JOIN LATERAL (
    SELECT sum(e.amount) AS total
    FROM @schema@.ledger_entries e
    WHERE e.account_id = l.account_id AND e.ledger_account_id = l.ledger_account_id) e ON true;
COMMENT ON COLUMN @schema@.balances.balance IS 'Debits less credits';
COMMENT ON COLUMN @schema@.balances.normal_balance IS 'The same with the sign that the type of the ledger account has in a report'$ddl$, NULL,
$$Balance of every ledger account, computed from its entries; nothing else stores one$$),

-- Rules of the ledger.  The functions live beside the tables that they guard,
-- so a dump of the schema restores where the extension is not installed.
('function', 'ledger_assert_posted(bigint,bigint)', NULL,
$ddl$CREATE FUNCTION @schema@.ledger_assert_posted(account_id bigint, ledger_txn_id bigint)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp$ddl$, $body$
DECLARE
    lines bigint;
    imbalance text;
BEGIN
    SELECT sum(a.lines), string_agg(format('Asset %s is off by %s.', a.asset_id, trim_scale(a.total)), ' ' ORDER BY a.asset_id)
                         FILTER (WHERE a.total <> 0)
    INTO lines, imbalance
    FROM (SELECT e.asset_id, count(*) AS lines, sum(e.amount) AS total
          FROM @schema@.ledger_entries e
          WHERE e.account_id = ledger_assert_posted.account_id
            AND e.ledger_txn_id = ledger_assert_posted.ledger_txn_id
          GROUP BY e.asset_id) a;
    IF lines IS NULL THEN
        RAISE 'ledger transaction % of account % has no entries', ledger_txn_id, account_id
            USING ERRCODE = 'check_violation',
                  HINT = 'Post header and entries in one transaction, as post_ledger_transaction() does.';
    ELSIF imbalance IS NOT NULL THEN
        RAISE 'ledger transaction % of account % does not balance', ledger_txn_id, account_id
            USING ERRCODE = 'check_violation', DETAIL = imbalance,
                  HINT = 'Amounts of a transaction add up to 0 for each asset: debits are positive, credits negative.';
    END IF;
END
$body$,
$$Raises an error unless the transaction has entries that add up to 0 for each asset$$),
('function', 'ledger_check_posted()', NULL,
$ddl$CREATE FUNCTION @schema@.ledger_check_posted()
RETURNS trigger LANGUAGE plpgsql$ddl$, $body$
BEGIN
    PERFORM @schema@.ledger_assert_posted(NEW.account_id, NEW.ledger_txn_id);
    RETURN NULL;
END
$body$,
$$Trigger that runs ledger_assert_posted() at commit$$),
('function', 'ledger_refuse_change()', NULL,
$ddl$CREATE FUNCTION @schema@.ledger_refuse_change()
RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp$ddl$, $body$
BEGIN
    RAISE 'table "%" is append-only', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = format('%s would change what was posted.', TG_OP),
              HINT = 'Post the opposite with reverse_ledger_transaction().';
END
$body$,
$$Trigger that refuses UPDATE, DELETE and TRUNCATE$$),
('trigger', 'ledger_transactions_posted', 'ledger_transactions',
$ddl$CREATE CONSTRAINT TRIGGER ledger_transactions_posted AFTER INSERT ON @schema@.ledger_transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION @schema@.ledger_check_posted()$ddl$, NULL,
$$No transaction without entries$$),
('trigger', 'ledger_entries_balanced', 'ledger_entries',
$ddl$CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON @schema@.ledger_entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION @schema@.ledger_check_posted()$ddl$, NULL,
$$Entries add up to 0 for each transaction and asset, at commit$$),
('trigger', 'ledger_transactions_append_only', 'ledger_transactions',
$ddl$CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE ON @schema@.ledger_transactions
FOR EACH ROW EXECUTE FUNCTION @schema@.ledger_refuse_change()$ddl$, NULL,
$$What was posted stays$$),
('trigger', 'ledger_transactions_no_truncate', 'ledger_transactions',
$ddl$CREATE TRIGGER ledger_transactions_no_truncate BEFORE TRUNCATE ON @schema@.ledger_transactions
FOR EACH STATEMENT EXECUTE FUNCTION @schema@.ledger_refuse_change()$ddl$, NULL,
$$What was posted stays$$),
('trigger', 'ledger_entries_append_only', 'ledger_entries',
$ddl$CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON @schema@.ledger_entries
FOR EACH ROW EXECUTE FUNCTION @schema@.ledger_refuse_change()$ddl$, NULL,
$$What was posted stays$$),
('trigger', 'ledger_entries_no_truncate', 'ledger_entries',
$ddl$CREATE TRIGGER ledger_entries_no_truncate BEFORE TRUNCATE ON @schema@.ledger_entries
FOR EACH STATEMENT EXECUTE FUNCTION @schema@.ledger_refuse_change()$ddl$, NULL,
$$What was posted stays$$),
('function', 'open_ledger_account(bigint,integer,text)', NULL,
$ddl$CREATE FUNCTION @schema@.open_ledger_account(account_id bigint, asset_id int, purpose text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp$ddl$, $body$
#variable_conflict use_column
DECLARE
    arg_account ALIAS FOR account_id;
    arg_asset ALIAS FOR asset_id;
    arg_purpose ALIAS FOR purpose;
    opened bigint;
BEGIN
    -- Most calls find it, and an INSERT that conflicts would burn an id.
    FOR attempt IN 1 .. 2 LOOP
        SELECT l.ledger_account_id INTO opened
        FROM @schema@.ledger_accounts l
        WHERE l.account_id = arg_account AND l.asset_id = arg_asset AND l.purpose = arg_purpose;
        EXIT WHEN opened IS NOT NULL;
        INSERT INTO @schema@.ledger_accounts AS l (account_id, asset_id, type, purpose)
        VALUES (arg_account, arg_asset,
                CASE arg_purpose WHEN 'cash' THEN 'asset' WHEN 'reserved' THEN 'asset'
                                 WHEN 'fees' THEN 'expense' WHEN 'clearing' THEN 'equity' ELSE 'income' END,
                arg_purpose)
        ON CONFLICT (account_id, asset_id, purpose) DO NOTHING
        RETURNING l.ledger_account_id INTO opened;
        EXIT WHEN opened IS NOT NULL;
    END LOOP;
    RETURN opened;
END
$body$,
$$Returns the ledger account of a book for an asset and a purpose, after making it if there is none$$),
('function', 'post_ledger_transaction(bigint,text,text,bigint[],numeric[],uuid,bigint,timestamp with time zone)', NULL,
$ddl$CREATE FUNCTION @schema@.post_ledger_transaction(account_id bigint, idempotency_key text, type text,
    ledger_account_ids bigint[], amounts numeric[], transfer_id uuid DEFAULT NULL,
    reverses_txn_id bigint DEFAULT NULL, posted_at timestamptz DEFAULT now())
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp$ddl$, $body$
#variable_conflict use_column
DECLARE
    arg_account ALIAS FOR account_id;
    arg_key ALIAS FOR idempotency_key;
    arg_type ALIAS FOR type;
    txn_id bigint;
    unknown text;
BEGIN
    IF coalesce(cardinality(ledger_account_ids), 0) = 0
       OR cardinality(ledger_account_ids) IS DISTINCT FROM cardinality(amounts) THEN
        RAISE 'ledger transaction "%" of account % needs one amount for each ledger account', arg_key, arg_account
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('There are %s ledger accounts and %s amounts.',
                                  coalesce(cardinality(ledger_account_ids), 0), coalesce(cardinality(amounts), 0));
    END IF;

    SELECT string_agg(DISTINCT coalesce(line.id::text, 'null'), ', ') INTO unknown
    FROM unnest(ledger_account_ids) AS line (id)
    WHERE NOT EXISTS (SELECT FROM @schema@.ledger_accounts l
                      WHERE l.account_id = arg_account AND l.ledger_account_id = line.id);
    IF unknown IS NOT NULL THEN
        RAISE 'account % has no ledger account %', arg_account, unknown
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'Make it with open_ledger_account().';
    END IF;

    INSERT INTO @schema@.ledger_transactions AS t
        (account_id, idempotency_key, type, transfer_id, reverses_txn_id, posted_at)
    VALUES (arg_account, arg_key, arg_type, post_ledger_transaction.transfer_id,
            post_ledger_transaction.reverses_txn_id, post_ledger_transaction.posted_at)
    ON CONFLICT (account_id, idempotency_key) DO NOTHING
    RETURNING t.ledger_txn_id INTO txn_id;

    IF txn_id IS NULL THEN
        -- Posted before.  The same key with another content is the caller's mistake.
        SELECT t.ledger_txn_id INTO txn_id
        FROM @schema@.ledger_transactions t
        WHERE t.account_id = arg_account AND t.idempotency_key = arg_key
          AND t.type = arg_type
          AND t.transfer_id IS NOT DISTINCT FROM post_ledger_transaction.transfer_id
          AND t.reverses_txn_id IS NOT DISTINCT FROM post_ledger_transaction.reverses_txn_id
          AND (SELECT array_agg((e.ledger_account_id, e.amount)::text ORDER BY e.line_no)
               FROM @schema@.ledger_entries e
               WHERE e.account_id = arg_account AND e.ledger_txn_id = t.ledger_txn_id)
            = (SELECT array_agg((line.id, line.amount::numeric(38,18))::text ORDER BY line.no)
               FROM unnest(ledger_account_ids, amounts) WITH ORDINALITY AS line (id, amount, no));
        IF txn_id IS NULL THEN
            RAISE 'account % has another ledger transaction with idempotency key "%"', arg_account, arg_key
                USING ERRCODE = 'unique_violation',
                      DETAIL = 'Its type or its entries differ from those that are posted now.',
                      HINT = 'Use a new key for a new transaction.';
        END IF;
        RETURN txn_id;
    END IF;

    INSERT INTO @schema@.ledger_entries (account_id, ledger_txn_id, line_no, ledger_account_id, asset_id, amount)
    SELECT arg_account, txn_id, line.no, line.id, l.asset_id, line.amount
    FROM unnest(ledger_account_ids, amounts) WITH ORDINALITY AS line (id, amount, no)
    JOIN @schema@.ledger_accounts l ON l.account_id = arg_account AND l.ledger_account_id = line.id;

    -- The triggers ask again at commit; asking now points at the call that is wrong.
    PERFORM @schema@.ledger_assert_posted(arg_account, txn_id);
    RETURN txn_id;
END
$body$,
$$Posts a transaction with its entries (debits positive, credits negative) and returns its id; posting the same idempotency key again returns the first one's$$),
('function', 'reverse_ledger_transaction(bigint,bigint,text)', NULL,
$ddl$CREATE FUNCTION @schema@.reverse_ledger_transaction(account_id bigint, ledger_txn_id bigint, idempotency_key text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp$ddl$, $body$
#variable_conflict use_variable
DECLARE
    ids bigint[];
    amounts numeric[];
BEGIN
    SELECT array_agg(e.ledger_account_id ORDER BY e.line_no), array_agg(-e.amount ORDER BY e.line_no)
    INTO ids, amounts
    FROM @schema@.ledger_entries e
    WHERE e.account_id = reverse_ledger_transaction.account_id
      AND e.ledger_txn_id = reverse_ledger_transaction.ledger_txn_id;
    IF ids IS NULL THEN
        RAISE 'account % has no ledger transaction %', account_id, ledger_txn_id
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN @schema@.post_ledger_transaction(account_id, idempotency_key, 'reversal', ids, amounts,
                                            reverses_txn_id => ledger_txn_id);
END
$body$,
$$Posts the opposite of a transaction and returns its id; a transaction can be reversed once$$),
('function', 'post_transfer(uuid,bigint,bigint,integer,numeric)', NULL,
$ddl$CREATE FUNCTION @schema@.post_transfer(transfer_id uuid, from_account_id bigint, to_account_id bigint,
    asset_id int, amount numeric, OUT from_txn_id bigint, OUT to_txn_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp$ddl$, $body$
BEGIN
    IF amount IS NULL OR NOT (amount > 0 AND amount < 'NaN') OR from_account_id = to_account_id THEN
        RAISE 'a transfer needs a positive amount and two different accounts'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    from_txn_id := @schema@.post_ledger_transaction(from_account_id, 'transfer:' || transfer_id, 'transfer',
        ARRAY[@schema@.open_ledger_account(from_account_id, asset_id, 'cash'),
              @schema@.open_ledger_account(from_account_id, asset_id, 'clearing')],
        ARRAY[-amount, amount], transfer_id);
    to_txn_id := @schema@.post_ledger_transaction(to_account_id, 'transfer:' || transfer_id, 'transfer',
        ARRAY[@schema@.open_ledger_account(to_account_id, asset_id, 'cash'),
              @schema@.open_ledger_account(to_account_id, asset_id, 'clearing')],
        ARRAY[amount, -amount], transfer_id);
END
$body$,
$$Moves cash between two books: two balanced transactions with one transfer_id, each against clearing$$)
),
-- A month back for fills that arrive late, two ahead so that a call each month
-- is enough.  Months are UTC, whatever the session's time zone.
month (name, lower, upper) AS (
    SELECT to_char(m, 'YYYY_MM'), m AT TIME ZONE 'UTC', (m + interval '1 month') AT TIME ZONE 'UTC'
    FROM generate_series(-1, 2) AS n,
         LATERAL (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month') AS this (m)
),
partitioned (parent) AS (VALUES ('trades'), ('portfolio_valuations')),
item AS (
    SELECT 1 AS part, 'schema' AS kind, NULL AS name, NULL AS parent,
           'CREATE SCHEMA @schema@' AS statement, NULL AS body,
           'Portfolios, trades and ledger of the platform; made by cipherhorizon.create_portfolio_schema()' AS remark
    UNION ALL
    SELECT 2, t.* FROM template t
    UNION ALL
    SELECT 3, 'partition', parent || '_' || m.name, parent,
           format('CREATE TABLE @schema@.%I PARTITION OF @schema@.%I FOR VALUES FROM (%L) TO (%L)',
                  parent || '_' || m.name, parent, m.lower, m.upper),
           NULL, format('The month %s (UTC) of %s', m.name, parent)
    FROM partitioned, month m
    UNION ALL
    SELECT 4, 'partition', parent || '_default', parent,
           format('CREATE TABLE @schema@.%I PARTITION OF @schema@.%I DEFAULT', parent || '_default', parent),
           NULL, format('Months of %s without a partition: a row is never refused for lack of one', parent)
    FROM partitioned
    UNION ALL
    SELECT 5, 'publication', ('cipherhorizon_' || schema)::name::text, NULL,
           format('CREATE PUBLICATION %I FOR TABLES IN SCHEMA %I WITH (publish_via_partition_root = true)',
                  ('cipherhorizon_' || schema)::name, schema),
           NULL, format('Changes of the schema %I, partitions under their parent''s name', schema)
),
named AS (
    SELECT part, row_number() OVER () AS position, kind, statement, body, remark,
           CASE kind
               WHEN 'schema' THEN quote_ident(schema)
               WHEN 'publication' THEN quote_ident(name)
               WHEN 'trigger' THEN quote_ident(name)
               WHEN 'function' THEN quote_ident(schema) || '.' || name
               ELSE quote_ident(schema) || '.' || quote_ident(name)
           END AS object,
           quote_ident(schema) || '.' || quote_ident(parent) AS parent
    FROM item
)
SELECT row_number() OVER (ORDER BY part, position)::int, kind, object, parent,
       -- The publication's own name may contain any text, so it is complete already.
       CASE kind WHEN 'publication' THEN statement ELSE replace(statement, '@schema@', quote_ident(schema)) END
       -- A literal, not dollar quotes: a schema may be named like a closing tag.
       || coalesce(' AS ' || quote_literal(replace(body, '@schema@', quote_ident(schema))), '')
       || format(E';\nCOMMENT ON %s %s IS %L',
                 CASE kind WHEN 'partition' THEN 'TABLE' ELSE upper(kind) END,
                 object || CASE kind WHEN 'trigger' THEN ' ON ' || parent ELSE '' END, remark)
FROM named
ORDER BY part, position
$definition$;
COMMENT ON FUNCTION @extschema@.portfolio_definition(name) IS
'The statements with which create_portfolio_schema() makes the native tables, in order; parent is the table of a trigger, an index or a partition';

CREATE FUNCTION @extschema@.create_portfolio_schema(schema name DEFAULT 'portfolio')
RETURNS TABLE (object text, kind text, action text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $create$
DECLARE
    item record;
    found_kind "char";
    published bool;
BEGIN
    -- Two servers of an application may both call this when they start.
    PERFORM pg_advisory_xact_lock(hashtext('cipherhorizon.create_portfolio_schema'), hashtext(schema));

    FOR item IN SELECT * FROM @extschema@.portfolio_definition(schema) d ORDER BY d.ordinal LOOP
        object := item.object || CASE item.kind WHEN 'trigger' THEN ' ON ' || item.parent ELSE '' END;
        kind := item.kind;

        CASE item.kind
            WHEN 'schema' THEN
                action := CASE WHEN to_regnamespace(item.object) IS NULL THEN 'create' ELSE 'exists' END;
            WHEN 'function' THEN
                action := CASE WHEN to_regprocedure(item.object) IS NULL THEN 'create' ELSE 'exists' END;
            WHEN 'trigger' THEN
                action := CASE WHEN EXISTS (SELECT FROM pg_trigger t
                                            WHERE t.tgrelid = item.parent::regclass
                                              AND quote_ident(t.tgname) = item.object)
                               THEN 'exists' ELSE 'create' END;
            WHEN 'publication' THEN
                SELECT EXISTS (SELECT FROM pg_publication_namespace n
                               WHERE n.pnpubid = p.oid AND n.pnnspid = quote_ident(schema)::regnamespace)
                       OR p.puballtables
                INTO published
                FROM pg_publication p WHERE quote_ident(p.pubname) = item.object;
                IF published THEN
                    action := 'exists';
                ELSIF published IS NULL AND (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
                    action := 'create';
                ELSE
                    action := 'skipped';
                    RAISE NOTICE 'publication % was not made for schema %', item.object, quote_ident(schema)
                        USING DETAIL = CASE WHEN published IS NULL
                                            THEN 'Publishing all tables of a schema takes a superuser.'
                                            ELSE 'Another publication has its name.' END,
                              HINT = CASE WHEN published IS NULL
                                          THEN 'Have a superuser run: ' || split_part(item.statement, E';\n', 1) || ';'
                                          ELSE format('Run: ALTER PUBLICATION %s ADD TABLES IN SCHEMA %I;', item.object, schema) END;
                END IF;
            ELSE
                SELECT c.relkind INTO found_kind FROM pg_class c WHERE c.oid = to_regclass(item.object);
                IF found_kind IS NULL THEN
                    action := 'create';
                ELSIF found_kind = ANY (CASE item.kind WHEN 'index' THEN '{i,I}'::"char"[]
                                                       WHEN 'view' THEN '{v}'::"char"[]
                                                       ELSE '{r,p,f}'::"char"[] END) THEN
                    action := 'exists';
                ELSE
                    RAISE '% exists and is not a %', item.object, item.kind
                        USING ERRCODE = 'wrong_object_type',
                              HINT = 'Choose a schema of another name, or rename what is there.';
                END IF;
        END CASE;

        IF action = 'create' AND item.kind = 'partition' THEN
            -- The month may be covered by a partition of another name, or its
            -- rows may be in the default partition by now.
            BEGIN
                EXECUTE item.statement;
                action := 'created';
            EXCEPTION WHEN invalid_object_definition OR check_violation THEN
                action := 'skipped';
                RAISE NOTICE 'partition % was not made', item.object
                    USING DETAIL = SQLERRM || '.',
                          HINT = format('%s takes rows of every month, with or without it.', item.parent);
            END;
        ELSIF action = 'create' THEN
            EXECUTE item.statement;
            action := 'created';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$create$;
COMMENT ON FUNCTION @extschema@.create_portfolio_schema(name) IS
'Makes the native tables, the ledger and their publication as ordinary objects of the caller, and says of each whether it was created, exists, or was skipped (with a notice); called again it adds what is missing, such as the partitions of later months';
