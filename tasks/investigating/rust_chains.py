"""Chains of method calls in Rust: `Router::new().route(…).nest(…)` as what it begins with and its calls."""

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from tasks.investigating.code import text


@dataclass
class Link:
    """One method call of a chain, with its arguments."""

    method: str
    arguments: list[Node]
    node: Node
    at: Node
    """The method's name: where the call's line is."""


def chains_of(calls: list[Node]) -> Iterator[tuple[Node, Node, list[Link]]]:
    """Each chain once: its outermost call, what it begins with, and its calls. Those within begin at the same byte."""
    known: set[int] = set()
    for node in sorted(calls, key=lambda call: (call.start_byte, -call.end_byte)):
        if node.id not in known:
            base, links = unrolled(node)
            known.update(link.node.id for link in links)
            yield node, base, links


def unrolled(node: Node) -> tuple[Node, list[Link]]:
    """A chain as what it begins with and its calls, in the order of writing."""
    links: list[Link] = []
    while True:
        while node.type in ("try_expression", "await_expression", "parenthesized_expression"):
            node = node.named_children[0]
        function = node.child_by_field_name("function") if node.type == "call_expression" else None
        if function is None or function.type != "field_expression":
            return node, links[::-1]
        method, base = function.child_by_field_name("field"), function.child_by_field_name("value")
        assert method is not None
        assert base is not None
        links.append(Link(text(method), arguments(node), node, method))
        node = base


def arguments(call: Node) -> list[Node]:
    given = call.child_by_field_name("arguments")
    return [node for node in (given.named_children if given else []) if "comment" not in node.type]
