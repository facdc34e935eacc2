"""From the routers of single files to what the whole program serves: mounts are followed, across files.

A mount names its target as the language does: `#owner` in the same file, `a::b::name` in Rust, `package.module#name` in
Python, `./module#name` in JavaScript. What only a mount in a comment leads to is as disabled as a route in a comment.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tasks.investigating.model import FileFacts, Mount, Place, Route, Served, State

ASIDE = frozenset({"tests", "test", "__tests__", "benches", "examples", "example", "spec", "e2e", "fixtures"})
"""Folders whose routers no program serves."""
DEEPEST = 12
CONSTANT = re.compile(r"«([\w.]+)»")
Node = tuple[str, str]
T = TypeVar("T", Route, Mount)
"""A file and the router's owner in it."""


def served(files: Iterable[FileFacts]) -> list[Served]:
    """All routes by path, each with whether a request can reach it."""
    return Linker([facts for facts in files if not aside(facts.file)]).served()


def aside(file: str) -> bool:
    return bool(ASIDE & set(posixpath.dirname(file).split("/")))


@dataclass(frozen=True)
class Arrival:
    """How a router was reached: under which prefix, and whether a comment is on the way."""

    prefix: str = ""
    state: State = "enabled"
    why: Place | None = None
    instead: bool = False


class Linker:
    def __init__(self, files: list[FileFacts]) -> None:
        self.files = {facts.file: facts for facts in files}
        self.routes: Mapping[Node, list[Route]] = by_owner((f.file, route) for f in files for route in f.routes)
        self.mounts: Mapping[Node, list[Mount]] = by_owner((f.file, mount) for f in files for mount in f.mounts)
        self.nodes = {*self.routes, *self.mounts}
        self.owners: dict[str, list[str]] = defaultdict(list)
        for file, owner in sorted(self.nodes):
            self.owners[file].append(owner)
        self.modules: dict[str, list[str]] = defaultdict(list)
        for file in self.files:
            self.modules[module_of(file)].append(file)
        self.calls: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for facts in files:
            for call in facts.called:
                where, _, name = call.rpartition("::")
                self.calls[name].append((where, facts.file))
        self.targets = {mount: self.resolve(file, mount) for (file, _), of in self.mounts.items() for mount in of}

    def served(self) -> list[Served]:
        inside = {node for (file, owner), of in self.mounts.items() for mount in of
                  for node in self.targets[mount] if node != (file, owner)}  # fmt: skip
        found: list[Served] = []
        for node in sorted(self.nodes - inside):
            state: State = "enabled" if self.alive(node) else "not mounted"
            found += self.visit(node, Arrival(state=state), ())
        return distinct([replace(route, path=self.without_names(route)) for route in found])

    def without_names(self, route: Served) -> str:
        """A path with what other files' constants stand for; their names, where that cannot be found."""

        def value(named: re.Match[str]) -> str:
            module, _, name = named[1].rpartition(".")
            files = self.files_of(route.place.file, module) if module else list(self.files)
            values = (self.files[file].constants.get(name) for file in files)
            return next(filter(None, values), f"/${name}").removeprefix("/")

        return CONSTANT.sub(value, route.path)

    def visit(self, node: Node, here: Arrival, path: tuple[Node, ...]) -> Iterator[Served]:
        if node in path or len(path) > DEEPEST:
            return
        for route in self.routes.get(node, ()):
            state: State = "commented out" if route.disabled and here.state == "enabled" else here.state
            own = route.path.removeprefix(route.own) if here.instead else route.path
            yield Served(route.method, joined(here.prefix, own), route.handler, route.place, state, here.why)
        for mount in self.mounts.get(node, ()):
            prefix = joined(here.prefix, mount.prefix) if mount.prefix else here.prefix
            there = replace(here, prefix=prefix, instead=mount.instead)
            if mount.disabled and here.state == "enabled":
                there = replace(there, state="commented out", why=mount.place)
            for target in self.targets[mount]:
                yield from self.visit(target, there, (*path, node))

    def resolve(self, file: str, mount: Mount) -> list[Node]:
        """The routers that a mount means: the owner, or all that a function makes and does not use up itself."""
        module, _, name = mount.target.rpartition("#")
        if "#" not in mount.target:
            path = [part for part in mount.target.split("::") if part not in ("crate", "self", "super")]
            module, name = "::".join(path[:-1]), path[-1]
        places = self.files_of(file, module) if module else [file]
        return [node for there in places for node in self.owned(there, name)]

    def owned(self, file: str, name: str) -> list[Node]:
        nodes = [(file, owner) for owner in self.owners.get(file, ()) if owner_is(owner, name)]
        used = {node for of in nodes for mount in self.mounts.get(of, ()) for node in self.local(file, mount)}
        return sorted(node for node in nodes if node not in used or node == (file, name))

    def local(self, file: str, mount: Mount) -> list[Node]:
        owner = mount.target.removeprefix("#")
        return [(file, owner)] if mount.target.startswith("#") and mount.router != owner else []

    def files_of(self, file: str, module: str) -> list[str]:
        """The files that a module's name can mean: those that share most of its path, and of these the nearest."""
        parts = [part for part in re.split(r"::|[./]+", module) if part]
        if not parts:
            return [file]
        kind = posixpath.splitext(file)[1][:3]
        candidates = [there for there in self.modules.get(parts[-1], []) if posixpath.splitext(there)[1][:3] == kind]
        return sorted(candidates, key=lambda there: (shared(parts, module_path(there)), near(file, there)))[-1:]

    def alive(self, node: Node) -> bool:
        """Whether anything runs what holds this router: it is the program's own, or a function that is called."""
        file, owner = node
        function = owner.partition(".")[0]
        if function in ("main", "") or f"#{owner}" in self.files[file].called:
            return True
        crate = file.endswith(("lib.rs", "main.rs"))
        modules = {module_of(file), "self", "Self"}
        for where, there in self.calls.get(function, ()):
            if where in modules or (crate and where) or (not where and (there == file or crate)):
                return True
        return False


