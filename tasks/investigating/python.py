"""What a Python file says: FastAPI's, Starlette's and Flask's routes, pools, environment variables, tokens."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from tasks.investigating.code import Code, broken, fragments, parsed, string_of, text, up
from tasks.investigating.model import Auth, FileFacts, Function, Mount, Pool, Route, Setting, Variable

WANTED = re.compile(rb"\.(get|post|put|patch|delete|route|api_route|add_\w+|websocket|include_router)\(|env|"
                    rb"\.register_blueprint\(|create_(async_)?engine|[Pp]ool\(|create_pool|connect\(|jwt|APIRouter|FastAPI|Blueprint|Flask|"
                    rb"Depends\(|_required|^[A-Z_]+ *= *['\"]/", re.MULTILINE)  # fmt: skip
QUERY = """
(call) @call
(subscript) @subscript
(pair key: (string) @key)
(import_from_statement) @import
(decorator) @decorator
(module (function_definition) @function)
(module (expression_statement (assignment left: (identifier) right: (string)) @constant))
"""
ADDING = ("add_api_route", "add_url_rule", "add_route")
MANY = ("route", "api_route", *ADDING)
"""Whose methods are an argument."""
VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "websocket")
MAKERS = re.compile(r"(^|\.)(FastAPI|Starlette|Flask|APIRouter|Blueprint)$")
APPS = ("FastAPI", "Starlette", "Flask")
POOL = re.compile(
    r"(^|\.)(create_engine|create_async_engine|create_pool|(Async|Threaded)?ConnectionPool)$"
    r"|^(psycopg2?|asyncpg)(\.(Async)?Connection)?\.connect$|^(Async)?Connection\.connect$"
)
TOKENS = re.compile(r"(^|\.)jwt\.(encode|decode)$|(^|\.)JWTManager$")
GUARD = re.compile(
    r"(Depends|Security)\(\s*[\w.]*(auth|user|caller|principal|token|jwt|bearer)\w*|@[\w.]*(login|jwt|auth|token)_required",
    re.IGNORECASE,
)


NAME = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
"""A key of an object that is called like a variable: what a program is started with."""
HANDLER = re.compile(r"\(\s*event\b[^,]*,\s*_?(context|ctx)\b")


def read_python(file: str, data: bytes) -> FileFacts:
    code = parsed(file, "python", data)
    facts = FileFacts(file, broken=broken(code))
    if WANTED.search(data):
        seen = code.captures(QUERY)
        imports = dict(imported(seen.get("import", []), file))
        facts.constants.update(constants(seen.get("constant", [])))
        prefixes = read(code, facts, imports, {})
        functions = list(functions_of(code, seen.get("function", []), seen.get("call", [])))
        if facts.pools or any(one.handles for one in functions):
            facts.functions.extend(functions)
        for fragment in fragments(
            code, WANTED, lambda body: (b"", b"\ndef _(): ..." if body.startswith(b"@") else b"")
        ):
            read(fragment, facts, imports, prefixes)
    return facts


def read(code: Code, facts: FileFacts, imports: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """Put what the tree says into the facts; gives the prefixes of the routers that it makes."""
    seen = code.captures(QUERY)
    names = names_in(facts, imports)
    prefixes = {**known, **dict(made(node, code, facts, names) for node in seen.get("call", []) if maker(node))}
    for node in seen.get("call", []):
        read_call(code, facts, imports, prefixes, node)
    for node in seen.get("decorator", []):
        if guard := GUARD.match(text(node)):
            facts.auth.append(Auth("guard", guard[0], code.place(node), code.disabled))
    for node in seen.get("subscript", []):
        source = text(node.child_by_field_name("value"))
        if imports.get(source, source) == "os.environ" and not code.disabled:
            name = string_of(node.child_by_field_name("subscript"))
            if name and assigned_to(node):
                facts.settings.append(Setting(name, True, code.place(node)))
            elif name:
                facts.variables.append(Variable(name, True, None, code.place(node)))
    for node in [] if code.disabled else seen.get("key", []):
        if (name := string_of(node)) and NAME.fullmatch(name):
            facts.settings.append(Setting(name, True, code.place(node)))
    return prefixes


def functions_of(code: Code, functions: list[Node], calls: list[Node]) -> Iterator[Function]:
    """The file's functions with what they call. Lambda's own is called with an event and a context."""
    for node in functions:
        inside = [function_of(one) for one in calls if node.start_byte <= one.start_byte < node.end_byte]
        handles = bool(HANDLER.match(text(node.child_by_field_name("parameters"))))
        yield Function(text(node.child_by_field_name("name")), inside, code.place(node), handles)


def assigned_to(node: Node) -> bool:
    assignment = up(node.parent, "assignment")
    return assignment is not None and assignment.child_by_field_name("left") == node


def imported(statements: list[Node], file: str) -> Iterator[tuple[str, str]]:
    """`from app.routers import users as u`: `u` is `app.routers.users`."""
    for node in statements:
        module = text(node.child_by_field_name("module_name"))
        for name in node.children_by_field_name("name"):
            alias = name.child_by_field_name("alias")
            whole = text(name.child_by_field_name("name") if alias else name)
            yield text(alias) if alias else whole, f"{module}.{whole}".replace("..", ".")


def function_of(node: Node) -> str:
    return text(node.child_by_field_name("function"))


def maker(node: Node) -> bool:
    return bool(MAKERS.search(function_of(node))) and up(node.parent, "assignment", "block", "module") is not None


def made(node: Node, code: Code, facts: FileFacts, names: dict[str, str]) -> tuple[str, str]:
    """The variable that holds a new router, and its prefix. An application is alive by itself."""
    name = text(assignment.child_by_field_name("left")) if (assignment := up(node.parent, "assignment")) else ""
    if function_of(node).rpartition(".")[2] in APPS and not code.disabled:
        facts.called.append(f"#{name}")
    return name, prefix_of(keyword(node, "prefix") or keyword(node, "url_prefix"), names)


def constants(assignments: list[Node]) -> Iterator[tuple[str, str]]:
    """A file's paths with a name: `PREFIX = "/api/v1"`."""
    for node in assignments:
        if (value := string_of(node.child_by_field_name("right"))) and value.startswith("/"):
            yield text(node.child_by_field_name("left")), value


