"""What a version leaves behind when it is deleted: nothing, neither unpacked nor saved."""

import hashlib
import os
import time

import pytest

from localcloud import lambda_runtime
from tests.localcloud.lambda_support import NATIVE, QUICKLY, Deployer, zipped


@pytest.fixture
def lab(cloud, aws):
    """A deployer in an empty account. No process of an earlier test is left."""
    made = Deployer(cloud, aws)
    yield made
    made.clear()


def wait_until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_code_of_versions_that_are_gone_goes_and_that_of_running_ones_stays(lab):
    client, code, role = lab.aws("lambda"), lab.cloud.home / "lambda" / "code", lab.role()
    lab.python("def handler(event, context):\n    return 'one'", name="kept", role=role)
    lab.python("def handler(event, context):\n    return 'two'", name="gone", role=role)
    folders = {name: code / lab.cloud.backend("lambda").get_function(name).code_digest for name in ("kept", "gone")}
    assert [lab.invoke(name)["Payload"] for name in folders] == ["one", "two"]
    runtime = lambda_runtime.of(lab.cloud)
    client.delete_function(FunctionName="gone")
    wait_until(lambda: {sandbox.function.name for sandbox in runtime.sandboxes} == {"kept"})
    for folder in folders.values():
        os.utime(folder, (0, 0))
    lab.cloud.loop.call_soon_threadsafe(runtime.tidy)
    wait_until(lambda: not folders["gone"].exists())
    assert folders["kept"].is_dir()


def test_the_saved_code_of_a_deleted_version_goes(lab):
    def saved():
        return {path.name for path in (lab.cloud.home / "aws" / "blobs").iterdir()}

    client = lab.aws("lambda")
    codes = [zipped({"bootstrap": os.urandom(100_000)}) for _ in range(2)]
    lab.function(codes[0], runtime=NATIVE, handler="bootstrap")
    client.publish_version(FunctionName="f")
    client.update_function_code(FunctionName="f", ZipFile=codes[1])
    client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    names = [hashlib.sha256(code).hexdigest() for code in codes]
    wait_until(lambda: saved().issuperset(names))
    client.delete_function(FunctionName="f", Qualifier="1")
    wait_until(lambda: names[0] not in saved())
    assert names[1] in saved()
