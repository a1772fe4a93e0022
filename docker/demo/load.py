#!/usr/bin/env python3
"""Load the demo's data into the five stores, each only where it is missing.

usage: load.py [--again]

Addresses and passwords come from the environment, as `docker/native/stores.sh env` prints them.  Without
--again a store that has its data is left as it is, so a second run changes nothing; --again moves the data
to end now and loads it anew.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

from dataset import ETH_DECIMALS, STRATEGIES, SYMBOL, Dataset, handle

ROOT = Path(__file__).resolve().parents[2]
MONGO_DATABASE = "trading"
TICKS, TRADERS, FOLLOWS = 12477, 5881, 32029
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class LoadError(Exception):
    pass


def say(store, words):
    print(f"{store:<9} {words}", flush=True)


def run(command, data="", **env):
    """A client program that reads data and gets its secrets from the environment."""
    done = subprocess.run(command, input=data, text=True, capture_output=True, env=os.environ | env)
    if done.returncode != 0:
        raise LoadError(f"{Path(command[0]).name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def post(url, user, password, body, kind):
    """The answer to a POST, as text; the store's own words when it refuses."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(url, body.encode(), {"Authorization": f"Basic {login}", "Content-Type": kind, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise LoadError(f"{urllib.parse.urlsplit(url).netloc}: {error.code} {error.read().decode()[:500]}") from None
    except urllib.error.URLError as error:
        raise LoadError(f"{urllib.parse.urlsplit(url).netloc}: {error.reason}") from None


# --- InfluxDB ------------------------------------------------------------------------------------


class Influx:
    name = "influxdb"

    def __init__(self):
        env = os.environ
        self.url, self.user, self.password, self.database = (env[f"INFLUXDB_{k}"] for k in ("URL", "USER", "PASSWORD", "DATABASE"))

    def query(self, text):
        answer = post(f"{self.url}/query?epoch=u&db={self.database}", self.user, self.password,
                      urllib.parse.urlencode({"q": text}), "application/x-www-form-urlencoded")
        result = json.loads(answer)["results"][0]
        if "error" in result:
            raise LoadError(result["error"])
        return result.get("series", [{"values": [[None, None]]}])[0]["values"][0]

    def ends_at(self):
        """Microseconds of the newest tick, when all of them are there."""
        if self.query(f"SELECT count(price) FROM ticks WHERE symbol = '{SYMBOL}'")[1] != TICKS:
            return None
        return self.query(f"SELECT last(price) FROM ticks WHERE symbol = '{SYMBOL}'")[0]

    def complete(self, ends_at):
        return self.ends_at() == ends_at

    def load(self, data):
        self.query("DROP MEASUREMENT ticks")
        post(f"{self.url}/write?db={self.database}&precision=ns", self.user, self.password, data().line_protocol(), "text/plain")
        return f"{TICKS} ticks of {SYMBOL}"


# --- Neo4j ---------------------------------------------------------------------------------------


class Neo4j:
    name = "neo4j"
    batch = 5000

    def __init__(self):
        env = os.environ
        self.url, self.user, self.password = (env[f"NEO4J_{k}"] for k in ("HTTP_URL", "USER", "PASSWORD"))

    def cypher(self, statement, **parameters):
        answer = post(f"{self.url}/db/neo4j/query/v2", self.user, self.password,
                      json.dumps({"statement": statement, "parameters": parameters}), "application/json")
        answer = json.loads(answer)
        if answer.get("errors"):
            raise LoadError(answer["errors"][0]["message"])
        return answer["data"]["values"]

    def complete(self, _):
        return self.cypher("MATCH (t:Trader) WITH count(t) AS traders MATCH (:Trader)-[f:FOLLOWS]->(:Trader) "
                           "RETURN traders, count(f)") == [[TRADERS, FOLLOWS]]

    def load(self, data):
        data = data()
        self.cypher("MATCH (t:Trader) DETACH DELETE t")
        self.cypher("CREATE CONSTRAINT trader_account_id IF NOT EXISTS FOR (t:Trader) REQUIRE t.account_id IS UNIQUE")
        self.cypher("CREATE INDEX trader_pagerank IF NOT EXISTS FOR (t:Trader) ON (t.pagerank)")
        self.cypher("CALL db.awaitIndexes(60)")
        for rows in self.batches(data.trader_rows()):
            self.cypher("UNWIND $rows AS row CREATE (:Trader {account_id: row[0], handle: row[1], pagerank: row[2], community_id: row[3]})", rows=rows)
        # By follower, so that each of them is looked up once.
        leaders = defaultdict(list)
        for follower, *edge in data.graph.follows:
            leaders[follower].append(edge)
        for rows in self.batches(list(leaders.items()), lambda row: len(row[1])):
            self.cypher("UNWIND $rows AS row MATCH (f:Trader {account_id: row[0]}) "
                        "UNWIND row[1] AS edge MATCH (l:Trader {account_id: edge[0]}) "
                        "CREATE (f)-[:FOLLOWS {copy_ratio: edge[1], since: datetime({epochSeconds: edge[2]})}]->(l)", rows=rows)
        return f"{TRADERS} traders and {FOLLOWS} who follow whom"

    def batches(self, rows, weight=lambda row: 1):
        part, weights = [], 0
        for row in rows:
            part.append(row)
            weights += weight(row)
            if weights >= self.batch:
                yield part
                part, weights = [], 0
        if part:
            yield part


