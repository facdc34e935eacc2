"""Environment variables that Python code requires: `os.environ["X"]`, read without a condition.

`os.environ.get` and `os.getenv` are optional. So is a read inside a branch, behind `or` and `and`, or in a `try` that
takes a KeyError: there the program may well do without it.
"""

import ast
from collections.abc import Iterator

LENIENT = {"KeyError", "LookupError", "Exception", "BaseException"}


def required_in_python(text: str) -> Iterator[tuple[str, int]]:
    """(name, line) of every required read. Text that is not Python has none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    yield from required_below(tree)


def required_below(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_environ(node.value):
        name = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(name, str):
            yield name, node.lineno
    for child in certain_children(node):
        yield from required_below(child)


def certain_children(node: ast.AST) -> list[ast.AST]:
    """The parts of a statement or expression that run whenever it runs."""
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return [node.test]
    if isinstance(node, ast.BoolOp):
        return [node.values[0]]
    if isinstance(node, ast.Match):
        return [node.subject]
    if isinstance(node, ast.Try):
        body = [] if any(forgives(handler) for handler in node.handlers) else node.body
        return [*body, *node.orelse, *node.finalbody]
    return list(ast.iter_child_nodes(node))


def is_environ(node: ast.AST) -> bool:
    """`environ`, `os.environ`, `_os.environ`."""
    return (isinstance(node, ast.Name) and node.id == "environ") or (
        isinstance(node, ast.Attribute) and node.attr == "environ"
    )


def forgives(handler: ast.ExceptHandler) -> bool:
    """True if this `except` takes a KeyError."""
    if handler.type is None:
        return True
    return any(isinstance(part, ast.Name) and part.id in LENIENT for part in ast.walk(handler.type))
