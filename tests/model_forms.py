"""The least that a JSON schema allows: what the fake model fills a form in with."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def least(schema: Schema, root: Schema | None = None) -> Any:
    """A value that fits: required fields alone, shortest texts and lists, smallest numbers, first choices."""
    root = schema if root is None else root
    if "$ref" in schema:
        return least(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return least(schema["anyOf"][0], root)
    if "const" in schema:
        return schema["const"]
    return schema["enum"][0] if "enum" in schema else of_type(schema, root)


def of_type(schema: Schema, root: Schema) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: least(properties[name], root) for name in schema.get("required", [])}
        case "array":
            return [least(schema["items"], root)] * schema.get("minItems", 0)
        case "string":
            return "x" * schema.get("minLength", 0)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case _:
            return None