# --- Redis ---------------------------------------------------------------------------------------


class Redis:
    name = "redis"
    mark = "demo:ends_at"

    def cli(self, *arguments, data=""):
        env = os.environ
        command = ["redis-cli", "-h", env["REDIS_HOST"], "-p", env["REDIS_PORT"], "--user", env["REDIS_USER"], "--no-auth-warning"]
        return run(command + list(arguments), data, REDISCLI_AUTH=env["REDIS_PASSWORD"]).strip()

    def complete(self, ends_at):
        return self.cli("GET", self.mark) == str(ends_at)

    def load(self, data):
        data = data()
        commands = list(data.redis_commands()) + [["SET", self.mark, data.ends_at]]
        answer = self.cli("--pipe", data="".join(map(self.resp, commands)))
        if "errors: 0" not in answer:
            raise LoadError(answer)
        return f"risk limits of {len(data.limits)} accounts, and the last price"

    @staticmethod
    def resp(command):
        words = [str(word) for word in command]
        return f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)


# --- MongoDB -------------------------------------------------------------------------------------


class Mongo:
    name = "mongodb"

    def client(self, *arguments, data=""):
        return run([os.environ.get("MONGO_LOAD") or str(ROOT / "test/load/build/mongo_load"), *arguments], data)

    def count(self, collection):
        return json.loads(self.client("--command", MONGO_DATABASE, json.dumps({"count": collection})))["n"]

    def complete(self, _):
        return self.count("strategies") == STRATEGIES and self.count("backtests") > STRATEGIES

    def load(self, data):
        data = data()
        indexes = [{"key": {"owner_account_id": 1}, "name": "owner_account_id"}, {"key": {"risk_profile.max_loss": 1}, "name": "max_loss"}]
        self.client("--drop", f"{MONGO_DATABASE}.strategies", "--drop", f"{MONGO_DATABASE}.backtests", "--load",
                    "--command", MONGO_DATABASE, json.dumps({"createIndexes": "strategies", "indexes": indexes}),
                    "--command", MONGO_DATABASE, json.dumps({"createIndexes": "backtests", "indexes": [
                        {"key": {"strategy_id": 1, "finished_at": 1}, "name": "strategy_id_finished_at"}]}),
                    data="".join(data.mongo_lines(MONGO_DATABASE)))
        return f"{len(data.strategies)} strategies and {len(data.backtests)} backtests"


# --- PostgreSQL ----------------------------------------------------------------------------------


