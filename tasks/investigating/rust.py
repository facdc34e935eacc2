"""What a Rust file says: axum's routers, sqlx's pools, environment variables, tokens and guards."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from tasks.investigating.code import Code, broken, fragments, parsed, string_of, text, up
from tasks.investigating.model import Auth, FileFacts, Function, Mount, Place, Pool, Route, Variable
from tasks.investigating.rust_chains import Link, arguments, chains_of, unrolled

WANTED = re.compile(
    rb"\.(route|nest|merge|layer|route_layer)\(|Pool|[Jj]wt|(De|En)codingKey|env::var|\benv!|Router::new|fn routes?\("
    rb"|service_fn|\bconst \w+: *&('static )?str *= *\"/"
)
"""A file without any of these is parsed for its syntax and its calls alone."""
CALLS = "(call_expression function: [(scoped_identifier) (identifier)]) @call"
QUERY = """
(call_expression function: (field_expression field: (field_identifier) @method)) @chain
(call_expression function: (scoped_identifier)) @call
(call_expression function: (identifier)) @plain
(macro_invocation) @macro
(use_declaration) @use
(mod_item) @module
(function_item) @function
(const_item value: (string_literal)) @constant
"""
VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "any", "connect", "trace")
ROUTING = ("route", "route_service", "nest", "nest_service", "merge")
DEFAULTS = ("unwrap_or", "unwrap_or_else", "unwrap_or_default", "ok", "is_ok", "or_else", "or", "map_or", "map_or_else")
POOL = re.compile(r"(Pool(Options)?::(new|connect|connect_lazy|builder|connect_with)|Pool::builder)$")
TOKENS = re.compile(r"[Jj]wt\w*::(new|from\w*|encode|decode)$|^(jsonwebtoken::)?(De|En)codingKey::from_\w+$")
GUARD = re.compile(r"auth|jwt|require_(user|login|role)", re.IGNORECASE)


@dataclass
class Found:
    """What is collected from a file and its comments."""

    facts: FileFacts
    imports: dict[str, str] = field(default_factory=dict)

    def path(self, node: Node | None) -> str | None:
        """A literal, or what a constant stands for; of another file's until the files are linked. None: computed."""
        if node is None or node.type not in ("identifier", "scoped_identifier"):
            return string_of(node)
        name = text(node)
        if name in self.facts.constants or not name.rpartition("::")[2].isupper():
            return self.facts.constants.get(name)
        whole = [part for part in self.imports.get(name, name).split("::") if part not in ("crate", "self", "super")]
        return f"«{'.'.join(whole)}»"


def read_rust(file: str, data: bytes) -> FileFacts:
    code = parsed(file, "rust", data)
    found = Found(FileFacts(file, broken=broken(code)))
    if WANTED.search(data):
        read(code, found)
        for fragment in fragments(code, WANTED, wrapped):
            read(fragment, found)
    else:
        seen = code.captures(CALLS)
        found.facts.called.extend(called(node) for node in seen.get("call", []))
    return found.facts


def wrapped(body: bytes) -> tuple[bytes, bytes]:
    """A fragment that begins within a chain gets a head."""
    return (b"fn _c(){_head" if body.startswith(b".") else b"fn _c(){"), b"}"


def read(code: Code, found: Found) -> None:
    seen = code.captures(QUERY)
    if tests := ranges_of_tests(seen.get("module", [])):
        seen = {name: [node for node in nodes if not any(first <= node.start_byte < last for first, last in tests)]
                for name, nodes in seen.items()}  # fmt: skip
    for node in seen.get("use", []):
        found.imports.update(imports_of(text(node)))
    for node in seen.get("constant", []):
        if (value := string_of(node.child_by_field_name("value"))) and value.startswith("/"):
            found.facts.constants[text(node.child_by_field_name("name"))] = value
    for node, base, links in chains_of(seen.get("chain", [])):
        read_chain(code, found, node, base, links)
    for node in seen.get("call", []) + seen.get("plain", []):
        read_call(code, found, node)
    for node in seen.get("macro", []):
        read_macro(code, found, node)
    if not code.disabled and (found.facts.pools or b"service_fn" in (code.root.text or b"")):
        found.facts.functions.extend(
            functions_of(code, seen.get("function", []), seen.get("call", []) + seen.get("plain", []))
        )