def by_owner(items: Iterable[tuple[str, T]]) -> dict[Node, list[T]]:
    found: dict[Node, list[T]] = defaultdict(list)
    for file, item in items:
        found[file, item.router].append(item)
    return dict(found)


def owner_is(owner: str, name: str) -> bool:
    return owner == name or owner.startswith(f"{name}.") or not name


def module_of(file: str) -> str:
    """`routes/tasks.rs` and `routes/tasks/mod.rs` are the module `tasks`."""
    return (module_path(file) or [""])[-1]


def module_path(file: str) -> list[str]:
    parts = posixpath.splitext(file)[0].split("/")
    return parts[:-1] if parts[-1] in ("mod", "__init__", "index") and len(parts) > 1 else parts


def shared(wanted: list[str], path: list[str]) -> int:
    """How many parts of two paths agree, from their ends."""
    count = 0
    for one, other in zip(reversed(wanted), reversed(path), strict=False):
        if one != other:
            break
        count += 1
    return count


def near(file: str, other: str) -> int:
    return len(posixpath.commonprefix([file, other]))


def joined(prefix: str, path: str) -> str:
    return (prefix.rstrip("/") + "/" + path.lstrip("/")).rstrip("/") or "/"


def distinct(routes: list[Served]) -> list[Served]:
    """Each once; a route that is reached is not also unreached."""
    order: dict[State, int] = {"enabled": 0, "commented out": 1, "not mounted": 2}
    found: dict[tuple[str, str, Place], Served] = {}
    for route in sorted(routes, key=lambda route: order[route.state]):
        found.setdefault((route.method, route.path, route.place), route)
    return sorted(found.values(), key=lambda route: (route.path, route.method, route.place.file, route.place.first))
