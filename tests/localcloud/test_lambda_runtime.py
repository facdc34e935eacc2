"""Functions as real processes: exactly the zip, their environment, reuse, concurrency, weights, their end."""

import concurrent.futures
import os
import re
import sys
import time

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud import lambda_runtime
from tests.localcloud.lambda_support import PYTHON, QUICKLY, Deployer, limited, zipped


@pytest.fixture
def lab(cloud, aws):
    """A deployer in an empty account. No process of an earlier test is left."""
    made = Deployer(cloud, aws)
    yield made
    made.clear()


# --- what runs ----------------------------------------------------------------------------------------------------


def test_the_uploaded_zip_runs_and_its_process_is_reused(lab):
    lab.native()
    first, second = (lab.invoke(event={"n": n})["Payload"] for n in (1, 2))
    assert first["event"] == {"n": 1}
    assert first["pid"] == second["pid"]
    digest = lab.cloud.backend("lambda").get_function("f").code_digest
    assert first["folder"] == str(lab.cloud.home / "lambda" / "code" / digest)


def test_a_python_function_runs_on_awslambdaric(lab):
    lab.python(
        "def handler(event, context):\n"
        "    return [event, context.function_name, context.function_version, context.memory_limit_in_mb,\n"
        "            context.invoked_function_arn, context.get_remaining_time_in_millis() > 8000]",
        MemorySize=192,
    )
    arn = "arn:aws:lambda:us-east-1:211234825975:function:f"
    assert lab.invoke(event={"a": 1})["Payload"] == [{"a": 1}, "f", "$LATEST", "192", arn, True]


def test_each_version_keeps_its_own_code(lab):
    client = lab.aws("lambda")
    lab.python("def handler(event, context):\n    return 'one'")
    client.publish_version(FunctionName="f")
    assert lab.invoke()["Payload"] == "one"
    client.update_function_code(FunctionName="f", ZipFile=zipped({"app.py": "def handler(e, c):\n    return 'two'"}))
    client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    assert lab.invoke()["Payload"] == "two"
    old = lab.invoke(Qualifier="1")
    assert (old["Payload"], old["ExecutedVersion"]) == ("one", "1")


def test_a_changed_variable_reaches_the_next_request(lab):
    lab.python(
        "import os\ndef handler(e, c):\n    return os.environ.get('COLOUR')",
        Environment={"Variables": {"COLOUR": "red"}},
    )
    assert lab.invoke()["Payload"] == "red"
    lab.aws("lambda").update_function_configuration(FunctionName="f", Environment={"Variables": {"COLOUR": "blue"}})
    lab.aws("lambda").get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    assert lab.invoke()["Payload"] == "blue"


def test_the_environment_is_lambdas_and_nothing_of_this_machine(lab):
    lab.native(Environment={"Variables": {"MINE": "yes", "TZ": "Asia/Tokyo"}})
    seen = lab.invoke(event={"do": "environment"})["Payload"]
    assert (seen["MINE"], seen["TZ"]) == ("yes", "Asia/Tokyo")
    assert seen["AWS_REGION"] == "us-east-1"
    assert seen["AWS_ENDPOINT_URL"] == lab.cloud.aws_endpoint
    assert re.fullmatch(r"127\.0\.0\.1:\d+", seen["AWS_LAMBDA_RUNTIME_API"])
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert (
        not (set(seen) & set(os.environ))
        - {"PATH", "LANG", "TZ", "LC_CTYPE"}
        - {n for n in seen if n.startswith("AWS_")}
    )
    assert seen["PATH"] == "/usr/local/bin:/usr/bin:/bin:/opt/bin"


def test_a_python_function_sees_its_own_packages_and_lambdas_only(lab):
    lab.python(
        "import importlib.util, sys\n"
        "def handler(event, context):\n"
        "    return {name: importlib.util.find_spec(name) is not None for name in event}, sys.path[0]"
    )
    names = ["boto3", "botocore", "awslambdaric", "prefect", "fastapi", "moto", "pytest", "app"]
    found, first = lab.invoke(event=names)["Payload"]
    assert [name for name in names if found[name]] == ["boto3", "botocore", "awslambdaric", "app"]
    assert "/lambda/code/" in first


