"""Where environment variables get their values: `.env` files, scripts, task definitions. No value is kept."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tasks.investigating.model import Address, Place, Setting

LINE = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")
IN_VARIABLES = re.compile(r"\bVariables=\{([^}]*)", re.DOTALL)
PAIR = re.compile(r"([A-Z][A-Z0-9_]*)=")


def is_settings(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.startswith(".env") or name.endswith((".sh", ".bash")) or is_compose(name) or is_definition(name)


def is_compose(name: str) -> bool:
    return bool(re.fullmatch(r"(docker-)?compose[\w.-]*\.ya?ml", name))


def is_definition(name: str) -> bool:
    return name.endswith(".json") and bool(re.search(r"task|definition|env|lambda|function", name))


def read_settings(path: str, data: bytes) -> list[Setting]:
    text, name = data.decode(errors="replace"), path.rsplit("/", 1)[-1]
    if name.startswith(".env"):
        return list(lines_of(path, text))
    if is_compose(name):
        return list(structured(path, text, loaded(text, yaml.safe_load)))
    if name.endswith(".json"):
        return list(structured(path, text, loaded(text, json.loads)))
    return [*lines_of(path, text), *inside_variables(path, text)]


def lines_of(path: str, text: str) -> Iterator[Setting]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := LINE.match(line):
            value = found[2].split(" #")[0].strip().strip("'\"")
            yield Setting(found[1], bool(value), Place(path, number, number))


def inside_variables(path: str, text: str) -> Iterator[Setting]:
    """`--environment "Variables={A=1,B=2}"` of the AWS command line."""
    for block in IN_VARIABLES.finditer(text):
        for pair in PAIR.finditer(block[1]):
            number = text.count("\n", 0, block.start(1) + pair.start()) + 1
            yield Setting(pair[1], True, Place(path, number, number))


def services_in(path: str, data: bytes) -> list[Address]:
    """The services of a compose file with their images; None for one that is built."""
    text = data.decode(errors="replace")
    found = loaded(text, yaml.safe_load)
    services = found.get("services") if isinstance(found, dict) else None
    named = services.items() if isinstance(services, dict) else ()
    images = [(str(name), one.get("image")) for name, one in named if isinstance(one, dict)]
    return [
        Address(
            name, image if isinstance(image, str) else None, Place(path, line := line_of(text, image or name), line)
        )
        for name, image in images
    ]


def loaded(text: str, load: Any) -> Any:
    try:
        return load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None


def structured(path: str, text: str, found: Any) -> Iterator[Setting]:
    """The variables of `environment`, `secrets` and `Variables`, as lists of names or as objects."""
    if isinstance(found, list):
        for part in found:
            yield from structured(path, text, part)
    elif isinstance(found, dict):
        for key, part in found.items():
            names = variables_in(part) if key in ("environment", "secrets", "Variables") else []
            for name, filled in names:
                yield Setting(name, filled, Place(path, line := line_of(text, name), line))
            if not names:
                yield from structured(path, text, part)


def variables_in(part: Any) -> list[tuple[str, bool]]:
    if isinstance(part, dict):
        return [
            (str(name), value not in (None, "")) for name, value in part.items() if re.fullmatch(r"[A-Z]\w*", str(name))
        ]
    named = [item for item in part if isinstance(item, dict) and "name" in item] if isinstance(part, list) else []
    plain = [item for item in part if isinstance(item, str) and "=" in item] if isinstance(part, list) else []
    return [(str(item["name"]), bool(item.get("value") or item.get("valueFrom"))) for item in named] + [
        (item.partition("=")[0], bool(item.partition("=")[2])) for item in plain
    ]


def line_of(text: str, name: str) -> int:
    found = re.search(rf"\b{re.escape(str(name))}\b", text)
    return text.count("\n", 0, found.start()) + 1 if found else 0
