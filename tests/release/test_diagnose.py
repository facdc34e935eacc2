"""A good small system is broken in each way that there is: the diagnosis names the true cause first, and no other.

Most of it is looked at in this process, below the flow; what the flow adds (the page, `fix`, its record) is at the end.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import lambda_runtime
from localcloud.certificates import write_self_signed
from localcloud.cloud import Cloud
from tasks.changes import Rollout
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import Diagnosis
from tasks.diagnosing.steps import examine
from tasks.variables import blotter
from tests.release.conftest import FIXTURES, ROOT
from tests.release.faults import FAULTS, HANDLER, ROLE, Undo, alias, permission, policy_without, route, version, without
from tests.release.scene import API, DATABASE, FUNCTION, GOOD, NOTHING, Scene, load_block, standing
from tests.release.test_broken import wait_for
from tests.release.zygote import Zygote

PAIRS = (
    ("no stage", "no permission"),
    ("no permission", "not executable"),
    ("another region", "no response"),
    ("reserved concurrency 0", "exits at start"),
    ("no permission", "denied key"),
    ("no permission", "no right to log"),
)
"""Broken together, in the order in which they have to be found."""


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


@pytest.fixture(scope="module")
def looked(scene: Scene) -> Callable[..., Diagnosis]:
    """A diagnosis in this process, without Prefect. Waiting for the access log is having it written."""
    block = load_block()

    async def flush() -> None:
        lambda_runtime.of(scene.cloud).logs.flush()

    def look(target: str = "") -> Diagnosis:
        rollout = Rollout(block, block.aws(planning=True, besides=("lambda.Invoke",)))
        return examine.fn(
            Look(rollout, target, "", ROOT, blotter(rollout), sleep=lambda seconds: scene.cloud.run(flush()))
        )

    return look


def certain(found: Diagnosis) -> list[str]:
    return [one.cause.key for one in found.having("certain")]


def test_nothing_is_wrong_with_a_good_system(looked: Callable[..., Diagnosis]) -> None:
    found = looked()
    assert found.headline.startswith("Nothing is wrong: 200 in ")
    assert {one.verdict for one in found.judged} == {"ruled out"}
    assert {one.standing for one in found.probed} == {"well"}


@pytest.mark.parametrize("name", FAULTS)
def test_the_true_cause_is_the_only_certain_one(scene: Scene, looked: Callable[..., Diagnosis], name: str) -> None:
    undo = FAULTS[name].breaks(scene)
    try:
        found = looked()
    finally:
        undo()
    assert certain(found) == [FAULTS[name].cause]
    assert found.judged[0].judgement.fixes


LEAKING = re.sub(r"next\(_numbers\) % \d+ == 0", "True", (FIXTURES / "canary" / "leaking.py").read_text())
CONNECTING = LEAKING.replace("_leaked.append(connect(secret()))", "connect(secret()).close()")


@pytest.mark.parametrize(("code", "cause"), [(LEAKING, "leak"), (CONNECTING, "reinitialising")])
def test_what_each_request_does_to_the_database(
    scene: Scene, looked: Callable[..., Diagnosis], code: str, cause: str
) -> None:
    """Requests do well, so it is likely and not certain; the connections are real ones."""
    undo = version(f"{HANDLER}\n{code}")(scene)
    try:
        found = looked()
    finally:
        undo()
    assert [one.cause.key for one in found.having("certain", "likely")] == [cause]
    assert found.judged[0].judgement.evidence[0].startswith("4 requests ")


def test_tls_that_the_database_and_we_do_not_agree_on(scene: Scene, tmp_path: Path) -> None:
    """The certificate is another authority's, and the function fails: that is why, and not its code."""
    if not (scene.cloud.postgres and scene.cloud.postgres.tls):
        pytest.skip("this PostgreSQL has no TLS")
    write_self_signed(tmp_path / "other.pem", tmp_path / "other.key")
    strict = load_block().database.model_copy(update={"sslmode": "verify-full", "ca_bundle": f"{tmp_path}/other.pem"})
    block = load_block().model_copy(update={"database": strict})
    rollout = Rollout(block, block.aws(planning=True, besides=("lambda.Invoke",)))
    undo = FAULTS["an exception"].breaks(scene)
    try:
        found = examine.fn(Look(rollout, "", "", ROOT, blotter(rollout)))
    finally:
        undo()
    assert certain(found) == ["database-tls"]
    assert "certificate verify failed" in found.judged[0].judgement.evidence[0]


