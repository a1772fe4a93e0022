"""SQL as a tree, so that values can become parameters and parts can be left out.

A node is a string, a list of nodes, or one of the classes below.
"""


class Lit:
    """A value; as a parameter it takes others of its pool."""

    def __init__(self, text, type, pool):
        self.text, self.type, self.pool, self.number = text, type, pool, 0


class Opt:
    """A part that can be left out."""

    def __init__(self, *parts):
        self.parts, self.on = list(parts), True


class Bag:
    """Parts of which some can be left out, but not all."""

    def __init__(self, items, separator, before="(", after=")"):
        self.items, self.separator, self.before, self.after = list(items), separator, before, after


def render(node):
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return "".join(render(n) for n in node)
    if isinstance(node, Opt):
        return render(node.parts) if node.on else ""
    if isinstance(node, Bag):
        return node.before + node.separator.join(render(n) for n in node.items) + node.after
    return f"${node.number}" if node.number else node.text


def walk(node):
    """Every object of the tree that is part of the text."""
    yield node
    children = node if isinstance(node, list) else node.parts if isinstance(node, Opt) and node.on else node.items if isinstance(node, Bag) else []
    for child in children:
        yield from walk(child)


def literals(node):
    found = {}
    for n in walk(node):
        if isinstance(n, Lit):
            found[id(n)] = n
    return list(found.values())


def reductions(node):
    """Functions that leave out one part each, and give back how to undo it."""
    for n in list(walk(node)):
        if isinstance(n, Opt) and n.on:
            yield drop_optional(n)
        elif isinstance(n, Bag) and len(n.items) > 1:
            for item in list(n.items):
                yield drop_item(n, item)
                if n.separator in (" AND ", " OR "):
                    yield keep_item(n, item)


def drop_optional(node):
    def apply():
        node.on = False

        def undo():
            node.on = True
        return undo
    return apply


def replace_items(node, choose):
    def apply():
        before = node.items
        node.items = choose(before)
        if not node.items or len(node.items) == len(before):
            node.items = before
            return None

        def undo():
            node.items = before
        return undo
    return apply


def drop_item(node, item):
    return replace_items(node, lambda items: [i for i in items if i is not item])


def keep_item(node, item):
    return replace_items(node, lambda items: [i for i in items if i is item])
