"""The database on paper: drift, creation, what never changes."""

from typing import Any

import pytest

from tasks.database_settings import SeenDatabase, find_oddities, plan_database, wanted_settings
from tasks.errors import Rejected
from tests.support import make_environment

ENVIRONMENT = make_environment()
WANTED = wanted_settings(ENVIRONMENT, "sg-1", "15.15")


def seen_database(dbname: str = "miyabi", **settings: Any) -> SeenDatabase:
    return SeenDatabase(
        arn="arn",
        status="available",
        address="host",
        port=5432,
        settings={**WANTED, **settings},
        tags=ENVIRONMENT.tags,
        username="miyabi_admin",
        dbname=dbname,
        encrypted=True,
        awaits_restart=False,
    )


@pytest.mark.parametrize(
    ("setting", "actual", "wanted"),
    [
        ("DBInstanceClass", "db.t3.micro", "db.t3.small"),
        ("EngineVersion", "15.9", "15.15"),
        ("AllocatedStorage", 10, "20"),
        ("StorageType", "gp2", "gp3"),
        ("BackupRetentionPeriod", 0, "7"),
        ("PreferredBackupWindow", "01:00-02:00", "03:00-04:00"),
        ("PreferredMaintenanceWindow", "sun:01:00-sun:02:00", "mon:04:00-mon:05:00"),
        ("MultiAZ", True, "False"),
        ("PubliclyAccessible", False, "True"),
        ("DeletionProtection", True, "False"),
        ("CopyTagsToSnapshot", False, "True"),
        ("AutoMinorVersionUpgrade", False, "True"),
        ("VpcSecurityGroupIds", ["sg-1", "sg-9"], "['sg-1']"),
        ("DBParameterGroupName", "default.postgres15", "miyabi-parameters-testing"),
    ],
)
def test_drift_is_one_change(setting: str, actual: Any, wanted: str) -> None:
    (change,) = plan_database(ENVIRONMENT, WANTED, seen_database(**{setting: actual}))
    assert (change.action, change.field, change.after) == ("update", setting, wanted)
    assert ("restarts" in change.why) is (setting in {"DBInstanceClass", "EngineVersion"})


def test_storage_never_shrinks() -> None:
    larger = seen_database(AllocatedStorage=50)
    assert plan_database(ENVIRONMENT, WANTED, larger) == []
    assert "storage only grows" in find_oddities(ENVIRONMENT, larger)[0]


def test_nothing_to_do_and_creation() -> None:
    assert plan_database(ENVIRONMENT, WANTED, seen_database()) == []
    (change,) = plan_database(ENVIRONMENT, WANTED, None, why="15.4 is not offered")
    assert change.after == "15.15, db.t3.small, 20 GB gp3, encrypted"
    assert change.why == "15.4 is not offered"


def test_what_an_instance_cannot_change_is_refused() -> None:
    with pytest.raises(Rejected, match=r"database\.name"):
        plan_database(ENVIRONMENT, WANTED, seen_database(dbname="other"))


def test_mission_s_own_windows_are_the_default() -> None:
    wanted = wanted_settings(make_environment(), "sg-1", "15.15")
    assert (wanted["PreferredBackupWindow"], wanted["PreferredMaintenanceWindow"]) == (
        "03:00-04:00",
        "mon:04:00-mon:05:00",
    )
