"""What each reader finds: routes with their lines, in comments and across files; variables; pools; tokens."""

import time
from pathlib import Path

import pytest

from tasks.investigating.gathering import gather
from tasks.investigating.model import Facts
from tasks.sites.search import hits_in


def facts_of(folder: Path, **files: str) -> Facts:
    """The facts of these files; `__` in a name is a slash and `_DOT_` a dot."""
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return gather(folder, name="it", addresses=hits_in)


def routes(facts: Facts) -> list[str]:
    return [f"{route} {route.place} {route.state}" for route in facts.served]


FASTAPI = """\
import os
from fastapi import Depends, FastAPI
from app.routers import users
from app.routers.items import router as items

app = FastAPI()
app.include_router(users.router, prefix="/api/v1")
app.include_router(items, prefix="/api/v1/items")
# app.include_router(users.router, prefix="/old")


@app.get("/health")
def health():
    environ = {"PATH_INFO": "not a variable"}
    return os.environ["REQUIRED"] + os.getenv("OPTIONAL", "x") + environ["PATH_INFO"]


# @app.post("/off")
# def off(): ...
"""
USERS = """\
from fastapi import APIRouter
router = APIRouter(prefix="/users")

@router.get("/{id}")
def one(id: int): ...
"""
HEALTH = """\
from api.names import PREFIX
router = APIRouter(prefix=PREFIX)
@router.get("/health")
def h(): ...
"""
ITEMS = """\
from fastapi import APIRouter
router = APIRouter()

@router.api_route("/", methods=["GET", "PUT"])
async def several(): ...
"""


def test_fastapi(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path, app__main_DOT_py=FASTAPI, app__routers__users_DOT_py=USERS, app__routers__items_DOT_py=ITEMS
    )
    assert routes(facts) == [
        "GET /api/v1/items app/routers/items.py:4 enabled",
        "PUT /api/v1/items app/routers/items.py:4 enabled",
        "GET /api/v1/users/{id} app/routers/users.py:4 enabled",
        "GET /health app/main.py:12 enabled",
        "POST /off app/main.py:18 commented out",
        "GET /old/users/{id} app/routers/users.py:4 commented out",
    ]
    assert [(one.name, one.required, one.default) for one in facts.by_file["app/main.py"].variables] == [
        ("OPTIONAL", False, "x"), ("REQUIRED", True, None),
    ]  # fmt: skip


SEVERAL = """\
from api import agents, health
BASE = "/base"

def create_app():
    app = FastAPI()
    for part in (health, agents):
        app.include_router(part.router, prefix=BASE)
    return app
"""
AGENTS = """\
from api.names import PREFIX
router = APIRouter(prefix=f"{PREFIX}/agents")
Caller = Annotated[str, Depends(current_caller)]
database = psycopg.connect(dsn, autocommit=True)

@router.get("/{agent}")
def one(agent): ...

@login_required
def page(): ...
"""


def test_routers_in_a_loop_and_prefixes_with_a_name(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path, api__app_DOT_py=SEVERAL, api__names_DOT_py='PREFIX = "/api/v1"\n', api__agents_DOT_py=AGENTS,
        api__health_DOT_py=HEALTH,
    )  # fmt: skip
    assert routes(facts) == [
        "GET /base/api/v1/agents/{agent} api/agents.py:6 enabled",
        "GET /base/api/v1/health api/health.py:3 enabled",
    ]
    agents = facts.by_file["api/agents.py"]
    assert [(one.what, one.place.first) for one in agents.auth] == [
        ("Depends(current_caller)", 3), ("@login_required", 9),
    ]  # fmt: skip
    assert [(pool.maker, pool.settings) for pool in agents.pools] == [("psycopg.connect", {"autocommit": "True"})]


EXPRESS = """\
const express = require('express');
const users = require('./routes/users');
const app = express();
const pool = new Pool({ max: 10, connectionString: process.env.DATABASE_URL });
if (!process.env.JWT_SECRET) throw new Error('JWT_SECRET');
const port = process.env.API_PORT || '3000';

app.get('/health', (req, res) => res.send('ok'));
app.use('/api/users', requireAuth, users);
// app.delete('/off', remove);
/* app.put('/too', change); */
"""
ROUTER = """\
const router = require('express').Router();
const other = express.Router();
other.get('/:id', one).post('/nothing');
other.post('/', create);
module.exports = other;
"""


