"""A YAML file that knows on which line each of its values stands, for errors that a person can jump to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode


class BadYaml(Exception):
    """It cannot be read as YAML."""


@dataclass(frozen=True)
class Document:
    """A file's data, and its nodes with their places."""

    name: str
    root: Node | None
    data: Any

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Raises BadYaml with line and reason."""
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path.name, yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text) or {})
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadYaml(f"is not YAML: {error}") from error

    def problem(self, place: Sequence[str | int], text: str) -> str:
        """`smoke.yaml:12: checks.3.status: …`; the line is that of the nearest value around the place."""
        return f"{self.name}:{self.line(place)}: {'.'.join(map(str, place)) or 'the file'}: {text}"

    def line(self, place: Sequence[str | int]) -> int:
        node, line = self.root, 1
        for part in place:
            found = child(node, part)
            if found is None:
                break
            node, line = found
        return line

    def duplicates(self) -> list[str]:
        """Keys that stand twice in one mapping: YAML would take the last one without a word."""
        return [f"{self.name}:{line}: {key!r} stands there twice" for key, line in repeated(self.root)]


def child(node: Node | None, part: str | int) -> tuple[Node, int] | None:
    """The node below, and its line (that of its key)."""
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        below = node.value[part]
        return below, below.start_mark.line + 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    return None


def repeated(node: Node | None) -> Iterator[tuple[str, int]]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from repeated(item)
    if isinstance(node, MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            yield from repeated(value)
