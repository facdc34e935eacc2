"""What a stranger brings: routes written otherwise, issues written otherwise, repositories that are none."""

import json
import subprocess
from pathlib import Path

import pytest

from database.investigation_models import Evidence, Finding
from deployments.runs import contents
from tasks.investigating.checks import NAMES
from tasks.investigating.claims import claims_in
from tasks.investigating.gathering import gather
from tasks.investigating.investigation import IssueRead, Subject, investigate
from tasks.investigating.leaving import for_machines
from tasks.investigating.report import render
from tasks.investigating.repository import checked_out
from tasks.reports import document
from tasks.sites.search import hits_in
from tests.society import looked_at, now
from tests.unit.test_investigating_readers import facts_of, routes

FLASK = """\
from flask import Flask, Blueprint
bp = Blueprint("bp", __name__, url_prefix="/own")
@bp.route("/one/<int:id>", methods=["GET", "DELETE"])
def one(id): ...
def create_app():
    app = Flask(__name__)
    app.register_blueprint(bp, url_prefix="/over")
    app.add_url_rule("/rule", "rule", one, methods=["PUT"])
    app.add_url_rule(made(), "rule", one)
    return app
"""
EXPRESS = """\
const app = express();
app.route('/chained')
  .get(requireAuth, list)
  .post(create);
app.get(['/a', '/b'], both);
app.get(made(), one);
app.get('setting');
"""
RUST = """\
use crate::names::{BASE, LATE};
const HERE: &str = "/here";
fn main() {
    let app = Router::new()
        .nest(BASE, Router::new().route("/a", get(a)))
        .nest(LATE, Router::new().route("/c", get(a)))
        .route(HERE, get(b))
        .route(&format!("/{name}"), get(b))
        .route(concat!("/b", "c"), get(b));
}
"""


def test_a_blueprint_s_prefix_is_replaced_by_the_mount_s(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, app_DOT_py=FLASK)
    assert routes(facts) == [
        "DELETE /over/one/<int:id> app.py:3 enabled",
        "GET /over/one/<int:id> app.py:3 enabled",
        "PUT /rule app.py:8 enabled",
    ]
    assert facts.unread == ["routes whose path is made when the program runs: app.py:9"]


def test_fastapi_routes_that_are_added(tmp_path: Path) -> None:
    text = 'P = "/p"\napp = FastAPI()\napp.add_api_route("/a", one, methods=["PUT"])\n@app.get(P)\ndef b(): ...\n'
    assert routes(facts_of(tmp_path, a_DOT_py=text)) == ["PUT /a a.py:3 enabled", "GET /p a.py:4 enabled"]


def test_express_routes_in_chains_and_lists(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, a_DOT_js=EXPRESS)
    assert routes(facts) == [
        "GET /a a.js:5 enabled", "GET /b a.js:5 enabled", "GET /chained a.js:3 enabled", "POST /chained a.js:4 enabled",
    ]  # fmt: skip
    assert [(one.what, one.place.first) for one in facts.by_file["a.js"].auth] == [("requireAuth", 3)]
    assert facts.unread == ["routes whose path is made when the program runs: a.js:6"]


def test_axum_paths_with_a_name(tmp_path: Path) -> None:
    """One that stands nowhere keeps its name; one that is made is not passed over in silence."""
    facts = facts_of(tmp_path, src__main_DOT_rs=RUST, src__names_DOT_rs='pub const BASE: &str = "/base";\n')
    assert routes(facts) == [
        "GET /$LATE/c src/main.rs:6 enabled", "GET /base/a src/main.rs:5 enabled", "GET /here src/main.rs:7 enabled",
    ]  # fmt: skip
    assert facts.unread == ["routes whose path is made when the program runs: src/main.rs:8, src/main.rs:9"]


