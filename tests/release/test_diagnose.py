"""A good small system is broken in each way that there is: the diagnosis names the true cause first, and no other."""

import pytest

from localcloud.cloud import Cloud
from tasks.changes import Rollout
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import Diagnosis
from tasks.diagnosing.steps import examine
from tasks.variables import blotter
from tests.release.conftest import ROOT
from tests.release.scene import API, FUNCTION, Scene, load_block, standing
from tests.release.zygote import Zygote


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def looked(target: str = "") -> Diagnosis:
    """A diagnosis in this process, without Prefect."""
    block = load_block()
    rollout = Rollout(block, block.aws(planning=True, besides=("lambda.Invoke",)))
    return examine.fn(Look(rollout, target, "", ROOT, blotter(rollout)))


def certain(found: Diagnosis) -> list[str]:
    return [one.cause.key for one in found.having("certain")]


def test_nothing_is_wrong_with_a_good_system(scene: Scene) -> None:
    found = looked()
    assert found.headline.startswith("Nothing is wrong: 200 in ")
    assert {one.verdict for one in found.judged} == {"ruled out"}
    assert {one.standing for one in found.probed} == {"well"}


def test_without_the_permission_to_invoke(scene: Scene) -> None:
    (api,) = [api for api in scene.aws("apigatewayv2").get_apis()["Items"] if api["Name"] == API]
    sid = f"apigateway-{api['ApiId']}"
    scene.aws("lambda").remove_permission(FunctionName=FUNCTION, Qualifier="live", StatementId=sid)
    assert certain(looked()) == ["permission"]
    scene.release_good()
    assert certain(looked()) == []