def test_once_all_is_mended_nothing_is_wrong(looked: Callable[..., Diagnosis]) -> None:
    found = looked()
    assert found.having("certain", "likely") == []
    assert found.headline.startswith("Nothing is wrong: 200 in ")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_mending_one_cause_brings_out_the_next(
    scene: Scene, looked: Callable[..., Diagnosis], first: str, second: str
) -> None:
    look_at_pair(scene, looked, first, second)


def look_at_pair(scene: Scene, looked: Callable[..., Diagnosis], first: str, second: str) -> None:
    """Both are there: the first comes first, and nothing is certain but these; then the second, alone."""
    undo: list[Undo] = [FAULTS[second].breaks(scene)]
    try:
        undo.append(FAULTS[first].breaks(scene))
        found = certain(looked())
        assert found[:1] == [FAULTS[first].cause], (first, second)
        assert set(found) <= {FAULTS[first].cause, FAULTS[second].cause}, (first, second)
        undo.pop()()
        assert certain(looked()) == [FAULTS[second].cause], (first, second)
    finally:
        for mend in reversed(undo):
            mend()


OUTSIDE = ("stage", "throttle", "target", "permission")
"""Causes before the function; the others can be there together with one of them."""


FIRST = [name for name, fault in FAULTS.items() if fault.cause in OUTSIDE and name != "gone alias"]
SECOND = [name for name, fault in FAULTS.items() if fault.cause not in (*OUTSIDE, "payload", "access-log")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", FIRST)
def test_every_pair_that_can_be_together(
    scene: Scene, looked: Callable[..., Diagnosis], exhaustive: bool, first: str
) -> None:
    if not exhaustive:
        pytest.skip("only with --exhaustive")
    wrong = [told for second in SECOND if (told := misjudged(scene, looked, first, second))]
    assert wrong == []


def misjudged(scene: Scene, looked: Callable[..., Diagnosis], first: str, second: str) -> str:
    """What is wrong with the diagnosis of a pair; all pairs are looked at, whatever one of them says."""
    try:
        look_at_pair(scene, looked, first, second)
    except AssertionError as error:
        return f"{first} + {second}: {str(error).splitlines()[0]}"
    return ""


@pytest.mark.parametrize("fault", ["no permission", "variable not set"])
def test_a_diagnosis_writes_nothing_and_tells_no_secret(scene: Scene, fault: str) -> None:
    undo = FAULTS[fault].breaks(scene)
    try:
        ended = scene.run("diagnose")
        assert (ended.code, set(scene.writes)) == (0, {"lambda.Invoke"})
    finally:
        undo()
    page, causes = scene.artifact("diagnosis-local"), scene.artifact("causes-local")
    assert page.startswith(f"# ✗ {causes[0]['title']}\n")
    assert causes[0]["verdict"] == "certain"
    assert causes[0]["cause"] == FAULTS[fault].cause
    assert scene.last_state() == ("Completed", f"{causes[0]['title']}: {causes[0]['for'].splitlines()[0]}")
    login = (scene.cloud.home / "secrets" / "rds.json").read_text()
    assert json.loads(login)[DATABASE]["password"] not in page + json.dumps(causes)


def test_fix_mends_at_once_what_is_safe(scene: Scene) -> None:
    """Four things that are wrong and can be seen side by side; no part is touched that is well."""
    without("DATABASE_SECRET_ARN")(scene)
    for fault in (policy_without("WriteLogs"), permission, route):
        fault(scene)
    broken = scene.live()
    ended = scene.run("diagnose", fix=True)
    assert ended.code == 0, ended.error
    page = scene.artifact("diagnosis-local")
    assert page.startswith("# ✓ Nothing is wrong: 200 in ")
    assert "- it was: The API has no stage, route or deployment for this request" in page
    assert scene.health().status_code == 200
    mended = {row["what"] for row in scene.changes()}
    assert f"permission of API {API} to invoke" in mended
    assert f"role {ROLE}" in mended
    release = scene.last_release()
    assert (release.status, release.source) == ("succeeded", GOOD)
    assert (release.lambda_version_before, release.lambda_version_after) == (broken, scene.live())
    assert scene.run("rollback").code == 0
    assert scene.live() == broken
    scene.aws("lambda").update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")


def test_a_chain_is_followed_from_run_to_run(scene: Scene) -> None:
    """The alias is gone, and with it the policy on it, which nobody could see before there is an alias again."""
    alias(scene)
    assert scene.run("diagnose", fix=True).code == 0
    assert scene.artifact("causes-local")[0]["cause"] == "permission"
    assert scene.run("diagnose", fix=True).code == 0
    assert scene.artifact("diagnosis-local").startswith("# ✓ Nothing is wrong")


def test_fix_leaves_alone_what_somebody_may_have_meant(scene: Scene) -> None:
    undo = FAULTS["reserved concurrency 0"].breaks(scene)
    try:
        assert scene.run("diagnose", fix=True).code == 0
        assert scene.writes == []  # not even an invocation: Lambda would refuse it
        assert "delete-function-concurrency" in scene.artifact("diagnosis-local")
    finally:
        undo()


def test_without_aws_the_url_is_asked_all_the_same(scene: Scene) -> None:
    url = f"{scene.health().url}"
    block = load_block().model_copy(update={"account_id": "999999999999"})
    rollout = Rollout(block, block.aws(planning=True, besides=("lambda.Invoke",)))
    found = examine.fn(Look(rollout, url, "", ROOT, blotter(rollout)))
    assert found.headline.startswith("Nothing is wrong: 200")
    standing_of = {one.name: one.standing for one in found.probed}
    assert (standing_of["the URL"], standing_of["the function's state"]) == ("well", "unknown")
    assert "these credentials belong to account" in found.probed[0].says
    assert {one.verdict for one in found.judged} == {"unknown", "ruled out"}


def test_a_stopped_database_that_nobody_misses_is_not_certain(scene: Scene, looked: Callable[..., Diagnosis]) -> None:
    rds = scene.aws("rds")
    rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    wait_for(scene, "stopped")
    try:
        found = looked()
    finally:
        rds.start_db_instance(DBInstanceIdentifier=DATABASE)
        wait_for(scene, "available")
    assert [one.cause.key for one in found.having("certain", "likely")] == ["database-stopped"]
    assert found.judged[0].verdict == "likely"


def test_another_function_is_asked_past_any_api(scene: Scene, looked: Callable[..., Diagnosis]) -> None:
    assert looked(f"{FUNCTION}:1").headline.startswith("Nothing is wrong: it answers 200 in ")
    found = looked("nosuch")
    assert certain(found) == ["target"]
    assert found.headline.endswith("there is no nosuch")


def test_a_release_is_asked_by_its_version(scene: Scene, looked: Callable[..., Diagnosis]) -> None:
    found = looked(str(scene.last_release().id)[:8])
    assert found.target.startswith("release ")
    assert found.facts.function.version == scene.last_release().version
    missing = looked("00000000")
    assert "has no release whose id begins with '00000000'" in missing.probed[0].says


def test_a_release_puts_back_what_is_left(scene: Scene) -> None:
    scene.release_good()
    assert scene.plan() == NOTHING


def test_where_nothing_was_released(scene: Scene, looked: Callable[..., Diagnosis]) -> None:
    scene.cloud.reset()
    assert certain(looked()) == ["nothing"]