def test_routes_of_other_frameworks_are_not_taken_for_axum_s(tmp_path: Path) -> None:
    actix = 'use actix_web::web;\nfn main() { App::new().service(web::scope("/a").route("/in", web::get().to(b))); }'
    facts = facts_of(tmp_path, main_DOT_rs=actix, urls_DOT_py="from django.urls import path\n")
    assert (routes(facts), facts.unread) == ([], ["routes of actix_web: main.rs", "routes of django.urls: urls.py"])


SHOP = """\
fn main() {
    let app = Router::new()
        .route("/users/{id}", get(a).delete(b))
        // .route("/teams", get(c))
        .route_layer(from_fn(require_auth));
}
"""


@pytest.mark.parametrize(
    ("point", "verdict", "actual"),
    [
        ("`/teams` is commented out", "confirmed", "commented out: GET /teams"),
        ("`DELETE /users/:id` is disabled", "outdated", "enabled: DELETE /users/{id}"),
        ("`GET /users/1/parts` is missing", "confirmed", "no route GET /users/1/parts is in the code"),
        ("`/users/:id` and `/teams` are commented out", "partly", "enabled: DELETE /users/{id}, GET /users/{id}; "),
        ("`GET /teams` returns 404", "confirmed", "commented out: GET /teams"),
        ("`/users/{id}` returns 500.", "unknown", "DELETE /users/{id}, GET /users/{id}: enabled in the code; what"),
        ("All routes under `/users/*` are commented out", "outdated", "enabled: "),
        ("JWT works", "partly", "routes are guarded; what signs and checks the tokens was not found"),
        ("組織スキーマ: 未実装", "confirmed", "no migration makes a table for organization"),
        ("Table teams does not exist", "confirmed", "no migration makes a table for team"),
        ("Table users does not exist", "outdated", "migrations make users"),
        ("データベース接続は設定されていない", "confirmed", "no connection pool is made anywhere"),
        ("No CI.", "confirmed", "there is no CI file"),
        ("There is a Dockerfile", "outdated", "there is no Dockerfile"),
    ],
)
def test_claims_as_others_write_them(point: str, verdict: str, actual: str, tmp_path: Path) -> None:
    (tmp_path / "main.rs").write_text(SHOP)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_a.sql").write_text("CREATE TABLE users (id int);")
    told = IssueRead("t", f"- {point}\n", "issue.md")
    (claim,) = investigate(Subject(tmp_path, "it"), told, addresses=hits_in).claims
    assert (claim.verdict, claim.actual[: len(actual)]) == (verdict, actual)


TABLES = """\
| What | Expected | Observed |
|---|---|---|
| Table users | exists | missing |

| # | Feature | Done? |
|---|---|---|
| 1 | JWT | no |
| 2 | Teams table | yes |

| Part | Broken? |
|---|---|
| Docker | no |

| Part | Works |
|---|---|
| CI | ✗ |

```
- routes are commented out
```
<!-- - routes
- routes are disabled -->
- the moon is made of cheese
"""


def test_columns_marks_and_what_is_no_claim(tmp_path: Path) -> None:
    assert [(claim.subject, claim.asserts, claim.line) for claim in claims_in(TABLES)] == [
        ("Table users", "bad", 3), ("JWT", "bad", 7), ("Teams table", "good", 8), ("Docker", "good", 12),
        ("CI", "bad", 16),
    ]  # fmt: skip
    found = investigate(Subject(tmp_path, "it"), IssueRead("t", TABLES, "i.md"), addresses=hits_in)
    assert found.not_checked[0].endswith("assert nothing which can be told: line 23 “the moon is made of cheese”")


def test_an_empty_repository_is_not_judged_as_a_backend(tmp_path: Path) -> None:
    found = looked_at(tmp_path, None)
    standing = {one.check: one.standing for one in found.findings}
    assert (standing["database-connection"], standing["jwt-auth"]) == ("unknown", "unknown")
    assert found.problems == []


