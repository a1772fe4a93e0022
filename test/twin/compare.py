"""Are two answers the same, as far as SQL says what they must be?"""
from collections import Counter
from decimal import Decimal

FLOATS, NUMERIC = (700, 701), 1700
FIRST_OWN = 16384  # types of rows have other numbers
CANCELED = "57014"
TIMED_OUT = "the query took longer than statement_timeout"


def value(text, type, loose):
    if text is None or not loose:
        return text
    if type in FLOATS:
        return "0" if text == "-0" else text
    if type == NUMERIC:
        return str(Decimal(text).normalize() + 0)
    return text


def normal(result, loose):
    return [tuple(value(v, t, loose) for v, t in zip(row, result.types)) for row in result.rows]


def error_class(query, state):
    """Which of a query's errors is met first depends on the order of the rows."""
    return state[:2] if query.raises and state[:2] == "22" else state


def sort_keys(query, result):
    return [row[:query.nkeys] for row in normal(result, True)]


def one(query, expected, found, ordered):
    if expected.state or found.state:
        if CANCELED in (expected.state, found.state):
            return TIMED_OUT
        if expected.state and found.state and error_class(query, expected.state) == error_class(query, found.state):
            return None
        return f"twin: {expected.state or 'rows'} {expected.message}; foreign: {found.state or 'rows'} {found.message}"
    a, b = normal(expected, query.loose), normal(found, query.loose)
    if any(t != u for t, u in zip(expected.types, found.types) if max(t, u) < FIRST_OWN):
        return "the types of the columns differ"
    if len(a) != len(b):
        return f"{len(a)} rows are {len(b)}"
    if ordered and a != b:
        return "the rows or their order differ"
    if query.answer in ("keys", "sorted") and sort_keys(query, expected) != sort_keys(query, found):
        return "the sort keys differ"
    if query.answer in ("bag", "sorted") and Counter(a) != Counter(b):
        return "the rows differ"
    return None


def together(results):
    """The parts of an answer that were fetched one after the other."""
    whole = results[0]
    for r in results[1:]:
        whole = type(whole)(whole.rows + r.rows, whole.types or r.types, whole.state or r.state, whole.message or r.message)
    return whole


def answers(query, expected, found):
    """What to compare with what."""
    if query.script == "cursor" and query.answer != "list":
        return [together(expected)], [together(found)]
    return expected, found


def difference(query, expected, found):
    """None, or what differs in words."""
    expected, found = answers(query, expected, found)
    if len(expected) != len(found):
        return one(query, expected[-1], found[-1], False) or "another number of answers"
    timed_out = None
    for i, (a, b) in enumerate(zip(expected, found)):
        why = one(query, a, b, query.answer == "list")
        if why == TIMED_OUT:
            timed_out = why  # the other answers must be equal all the same
        elif why:
            return why if len(expected) == 1 else f"answer {i + 1}: {why}"
    return timed_out


def rows_that_differ(query, expected, found):
    """Lines of text: what only one side has, in the first answer that differs."""
    for i, (a, b) in enumerate(zip(*answers(query, expected, found))):
        why = one(query, a, b, query.answer == "list")
        if why is None:
            continue
        mine, theirs = Counter(normal(a, query.loose)), Counter(normal(b, query.loose))
        lines = [f"-- answer {i + 1}: {why}"]
        for title, rows in (("only the twin has", mine - theirs), ("only the foreign table has", theirs - mine)):
            lines += [f"   {title}: {n} x {row}" for row, n in list(rows.items())[:5]]
        if len(lines) == 1:
            lines += [f"   twin:    {normal(a, query.loose)[:6]}", f"   foreign: {normal(b, query.loose)[:6]}"]
        return lines
    return ["-- when asked again the answers were equal"]