def ranges_of_tests(modules: list[Node]) -> list[tuple[int, int]]:
    """The bytes of each `mod tests { … }`: asking every node for its parents takes the cube of a chain's length."""
    return [(one.start_byte, one.end_byte) for one in modules
            if text(one.child_by_field_name("name")) in ("test", "tests")]  # fmt: skip


def imports_of(line: str) -> Iterator[tuple[str, str]]:
    """`use crate::routes::{tasks, users::routes as users};` as the name here and the path it stands for."""
    body = re.sub(r"\s+", " ", line).removeprefix("pub ").removeprefix("use ").rstrip("; ")
    head, brace, rest = body.partition("{")
    for part in rest.rstrip("} ").split(",") if brace else [body]:
        path, _, alias = (head.strip() + part.strip() if brace else part).partition(" as ")
        yield (alias or path.rsplit("::", 1)[-1]).strip(), path.strip()


def read_chain(code: Code, found: Found, node: Node, base: Node, links: list[Link]) -> None:
    methods = {link.method for link in links}
    start = text(base)
    if methods & set(ROUTING) or start == "Router::new()":
        if not within_router(node):
            read_router(code, found, owner(code, node), "", base, links)
    elif base.type == "call_expression" and POOL.search(text(base.child_by_field_name("function"))):
        settings = {link.method: ", ".join(map(text, link.arguments)) for link in links
                    if not link.method.startswith("connect") and link.arguments}  # fmt: skip
        maker = text(base.child_by_field_name("function"))
        found.facts.pools.append(Pool(maker, settings, statement(code, node), code.disabled))


def within_router(node: Node) -> bool:
    """True for a router that is an argument of another one's call: it is read with that."""
    outer = up(node.parent, "arguments")
    call = outer.parent if outer else None
    function = call.child_by_field_name("function") if call else None
    field_name = text(function.child_by_field_name("field")) if function and function.type == "field_expression" else ""
    return field_name in ROUTING


def owner(code: Code, node: Node) -> str:
    """What holds a chain: `function.variable`, or the function whose value it is."""
    at = code.owner or node
    name = ""
    for inner in filter(None, (node, code.owner)):
        let = up(inner, "let_declaration", "assignment_expression", "function_item", "block")
        if let is not None and let.type in ("let_declaration", "assignment_expression") and not name:
            name = text(let.child_by_field_name("pattern") or let.child_by_field_name("left")).removeprefix("mut ")
    function = up(at, "function_item")
    return ".".join(filter(None, [text(function.child_by_field_name("name")) if function else "", name]))


def read_router(
    code: Code, found: Found, router: str, prefix: str, base: Node, links: list[Link], mount: Place | None = None
) -> None:
    """A chain on a router, flat: what it nests in place becomes its own, what it names becomes a mount."""
    if target := named(found, router, base):
        place = mount or code.place(base)
        found.facts.mounts.append(Mount(router, prefix, target, place, code.disabled))
    for link in links:
        place, given = code.place(link.at, link.node), link.arguments
        path = found.path(given[0]) if len(given) == 2 else None
        if link.method in ("route", "nest") and path is None and len(given) == 2 and not code.disabled:
            found.facts.computed.append(place)
        if link.method == "route" and path is not None:
            found.facts.routes.extend(routes_of(router, prefix + path, given[1], place, code.disabled))
        elif link.method in ("nest", "merge") and given:
            inner, more = unrolled(given[-1])
            read_router(code, found, router, joined(prefix, path or ""), inner, more, place)
        elif link.method in ("layer", "route_layer") and given and GUARD.search(text(given[0])):
            what = re.sub(r"\s+", " ", text(given[0]))[:120]
            found.facts.auth.append(Auth("guard", what, place, code.disabled))


def joined(prefix: str, path: str) -> str:
    return prefix.rstrip("/") + path


def named(found: Found, router: str, base: Node) -> str:
    """How a chain's beginning names another router; empty for a new one."""
    if base.type == "identifier" and text(base) != "_head":
        return f"#{router.partition('.')[0]}.{text(base)}"
    function = base.child_by_field_name("function") if base.type == "call_expression" else None
    if function is None or text(function).endswith("Router::new"):
        return ""
    path = re.sub(r"::<.*?>", "", text(function))
    first, _, rest = path.partition("::")
    whole = found.imports.get(first)
    return (whole + ("::" + rest if rest else "")) if whole else path


