"""The demo's data, built from data/*.csv: the same for the same end time, whatever the machine.

Nothing here talks to a store.  A Dataset holds rows; load.py writes them.
"""

import csv
import json
import random
from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal, getcontext
from pathlib import Path

DATA = Path(__file__).parent / "data"
SEED = 20191011
ACCOUNTS = 1000        # the best connected traders have an account
EXAMPLE = 42           # so has this one, whom examples ask about
ACTIVE = 60            # of them trade
STRATEGIES = 300
SYMBOL, VENUE = "XRP-ETH", "BINANCE"
XRP, ETH = 1, 2        # asset ids
ETH_DECIMALS = 8       # risk limits are integers of 10^-8 ETH
FEE_RATE = Decimal("0.001")
START_ETH = Decimal(40)  # what each trading portfolio starts with
ROUND = Decimal(1).scaleb(-18)
getcontext().prec = 50

ADJECTIVES = "amber bold brisk calm clear cobalt dry early fair fast firm grand hidden ivory keen late lone lucid mild noble plain quick quiet rapid royal sharp silent steady swift vivid".split()
ANIMALS = "badger bear bison crane crow dingo eagle falcon ferret finch fox gecko hare hawk heron ibex jay lynx marten mole newt otter owl panda raven seal shrike stork swan wolf".split()


def handle(account_id):
    pick = random.Random(account_id)
    return f"{pick.choice(ADJECTIVES)}_{pick.choice(ANIMALS)}_{account_id}"


def iso(micros):
    """ISO 8601 with microseconds, UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:06d}Z"


# --- the social graph ---------------------------------------------------------------------------


class Graph:
    """Traders, and for each positive rating an edge from the one who trusts to the one who is trusted."""

    def __init__(self):
        self.follows = []  # follower, leader, copy ratio, epoch seconds
        traders = set()
        with open(DATA / "bitcoin_otc_trust.csv", newline="") as file:
            for source, target, rating, epoch in csv.reader(file):
                source, target, rating = int(source), int(target), int(rating)
                traders |= {source, target}
                if rating > 0:
                    self.follows.append((source, target, rating / 10, int(float(epoch))))
        self.traders = sorted(traders)
        self.leaders, self.neighbours = defaultdict(list), defaultdict(list)
        for follower, leader, _, _ in self.follows:
            self.leaders[follower].append(leader)
            self.neighbours[follower].append(leader)
            self.neighbours[leader].append(follower)

    def pagerank(self, damping=0.85, rounds=40):
        """By power iteration; scaled as Neo4j's own algorithm does, so that the mean is about 1."""
        rank = dict.fromkeys(self.traders, 1.0)
        for _ in range(rounds):
            received = defaultdict(float)
            dangling = 0.0
            for trader in self.traders:
                leaders = self.leaders.get(trader)
                if leaders:
                    share = rank[trader] / len(leaders)
                    for leader in leaders:
                        received[leader] += share
                else:
                    dangling += rank[trader]
            spread = 1 - damping + damping * dangling / len(self.traders)
            rank = {t: spread + damping * received[t] for t in self.traders}
        return rank

    def communities(self, rounds=20):
        """By modularity: each trader moves to the neighbouring community that gains most, in a fixed
        order, until none moves (the first level of Louvain, Blondel et al. 2008); numbered by size."""
        degree = {t: len(self.neighbours.get(t, ())) for t in self.traders}
        community, total = {t: t for t in self.traders}, dict(degree)
        edge_ends = sum(degree.values())
        for _ in range(rounds):
            moved = False
            for trader in self.traders:
                links = defaultdict(int)
                for other in self.neighbours.get(trader, ()):
                    links[community[other]] += 1
                old = community[trader]
                total[old] -= degree[trader]
                best = max(links | {old: links[old]}, key=lambda c: (links[c] - total[c] * degree[trader] / edge_ends, c == old, -c))
                total[best] += degree[trader]
                community[trader] = best
                moved |= best != old
            if not moved:
                break
        size = defaultdict(int)
        for c in community.values():
            size[c] += 1
        number = {c: n for n, c in enumerate(sorted(size, key=lambda c: (-size[c], c)), 1)}
        return {t: number[c] for t, c in community.items()}

    def best_connected(self, count):
        return sorted(self.traders, key=lambda t: (-len(self.neighbours.get(t, ())), t))[:count]


