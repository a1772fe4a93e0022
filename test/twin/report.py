"""What was covered: counts from EXPLAIN, and errors that were met."""
import json
from collections import Counter


class Coverage:
    def __init__(self):
        self.queries = self.plans = self.rows = self.empty = 0
        self.kinds, self.pushed, self.reasons, self.errors, self.exempt, self.stores = (Counter() for _ in range(6))
        self.seconds = Counter()
        self.slowest = []

    def count_query(self, query, results):
        self.queries += 1
        self.kinds[query.kind + (f" ({query.script})" if query.script != "plain" else "")] += 1
        for store in query.stores:
            self.stores[store] += 1
        rows = sum(len(r.rows) for r in results)
        self.rows += rows
        self.empty += not rows
        for state in {r.state for r in results if r.state}:
            self.errors[state] += 1

    def count_time(self, query, text, seconds):
        self.slowest = sorted(self.slowest + [(round(seconds, 2), text)], reverse=True)[:5]
        for name in [query.kind, query.script, *query.stores]:
            self.seconds[name] += round(seconds * 1000)

    def count_plan(self, plan, name):
        found, scans = set(), []
        walk(json.loads(plan)[0]["Plan"], False, found, scans)
        self.plans += 1
        self.pushed.update(found)
        for scan in scans:
            for reason in scan.get("Not Pushed", []):
                self.reasons[reason.split(": ", 1)[-1]] += 1

    def add(self, other):
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)
        self.slowest = sorted(self.slowest, reverse=True)[:5]

    def print(self):
        print(f"\n{self.queries} queries, {self.rows} rows, {self.empty} without a row; {self.plans} plans")
        for title, counter, most in (("kinds", self.kinds, 99), ("stores", self.stores, 99), ("in plans", self.pushed, 99), ("errors that both raised", self.errors, 20),
                                     ("exempt", self.exempt, 9), ("milliseconds", self.seconds, 99), ("why something stayed local", self.reasons, 25)):
            print(f"{title}:")
            for name, n in counter.most_common(most):
                print(f"  {n:8d}  {name}")
        print("slowest:")
        for seconds, text in self.slowest:
            print(f"  {seconds:6.2f} s  {text[:300]}")


def walk(node, inner, found, scans):
    """What is in a plan; inner: below the inner side of a nested loop."""
    type = node["Node Type"]
    if type == "Foreign Scan":
        scans.append(node)
        found.update("remote " + p for p in node.get("Pushed", []))
        found.add("foreign scan")
        if inner:
            found.add("foreign scan inside a nested loop")
    elif type == "Custom Scan":
        found.add("custom scan " + node.get("Custom Plan Provider", ""))
        if any(child.get("Parent Relationship") == "SubPlan" for child in node.get("Plans", [])):
            found.add("sub-select in a key batch")
    elif type in ("Hash Join", "Merge Join", "Nested Loop"):
        found.add(f"{type.lower()} ({node['Join Type'].lower()})")
    elif type in ("Memoize", "Append", "Merge Append", "Aggregate", "Sort", "Incremental Sort", "Materialize", "Limit", "WindowAgg", "SetOp", "Subquery Scan", "CTE Scan", "Gather"):
        found.add(type.lower())
    for key in node:
        if "Batch" in key or "Key" in key and type == "Foreign Scan":
            found.add("key " + key)
    for i, child in enumerate(node.get("Plans", [])):
        walk(child, inner or (type == "Nested Loop" and child.get("Parent Relationship") == "Inner"), found, scans)
