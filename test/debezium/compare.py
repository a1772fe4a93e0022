#!/usr/bin/env python3
"""Compares what we emit with what Debezium emitted: two files of topics.py, topic by topic, record by record.

    compare.py [--differences FILE] [--any-order] [--all] GOLDEN OURS

Prints what differs and exits with 1 if anything does.  Values that change from run to run are masked: times of the source and
of the connector, LSN, transaction id, sequence, version; but they must be there, of the same type, and agree with each other
(ts_us / 1000 = ts_ms, sequence ends with the LSN, the id of the transaction is txId:lsn).  Objects must have their fields in
the same order unless --any-order is given; numbers are compared by value (1 is 1.0, but 0.0 is not -0.0).

Differences that are meant to be stand in differences.txt beside this script, one a line, with tabs between:
    topic    path    reason
where topic and path are patterns as of a shell, e.g. "*.public.times" and "value.*after.t"; a path has names and positions
with dots between them, and is "record" for one that is missing or too many.
"""
import argparse
import difflib
import fnmatch
import json
import math
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = 20  # differences of one topic


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--differences", default=os.path.join(HERE, "differences.txt"), metavar="FILE")
    parser.add_argument("--any-order", action="store_true", help="the order of an object's fields does not matter")
    parser.add_argument("--all", action="store_true", help=f"show all differences, not only {SHOWN} of a topic")
    parser.add_argument("--theirs", action="store_true", help="only the topics that Debezium has")
    parser.add_argument("golden")
    parser.add_argument("ours")
    return parser.parse_args()