def routes_of(router: str, path: str, handlers: Node, place: Place, disabled: bool) -> Iterator[Route]:
    """`get(list).post(create)`: a route for each method."""
    base, links = unrolled(handlers)
    calls = [(text(base.child_by_field_name("function")), arguments(base))] if base.type == "call_expression" else []
    for method, given in calls + [(link.method, link.arguments) for link in links]:
        verb = method.rsplit("::", 1)[-1]
        if verb in VERBS:
            yield Route(router, verb.upper(), path, text(given[0]) if given else "", place, disabled)


def statement(code: Code, node: Node) -> Place:
    """The whole statement around an expression."""
    return code.place(up(node, "let_declaration", "expression_statement") or node)


def read_call(code: Code, found: Found, node: Node) -> None:
    path = re.sub(r"\s+", "", text(node.child_by_field_name("function")))
    if not code.disabled:
        found.facts.called.append(called(node))
    if re.search(r"(^|::)env::var(_os)?$|^dotenvy::var$", path) and not code.disabled:
        read_variable(code, found, node)
    elif TOKENS.search(path):
        found.facts.auth.append(Auth("tokens", path, statement(code, node), code.disabled))
    elif POOL.search(path) and not path.endswith(("::new", "::builder")):
        found.facts.pools.append(Pool(path, {}, statement(code, node), code.disabled))


def called(node: Node) -> str:
    """`module::name` of a call, or just the name."""
    return "::".join(text(node.child_by_field_name("function")).split("::")[-2:])


def functions_of(code: Code, functions: list[Node], calls: list[Node]) -> Iterator[Function]:
    """Each function with what it calls. Lambda runs what `service_fn` is given: a function, or a closure."""
    ordered = sorted(calls, key=lambda call: call.start_byte)
    starts = [call.start_byte for call in ordered]
    given = [arguments(call)[:1] for call in ordered if called(call).rpartition("::")[2] == "service_fn"]
    handlers = [one for given_one in given for one in given_one]
    handled = {text(one).rpartition("::")[2] for one in handlers if one.type in ("identifier", "scoped_identifier")}
    for node in [*functions, *(one for one in handlers if one.type == "closure_expression")]:
        inside = ordered[bisect_left(starts, node.start_byte) : bisect_left(starts, node.end_byte)]
        name = method_name(node)
        yield Function(name, [called(one) for one in inside], code.place(node), not name or name in handled)


def method_name(node: Node) -> str:
    """`Type::name` of a method, `name` of a function, nothing of a closure."""
    name = text(node.child_by_field_name("name"))
    above = node.parent.parent if node.parent else None
    kind = above.child_by_field_name("type") if above is not None and above.type == "impl_item" else None
    return f"{text(kind)}::{name}" if kind is not None and name else name


def read_variable(code: Code, found: Found, node: Node) -> None:
    """Required where its absence ends the program: `?`, `expect`, `unwrap`; else there is a default, or code for it."""
    given = arguments(node)
    name = string_of(given[0]) if given else None
    if name is None:
        return
    required, default, at = False, None, node
    while at.parent is not None and at.parent.type in ("field_expression", "call_expression", "try_expression"):
        at = at.parent
        if at.type == "try_expression":
            required = True
            break
        if at.type == "call_expression":
            method = text(at.child_by_field_name("function")).rsplit(".", 1)[-1].strip()
            if method in DEFAULTS:
                found_text = re.search(r'"((?:[^"\\]|\\.)*)"', text(at.child_by_field_name("arguments")))
                default = found_text[1] if found_text else None
                break
            required = required or method in ("expect", "unwrap")
    found.facts.variables.append(Variable(name, required, default, code.place(node)))


def read_macro(code: Code, found: Found, node: Node) -> None:
    """`env!("NAME")` is read when it is built, and the build fails without it."""
    name = re.fullmatch(r'env!\s*\(\s*"(\w+)".*\)', text(node), re.DOTALL)
    if name and not code.disabled:
        found.facts.variables.append(Variable(name[1], True, None, code.place(node)))
