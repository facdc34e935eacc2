"""What a JavaScript or TypeScript file says: Express's routers, pools, environment variables, tokens."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from tasks.investigating.code import Code, broken, fragments, parsed, string_of, text, up
from tasks.investigating.model import Auth, FileFacts, Mount, Pool, Route, Variable

WANTED = re.compile(
    rb"\.(get|post|put|patch|delete|all|use|route)\(|process\.env|Pool\(|createPool|jwt|Router\(|express\("
)
QUERY = """
(call_expression) @call
(new_expression) @new
(member_expression object: (member_expression) @env property: (property_identifier)) @member
(import_statement) @import
(variable_declarator) @declared
"""
VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "all")
POOL = re.compile(r"^(pg\.|mysql\.)?(Pool|createPool|Sequelize|DataSource|PrismaClient)$")
TOKENS = re.compile(r"^(jwt|jsonwebtoken|jose)\.\w*([vV]erify|[sS]ign)\w*$")
GUARD = re.compile(r"auth|jwt|require(User|Login)", re.IGNORECASE)


def read_javascript(file: str, data: bytes, language: str) -> FileFacts:
    code = parsed(file, language, data)
    facts = FileFacts(file, broken=broken(code))
    if WANTED.search(data):
        seen = code.captures(QUERY)
        imports = {**dict(imported(seen.get("import", []))), **dict(required(seen.get("declared", [])))}
        routers = read(code, facts, imports, set())
        for fragment in fragments(code, WANTED, lambda body: (b"_head" if body.startswith(b".") else b"", b"")):
            read(fragment, facts, imports, routers)
    return facts


def read(code: Code, facts: FileFacts, imports: dict[str, str], known: set[str]) -> set[str]:
    """Put what the tree says into the facts; gives the variables that hold routers."""
    seen = code.captures(QUERY)
    routers = known | {name for node in seen.get("declared", []) if (name := router_in(code, facts, node))}
    for node in seen.get("call", []) + seen.get("new", []):
        read_call(code, facts, imports, routers, node)
    for node in seen.get("member", []):
        if text(node.child_by_field_name("object")) == "process.env" and not code.disabled:
            read_variable(code, facts, node)
    return routers


def imported(statements: list[Node]) -> Iterator[tuple[str, str]]:
    """`import users, { router as r } from "./users"`: each name is that file's."""
    for node in statements:
        source = string_of(node.child_by_field_name("source"))
        for name in re.findall(r"[A-Za-z_$][\w$]*", text(node).rpartition(" from ")[0].removeprefix("import")):
            if source and source.startswith("."):
                yield name, source


def required(declared: list[Node]) -> Iterator[tuple[str, str]]:
    """`const users = require("./users")`."""
    for node in declared:
        value = text(node.child_by_field_name("value"))
        if found := re.match(r"require\(\s*['\"](\.[^'\"]+)['\"]\s*\)", value):
            yield text(node.child_by_field_name("name")), found[1]


def router_in(code: Code, facts: FileFacts, node: Node) -> str | None:
    """The variable of `express()` or `Router()`. An application is alive by itself."""
    name, value = text(node.child_by_field_name("name")), text(node.child_by_field_name("value"))
    if re.match(r"(express|fastify|new Hono)\(", value, re.IGNORECASE):
        if not code.disabled:
            facts.called.append(f"#{name}")
        return name
    return name if re.match(r"(new )?(express\.)?Router\(", value) else None


def arguments(node: Node) -> list[Node]:
    given = node.child_by_field_name("arguments")
    return [one for one in (given.named_children if given else []) if one.type != "comment"]