def load(name):
    """The records by (topic, partition), in their order; headers of our own are left out."""
    found = {}
    with open(name, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            record["headers"] = [h for h in record["headers"] if not h[0].startswith("cipherhorizon.")]
            found.setdefault((record["topic"], record["partition"]), []).append(record)
    return found


def meant(name):
    """The patterns of the differences that are meant to be."""
    if not os.path.exists(name):
        return []
    with open(name, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    for fields in lines:
        if len(fields) != 3:
            sys.exit(f"{name}: not topic, path and reason: {fields}")
    return [fields[:2] for fields in lines]


# --- masks -----------------------------------------------------------------------------------------

def kind(value):
    return None if value is None else f"<{type(value).__name__}>"


def payload(part):
    """What a converter with schemas wraps."""
    return part["payload"] if isinstance(part, dict) and set(part) == {"schema", "payload"} else part


def mask_times(block):
    times = [block.get("ts_" + unit) for unit in ("ms", "us", "ns")]
    agree = all(a is None or b is None or b // 1000 == a for a, b in zip(times, times[1:]))
    for name in ("ts_ms", "ts_us", "ts_ns"):
        if name in block:
            block[name] = kind(block[name]) if agree else "times that do not agree"


def mask_source(source):
    mask_times(source)
    lsn, sequence = source.get("lsn"), source.get("sequence")
    if isinstance(sequence, str):
        parts = json.loads(sequence)
        source["sequence"] = "<sequence>" if len(parts) == 2 and parts[1] == str(lsn) else "a sequence that does not end with the LSN"
    for name in ("version", "lsn", "txId", "xmin"):
        if name in source:
            source[name] = kind(source[name])


def mask_collections(counts):
    """Debezium writes them in no order, and an object's address for messages: "message" here."""
    for count in counts:
        if "LogicalDecodingMessageId@" in count["data_collection"]:
            count["data_collection"] = "message"
    counts.sort(key=lambda count: count["data_collection"])


def masked(record):
    for header in record["headers"]:
        if header[0] == "__debezium.context.runId":
            header[1] = kind(header[1])
    key, value = payload(record["key"]), payload(record["value"])
    if not isinstance(value, dict):
        return record
    if "status" in value and "id" in value:  # of the transaction topic
        same = isinstance(key, dict) and key.get("id") == value["id"] and re.fullmatch(r"\d+:\d+", value["id"])
        key["id"] = value["id"] = "<transaction>" if same else "an id that is not txId:lsn"
        mask_collections(value.get("data_collections") or [])
    source, transaction = value.get("source"), value.get("transaction")
    if isinstance(transaction, dict) and isinstance(source, dict):
        expected = f'{source.get("txId")}:{source.get("lsn")}'
        transaction["id"] = "<transaction>" if transaction.get("id") == expected else "an id that is not txId:lsn"
    if isinstance(source, dict):
        mask_source(source)
    mask_times(value)
    return record


# --- comparison ------------------------------------------------------------------------------------

def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return type(a) is type(b) and a == b


def walk(path, a, b, any_order):
    """The places where two values differ, as (path, golden's, ours)."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in a.keys() | b.keys():
            place = f"{path}.{name}"
            if name not in b:
                yield place, a[name], MISSING
            elif name not in a:
                yield place, MISSING, b[name]
            else:
                yield from walk(place, a[name], b[name], any_order)
        if not any_order and list(a) != list(b) and a.keys() == b.keys():
            yield f"{path}.(order)", list(a), list(b)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from walk(f"{path}.{i}", x, y, any_order)
    elif not same(a, b):
        yield path, a, b


class Missing:
    def __repr__(self):
        return "(missing)"


MISSING = Missing()


def text(value):
    shown = repr(value) if value is MISSING else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 160 else shown[:150] + f"... ({len(shown)} characters)"


def signature(record):
    value = payload(record["value"])
    return json.dumps([payload(record["key"]), value.get("op", value.get("status")) if isinstance(value, dict) else None])


def pairs(golden, ours):
    """Records that belong together, by key and operation; None for one that is missing."""
    matcher = difflib.SequenceMatcher(None, [signature(r) for r in golden], [signature(r) for r in ours], autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        for i in range(max(a_end - a, b_end - b)):
            yield golden[a + i] if a + i < a_end else None, ours[b + i] if b + i < b_end else None


def brief(record):
    return {"key": payload(record["key"]), "value": payload(record["value"])}


def compare(topic, golden, ours, options, allowed):
    """The lines to print about a topic, and the number of differences that are meant to be."""
    lines, forgiven = [], 0
    for number, (a, b) in enumerate(pairs(golden, ours), 1):
        if a is None or b is None:
            found = [("record", MISSING if a is None else brief(a), MISSING if b is None else brief(b))]
        else:
            found = sorted((d for part in ("headers", "key", "value") for d in walk(part, a[part], b[part], options.any_order)),
                           key=lambda d: d[0])
        for path, x, y in found:
            if any(fnmatch.fnmatchcase(topic, t) and fnmatch.fnmatchcase(path, p) for t, p in allowed):
                forgiven += 1
            else:
                lines.append(f"  record {number}, {path}\n    Debezium  {text(x)}\n    ours      {text(y)}")
    return lines, forgiven


def main():
    options = arguments()
    golden, ours, allowed = load(options.golden), load(options.ours), meant(options.differences)
    different = forgiven = records = 0
    if options.theirs:
        ours = {place: ours[place] for place in golden.keys() & ours.keys()}
    for place in sorted(golden.keys() | ours.keys()):
        a, b = ([masked(r) for r in side.get(place, [])] for side in (golden, ours))
        records += len(a)
        lines, meant_here = compare(place[0], a, b, options, allowed)
        forgiven += meant_here
        different += len(lines)
        if lines:
            print(f"{place[0]}, partition {place[1]}: {len(a)} records, ours {len(b)}, {len(lines)} differences")
            print("\n".join(lines if options.all else lines[:SHOWN]))
            if len(lines) > SHOWN and not options.all:
                print(f"  ... and {len(lines) - SHOWN} more")
    print(f"{records} records in {len(golden)} topics: {different} differences, {forgiven} more are meant to be")
    return 1 if different else 0


sys.exit(main())
