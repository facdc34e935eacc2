"""Writes the Python client's types and calls from the API's description (deployments/api_types.py, api_calls.py).

    WRITE_CLIENT=1 pytest tests/unit/test_api_calls.py

One TypedDict for each schema, and one method for each operation, with the same name, parameters, body and answer. What
the description does not say the client does not have.
"""

import keyword
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
PREFIX = "/api/v1"
SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
HEAD = '"""{}\n\nWritten by tests/client_writer.py from the API\'s description; a test tells when it is stale.\n"""\n'


def type_of(schema: Schema, module: str = "") -> str:
    """The Python type of what JSON holds. `module` is where the schemas are, with its dot."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return "Any" if name == "JsonValue" else module + name
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(literal(value) for value in values)}]"
    if parts := schema.get("anyOf", schema.get("oneOf")):
        return " | ".join(dict.fromkeys(type_of(part, module) for part in parts))
    match schema.get("type"):
        case "array":
            return f"list[{type_of(schema.get('items', {}), module)}]"
        case "object":
            return (
                f"dict[str, {type_of(schema['additionalProperties'], module)}]" if is_map(schema) else "dict[str, Any]"
            )
        case known:
            return SIMPLE.get(known or "", "Any")


def is_map(schema: Schema) -> bool:
    return isinstance(schema.get("additionalProperties"), dict)


def literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def types(description: Schema) -> str:
    """The module of the schemas."""
    schemas = description["components"]["schemas"]
    parts = [typed_dict(name, schemas[name]) for name in sorted(schemas) if schemas[name].get("type") == "object"]
    head = HEAD.format("What the API takes and answers, as JSON has it.")
    return formatted(head + "\nfrom typing import Any, Literal, NotRequired, TypedDict\n" + "".join(parts))


def typed_dict(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    fields = {
        field: type_of(of) if field in required else f"NotRequired[{type_of(of)}]"
        for field, of in schema.get("properties", {}).items()
    }
    if any(keyword.iskeyword(field) for field in fields):
        pairs = ", ".join(f'"{field}": "{type}"' for field, type in fields.items())
        return f'\n{name} = TypedDict("{name}", {{{pairs}}})\n'
    lines = [f"    {field}: {quoted(type)}" for field, type in fields.items()] or ["    pass"]
    return f"\n\nclass {name}(TypedDict):\n" + "\n".join(lines) + "\n"


def quoted(type: str) -> str:
    """In quotes: another schema may come later in the module. Literals keep their own."""
    return type if "Literal" in type or type in SIMPLE.values() else f'"{type}"'


def calls(description: Schema) -> str:
    """The module of the operations."""
    operations = [
        (path, method, operation)
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if "101" not in operation["responses"]  # a socket is no call
    ]
    methods = "\n".join(method_of(path, verb, operation) for path, verb, operation in operations)
    head = HEAD.format("Every call of the API, as a method with the operation's name.")
    return formatted(f'''# mypy: disable-error-code="no-any-return"
# ruff: noqa: E501
{head}
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from deployments import api_types as t

Given = Mapping[str, Any] | None


class Calls(ABC):
    """The API. Whoever inherits from it makes the calls."""

    @abstractmethod
    def _call(
        self, method: str, path: str, *, body: Any = None, params: Given = None, headers: Given = None,
        signed: bool = True,
    ) -> Any:
        """What the API answers, or where it leads to."""

{methods}''')


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "deployments/written.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def method_of(path: str, verb: str, operation: Schema) -> str:
    parameters = operation.get("parameters", [])
    names = {parameter["name"]: python_name(parameter["name"]) for parameter in parameters}
    arguments, what = [], []
    for parameter in parameters:
        if parameter["in"] == "path":
            arguments.append(f"{names[parameter['name']]}: str")
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        arguments.append(
            f"body: {type_of(schema, 't.')}" if body.get("required") else f"body: {optional(schema)} = None"
        )
        what.append("body=body")
    named = [parameter for parameter in parameters if parameter["in"] != "path"]
    arguments += ["*"] * bool(named)
    arguments += [f"{names[parameter['name']]}: {optional(parameter['schema'])} = None" for parameter in named]
    for place, given in (("query", "params"), ("header", "headers")):
        pairs = [f'"{one["name"]}": {names[one["name"]]}' for one in named if one["in"] == place]
        what += [f"{given}={{{', '.join(pairs)}}}"] * bool(pairs)
    if operation.get("security") is None:
        what.append("signed=False")
    place = url(path)
    said = operation["summary"] if operation["summary"].endswith("?") else f"{operation['summary']}."
    return (
        f"    def {operation['operationId']}({', '.join(['self', *arguments])}) -> {answer_of(operation)}:\n"
        f'        """{said}"""\n'
        f"        return self._call({', '.join([literal(verb.upper()), place, *what])})\n"
    )


def python_name(name: str) -> str:
    return name.replace("-", "_").lower()


def optional(schema: Schema) -> str:
    type = type_of(schema, "t.")
    return type if "None" in type.split(" | ") else f"{type} | None"


def url(path: str) -> str:
    """The path below the prefix, with what a caller gives kept in its place."""
    below = path.removeprefix(PREFIX)
    if "{" not in below:
        return f'"{below}"'
    return 'f"' + below.replace("{", "{quote(").replace("}", ", safe='')}") + '"'


def answer_of(operation: Schema) -> str:
    """The type of a success. None has no body; a redirection answers where to go."""
    found = dict.fromkeys(answers(operation))
    return " | ".join(found) or "str"


def answers(operation: Schema) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = answer.get("content", {})
            yield (
                type_of(content["application/json"].get("schema", {}), "t.")
                if "application/json" in content
                else "None"
            )
