"""Would Python find the handler? Read from the sources, without running them.

Importing the handler here would run unknown code with the deployer's credentials, on an interpreter that is not the
function's. The smoke test of the new version does run it, where it belongs, before any traffic. So this looks at what
the text says: the module is there and parses, the attribute is bound, and the modules that its package imports
unconditionally at the top are in the zip, in the standard library or in the runtime.
"""

import ast
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePosixPath

Read = Callable[[str], bytes]
RUNTIME_MODULES = frozenset(
    {"awslambdaric", "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"}
)
"""What AWS's Python runtimes bring beside the standard library."""


def handler_problems(names: Collection[str], read: Read, handler: str, python: str) -> list[str]:
    """Why `package.module.attribute` cannot be loaded from these files. `python` is the runtime's version, `3.12`."""
    module, _, attribute = handler.replace("/", ".").rpartition(".")
    file = module_file(names, module)
    if file is None:
        return [missing_module(names, handler, module)]
    if not file.endswith(".py"):
        return []  # compiled: nothing to read
    try:
        tree = parse(read(file), file)
    except SyntaxError as error:
        return [f"handler {handler!r}: {file}:{error.lineno} is not Python: {error.msg}"]
    problems = [] if binds(tree, attribute) else [missing_attribute(tree, handler, file, attribute)]
    return problems + missing_imports(names, read, module, python)


def parse(content: bytes, file: str) -> ast.Module:
    """Parse a module; a null byte counts as a syntax error too."""
    try:
        return ast.parse(content, file)
    except ValueError as error:
        raise SyntaxError(str(error)) from error


def module_file(names: Collection[str], module: str) -> str | None:
    """The file of a dotted module, as Python would find it."""
    base = module.replace(".", "/")
    candidates = [f"{base}/__init__.py", f"{base}.py", f"{base}.pyc"]
    compiled = [name for name in names if name.startswith(f"{base}.") and name.endswith(".so")]
    return next((name for name in [*candidates, *compiled] if name in names), None)


def missing_module(names: Collection[str], handler: str, module: str) -> str:
    """Say where it is instead, if it is."""
    wanted = module.replace(".", "/") + ".py"
    for name in sorted(names):
        if name.lower() == wanted.lower():
            return f"handler {handler!r}: Linux distinguishes case, the file is {name!r}, not {wanted!r}"
        if name.endswith(f"/{wanted}"):
            folder = str(PurePosixPath(name.removesuffix(wanted)))
            return f"handler {handler!r}: {wanted!r} must be at the root of the zip, it is in {folder!r}"
    return f"handler {handler!r}: the zip has no {wanted!r}; set `handler` in miyabi.toml"


def missing_attribute(tree: ast.Module, handler: str, file: str, attribute: str) -> str:
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    has = f"it has {', '.join(map(repr, functions))}" if functions else "it defines no function"
    return f"handler {handler!r}: {file} does not define {attribute!r} ({has})"


def binds(tree: ast.Module, attribute: str) -> bool:
    """True if running the module's top level may bind the name; `from x import *` may bind anything."""
    for node in top_level(tree.body, guarded=True):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == attribute:
            return True
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            (alias.asname or alias.name.split(".")[0]) in {attribute, "*"} for alias in node.names
        ):
            return True
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and attribute in stored_names(node):
            return True
    return any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)


def stored_names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def top_level(body: list[ast.stmt], *, guarded: bool) -> Iterator[ast.stmt]:
    """Statements that importing the module runs; with `guarded` also those inside if, try, with and loops."""
    for node in body:
        yield node
        if guarded and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, field, []), guarded=True)
            for part in getattr(node, "handlers", []):
                yield from top_level(part.body, guarded=True)


def missing_imports(names: Collection[str], read: Read, module: str, python: str) -> list[str]:
    """Top-level modules that the handler's own package imports unconditionally and nobody provides."""
    roots = {name.split("/")[0].split(".")[0] for name in names}
    known = roots | RUNTIME_MODULES | sys.stdlib_module_names
    missing: dict[str, str] = {}
    for file, line, imported in own_imports(names, read, module):
        if imported not in known:
            missing.setdefault(imported, f"{file}:{line}")
    return [
        f"{where} imports {name!r}, which is neither in the zip nor in python{python}: add it to the requirements"
        for name, where in missing.items()
    ]


def own_imports(names: Collection[str], read: Read, module: str) -> Iterator[tuple[str, int, str]]:
    """(file, line, top-level module) of each unconditional import, following those into the handler's own package."""
    own, waiting, seen = module.split(".")[0], [module], set()
    while waiting:
        current = waiting.pop()
        file = module_file(names, current)
        if current in seen or file is None or not file.endswith(".py"):
            continue
        seen.add(current)
        waiting += [".".join(current.split(".")[:depth]) for depth in range(1, current.count(".") + 1)]
        for node in parse_or_empty(read(file), file):
            for target in imported_modules(node, current, package=file.endswith("/__init__.py")):
                yield file, node.lineno, target.split(".")[0]
                if target.split(".")[0] == own:
                    waiting.append(target)


def parse_or_empty(content: bytes, file: str) -> list[ast.stmt]:
    """The statements of a module; of one that does not parse none, since another version of Python may be meant."""
    try:
        return parse(content, file).body
    except SyntaxError:
        return []


def imported_modules(node: ast.stmt, current: str, *, package: bool) -> list[str]:
    """The dotted modules that an import statement loads for certain."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level == 0:
        base = node.module or ""
    else:
        parents = current.split(".") if package else current.split(".")[:-1]
        kept = parents[: len(parents) - node.level + 1]
        base = ".".join([*kept, node.module] if node.module else kept)
    return [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