def prefix_of(node: Node | None, names: dict[str, str]) -> str:
    """A prefix; a constant of another file stays `«module.NAME»` until the files are linked."""
    if node is not None and node.type == "identifier":
        return names.get(text(node), "")
    found = string_of(node) or ""
    formatted = text(node)[:1] in ("f", "F")
    return re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], name[0]), found) if formatted else found


def keyword(node: Node, name: str) -> Node | None:
    given = node.child_by_field_name("arguments")
    for argument in given.named_children if given else []:
        if argument.type == "keyword_argument" and text(argument.child_by_field_name("name")) == name:
            return argument.child_by_field_name("value")
    return None


def positional(node: Node) -> list[Node]:
    given = node.child_by_field_name("arguments")
    return [one for one in (given.named_children if given else []) if one.type not in ("keyword_argument", "comment")]


def read_call(code: Code, facts: FileFacts, imports: dict[str, str], prefixes: dict[str, str], node: Node) -> None:
    function, given = function_of(node), positional(node)
    owner, _, method = function.rpartition(".")
    if owner in prefixes and method in (*VERBS, *MANY) and given:
        read_route(code, facts, imports, prefixes, node)
    elif method in ("include_router", "register_blueprint") and given:
        read_mount(code, facts, imports, prefixes.get(owner, "").rstrip("/"), node)
    elif function in ("os.getenv", "getenv", "os.environ.get", "environ.get") and given and not code.disabled:
        if name := string_of(given[0]):
            default = string_of(given[1]) if len(given) > 1 else None
            facts.variables.append(Variable(name, False, default, code.place(node)))
    elif POOL.search(function):
        statement = up(node, "assignment", "expression_statement") or node
        facts.pools.append(Pool(function, dict(settings_of(node)), code.place(statement), code.disabled))
    elif TOKENS.search(function):
        facts.auth.append(Auth("tokens", function, code.place(node), code.disabled))
    elif GUARD.match(text(node)):
        facts.auth.append(Auth("guard", text(node)[:80], code.place(node), code.disabled))