def test_a_function_reaches_the_embedded_cloud_with_boto3(lab):
    lab.python(
        "import boto3\ndef handler(e, c):\n    return boto3.client('sts').get_caller_identity()['Account']", Timeout=30
    )
    assert lab.invoke()["Payload"] == "211234825975"


def test_the_runtime_headers_are_lambdas(lab):
    lab.native()
    seen = lab.invoke(event={"do": "headers"})["Payload"]
    assert seen["Lambda-Runtime-Invoked-Function-Arn"] == "arn:aws:lambda:us-east-1:211234825975:function:f"
    assert 8_000 < int(seen["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000 < 11_000
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", seen["Lambda-Runtime-Trace-Id"]
    )


# --- concurrency --------------------------------------------------------------------------------------------------


def test_concurrent_requests_get_processes_of_their_own(lab):
    lab.native(Timeout=20)
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        event = {"do": "sleep", "seconds": 1.5}
        answers = list(threads.map(lambda n: lab.invoke(event={**event, "n": n})["Payload"], range(6)))
    assert len({answer["pid"] for answer in answers}) == 6
    assert [answer["event"]["n"] for answer in answers] == list(range(6))


def test_requests_that_compute_share_two_processes_for_each_core(lab):
    lab.python(
        "import os, time\ndef handler(e, c):\n    end = time.process_time() + 0.15\n"
        "    while time.process_time() < end:\n        pass\n    return os.getpid()",
        Timeout=60,
    )
    most = lambda_runtime.of(lab.cloud).limits.eager_processes
    with concurrent.futures.ThreadPoolExecutor(most + 4) as threads:
        pids = set(threads.map(lambda n: lab.invoke()["Payload"], range(most + 4)))
    assert len(pids) <= most


def test_beyond_the_reserved_concurrency_is_throttled(lab):
    lab.native()
    lab.aws("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        slow = threads.submit(lab.invoke, event={"do": "sleep", "seconds": 1})
        time.sleep(0.5)
        with pytest.raises(ClientError) as caught:
            lab.invoke()
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        slow.result()
    assert lab.invoke()["StatusCode"] == 200


def test_a_reserved_concurrency_of_zero_switches_the_function_off(lab):
    lab.native()
    lab.aws("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        lab.invoke()


def test_an_alias_shares_the_traffic_by_its_weights(lab):
    client = lab.aws("lambda")
    lab.native()
    client.publish_version(FunctionName="f")
    client.update_function_configuration(FunctionName="f", MemorySize=256)
    client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    client.publish_version(FunctionName="f")
    weights = {"AdditionalVersionWeights": {"2": 0.25}}
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=weights)
    versions = [lab.invoke(Qualifier="live")["ExecutedVersion"] for _ in range(300)]
    assert 40 <= versions.count("2") <= 115  # 75 expected, six standard deviations on either side
    client.update_alias(
        FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert {lab.invoke(Qualifier="live")["ExecutedVersion"] for _ in range(20)} == {"2"}


# --- ends ---------------------------------------------------------------------------------------------------------


def test_deleting_a_function_ends_its_processes(lab):
    lab.native()
    pid = lab.invoke()["Payload"]["pid"]
    lab.aws("lambda").delete_function(FunctionName="f")
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_without_work_is_ended(lab):
    lab.native()
    with limited(lab.cloud, idle_s=0.2):
        pid = lab.invoke()["Payload"]["pid"]
        deadline = time.monotonic() + 5
        while psutil.pid_exists(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert lab.invoke()["Payload"]["pid"] != pid


def test_python_is_the_one_asked_for(lab):
    lab.python("import sys\ndef handler(e, c):\n    return sys.version_info[:2]", runtime=PYTHON)
    assert lab.invoke()["Payload"] == list(sys.version_info[:2])
