#!/usr/bin/python3
"""Random queries on foreign tables and their native twins: the answers must be equal.

    twin.py load                       fill the stores (see stores.py)
    twin.py make                       make the database named by PGDATABASE (see setup.py)
    twin.py run [--seed N] [--queries N] [--only N] [--workers N]
    twin.py clear                      take the rows out of the stores

Every query runs on the twins, on the foreign tables with everything on, and
twice more with settings by chance: pushdowns off, one at a time and all, and
other plans.  A difference is printed with the seed and number, the query,
reduced as far as it goes, both plans and the rows.
"""
import argparse
import multiprocessing
import queue
import random
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.extensions

import catalog
import data
import queries
import setup
import stores
from compare import CANCELED, TIMED_OUT, difference, rows_that_differ
from report import Coverage
from session import Session, describe_settings, make_script, variants
from text import reductions, render


def allowed_timeouts(count):
    """A query that hangs shows as a time-out; a slow machine does, too, but of few among many."""
    return 5 + count // 100


def switches(cursor):
    """What can be switched off, whatever it is called by now."""
    cursor.execute("LOAD 'cipherhorizon'")
    cursor.execute("SELECT name FROM pg_settings WHERE name LIKE 'cipherhorizon.enable%' AND vartype = 'bool' ORDER BY 1")
    on_off = [r[0] for r in cursor.fetchall()]
    cursor.execute("SELECT name, min_val, max_val FROM pg_settings WHERE name LIKE 'cipherhorizon.%batch%' AND vartype = 'integer'")
    return on_off, [(n, int(low), min(int(high), 64)) for n, low, high in cursor.fetchall()]


def connect():
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection


HANGS = 900  # seconds for one query in all its forms, each of which ends by statement_timeout


