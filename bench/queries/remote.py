#!/usr/bin/env python3
"""What plans cost in the stores: reads the answers of EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON), one after the other, from
standard input, and prints a line for each: requests and rows of all foreign scans."""
import json
import sys


def scans(node):
    if node["Node Type"] == "Foreign Scan" and "Requests" in node:
        yield node
    for child in node.get("Plans", []):
        yield from scans(child)


text = sys.stdin.read().strip()
decoder = json.JSONDecoder()
while text:
    plan, end = decoder.raw_decode(text)
    found = list(scans(plan[0]["Plan"]))
    print(sum(s["Requests"] for s in found), sum(s["Remote Rows"] for s in found))
    text = text[end:].lstrip()