def test_express(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, server_DOT_js=EXPRESS, routes__users_DOT_js=ROUTER)
    assert routes(facts) == [
        "POST /api/users routes/users.js:4 enabled",
        "GET /api/users/:id routes/users.js:3 enabled",
        "GET /health server.js:8 enabled",
        "DELETE /off server.js:10 commented out",
        "PUT /too server.js:11 commented out",
    ]
    server = facts.by_file["server.js"]
    assert [(one.name, one.required, one.default) for one in server.variables] == [
        ("DATABASE_URL", False, None), ("JWT_SECRET", True, None), ("API_PORT", False, "3000"),
    ]  # fmt: skip
    assert [(pool.settings, pool.place.first) for pool in server.pools] == [({"max": "10"}, 4)]
    assert [(one.kind, one.what) for one in server.auth] == [("guard", "requireAuth")]


@pytest.mark.parametrize(
    ("line", "required", "default"),
    [
        ('env::var("A")?', True, None),
        ('std::env::var("A").expect("A")', True, None),
        ('env::var("A").unwrap_or_else(|_| "b".into())', False, "b"),
        ('env::var("A").ok()', False, None),
        ('env::var("A").map_err(|_| Error)?', True, None),
        ('env!("A")', True, None),
    ],
)
def test_rust_variables(line: str, required: bool, default: str | None, tmp_path: Path) -> None:
    facts = facts_of(tmp_path, a_DOT_rs=f"fn main() {{\n    let a = {line};\n}}\n")
    (found,) = facts.by_file["a.rs"].variables
    assert (found.name, found.required, found.default, found.place.first) == ("A", required, default, 2)


def test_merged_and_nested_in_place(tmp_path: Path) -> None:
    main = """\
fn main() {
    let one = Router::new().route("/a/{id}", get(a).delete(b));
    let app = Router::new()
        .merge(one)
        .nest("/in", Router::new().route("/b", post(c)))
        // turned off: .route("/prose", get(x)) stays prose
        .nest("/v1", v1());
    serve(app);
}
fn v1() -> Router { Router::new().route("/", get(d)) }
"""
    assert routes(facts_of(tmp_path, main_DOT_rs=main)) == [
        "DELETE /a/{id} main.rs:2 enabled", "GET /a/{id} main.rs:2 enabled", "POST /in/b main.rs:5 enabled",
        "GET /v1 main.rs:10 enabled",
    ]  # fmt: skip


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "big.js").write_bytes(b"x" * 2_000_001)
    (tmp_path / "binary.py").write_bytes(b"\0\1\2")
    facts = facts_of(tmp_path, broken_DOT_rs="fn main( {{{ let <<<<<<< HEAD", fine_DOT_py="import os\n")
    assert [line.partition(":")[0] for line in facts.unread] == ["big.js", "binary.py", "broken.rs"]


def test_an_unchanged_tree_is_not_parsed_again(tmp_path: Path) -> None:
    (root := tmp_path / "it").mkdir()
    (root / "a.py").write_text(FASTAPI)
    kept, asked = tmp_path / "facts.json", list[str]()

    def finder(name: str, text: str) -> list[object]:
        asked.append(name)
        return []

    (root / "page.js").write_text("let a;")
    first = gather(root, name="it", addresses=finder, kept=kept)  # type: ignore[arg-type]
    assert gather(root, name="it", addresses=finder, kept=kept) == first  # type: ignore[arg-type]
    assert asked == ["page.js"]
    (root / "page.js").write_text("let b;")
    kept.write_bytes(kept.read_bytes()[:-9])
    gather(root, name="it", addresses=finder, kept=kept)  # type: ignore[arg-type]
    assert asked == ["page.js", "page.js"]


def test_a_router_of_four_hundred_routes_takes_no_half_minute(tmp_path: Path) -> None:
    """Each node was asked for its parents: 400 took 35 s, now 0.1."""
    routes = "".join(f'.route("/{number}/{{id}}", get(a).post(b))\n' for number in range(400))
    tests = 'mod tests { fn main() { Router::new().route("/in-a-test", get(a)); } }'
    began = time.process_time()
    facts = facts_of(tmp_path, main_DOT_rs=f"fn main() {{ let app = Router::new()\n{routes}; }}\n{tests}\n")
    assert time.process_time() - began < 10
    assert (len(facts.served), facts.served[0].place.first) == (800, 2)