class Worker:
    def __init__(self, args, number, results, at=None):
        self.args, self.number, self.results = args, number, results
        self.at = at  # shared with the parent: when the current query began, and its number
        connection = connect()
        with connection.cursor() as cursor:
            self.switches, self.numbers = switches(cursor)
            cursor.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'cipherhorizon'::regnamespace")
            functions = {r[0] for r in cursor.fetchall()}
            self.relations = catalog.read(cursor)
        connection.close()
        self.functions, self.pairs = functions, catalog.Pairs()
        self.remote, self.twin = Session("remote, native"), Session("twin, native")
        self.coverage = Coverage()
        self.timed_out = False  # the current query, in any of its forms

    def run(self):
        for number in range(self.number, self.args.queries, self.args.workers):
            self.one(number)
        self.results.put((self.number, "coverage", self.coverage))

    def one(self, number):
        if self.at:
            self.at[:] = [time.time(), number]
        rng = random.Random(f"{self.args.seed}/{number}")
        query = queries.Generator(rng, self.relations, self.functions, self.pairs).query()
        zone = rng.choice(["UTC", "UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
        script = make_script(query, rng)
        started = time.monotonic()
        self.timed_out = False
        expected = self.twin.run(script, {"TimeZone": zone})
        self.coverage.count_query(query, expected)
        for name, settings in [("everything on", {})] + variants(rng, self.switches, self.numbers):
            settings = {"TimeZone": zone, **settings}
            explain = name == "everything on" or rng.random() < 0.25
            if not self.compare(number, query, script, name, settings, expected, explain):
                break
        if self.timed_out:
            self.coverage.exempt[TIMED_OUT] += 1
        self.coverage.count_time(query, script.query, time.monotonic() - started)

    def compare(self, number, query, script, name, settings, expected, explain):
        found = self.remote.run(script, settings)
        why = difference(query, expected, found)
        if why == TIMED_OUT:
            self.timed_out = True
            why = None
        if why is None and explain:
            why = self.explain(query, script, settings, name)
        if why:
            self.report(number, query, script, name, settings, why)
        return why is None

    def explain(self, query, script, settings, name):
        """EXPLAIN must not raise where the query can be planned."""
        plan = self.remote.explain(script, settings, "VERBOSE, FORMAT JSON")
        if plan.state is None:
            self.coverage.count_plan(plan.rows[0][0], name)
            return None
        if plan.state == CANCELED:
            self.timed_out = True
            return None
        if self.twin.explain(script, settings, "VERBOSE").state == plan.state:
            return None
        return f"EXPLAIN raised {plan.state}: {plan.message}"

    # ---- what is told of a difference --------------------------------------------------

    def differs(self, query, script, settings):
        script.write(query)
        expected = self.twin.run(script, {"TimeZone": settings["TimeZone"]})
        if any((r.state or "")[:2] in ("42", "0A") for r in expected):
            return False  # what is left is no query
        found = self.remote.run(script, settings)
        return difference(query, expected, found) not in (None, TIMED_OUT)

    def reduce(self, query, script, settings):
        end = time.monotonic() + self.args.reduce
        smaller = True
        while smaller:
            smaller = False
            for change in list(reductions(query.node)):
                if time.monotonic() > end:
                    return
                undo = change()
                if undo is None:
                    continue
                if self.differs(query, script, settings):
                    smaller = True
                else:
                    undo()

    def reduce_settings(self, query, script, settings):
        for name in [n for n in settings if n != "TimeZone"]:
            fewer = {n: v for n, v in settings.items() if n != name}
            if self.differs(query, script, fewer):
                settings = fewer
        return settings

    def report(self, number, query, script, name, settings, why):
        full = script.text()
        if self.differs(query, script, settings):
            settings = self.reduce_settings(query, script, settings)
            self.reduce(query, script, settings)
        script.write(query)
        expected = self.twin.run(script, {"TimeZone": settings["TimeZone"]})
        found = self.remote.run(script, settings)
        lines = [f"-- difference: seed {self.args.seed}, query {number} ({query.kind}, {script.kind}, {query.answer}), {name}: {why}",
                 describe_settings(settings), full]
        if script.text() != full:
            lines += ["-- reduced:", script.text()]
        lines += rows_that_differ(query, expected, found)
        for title, session in (("foreign tables", self.remote), ("twins", self.twin)):
            lines.append(f"-- plan on the {title}:")
            plan = session.explain(script, settings, "VERBOSE, COSTS OFF")
            lines += ["   " + r[0] for r in plan.rows] if plan.state is None else [f"   {plan.state}: {plan.message}"]
        script.restore()
        self.results.put((self.number, "difference", "\n".join(lines) + "\n"))


def start_worker(args, number, results, at):
    try:
        Worker(args, number, results, at).run()
    except BaseException as error:  # the parent would have to guess why
        results.put((number, "failed", f"worker {number}: {type(error).__name__}: {error}"))
        raise


def next_message(results, workers, beats, running):
    """What a worker says, or that one is gone, or hangs, out of reach of statement_timeout."""
    while True:
        gone = [i for i in running if not workers[i].is_alive()]  # all that these have said has arrived
        try:
            return results.get(timeout=5)
        except queue.Empty:
            for i in gone:
                return i, "failed", f"worker {i} ended without a word, with the exit code {workers[i].exitcode}"
            for i in running:
                began, number = beats[i]
                if time.time() - began > HANGS:
                    workers[i].terminate()
                    return i, "failed", f"query {number:.0f} did not end within {HANGS} s"


def run(args):
    results = multiprocessing.Queue()
    beats = [multiprocessing.Array("d", [time.time(), 0]) for _ in range(args.workers)]
    workers = [multiprocessing.Process(target=start_worker, args=(args, i, results, at)) for i, at in enumerate(beats)]
    for w in workers:
        w.start()
    coverage, differences, failed, running = Coverage(), 0, 0, set(range(len(workers)))
    while running:
        number, what, value = next_message(results, workers, beats, running)
        if what == "coverage":
            coverage.add(value)
        else:
            print(value, flush=True)
            differences += what == "difference"
            failed += what == "failed"
        if what != "difference":
            running.discard(number)
    for w in workers:
        w.join()
    coverage.print()
    late, most = coverage.exempt[TIMED_OUT], allowed_timeouts(args.queries)
    print(f"seed {args.seed}: {args.queries} queries, {differences} differences, {failed} workers failed, {late} time-outs of which {most} are allowed")
    return not differences and not failed and late <= most


def run_one(args):
    results = queue.Queue()
    worker = Worker(args, 0, results)
    worker.one(args.only)
    different = False
    while not results.empty():
        print(results.get()[2])
        different = True
    if not different:
        rng = random.Random(f"{args.seed}/{args.only}")
        query = queries.Generator(rng, worker.relations, worker.functions, worker.pairs).query()
        print(render(query.node) + "\n-- no difference")
    return not different


def make():
    connection = connect()
    with connection.cursor() as cursor:
        on_off, _ = switches(cursor)
        return setup.make(cursor, data.all_tables(), on_off)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["load", "make", "run", "clear"])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--only", type=int, default=None)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--reduce", type=float, default=20, help="seconds to reduce one difference")
    args = parser.parse_args()
    if args.verb in ("load", "clear"):
        with tempfile.TemporaryDirectory() as folder:
            stores.load(data.all_tables(), Path(folder)) if args.verb == "load" else stores.clear(Path(folder))
        return True
    if args.verb == "make":
        return make()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 32)
    return run(args) if args.only is None else run_one(args)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
