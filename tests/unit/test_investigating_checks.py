"""Each check by itself, on the smallest repository that it can tell something about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from database.investigation_models import Standing
from tasks.investigating.checks import CHECKS, NAMES, check_for
from tasks.investigating.claims import Claim
from tasks.investigating.cloud import observed
from tasks.investigating.gathering import gather
from tasks.investigating.looking import Looked
from tasks.investigating.model import Built, Place, Resource
from tasks.sites.search import hits_in

POOL = 'fn main() { let db = PgPoolOptions::new().max_connections(%s).connect("x"); let a = Router::new()%s; }'
ROUTES = '.route("/users", get(a)).route("/items", get(b))'
JWT = "fn main() { let jwt = JwtManager::new(secret); let a = Router::new()%s; }"
GUARDED = '.route("/a", get(b)).route_layer(from_fn(require_auth))'
USERS = "CREATE TABLE users (id int);\n"
CASES: list[tuple[str, Standing, dict[str, str]]] = [
    ("frontend-address", "absent", {"js/app.js": "const API_BASE = 'http://localhost:3000/api';"}),
    ("frontend-address", "working", {"js/app.js": "const API_BASE = 'https://api.example.com';"}),
    ("frontend-address", "unknown", {"js/app.js": "// const API_BASE = 'http://localhost:3000/api';"}),
    ("database-connection", "working", {"main.rs": POOL % (10, "")}),
    ("database-connection", "absent", {"main.rs": "fn main() {\n// let db = PgPool::connect(&url).await?;\n}"}),
    ("database-connection", "absent", {"main.rs": "fn main() {}"}),
    ("pool-size", "partly", {"main.rs": POOL % (100, ""), "src/bin/lambda.rs": "fn main() {}"}),
    ("pool-size", "working", {"main.rs": POOL % (5, ""), "src/bin/lambda.rs": "fn main() {}"}),
    ("pool-size", "unknown", {"main.rs": "fn main() {}"}),
    ("api-routes", "working", {"main.rs": POOL % (1, ROUTES)}),
    ("api-routes", "partly", {"main.rs": POOL % (1, ROUTES + '\n// .route("/off", get(c))\n')}),
    ("api-routes", "absent", {"main.rs": POOL % (1, '.route("/health", get(h))\n// .route("/off", get(c))\n')}),
    ("api-routes", "unknown", {"main.rs": "fn main() {}"}),
    ("api-routes", "unknown", {"a.py": 'r = APIRouter()\n@r.get("/a")\ndef a(): ...\n'}),
    ("schema", "ready", {"migrations/1_a.sql": USERS}),
    ("schema", "absent", {"a.sql": USERS}),
    ("migrations", "ready", {"migrations/1_a.sql": USERS}),
    ("migrations", "partly", {"migrations/1_a.sql": USERS, "migrations/01_b.sql": USERS}),
    ("migrations", "absent", {"a.sql": USERS}),
    ("jwt-auth", "working", {"main.rs": JWT % GUARDED}),
    ("jwt-auth", "partly", {"main.rs": JWT % '.route("/a", get(b))'}),
    ("jwt-auth", "absent", {"main.rs": "fn main() {\n// let jwt = JwtManager::new(secret);\n}"}),
    ("jwt-auth", "absent", {"main.rs": "fn main() {}"}),
    ("route-syntax", "working", {"main.rs": POOL % (1, '.route("/a/:id", get(b)).route("/b/:id", get(b))')}),
    ("route-syntax", "partly", {"main.rs": POOL % (1, '.route("/a/:id", get(b)).route("/b/{id}", get(b))')}),
    ("route-syntax", "unknown", {"main.rs": "fn main() {}"}),
    ("environment", "unknown", {"a.txt": ""}),
    ("build", "unknown", {"Cargo.toml": "", "main.rs": "fn main() {}"}),
    ("build", "absent", {"main.rs": "fn main() {}"}),
    ("environment", "absent", {"main.rs": 'fn main() { let a = env::var("A")?; }', ".env.example": "A=1"}),
    ("environment", "working", {"main.rs": 'fn main() { let a = env::var("A")?; }', ".env": "A=1"}),
    ("environment", "partly", {"main.rs": 'fn f() { (env::var("A")?, env::var("B")?) }', "x.sh": "export A=1"}),
    ("local-database", "working", {"docker-compose.yml": "services: {db: {image: postgres}}"}),
    ("local-database", "absent", {"a.txt": ""}),
    ("docker", "ready", {"api/Dockerfile": ""}),
    ("docker", "absent", {"a.txt": ""}),
    ("ci", "ready", {".github/workflows/ci.yml": ""}),
    ("ci", "absent", {"workflows/ci.yml": ""}),
    *((name, "unknown", {"a.txt": ""}) for name in NAMES if name.startswith("cloud-")),
]  # fmt: skip


def look(
    check: str, folder: Path, files: dict[str, str], cloud: list[Resource] | None = None, built: Built | None = None
) -> Looked:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    facts = gather(folder, name="it", addresses=hits_in)
    return NAMES[check].look(replace(facts, cloud=cloud, built=built), None)


@pytest.mark.parametrize(("check", "standing", "files"), CASES)
def test_each_check(check: str, standing: Standing, files: dict[str, str], tmp_path: Path) -> None:
    looked = look(check, tmp_path, files)
    assert looked.standing == standing, looked.says
    assert looked.says
    assert bool(looked.problems) <= (standing in ("absent", "partly", "working"))


def test_every_check_has_a_case_for_more_than_one_outcome() -> None:
    outcomes = {name: {standing for check, standing, _ in CASES if check == name} for name in NAMES}
    assert [name for name, found in outcomes.items() if len(found) < 2 and not name.startswith("cloud")] == []
    assert len(NAMES) == len(CHECKS)


PARTS = {
    "cloud-database": ("database",), "cloud-function": ("function", "alias"), "cloud-api": ("API",),
    "cloud-site": ("bucket", "distribution"), "cloud-secrets": ("secret",), "cloud-role": ("role",),
    "cloud-logs": ("log group",), "cloud-network": ("security group",),
}  # fmt: skip


@pytest.mark.parametrize("check", PARTS)
@pytest.mark.parametrize(
    ("present", "wrong", "standing"),
    [(True, [], "working"), (True, ["it hurts"], "partly"), (False, [], "absent"), (None, [], "unknown")],
)
def test_what_aws_answers(
    check: str, present: bool | None, wrong: list[str], standing: Standing, tmp_path: Path
) -> None:
    cloud = [Resource(kind, "miyabi", present, "why", wrong=wrong) for kind in PARTS[check]]
    looked = look(check, tmp_path, {}, cloud)
    assert (looked.standing, bool(looked.problems)) == (standing, standing in ("absent", "partly"))
    assert (wrong or ["miyabi"])[0] in looked.says or present is None


def test_half_a_site_is_partly_there(tmp_path: Path) -> None:
    cloud = [Resource("bucket", "b", True, "there"), Resource("distribution", "d", False, "")]
    looked = look("cloud-site", tmp_path, {}, cloud)
    assert (looked.standing, looked.says) == ("partly", "there is no distribution d")


@pytest.mark.parametrize(("has", "standing"), [(["A", "B"], "working"), (["A"], "partly"), ([], "absent")])
def test_required_variables_against_the_deployed_function_s(has: list[str], standing: Standing, tmp_path: Path) -> None:
    files = {"main.rs": 'fn f() { (env::var("A")?, env::var("B")?) }', ".env": "A=1\nB=1\n"}
    looked = look("cloud-variables", tmp_path, files, [Resource("function", "f", True, "", has)])
    assert looked.standing == standing
    assert "f has " in looked.seen[-1].says


@pytest.mark.parametrize(
    ("built", "standing"),
    [
        (Built("cargo build", True, "builds in 1 s, 0 warnings", "Finished"), "working"),
        (Built("cargo build", False, "1 error", "error", [(Place("a.rs", 2, 2), "error: x")]), "absent"),
        (Built("cargo build", False, "cargo is not here", "", untried=True), "unknown"),
    ],
)
def test_what_a_build_said(built: Built, standing: Standing, tmp_path: Path) -> None:
    looked = look("build", tmp_path, {"Cargo.toml": ""}, built=built)
    assert (looked.standing, looked.says) == (standing, built.says)
    assert standing == "unknown" or looked.seen[0].output == built.output


def test_a_variable_that_the_deployed_function_has_is_set(tmp_path: Path) -> None:
    files = {"main.rs": 'fn main() { let a = env::var("A")?; }'}
    assert look("environment", tmp_path, files, [Resource("function", "f", True, "", ["A"])]).standing == "working"


def test_an_aws_that_does_not_answer_is_an_answer() -> None:
    def away() -> None:
        raise NoCredentialsError

    looks: list[Callable[[], object]] = [away, lambda: None]
    away_one, absent = [observed("database", "miyabi", one) for one in looks]
    assert (away_one.present, absent.present) == (None, False)
    assert "Unable to locate credentials" in away_one.detail


@pytest.mark.parametrize(
    ("subject", "said", "check"),
    [
        ("PostgreSQL Connection", "Disabled", "database-connection"),
        ("Database", "AWS RDS is not provisioned", "cloud-database"),
        ("Dashboard", "API_BASE is hardcoded to localhost", "frontend-address"),
        ("Lambda", "not deployed", "cloud-function"),
        ("CloudFront distribution", "missing", "cloud-site"),
        ("CloudFront Dashboard", "API_BASE is hardcoded", "frontend-address"),
        ("IAM role", "missing", "cloud-role"),
        ("CloudWatch logs", "missing", "cloud-logs"),
        ("Security group", "open to 0.0.0.0/0", "cloud-network"),
        ("Migrations", "missing", "migrations"),
        ("Team tables", "missing", "schema"),
        ("Weather", "it rains", None),
        ("/users/:id", "is commented out", "api-routes"),
        ("/etc/app.conf", "is missing", None),
    ],
)
def test_a_claim_finds_its_check(subject: str, said: str, check: str | None) -> None:
    found = check_for(Claim(subject, said, "bad", 1))
    assert (found.name if found else None) == check


PER_REQUEST = """\
async fn function_handler(event: Request) -> Result<Response<String>, Error> {
    let app = create_app(config()).await?;
    app.oneshot(event).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    %s
}
"""
CREATE_APP = 'pub async fn create_app(c: Config) -> Router {\n    let db = PgPool::connect("x").await;\n}\n'


@pytest.mark.parametrize(
    ("body", "standing"),
    [
        ("run(service_fn(function_handler)).await", "partly"),
        ("run(service_fn(|event| async move { create_app(config()).await })).await", "partly"),
        ("let app = create_app(config()).await; run(service_fn(move |e| app.call(e))).await", "working"),
        ("run(create_app(config()).await).await", "working"),
    ],
)
def test_a_pool_that_each_request_makes_anew(body: str, standing: Standing, tmp_path: Path) -> None:
    """The mission's lambda-api.rs:16-22."""
    looked = look("database-connection", tmp_path, {"bin/lambda.rs": PER_REQUEST % body, "lib.rs": CREATE_APP})
    assert looked.standing == standing, looked.says
    if "function_handler" in body:
        assert looked.says == "enabled, and made anew on each request: function_handler → create_app"
        assert [str(one.place) for one in looked.seen] == ["bin/lambda.rs:1-4", "lib.rs:1-3", "lib.rs:2"]


def test_a_python_handler_that_connects_each_time(tmp_path: Path) -> None:
    inside = "def handler(event, context):\n    with psycopg.connect('x') as db: ...\n"
    outside = "db = psycopg.connect('x')\ndef handler(event, context): ...\n"
    assert look("database-connection", tmp_path, {"a.py": inside}).standing == "partly"
    assert look("database-connection", tmp_path, {"a.py": outside}).standing == "working"
