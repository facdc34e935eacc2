"""Runbooks on the embedded cloud: each on a system that is well, then on one with that very trouble."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localcloud.cloud import Cloud
from tasks.changes import Rollout
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import Diagnosis
from tasks.runbooks.runbooks import NAMES, RUNBOOKS
from tasks.runbooks.steps import follow
from tests.release.conftest import ROOT
from tests.release.scene import DATABASE, FUNCTION, Scene, load_block, standing
from tests.release.zygote import Zygote

ELSEWHERE = ("ecs-task", "dynamodb-throttling")
UNWELL = ("tls-refused", "restore-database")
"""Of which a system in good order still has something to say."""
WORSE = ("certain", "likely")


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def followed(name: str, target: str = "", root: Path = ROOT, **database: Any) -> Diagnosis:
    """A runbook in this process, without Prefect; those that make no request may not invoke."""
    block, chosen = load_block(), NAMES[name]
    block = block.model_copy(update={"database": block.database.model_copy(update=database)})
    rollout = Rollout(block, block.aws(planning=True, besides=("lambda.Invoke",) if chosen.requests else ()))
    return follow.fn(chosen, Look(rollout, target, "", root))


def named(found: Diagnosis, *verdicts: Any) -> list[str]:
    return [one.cause.key for one in found.having(*(verdicts or WORSE))]


@pytest.mark.parametrize("name", [one.name for one in RUNBOOKS if one.name not in (*ELSEWHERE, *UNWELL)])
def test_a_system_that_is_well(scene: Scene, name: str) -> None:
    found = followed(name)
    assert named(found) == [], found.headline
    assert {one.standing for one in found.probed} <= {"well", "skipped"}, found.probed


def test_a_system_without_a_proven_backup(scene: Scene) -> None:
    found = followed("restore-database")
    assert named(found) == ["backup-unproven"]
    assert named(found, "possible") == ["data-wrong"]
    assert "of backups there is no dump and no snapshot; none is proven" in found.headline


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_not_here(scene: Scene, name: str) -> None:
    assert followed(name).headline.startswith("no such resource here: the embedded cloud has no ")


def test_starts_are_found_in_the_log(scene: Scene) -> None:
    (starts,) = [one for one in followed("cold-start").probed if one.name == "starts in the log"]
    assert "starts in 24 hours: median" in starts.says
    assert f"of {load_block().function.memory_mb} MB used" in starts.says


def test_a_version_that_rds_has_retired(scene: Scene) -> None:
    found = followed("database-version", engine_version="15.4")
    assert named(found, "possible")[0] == "version-not-offered"
    assert found.judged[0].judgement.against == ("the instance runs 15.15, which a release keeps",)
    found = followed("database-version", engine_version="16.9")
    assert named(found) == ["no-way-up"]
    assert "15.15 can be upgraded to 16." in found.judged[0].judgement.evidence[1]


def test_clients_without_tls(scene: Scene) -> None:
    """The test's server has TLS and demands none; on AWS rds.force_ssl is 1."""
    found = followed("tls-refused")
    (terms,) = [one for one in found.probed if one.name == "TLS and without"]
    assert "rds.force_ssl is 1" in terms.says
    found = followed("tls-refused", sslmode="verify-full", ca_bundle="nowhere.pem")
    assert "authority" in named(found, "certain")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Migrations as the database has them, in a folder of their own."""
    (made := tmp_path / "migrations").mkdir()
    (made / "1_first.sql").write_text("CREATE TABLE runbook_a (id int);\n")
    return tmp_path


@contextmanager
def migrated(scene: Scene, folder: Path) -> Iterator[psycopg.Connection[Any]]:
    """The folder's files applied, in a schema of their own beside the release's."""
    from database import migrations as runner

    with scene.database() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS runbook")
        connection.execute("ALTER ROLE CURRENT_USER SET search_path = runbook")
        connection.execute("SET search_path = runbook")
        try:
            runner.run(connection, runner.load(folder / "migrations"))
            yield connection
        finally:
            connection.execute("ALTER ROLE CURRENT_USER RESET search_path")
            connection.execute("DROP SCHEMA runbook CASCADE")


def test_each_trouble_with_migrations(scene: Scene, folder: Path) -> None:
    files = folder / "migrations"
    with migrated(scene, folder) as connection:
        assert named(followed("migrations", root=folder)) == []
        (files / "2_second.sql").write_text("SELECT 1;\n")
        assert named(followed("migrations", root=folder)) == ["ledger-waiting"]
        (files / "1_first.sql").write_text("CREATE TABLE runbook_b (id int);\n")
        assert named(followed("migrations", root=folder)) == ["ledger-changed"]
        (files / "1_first.sql").rename(folder / "away.sql")
        assert named(followed("migrations", root=folder)) == ["ledger-missing"]
        connection.execute("UPDATE _sqlx_migrations SET success = false")
        assert named(followed("migrations", root=folder))[0] == "ledger-dirty"
        (files / "02_twice.sql").write_text("SELECT 1;\n")
        assert named(followed("migrations", root=folder)) == ["ledger-files"]


def test_who_holds_the_lock_of_migrations(scene: Scene) -> None:
    from database.migration_ledger import locked

    with scene.database() as connection, locked(connection, print):
        found = followed("migrations")
        assert named(found) == ["ledger-held"]
        assert f"process {connection.info.backend_pid} " in found.headline


def test_a_folder_that_is_not_there(scene: Scene) -> None:
    assert "there is no folder 'nowhere'" in str(followed("migrations", "nowhere").probed[-1].says)


def test_a_database_that_is_stopped(scene: Scene) -> None:
    rds = scene.aws("rds")
    rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    try:
        assert named(followed("database-unreachable"))[0] == "database-stopped"
        assert named(followed("migrations"))[0] == "database-stopped"
    finally:
        rds.start_db_instance(DBInstanceIdentifier=DATABASE)
        scene.release_good()


def test_logs_that_cannot_be_written(scene: Scene) -> None:
    role = scene.aws("lambda").get_function_configuration(FunctionName=FUNCTION)["Role"].rpartition("/")[2]
    scene.aws("iam").delete_role_policy(RoleName=role, PolicyName="miyabi-least-privilege")
    assert "log-rights" in named(followed("no-logs"))
    scene.release_good()


def test_the_flow_leaves_the_page_and_refuses_what_is_none(scene: Scene) -> None:
    ended = scene.run("runbook", name="database-version")
    assert ended.code == 0, ended.error
    assert scene.writes == []
    assert scene.artifact("runbook-local").startswith("# ")
    assert {row["cause"] for row in scene.artifact("runbook-causes-local")} == {
        "version-not-offered", "no-way-up", "old-minor",
    }  # fmt: skip
    assert "there is no runbook 'nothing'" in scene.run("runbook", name="nothing").error
    assert "takes no target" in scene.run("runbook", name="cold-start", target="x").error