class Postgres:
    name = "postgres"

    def psql(self, text):
        return run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], text).strip()

    def ends_at(self):
        found = self.psql("SELECT (extract(epoch FROM ends_at) * 1000000)::bigint FROM demo.loaded")
        return int(found) if found else None

    def complete(self, ends_at):
        return self.ends_at() == ends_at

    def load(self, data):
        data = data()
        at = (EPOCH + timedelta(microseconds=data.ends_at)).isoformat()
        parts = ["BEGIN;", "SET LOCAL client_min_messages = error;", "TRUNCATE demo.loaded;"]
        if self.psql("SELECT count(*) FROM portfolio.assets") != "0":  # the ledger itself cannot be emptied
            parts += ["DROP SCHEMA portfolio CASCADE;", "DROP PUBLICATION IF EXISTS cipherhorizon_portfolio;",
                      "SELECT count(*) FROM cipherhorizon.create_portfolio_schema('portfolio') \\g /dev/null"]
        opened = datetime.fromtimestamp(min(data.opened.values()) // 1_000_000, timezone.utc).isoformat()
        copy = lambda table, rows: parts.extend(self.copy(table, rows))
        copy("assets (asset_id, code, asset_class, decimals, name)",
             [(1, "XRP", "crypto", 6, "XRP"), (2, "ETH", "crypto", ETH_DECIMALS, "Ether")])
        copy("venues (venue_id, code, name)", [(1, "BINANCE", "Binance")])
        copy("instruments (instrument_id, venue_id, symbol, instrument_type, base_asset_id, quote_asset_id, settle_asset_id, tick_size, lot_size)",
             [(1, 1, SYMBOL, "spot", 1, 2, 2, "0.00000001", 1)])
        copy("accounts (account_id, handle, base_asset_id, opened_at)",
             [(a, handle(a), 2, EPOCH + timedelta(microseconds=data.opened[a])) for a in data.accounts])
        copy("portfolios (account_id, portfolio_id, name, kind, strategy_id, base_asset_id, opened_at)",
             [(*p, 2, opened) for p in data.portfolios])
        copy("orders (account_id, order_id, portfolio_id, cl_ord_id, instrument_id, side, ord_type, time_in_force, order_qty, price, ord_status, cum_qty, avg_px, transact_time)",
             data.orders)
        copy("trades (account_id, trade_id, order_id, portfolio_id, instrument_id, exec_id, side, last_qty, last_px, liquidity, fee, fee_asset_id, realized_pnl, executed_at)",
             data.fills)
        copy("positions (account_id, portfolio_id, instrument_id, qty, avg_entry_px, realized_pnl, version, updated_at)",
             [(a, p, 1, f"{x.qty:f}", f"{x.entry:.18f}", f"{x.realized:.18f}", x.version, EPOCH + timedelta(microseconds=x.updated))
              for (a, p), x in data.positions.items()])
        copy("portfolio_valuations (account_id, portfolio_id, as_of, nav, cash, gross_exposure, net_exposure)", data.valuations)
        self.copy_ledger(copy, data)
        parts += [f"INSERT INTO demo.loaded VALUES ('{at}');", "COMMIT;", "VACUUM ANALYZE;"]
        self.psql("\n".join(parts))
        return f"{len(data.accounts)} accounts, {len(data.portfolios)} portfolios, {len(data.orders)} orders, {len(data.fills)} trades"

    @staticmethod
    def copy_ledger(copy, data):
        """Straight into the tables, which is faster than the posting function; the triggers check it all at commit."""
        ids, accounts, headers, entries = {}, [], [], []
        kinds = {"cash": "asset", "clearing": "equity", "fees": "expense"}
        for txn_id, (account, key, kind, at, lines) in enumerate(data.deposits + data.ledger, 1):
            headers.append((account, txn_id, key, kind, at))
            for line_no, (purpose, asset, amount) in enumerate(lines, 1):
                if (account, asset, purpose) not in ids:
                    ids[account, asset, purpose] = len(ids) + 1
                    accounts.append((account, len(ids), asset, kinds[purpose], purpose))
                entries.append((account, txn_id, line_no, ids[account, asset, purpose], asset, f"{amount:f}"))
        copy("ledger_accounts (account_id, ledger_account_id, asset_id, type, purpose)", accounts)
        copy("ledger_transactions (account_id, ledger_txn_id, idempotency_key, type, posted_at)", headers)
        copy("ledger_entries (account_id, ledger_txn_id, line_no, ledger_account_id, asset_id, amount)", entries)

    @staticmethod
    def copy(table, rows):
        yield f"COPY portfolio.{table} FROM STDIN;"
        for row in rows:
            yield "\t".join("\\N" if value is None else str(value) for value in row)
        yield "\\."
        if table.startswith("ledger_") and "_entries" not in table:
            name, column = table.split(" (")[0], table.split(", ")[1]
            yield (f"SELECT setval(pg_get_serial_sequence('portfolio.{name}', '{column}'), max({column})) "
                   f"FROM portfolio.{name} \\g /dev/null")


# --- all of them ---------------------------------------------------------------------------------


def load_missing(store, ends_at, again, data, failures):
    began = time.monotonic()
    try:
        if not again and store.complete(ends_at):
            say(store.name, "has its data")
        else:
            loaded = store.load(data)
            say(store.name, f"{loaded} ({time.monotonic() - began:.1f} s)")
    except LoadError as error:
        failures.append(store.name)
        say(store.name, f"could not be loaded: {error}")


def main():
    again = sys.argv[1:] == ["--again"]
    if sys.argv[1:] and not again:
        sys.exit(__doc__)
    postgres, influx = Postgres(), Influx()
    try:
        known = None if again else postgres.ends_at() or influx.ends_at()
    except LoadError as error:
        sys.exit(f"demo: {error}")
    ends_at = known or time.time_ns() // 1_000_000 * 1000

    # Made when the first store asks for it, once for all.
    made, lock = [], threading.Lock()

    def data():
        with lock:
            if not made:
                made.append(Dataset(ends_at))
            return made[0]

    failures = []
    threads = [threading.Thread(target=load_missing, args=(store, ends_at, again, data, failures))
               for store in (Neo4j(), postgres, influx, Redis(), Mongo())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"demo: {', '.join(failures)} could not be loaded")
    age = time.time() - ends_at / 1e6
    if age > 3600:
        say("demo", f"the newest tick is {age / 3600:.0f} hours old; demo.sh reload moves all of them to now")


if __name__ == "__main__":
    main()
