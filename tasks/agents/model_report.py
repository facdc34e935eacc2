"""An agent's answer as Markdown, for people: any model, field by field, in the order in which it is defined."""

import json
from typing import Any

from pydantic import BaseModel


def markdown(answer: BaseModel) -> str:
    """Headings for fields, lists for lists; long texts as they are, since they are Markdown themselves."""
    return "\n\n".join(section(name, value) for name, value in answer if value not in ([], None, ""))


def section(name: str, value: Any) -> str:
    return f"## {title(name)}\n\n{body(value)}"


def title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def body(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(f"{number}. {inline(item)}" for number, item in enumerate(value, 1))
    return "\n".join(f"- {line}" for line in lines(value)) if isinstance(value, BaseModel) else plain(value)


def inline(value: Any) -> str:
    """An item of a list: a text, or an object with its first field in bold and the others below."""
    if not isinstance(value, BaseModel):
        return plain(value)
    first, *others = lines(value)
    return "\n".join([f"**{first}**", *(f"   - {line}" for line in others)])


def lines(value: BaseModel) -> list[str]:
    return [f"{title(name)}: {short(inner)}" for name, inner in value if inner not in ([], None, "")]


def short(value: Any) -> str:
    """On one line, however deep it is."""
    if isinstance(value, list):
        return "; ".join(short(item) for item in value)
    if isinstance(value, BaseModel):
        return ", ".join(f"{title(name).lower()} {short(inner)}" for name, inner in value)
    return " ".join(plain(value).split())


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else json.dumps(value)