@pytest.mark.parametrize(
    ("text", "standing", "says"),
    [
        ("services:\n  cache:\n    image: redis:7\n", "absent", "no compose file starts PostgreSQL"),
        ("services:\n  db:\n    image: postgres:16\n", "working", "compose.yml starts postgres:16"),
        ("services: [", "unknown", "no service can be read from the compose files"),
    ],
)
def test_a_compose_file_is_read(text: str, standing: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(text)
    looked = NAMES["local-database"].look(gather(tmp_path, name="it", addresses=hits_in), None)
    assert (looked.standing, looked.says) == (standing, says)


def test_strange_names_and_empty_migrations_are_named(tmp_path: Path) -> None:
    for name in (b"na\xffme.rs", b"new\nline.rs"):
        (Path(str(tmp_path).encode().decode()) / name.decode(errors="surrogateescape")).write_text("fn main() {}")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_empty.sql").write_text("")
    found = looked_at(tmp_path, None)
    assert [line for line in found.not_checked if "cannot be written down" in line] == [
        "'na\\udcffme.rs': its name cannot be written down", "'new\\nline.rs': its name cannot be written down",
    ]  # fmt: skip
    assert render(found).encode()
    assert "whether the migrations of migrations apply: MIYABI_SCRATCH_DATABASE is not set" in found.not_checked


def test_a_bare_repository_and_a_part_of_one(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(tmp_path / "shop")]
    (tmp_path / "shop" / "part").mkdir(parents=True)
    (tmp_path / "shop" / "part" / "a.py").write_text("")
    (tmp_path / "shop" / "part" / "made.py").write_text("")
    (tmp_path / "shop" / ".gitignore").write_text("made.py\n")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-qm", "one"],
        ["clone", "-q", "--bare", ".", "../b.git"],
    ):
        subprocess.run([*git, *command], check=True, capture_output=True)
    with checked_out(str(tmp_path / "b.git")) as subject:
        assert (subject.name, (subject.folder / "part" / "a.py").exists()) == ("b", True)
        whole = subject.commit
    with checked_out(str(tmp_path / "shop" / "part")) as subject:
        assert subject.commit == whole
        assert gather(subject.folder, name="part", addresses=hits_in).paths == ["a.py"]
    with checked_out(str(tmp_path / "shop"), "HEAD~0") as subject:
        assert subject.commit == whole


def test_what_nobody_could_look_at_is_one_line_of_the_report(tmp_path: Path) -> None:
    page = render(looked_at(now(tmp_path), None))
    assert page.count("no environment was given") == 4  # discoveries, details, risks, not checked
    assert "### 14. Database in the cloud, Function in the cloud, " in page


def test_machines_get_the_whole_report(tmp_path: Path) -> None:
    found = looked_at(now(tmp_path))
    answer = contents({"type": "table", "data": json.dumps(document(for_machines(found)))})
    assert answer["claims"][0]["evidence"][0]["place"] == "crates/miyabi-web-api/src/lib.rs:30-37"
    assert {"findings", "problems", "phases", "components", "not_checked", "routes", "headline"} <= set(answer)
    assert [one["impact"] for one in answer["problems"]][:2] == ["critical", "high"]


def test_a_report_that_is_too_long_for_an_artifact_says_what_it_leaves_out(tmp_path: Path) -> None:
    seen = [Evidence(place=f"a.rs:{line}", says="x", excerpt="y" * 200) for line in range(9)]
    one = Finding(check="c", title="t", component="Backend", standing="working", says="s", evidence=seen)
    found = looked_at(tmp_path, None).model_copy(update={"findings": [one]})
    assert len(json.loads(for_machines(found))["findings"][0]["evidence"][0]["excerpt"]) == 200
    shorter = json.loads(for_machines(found, len(for_machines(found)) - 900))
    assert {piece["excerpt"] for piece in shorter["findings"][0]["evidence"]} == {""}
    assert shorter["not_checked"][-1].startswith("excerpts are not in this answer")
    shortest = json.loads(for_machines(found, 10))
    assert len(shortest["findings"][0]["evidence"]) == 3