# --- trades, and what follows from them ------------------------------------------------------------


class Position:
    """Average cost: what adds to a position moves its mean price, what closes it realizes profit."""

    def __init__(self):
        self.qty = self.entry = self.realized = Decimal(0)
        self.version, self.updated = 0, 0

    def fill(self, signed, price, at):
        gain = Decimal(0)
        if self.qty * signed >= 0:
            self.entry = (self.entry * abs(self.qty) + price * abs(signed)) / (abs(self.qty) + abs(signed))
        else:
            closed = min(abs(self.qty), abs(signed))
            gain = closed * (price - self.entry) * (1 if self.qty > 0 else -1)
            if abs(signed) > abs(self.qty):
                self.entry = price
            elif abs(signed) == abs(self.qty):
                self.entry = Decimal(0)
        self.qty += signed
        self.realized += gain
        self.version += 1
        self.updated = at
        return gain


class Dataset:
    """ends_at: microseconds since 1970 at which the last trade happens."""

    def __init__(self, ends_at):
        self.ends_at = ends_at
        self.graph = Graph()
        self.random = random.Random(SEED)
        self.read_ticks()
        self.make_accounts()
        self.make_strategies()
        self.trade()
        self.leave_orders_open()
        self.make_limits()

    def read_ticks(self):
        """Trades of one millisecond get a microsecond each: a tick's time and tags are its identity."""
        self.ticks = []  # micros, trade id, side, price, qty
        with open(DATA / "binance_xrpeth_trades.csv", newline="") as file:
            last = None
            for row in csv.DictReader(file):
                millis = int(row["timestamp_ms"])
                within = within + 1 if millis == last else 0
                last = millis
                self.ticks.append([millis * 1000 + within, int(row["trade_id"]), row["side"],
                                   Decimal(row["price"]), Decimal(row["amount"])])
        shift = (self.ends_at - self.ticks[-1][0]) // 1000 * 1000  # whole milliseconds stay whole
        for tick in self.ticks:
            tick[0] += shift
        self.ends_at = self.ticks[-1][0]
        self.last_price = self.ticks[-1][3]

    def make_accounts(self):
        day = 86_400_000_000
        best = self.graph.best_connected(ACCOUNTS)
        self.accounts = best if EXAMPLE in best else best[:-1] + [EXAMPLE]
        self.opened = {a: self.ends_at - (400 + n) * day for n, a in enumerate(self.accounts)}
        self.portfolios = []  # account, portfolio, name, kind, strategy
        for n, account in enumerate(self.accounts):
            self.portfolios.append((account, 1, "Main", "discretionary", None))
            strategy = 123 if n == 0 else self.random.randint(1, STRATEGIES)
            self.portfolios.append((account, 2, "Systematic", "strategy", f"strategy_{strategy}"))
            if self.random.random() < 0.9:
                self.portfolios.append((account, 3, "Copied", "copy", None))

    def make_strategies(self):
        pick = self.random
        kinds = {"momentum": ["RSI", "MACD", "ROC"], "mean_reversion": ["BOLL", "ZSCORE", "RSI"],
                 "market_making": ["SPREAD", "IMBALANCE"], "arbitrage": ["SPREAD", "BASIS"], "trend": ["EMA", "ADX"]}
        words = ["Alpine", "Harbor", "Meridian", "Northern", "Quartz", "Summit", "Tidal", "Vector", "Willow", "Zenith"]
        status = ["live"] * 6 + ["paper"] * 3 + ["retired"]
        self.strategies, self.backtests = [], []
        for n in range(1, STRATEGIES + 1):
            kind = pick.choice(sorted(kinds))
            updated = self.ends_at // 1000 - pick.randint(1, 90 * 86_400_000)
            strategy = {
                "_id": f"strategy_{n}",
                "name": f"{pick.choice(words)} {kind.replace('_', ' ').title()} {n}",
                "type": kind,
                "rules": [{"indicator": indicator, "condition": f"{pick.choice(['above', 'below'])}_{pick.randrange(10, 95, 5)}",
                           "action": pick.choice(["buy", "sell", "reduce"])}
                          for indicator in pick.sample(kinds[kind], pick.randint(1, len(kinds[kind])))],
                "risk_profile": {"max_loss": round(pick.uniform(0.01, 0.25), 3), "volatility": round(pick.uniform(0.05, 0.6), 2)},
            }
            if n == 123:  # the decision record's own document, word for word
                strategy.update(name="Momentum Trading", type="momentum",
                                rules=[{"indicator": "RSI", "condition": "above_70", "action": "sell"}],
                                risk_profile={"max_loss": 0.05, "volatility": 0.2})
            strategy |= {
                "status": "live" if n == 123 else pick.choice(status),
                "owner_account_id": {"$numberLong": str(self.accounts[0 if n == 123 else pick.randrange(ACCOUNTS)])},
                "max_drawdown_limit": round(pick.uniform(0.05, 0.4), 2),
                "params": {"lookback": pick.choice([14, 20, 30, 60, 90]), "rebalance": pick.choice(["hourly", "daily", "weekly"]),
                           "symbols": [SYMBOL]},
                "capital": {"$numberDecimal": f"{pick.randrange(10, 5000)}.{pick.randrange(100):02d}"},
                "updated_at": {"$date": {"$numberLong": str(updated)}},
            }
            self.strategies.append(strategy)
            for run in range(pick.randint(2, 5)):
                self.backtests.append({
                    "_id": f"backtest_{n}_{run + 1}",
                    "strategy_id": f"strategy_{n}",
                    "finished_at": {"$date": {"$numberLong": str(updated - (4 - run) * 7 * 86_400_000)}},
                    "sharpe": round(pick.gauss(1.1, 0.8), 3),
                    "total_return": round(pick.gauss(0.12, 0.2), 4),
                    "max_drawdown": round(pick.uniform(0.02, 0.5), 4),
                })

    def trade(self):
        """Trades of one millisecond and side were one taker's order; each is given to an active account."""
        pick = self.random
        books = [(a, p) for a in self.accounts[:ACTIVE] for p in (1, 2)]
        self.positions = {book: Position() for book in books}
        cash = dict.fromkeys(books, START_ETH)
        self.orders, self.fills, self.ledger, self.valuations = [], [], [], []
        hour = 3_600_000_000
        next_hour = self.ticks[0][0] // hour * hour + hour

        groups = []
        for tick in self.ticks:
            if groups and groups[-1][0][0] // 1000 == tick[0] // 1000 and groups[-1][0][2] == tick[2]:
                groups[-1].append(tick)
            else:
                groups.append([tick])

        price = self.ticks[0][3]
        for order_id, group in enumerate(groups, 1):
            at, _, side, _, _ = group[-1]
            while group[0][0] >= next_hour:
                self.value(next_hour, price, cash)
                next_hour += hour
            qty = sum(t[4] for t in group)
            # Sellers mostly own what they sell; now and then one goes short.
            book = pick.choice(books)
            if side == "sell":
                for _ in range(12):
                    if self.positions[book].qty >= qty:
                        break
                    book = pick.choice(books)
            position, sign = self.positions[book], 1 if side == "buy" else -1
            paid = fees = Decimal(0)
            for micros, trade_id, _, price, amount in group:
                gain = position.fill(sign * amount, price, micros)
                fee = (price * amount * FEE_RATE).quantize(ROUND)
                paid += price * amount
                fees += fee
                self.fills.append((book[0], trade_id, order_id, book[1], 1, f"B{trade_id}", side, amount, price, "taker",
                                   fee, ETH, gain.quantize(ROUND), iso(micros)))
            cash[book] -= sign * paid + fees
            self.orders.append((book[0], order_id, book[1], f"C{order_id}", 1, side, "market", "ioc", qty, None, "filled",
                                qty, (paid / qty).quantize(ROUND), iso(at)))
            self.ledger.append((book[0], f"order:{order_id}", "trade", iso(at),
                                [("cash", XRP, sign * qty), ("clearing", XRP, -sign * qty),
                                 ("cash", ETH, -sign * paid - fees), ("clearing", ETH, sign * paid), ("fees", ETH, fees)]))
        self.value(self.ends_at, self.last_price, cash)
        self.deposits = [(a, "deposit:start", "deposit", iso(self.ticks[0][0] - hour),
                          [("cash", ETH, 2 * START_ETH), ("clearing", ETH, -2 * START_ETH)]) for a in self.accounts[:ACTIVE]]

    def value(self, at, price, cash):
        for (account, portfolio), position in self.positions.items():
            exposure = position.qty * price
            self.valuations.append((account, portfolio, iso(at), (cash[account, portfolio] + exposure).quantize(ROUND),
                                    cash[account, portfolio].quantize(ROUND), abs(exposure).quantize(ROUND), exposure.quantize(ROUND)))

    def leave_orders_open(self):
        """Limit orders a little off the market, still untouched or given up."""
        pick = self.random
        first = len(self.orders) + 1
        for order_id in range(first, first + 200):
            account, portfolio = pick.choice(self.accounts[:ACTIVE * 2]), pick.randint(1, 2)
            side, status = pick.choice(["buy", "sell"]), pick.choice(["new", "new", "canceled", "rejected", "expired"])
            away = Decimal(pick.randint(5, 60)) / 1000
            price = (self.last_price * (1 - away if side == "buy" else 1 + away)).quantize(Decimal("0.00000001"))
            self.orders.append((account, order_id, portfolio, f"C{order_id}", 1, side, "limit", "gtc", Decimal(pick.randrange(50, 5000, 50)),
                                price, status, Decimal(0), None, iso(self.ends_at - pick.randint(1, 40) * 3_600_000_000)))

    def make_limits(self):
        pick = self.random
        used = defaultdict(Decimal)
        for (account, _), position in self.positions.items():
            used[account] += abs(position.qty * self.last_price)
        self.limits = []  # account, max, used, leverage, kill switch, seconds to live
        for account in self.accounts:
            notional = int(used[account].scaleb(ETH_DECIMALS))
            limit = int(max(20, int(used[account] * Decimal(pick.uniform(0.7, 3)))) * 10 ** ETH_DECIMALS)
            killed = pick.random() < 0.05 or notional > limit
            self.limits.append((account, limit, notional, pick.choice([1, 1, 2, 3, 5]), int(killed),
                                30 * 86400 if pick.random() < 0.1 else None))

    # --- as the stores take them ---

    def line_protocol(self):
        return "\n".join(f'ticks,symbol={SYMBOL},venue={VENUE} price={price},qty={qty},side="{side}",trade_id={trade_id}i {micros}000'
                         for micros, trade_id, side, price, qty in self.ticks)

    def trader_rows(self):
        rank, community = self.graph.pagerank(), self.graph.communities()
        return [[t, handle(t), round(rank[t], 9), community[t]] for t in self.graph.traders]

    def mongo_lines(self, database):
        for collection, documents in (("strategies", self.strategies), ("backtests", self.backtests)):
            for document in documents:
                yield f"{database}\t{collection}\t{json.dumps(document)}\n"

    def redis_commands(self):
        for account, limit, used, leverage, kill, ttl in self.limits:
            key = f"risk:{account}"
            yield ["DEL", key]
            yield ["HSET", key, "max_notional", limit, "used_notional", used, "max_leverage", leverage, "kill_switch", kill]
            if ttl:
                yield ["EXPIRE", key, ttl]
        yield ["HSET", f"last_price:{SYMBOL}", "price", self.last_price, "updated_at", iso(self.ends_at)]
