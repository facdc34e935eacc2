"""Facts about a repository, each with its place. The facts of one file are plain data and are kept by its content."""

from dataclasses import dataclass, field
from typing import Literal

State = Literal["enabled", "commented out", "not mounted"]
CODE = (".rs", ".py", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")


@dataclass(frozen=True)
class Place:
    """Lines of a file, counted from 1; a whole file has no lines."""

    file: str
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        if not self.first:
            return self.file
        return f"{self.file}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


@dataclass(frozen=True)
class Route:
    """A handler of a router. `router` is the function or variable that holds it; `path` counts from there."""

    router: str
    method: str
    path: str
    handler: str
    place: Place
    disabled: bool = False
    """It is inside a comment."""
    own: str = ""
    """What of the path is the router's own prefix, which a mount may put another in the place of."""


@dataclass(frozen=True)
class Mount:
    """A router inside of another one. `target` is how the code names it: `organizations::routes`, `users.router`."""

    router: str
    prefix: str
    target: str
    place: Place
    disabled: bool = False
    instead: bool = False
    """The prefix stands in the place of the target's own, as Flask has it."""


@dataclass(frozen=True)
class Pool:
    """A connection pool, with the settings that the code gives it."""

    maker: str
    settings: dict[str, str]
    place: Place
    disabled: bool = False


@dataclass(frozen=True)
class Variable:
    """An environment variable that the code reads; without it the program does not start if it is `required`."""

    name: str
    required: bool
    default: str | None
    place: Place


@dataclass(frozen=True)
class Auth:
    """A part of the authentication: what signs and checks tokens (`tokens`), or what guards routes (`guard`)."""

    kind: Literal["tokens", "guard"]
    what: str
    place: Place
    disabled: bool = False


@dataclass(frozen=True)
class Address:
    """Where a frontend says what its API's address is."""

    name: str
    value: str | None
    place: Place

    @property
    def local(self) -> bool:
        return any(host in (self.value or "") for host in ("://localhost", "://127.0.0.1", "://0.0.0.0"))


@dataclass(frozen=True)
class Setting:
    """A file that gives an environment variable a value, or names it (`.env.example`). The value is not kept."""

    name: str
    filled: bool
    place: Place


@dataclass(frozen=True)
class Function:
    """What a function calls, by `name`, `Type::name` or `module::name`. One that `handles` is run for each request."""

    name: str
    calls: list[str]
    place: Place
    handles: bool = False


@dataclass(frozen=True)
class FileFacts:
    """All that one file says. `called` are functions that it calls, by `module::name` or `name`."""

    file: str
    routes: list[Route] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    auth: list[Auth] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    services: list[Address] = field(default_factory=list)
    """What a compose file starts: a service's name and its image."""
    called: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    """Of a file that makes a pool or has what Lambda runs; those of all others would be most of what is kept."""
    constants: dict[str, str] = field(default_factory=dict)
    """Paths with a name, which routers of other files begin with."""
    broken: list[Place] = field(default_factory=list)
    """Where its syntax is not understood."""
    computed: list[Place] = field(default_factory=list)
    """Routes whose path is made when the program runs."""
    foreign: str = ""
    """A framework that it uses, whose routes no reader here knows."""


@dataclass(frozen=True)
class Served:
    """A route as the whole program serves it."""

    method: str
    path: str
    handler: str
    place: Place
    state: State
    why: Place | None = None
    """Where the mount is commented out that would lead to it."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Made:
    """A table, view or enum that a migration makes."""

    kind: Literal["table", "view", "enum"]
    name: str
    place: Place


@dataclass(frozen=True)
class Migrations:
    """A directory of migrations. `problems` name what no runner would apply."""

    folder: str
    files: list[str]
    made: list[Made]
    problems: list[str]
    applied: dict[str, int] | None = None
    """What a scratch database holds after them, by kind; None where none was given."""
    seeds: dict[str, int] = field(default_factory=dict)
    """Rows that they put into each table there."""
    refused: str | None = None
    """Why the scratch database did not take them."""
    untried: str | None = None
    """Why they could not be tried, though a database was given."""


@dataclass(frozen=True)
class Resource:
    """A part of the cloud, of a kind of cloud.py. Nobody could ask where `present` is None."""

    kind: str
    name: str
    present: bool | None
    detail: str
    variables: list[str] = field(default_factory=list)
    """Names of the environment variables that it has."""
    wrong: list[str] = field(default_factory=list)
    """Why it does not work, though it is there."""


@dataclass(frozen=True)
class Built:
    """What came of building it, which is done only when it was asked for."""

    command: str
    ok: bool
    says: str
    output: str
    """The end of what it printed."""
    errors: list[tuple[Place, str]] = field(default_factory=list)
    untried: bool = False
    """It could not be tried here; `says` is why."""


@dataclass(frozen=True)
class Facts:
    """All that is known about a repository."""

    name: str
    files: int
    by_file: dict[str, FileFacts]
    served: list[Served]
    migrations: list[Migrations]
    paths: list[str]
    """All files, also those that no reader reads."""
    unread: list[str]
    """What could not be read, and why."""
    cloud: list[Resource] | None = None
    built: Built | None = None

    @property
    def has_code(self) -> bool:
        """There is a file in a language that is read here."""
        return any(file.endswith(CODE) for file in self.by_file)
