#!/usr/bin/env python3
"""Judge the server's log after random SQL.

    test/sqlsmith.py LOG_FOLDER SCHEMAS SOURCE ...

Fails if the server crashed, if a statement raised an internal error (XX...) in one of the functions of SOURCE, or if a
statement that reads a table of SCHEMAS (a file with the names of those that have foreign tables) raised one in PostgreSQL's
planner or executor, which is what a wrong plan of ours leads to.  What PostgreSQL does wrong with its own tables is only
counted.  Prints how many statements raised what.
"""
import collections
import json
import pathlib
import re
import sys

CRASH = re.compile(r"terminated by signal|TRAP:|server process .* exited|PANIC")
# Where PostgreSQL finds that a plan makes no sense.
PLANNER = re.compile(r"^(setrefs|createplan|planner|planmain|subselect|pathnode|relnode|tlist|exec\w*|node\w+|heaptuple|tuptable)\.c$")


def entries(folder):
    for path in sorted(folder.glob("*.json")):
        for line in path.open(encoding="utf-8", errors="replace"):
            try:
                yield json.loads(line)
            except ValueError:
                yield {"message": line}  # a crash may cut one


def functions(sources):
    """Files and functions in them: names at the beginning of a line, before a parenthesis, as pgindent has it."""
    return {(pathlib.Path(path).name, name) for path in sources for name in re.findall(r"^(\w+)\(", pathlib.Path(path).read_text(), re.M)}


def main():
    folder, ours = pathlib.Path(sys.argv[1]), functions(sys.argv[3:])
    schemas = pathlib.Path(sys.argv[2]).read_text().split()
    if not schemas:
        print("not ok: there are no foreign tables")
        return 1
    foreign = re.compile(rf"\b({'|'.join(map(re.escape, schemas))})\.")
    codes, own, other, bad = collections.Counter(), collections.Counter(), collections.Counter(), {}
    for entry in entries(folder):
        code, message = entry.get("state_code", ""), entry.get("message", "")
        place = (entry.get("file_name", ""), entry.get("func_name", ""))
        if CRASH.search(message):
            bad["crash: " + message] = entry.get("detail", "")
            continue
        if entry.get("error_severity") != "ERROR":
            continue
        codes[code] += 1
        if place in ours:
            own[code, message] += 1
        if code.startswith("XX"):
            # of a statement that the log does not show we do not know
            planned = PLANNER.match(place[0]) and foreign.search(entry.get("statement", schemas[0] + "."))
            if place in ours or planned:
                bad[f"{code} {message} ({place[1]}, {place[0]}:{entry.get('file_line_num')})"] = entry.get("statement", "")
            else:
                other[message, place[0]] += 1
    for path in folder.glob("*.log"):
        for line in path.open(encoding="utf-8", errors="replace"):
            if CRASH.search(line):
                bad["crash: " + line.strip()] = ""

    print("statements that raised an error:", sum(codes.values()), " ".join(f"{code} {n}" for code, n in codes.most_common()))
    print("of these raised by this extension:", sum(own.values()))
    for (code, message), n in own.most_common(20):
        print(f"  {n:6} {code} {message[:150]}")
    for (message, place), n in other.most_common():
        print(f"  internal errors of PostgreSQL's functions themselves: {n} {message} ({place})")
    for what, statement in bad.items():
        print(f"not ok: {what}\n{statement};\n")
    return 1 if bad else 0


sys.exit(main())