def read_call(code: Code, facts: FileFacts, imports: dict[str, str], routers: set[str], node: Node) -> None:
    function = text(node.child_by_field_name("function") or node.child_by_field_name("constructor"))
    owner, _, method = function.rpartition(".")
    given = arguments(node)
    path = string_of(given[0]) if given else None
    if owner in routers and method in VERBS and len(given) > 1:
        read_route(code, facts, owner, paths_of(given[0]), node)
        read_guards(code, facts, given[1:-1])
    elif method in VERBS and given and (chained := chained_on(node, routers)):
        read_route(code, facts, *chained, node)
        read_guards(code, facts, given[:-1])
    elif owner in routers and method == "use":
        read_use(code, facts, imports, owner, path or "", given[1:] if path is not None else given, node)
    elif POOL.match(function):
        settings = dict(re.findall(r"(\w+)\s*:\s*(\d+)", text(node.child_by_field_name("arguments"))))
        statement = up(node, "lexical_declaration", "expression_statement") or node
        facts.pools.append(Pool(function, settings, code.place(statement), code.disabled))
    elif TOKENS.match(function):
        facts.auth.append(Auth("tokens", function, code.place(node), code.disabled))


def read_route(code: Code, facts: FileFacts, owner: str, paths: list[str], node: Node) -> None:
    """A route for each path, at the line of the method's name; or that its path is made when the program runs."""
    function = node.child_by_field_name("function")
    method = function.child_by_field_name("property") if function else None
    place, handler = code.place(method or node, node), text(arguments(node)[-1])[:80]
    if not paths:
        facts.computed.append(place)
    for path in paths:
        facts.routes.append(Route(owner, text(method).upper(), path, handler, place, code.disabled))


def paths_of(node: Node) -> list[str]:
    """`"/a"`, or each of `["/a", "/b"]`."""
    found = [string_of(one) for one in (node.named_children if node.type == "array" else [node])]
    return [path for path in found if path is not None]


def chained_on(node: Node, routers: set[str]) -> tuple[str, list[str]] | None:
    """The router and path that `app.route("/a").get(…).post(…)` is about."""
    function = node.child_by_field_name("function")
    while function is not None and function.type == "member_expression":
        before = function.child_by_field_name("object")
        function = before.child_by_field_name("function") if before and before.type == "call_expression" else None
        owner, _, method = text(function).rpartition(".")
        if before is not None and method == "route" and owner in routers and arguments(before):
            return owner, paths_of(arguments(before)[0])
    return None


def read_use(
    code: Code, facts: FileFacts, imports: dict[str, str], owner: str, path: str, given: list[Node], node: Node
) -> None:
    """`app.use("/p", guard, router)`: routers are mounted, what is called like a guard is one."""
    for one in given:
        name = text(one)
        if found := re.match(r"require\(\s*['\"](\.[^'\"]+)['\"]\s*\)", name):
            facts.mounts.append(Mount(owner, path, f"{found[1]}#", code.place(node), code.disabled))
        elif (GUARD.search(name) and one.type != "identifier") or (GUARD.search(name) and name not in imports):
            facts.auth.append(Auth("guard", name[:80], code.place(node), code.disabled))
        elif one.type == "identifier":
            target = f"{imports[name]}#" if name in imports else f"#{name}"
            facts.mounts.append(Mount(owner, path, target, code.place(node), code.disabled))


def read_guards(code: Code, facts: FileFacts, given: list[Node]) -> None:
    for one in given:
        if GUARD.search(text(one)):
            facts.auth.append(Auth("guard", text(one)[:80], code.place(one), code.disabled))


def read_variable(code: Code, facts: FileFacts, node: Node) -> None:
    """Required is `process.env.X!` and `if (!process.env.X) throw …`; `||` and `??` give a default."""
    name, parent = text(node.child_by_field_name("property")), node.parent
    default = None
    if parent is not None and parent.type == "binary_expression":
        default = string_of(parent.child_by_field_name("right"))
    required = parent is not None and (parent.type == "non_null_expression" or ends_without(parent))
    facts.variables.append(Variable(name, required, default, code.place(node)))


def ends_without(parent: Node) -> bool:
    """True for `!process.env.X` as the condition of what ends the program."""
    statement = up(parent, "if_statement") if parent.type == "unary_expression" else None
    ends = statement.child_by_field_name("consequence") if statement else None
    return bool(re.search(r"\bthrow\b|process\.exit", text(ends)))