def read_mount(code: Code, facts: FileFacts, imports: dict[str, str], before: str, node: Node) -> None:
    """`app.include_router(users.router, prefix="/users")`, also of each in a loop over several."""
    prefix = before + prefix_of(keyword(node, "prefix") or keyword(node, "url_prefix"), names_in(facts, imports))
    owner = function_of(node).rpartition(".")[0]
    instead = keyword(node, "url_prefix") is not None
    for name in each_of(text(positional(node)[0]), node):
        target = target_of(name, imports)
        facts.mounts.append(Mount(owner, prefix, target, code.place(node), code.disabled, instead))


def each_of(name: str, node: Node) -> list[str]:
    """`part.router` in `for part in (users, items):` is `users.router` and `items.router`."""
    first, dot, rest = name.partition(".")
    loop = up(node, "for_statement")
    if loop is None or text(loop.child_by_field_name("left")) != first:
        return [name]
    over = loop.child_by_field_name("right")
    return [text(one) + dot + rest for one in (over.named_children if over else []) if one.type != "comment"]


def settings_of(node: Node) -> Iterator[tuple[str, str]]:
    given = node.child_by_field_name("arguments")
    for one in given.named_children if given else []:
        if one.type == "keyword_argument":
            name = text(one.child_by_field_name("name"))
            yield {"max_size": "max", "pool_size": "max"}.get(name, name), text(one.child_by_field_name("value"))[:80]


def target_of(name: str, imports: dict[str, str]) -> str:
    """`users.router` by what `users` was imported as; a variable of this file is `#name`."""
    first, dot, rest = name.partition(".")
    whole = imports.get(first)
    if whole is None:
        return f"{first}#{rest}" if dot else f"#{name}"
    return f"{whole}#{rest}" if dot else f"{whole.rpartition('.')[0]}#{whole.rpartition('.')[2]}"


def read_route(code: Code, facts: FileFacts, imports: dict[str, str], prefixes: dict[str, str], node: Node) -> None:
    """A route for each method, or that its path is made when the program runs."""
    owner, _, method = function_of(node).rpartition(".")
    handler, first, own = handler_of(node, method), positional(node)[0], prefixes[owner].rstrip("/")
    path = prefix_of(first, names_in(facts, imports))
    if handler is not None and not path and string_of(first) is None:
        facts.computed.append(code.place(node))
    elif handler is not None:
        named = re.findall(r"\w+", text(keyword(node, "methods"))) or ["GET"]
        for verb in named if method in MANY else [method]:
            route = Route(owner, verb.upper(), own + path, handler, code.place(node), code.disabled, own)
            facts.routes.append(route)


def handler_of(node: Node, method: str) -> str | None:
    """The function below `@router.get("/x")`, or the last argument of `app.add_api_route("/x", handler)`."""
    if method in ADDING:
        return text(positional(node)[-1])
    decorated = up(node, "decorated_definition")
    definition = decorated.child_by_field_name("definition") if decorated else None
    return text(definition.child_by_field_name("name")) if definition else None


def names_in(facts: FileFacts, imports: dict[str, str]) -> dict[str, str]:
    """What a name in a path stands for: a constant of this file, or one of another until the files are linked."""
    return {name: f"«{whole}»" for name, whole in imports.items()} | facts.constants
