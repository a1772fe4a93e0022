#!/usr/bin/env python3
"""Run Cypher statements in the Neo4j of NEO4J_HTTP_URL, for tests and benches.

    neo4j.py FILE ...      statements end with a semicolon at the end of a line
    neo4j.py -c STATEMENT

Silent unless a statement fails. NEO4J_USER and NEO4J_PASSWORD log in.
"""
import base64
import json
import os
import sys
import urllib.error
import urllib.request


def run(statement):
    login = "%s:%s" % (os.environ["NEO4J_USER"], os.environ["NEO4J_PASSWORD"])
    request = urllib.request.Request(
        os.environ["NEO4J_HTTP_URL"] + "/db/neo4j/query/v2",
        data=json.dumps({"statement": statement}).encode(),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
        },
    )
    try:
        answer = json.load(urllib.request.urlopen(request, timeout=120))
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read() or b"{}")
    for error in answer.get("errors", []):
        sys.exit("%s: %s\n%s" % (error.get("code"), error.get("message"), statement))


def statements(path):
    lines = []
    for line in open(path, encoding="utf-8"):
        if line.startswith("//"):
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "".join(lines).rstrip().rstrip(";")
            lines = []
    if "".join(lines).strip():
        yield "".join(lines)


if sys.argv[1:2] == ["-c"]:
    run(sys.argv[2])
else:
    for name in sys.argv[1:]:
        for statement in statements(name):
            run(statement)
