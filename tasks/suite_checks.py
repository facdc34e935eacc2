"""What a check of a smoke suite says: the request, as whom, and the answer that it must get (docs/smoke.md)."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""`{execution}` in a path, a header, a body or an expectation. `{8}` in a pattern is none."""
GIVEN = frozenset({"environment", "origin", "run"})
"""What every check may use: the environment's name, an origin that CORS allows, and a word of this run alone."""
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
JsonType = Literal["string", "integer", "number", "boolean", "array", "object", "null"]


class Part(BaseModel):
    """A part of a suite. A misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def placeholders(self) -> frozenset[str]:
        """The names that have to be filled in."""
        return frozenset(PLACEHOLDER.findall(self.model_dump_json(exclude_none=True)))


def compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a pattern: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(compiles)]


class Expectation(Part):
    """What a value must be: everything that is said here holds. In YAML a bare value stands for `equals`."""

    equals: JsonValue = None
    one_of: tuple[JsonValue, ...] = ()
    type: JsonType | None = None
    matches: Pattern | None = None
    contains: JsonValue = None
    """A part of a text, or an element of a list."""
    present: bool | None = None
    length: int | None = Field(None, ge=0)
    min_length: int | None = Field(None, ge=0)
    max_length: int | None = Field(None, ge=0)
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def says_something(self) -> "Expectation":
        if not self.model_fields_set:
            raise ValueError(f"says nothing; use one of {', '.join(type(self).model_fields)}")
        return self


def bare(value: object) -> object:
    """`status: ok` is short for `status: {equals: ok}`."""
    return value if isinstance(value, Mapping | Expectation) else {"equals": value}


Expected = Annotated[Expectation, BeforeValidator(bare)]


def several(value: object) -> object:
    return (value,) if isinstance(value, int) else value


class Condition(Part):
    """Where something is asked. What is not asked stands in the table with the reason."""

    writes: bool = False
    """It leaves something behind, if only for a moment: asked only where the environment allows writes."""
    only: tuple[str, ...] = ()
    """Environments; all of them without it."""
    if_set: str | None = None
    """A variable of the function: asked only where the environment sets it."""
    if_unset: str | None = None


class Question(Condition):
    """What checks have in common. `role` is whom they ask as; nobody without it."""

    name: str = ""
    path: str = Field(pattern="^/")
    role: str | None = None
    budget_ms: float | None = Field(None, gt=0)
    """Longest time through the public URL."""


class Check(Question):
    """One request and the answer it must get."""

    method: Method = "GET"
    headers: dict[str, str] = {}
    body: JsonValue = None
    """Sent as JSON."""
    text: str | None = None
    """Sent as it stands, in place of `body`, as `application/json`."""
    size: int | None = Field(None, ge=0, le=8_000_000)
    """So many bytes are sent, in place of `body`."""
    status: Annotated[tuple[int, ...], BeforeValidator(several)] = (200,)
    fields: dict[str, Expected] = {}
    """Values in the JSON body: `database.status`, `0.id`; `$` is the body itself."""
    response_headers: dict[str, Expected] = {}
    capture: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], str] = {}
    """Name → field, or `header:location`. Later checks use it as `{name}`, in the order of the file."""
    quick: bool = False
    """Also asked of a new version before it has traffic, and right after it got it."""

    @model_validator(mode="after")
    def is_consistent(self) -> "Check":
        if sum(value is not None for value in (self.body, self.text, self.size)) > 1:
            raise ValueError("body, text and size exclude each other")
        if not self.status or not all(100 <= status <= 599 for status in self.status):
            raise ValueError("status has to be from 100 to 599")
        if self.quick and (self.role or self.writes or self.only or self.capture or self.if_set or self.if_unset):
            raise ValueError("a quick check is asked everywhere, of a version alone: it has no role, writes, captures")
        return self

    @property
    def request(self) -> str:
        """`GET /api/v1/health`, `GET /api/v1/repositories as user`."""
        return f"{self.method} {self.path}" + (f" as {self.role}" if self.role else "")

    @property
    def label(self) -> str:
        """The check in a table: the request, and its name if it has one."""
        return f"{self.request} · {self.name}" if self.name else self.request

    @property
    def content(self) -> bytes | None:
        """The request's body."""
        if self.size is not None:
            return b" " * self.size
        if self.text is not None:
            return self.text.encode()
        return json.dumps(self.body).encode() if "body" in self.model_fields_set else None

    @property
    def sent_headers(self) -> dict[str, str]:
        """With names in lower case."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return headers if self.content is None else {"content-type": "application/json", **headers}

    @property
    def uses(self) -> frozenset[str]:
        return self.placeholders() - GIVEN

    def __str__(self) -> str:
        """The name of its task run."""
        return f"{self.request} → {' or '.join(map(str, self.status))}" + (f" · {self.name}" if self.name else "")


class SocketCheck(Question):
    """Open a WebSocket, say something or nothing, and hear the right thing within the budget."""

    budget_ms: float = Field(5000, gt=0)
    send: JsonValue = None
    """A text goes as it is, anything else as JSON."""
    message: Expected | None = None
    """What the text of a message must be: the first that fits counts."""
    fields: dict[str, Expected] = {}
    """Values in its JSON, in place of `message`."""

    @property
    def label(self) -> str:
        return (
            f"WebSocket {self.path}" + (f" as {self.role}" if self.role else "") + (f" · {self.name}" * bool(self.name))
        )

    def __str__(self) -> str:
        return self.label


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """The value with every placeholder in its texts filled in; one that is not known stays."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, BaseModel):
        said = {name: filled(getattr(value, name), values) for name in value.model_fields_set}
        return value.model_copy(update=said)
    if isinstance(value, Mapping):
        return {filled(key, values): filled(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(filled(item, values) for item in value)
    return value


def filled_check(check: Check, values: Mapping[str, str]) -> Check:
    """The check to ask. In a path, values are escaped."""
    escaped = {name: quote(value, safe="") for name, value in values.items()}
    ready: Check = filled(check, values)
    return ready.model_copy(update={"path": filled(check.path, escaped)})
