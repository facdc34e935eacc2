"""Broken backends, a broken database, a broken way to the function: each ends clearly, and the good version serves on.

What a check can see ends before the first write. What only running it can show ends before traffic; what shows with
traffic alone is put back. After each the next good release finds nothing that it cannot clean up.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from localcloud import lambda_runtime
from localcloud.cloud import Cloud
from tests.fixtures.packages import BrokenKind, make_broken
from tests.release.conftest import ROOT
from tests.release.scene import API, DATABASE, FUNCTION, GOOD, NOTHING, Scene, another_backend, standing
from tests.release.zygote import Ended, Zygote

REFUSED: dict[BrokenKind, tuple[str, str]] = {
    "not-executable": ("'bootstrap' is not executable", "chmod 0755"),
    "wrong-architecture": ("but the function's architecture is", "build it for"),
    "glibc-too-new": ("needs GLIBC_2.99", "build it for"),
    "missing-library": ("needs libnowhere.so.7", "put it into lib/, or link it statically"),
    "mach-o": ("built for macOS", "build it for"),
    "missing-handler": ("'app.main.handler'", "does not define 'handler'"),
    "missing-variable": ("requires the variable 'NEVER_SET' (missing-variable/miyabi.toml)", "add it to `variables`"),
}
"""By kind: what the error says is wrong, and what it says to do."""


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


@pytest.fixture
def quick_init(cloud: Cloud) -> Iterator[None]:
    """Lambda gives a version ten seconds to start; one is enough to see that it hangs."""
    runtime = lambda_runtime.of(cloud)
    before, runtime.limits = runtime.limits, replace(runtime.limits, init_timeout_s=1.0)
    yield
    runtime.limits = before


def assert_clear(scene: Scene, ended: Ended, *said: str) -> None:
    """It failed, the terminal and Prefect both say why, and the good version serves."""
    assert ended.code == 1
    state, message = scene.last_state()
    assert state == "Failed"
    for text in said:
        assert text in ended.error
        assert text in message
    assert scene.live() == "1"
    assert scene.health().json() == {"status": "ok", "version": "1"}


def assert_recovers(scene: Scene) -> None:
    """The next good release is on the version that always was good."""
    assert scene.release_good() == "1"
    assert scene.last_release().status == "succeeded"


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_check_sees_is_refused_before_the_first_write(scene: Scene, tmp_path: Path, kind: BrokenKind) -> None:
    before = scene.last_release()
    ended = scene.run(source=f"zip:{make_broken(kind, tmp_path)}")
    assert scene.writes == []
    assert_clear(scene, ended, "1 problem", *REFUSED[kind])
    assert scene.last_release() == before


@pytest.mark.usefixtures("quick_init")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("exits-at-start", ("Runtime exited with error: exit status 3", "the database is not configured")),
        ("hangs", ("Task timed out after 1.00 seconds",)),
    ],
)
def test_what_does_not_start_gets_no_traffic(
    scene: Scene, tmp_path: Path, kind: BrokenKind, said: tuple[str, ...]
) -> None:
    ended = scene.run(source=f"zip:{make_broken(kind, tmp_path)}")
    version = scene.versions()[-1]
    assert "lambda.UpdateAlias" not in scene.writes
    assert_clear(scene, ended, f"smoke test of {FUNCTION} version {version}: 1 of 1 failed", *said)
    release = scene.last_release()
    assert (release.status, release.lambda_version_before, release.lambda_version_after) == ("failed", "1", version)
    assert all(text in (release.error or "") for text in said)
    assert_recovers(scene)


def test_a_handler_that_hangs_gets_no_traffic(scene: Scene, tmp_path: Path) -> None:
    slow = "import time\ndef handler(event, context):\n    time.sleep(60)\n"
    with scene.configured(function={"timeout_s": 1}):
        ended = scene.run(source=another_backend(tmp_path, name="slow", handler=slow))
    assert_clear(scene, ended, "GET /api/v1/health: Sandbox.Timedout", "Task timed out after 1.00 seconds")
    assert scene.last_release().status == "failed"
    assert_recovers(scene)


def test_what_fails_with_traffic_is_put_back(scene: Scene, tmp_path: Path) -> None:
    """A budget counts through the public URL alone, so the version passes and the API does not."""
    check = "  - {path: /api/v1/echo, method: POST, budget_ms: 0.001, quick: true}\n"
    late = another_backend(tmp_path, name="late", checks=check)
    ended = scene.run(source=late)
    assert scene.writes.count("lambda.UpdateAlias") == 2
    assert_clear(scene, ended, "POST /api/v1/echo: took", "allowed are 0", "1 of 2 failed")
    release = scene.last_release()
    assert release.status == "rolled_back"
    assert "allowed are 0" in (release.error or "")
    assert release.verdicts == {"GET /api/v1/health": True, "POST /api/v1/echo": False}
    assert_recovers(scene)


def test_without_the_permission_to_invoke_the_smoke_test_says_so_and_a_release_repairs_it(scene: Scene) -> None:
    (api,) = [api for api in scene.aws("apigatewayv2").get_apis()["Items"] if api["Name"] == API]
    scene.aws("lambda").remove_permission(
        FunctionName=FUNCTION, Qualifier="live", StatementId=f"apigateway-{api['ApiId']}"
    )
    assert scene.health().status_code == 500
    ended = scene.run("smoke_test", source=GOOD)
    assert ended.code == 1
    assert scene.writes == []
    for text in ("answered 500 instead of 200", f"permission of API {API} to invoke", "run `release`"):
        assert text in ended.error
        assert text in scene.last_state()[1]
    assert_recovers(scene)
    assert scene.run("smoke_test", source=GOOD).code == 0


def test_a_stopped_database_is_said_at_once(scene: Scene) -> None:
    rds = scene.aws("rds")
    before = scene.last_release()
    rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    wait_for(scene, "stopped")
    ended = scene.run(source=GOOD)
    assert scene.writes == []
    assert_clear(scene, ended, f"database {DATABASE!r} is stopped", "start-db-instance")
    ended = scene.run("migrate")
    assert_clear(scene, ended, "check that PostgreSQL runs there and lets us in")
    rds.start_db_instance(DBInstanceIdentifier=DATABASE)
    wait_for(scene, "available")
    assert scene.last_release() == before
    assert_recovers(scene)


def wait_for(scene: Scene, status: str) -> None:
    for _ in range(200):
        (instance,) = scene.aws("rds").describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
        if instance["DBInstanceStatus"] == status:
            return
    raise AssertionError(f"the database is still {instance['DBInstanceStatus']!r}")


def test_of_a_migration_that_is_wrong_in_its_middle_nothing_is_applied(scene: Scene, tmp_path: Path) -> None:
    for file in (ROOT / "migrations").glob("*.sql"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    bad = "CREATE TABLE first_half (id int);\n\nCREATE TABEL typo (id int);\n\nCREATE TABLE second_half (id int);\n"
    (tmp_path / "99990101000001_bad.sql").write_text(bad)
    (tmp_path / "99990101000002_never.sql").write_text("CREATE TABLE never (id int);\n")
    ended = scene.run("migrate", directory=str(tmp_path))
    assert_clear(
        scene,
        ended,
        "while executing migration 99990101000001",
        'syntax error at or near "TABEL"',
        "99990101000001_bad.sql, line 3: CREATE TABEL typo (id int);",
        "Nothing of it was applied. Mend the file and run again.",
    )
    with scene.database() as database:
        assert tables(database, "first_half", "typo", "second_half", "never") == []
        applied = "SELECT version FROM _sqlx_migrations WHERE version > 99990000000000"
        assert database.execute(applied).fetchall() == []
    assert_recovers(scene)


def tables(database: psycopg.Connection[object], *names: str) -> list[object]:
    return database.execute("SELECT relname FROM pg_class WHERE relname = ANY (%s)", [list(names)]).fetchall()


def test_in_the_end_nothing_is_left_to_do(scene: Scene) -> None:
    assert scene.plan() == NOTHING


@pytest.mark.usefixtures("quick_init")
def test_a_first_release_that_does_not_start_opens_nothing_to_the_world(scene: Scene, tmp_path: Path) -> None:
    scene.cloud.reset()
    ended = scene.run(source=f"zip:{make_broken('exits-at-start', tmp_path)}")
    assert ended.code == 1
    assert "the database is not configured" in ended.error
    assert scene.aws("apigatewayv2").get_apis()["Items"] == []
    assert scene.aws("lambda").list_aliases(FunctionName=FUNCTION)["Aliases"] == []
    release = scene.last_release()
    assert (release.status, release.lambda_version_before, release.lambda_version_after) == ("failed", None, "1")
    assert scene.release_good() == "2"
    assert scene.plan() == NOTHING


def test_an_api_that_was_released_and_is_gone_is_a_failing_one(scene: Scene) -> None:
    (api,) = [api for api in scene.aws("apigatewayv2").get_apis()["Items"] if api["Name"] == API]
    scene.aws("apigatewayv2").delete_api(ApiId=api["ApiId"])
    ended = scene.run("smoke_test")
    assert ended.code == 1
    assert scene.last_state()[0] == "Failed"
    assert "the API is there: environment 'local' has no API; run `release`" in ended.error
    assert scene.release_good()
