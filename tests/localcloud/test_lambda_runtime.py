"""Functions as real processes: exactly the zip, reuse, concurrency, limits, errors in AWS's words, logs."""

import base64
import concurrent.futures
import json
import os
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud import lambda_runtime
from localcloud.lambda_python import NoInterpreter, interpreter
from tests.localcloud.lambda_support import NATIVE, PYTHON, QUICKLY, Deployer, zipped

BOOTSTRAP = (Path(__file__).parents[1] / "fixtures" / "functions" / "bootstrap.py").read_text()
SHEBANG = f"#!{sys.executable} -I\n"
NATIVE_ZIP = zipped({"bootstrap": SHEBANG + BOOTSTRAP.split("\n", 1)[1]})
PID = "import os\ndef handler(event, context):\n    return os.getpid()"


@pytest.fixture
def lab(cloud, aws):
    """A deployer in an empty account. No process of an earlier test is left."""
    made = Deployer(cloud, aws)
    yield made
    made.clear()


@pytest.fixture
def limits(cloud):
    """Change the runtime's limits for one test: `limits(init_timeout_s=1)`."""
    runtime = lambda_runtime.of(cloud)
    before = runtime.limits

    def change(**values):
        runtime.limits = replace(runtime.limits, **values)

    yield change
    runtime.limits = before


def native(lab, **settings):
    return lab.function(NATIVE_ZIP, runtime=NATIVE, **settings)


def failure(answer):
    assert answer["FunctionError"] == "Unhandled"
    return answer["Payload"]["errorType"], answer["Payload"]["errorMessage"]


# --- what runs ----------------------------------------------------------------------------------------------------


def test_the_uploaded_zip_runs_and_its_process_is_reused(lab):
    native(lab)
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
    native(lab, Environment={"Variables": {"MINE": "yes", "TZ": "Asia/Tokyo"}})
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
    native(lab)
    seen = lab.invoke(event={"do": "headers"})["Payload"]
    assert seen["Lambda-Runtime-Invoked-Function-Arn"] == "arn:aws:lambda:us-east-1:211234825975:function:f"
    assert 8_000 < int(seen["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000 < 11_000
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", seen["Lambda-Runtime-Trace-Id"]
    )


# --- concurrency --------------------------------------------------------------------------------------------------


def test_concurrent_requests_get_processes_of_their_own(lab):
    native(lab, Timeout=20)
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
    native(lab)
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
    native(lab)
    lab.aws("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        lab.invoke()


def test_an_alias_shares_the_traffic_by_its_weights(lab):
    client = lab.aws("lambda")
    native(lab)
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


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_an_error_of_the_function_is_passed_on(lab):
    native(lab)
    assert failure(lab.invoke(event={"do": "raise"})) == ("Mine", "as asked")
    assert "FunctionError" not in lab.invoke()


def test_a_python_exception_is_an_unhandled_error_with_a_stack_trace(lab):
    lab.python("def handler(event, context):\n    raise ValueError('no good')")
    answer = lab.invoke()
    assert failure(answer) == ("ValueError", "no good")
    assert "raise ValueError" in answer["Payload"]["stackTrace"][0]
    assert any(line.startswith("[ERROR] ValueError: no good") for line in lab.log())


def test_a_timeout_kills_the_process(lab):
    native(lab, Timeout=1)
    pid = lab.invoke()["Payload"]["pid"]
    kind, message = failure(lab.invoke(event={"do": "sleep", "seconds": 30}))
    assert kind == "Sandbox.Timedout"
    assert message.endswith("Error: Task timed out after 1.00 seconds")
    assert lab.invoke()["Payload"]["pid"] != pid
    assert not psutil.pid_exists(pid)
    assert any("Task timed out after 1.00 seconds" in line for line in lab.log())
    assert any("Status: timeout" in line for line in lab.log())


def test_more_memory_than_configured_kills_the_process(lab):
    native(lab, MemorySize=128)
    kind, message = failure(lab.invoke(event={"do": "grow"}))
    assert kind == "Runtime.ExitError"
    assert message.endswith("Error: Runtime exited with error: signal: killed")
    assert any("Memory Size: 128 MB\tMax Memory Used: 128 MB" in line for line in lab.log())


def test_a_process_that_exits_fails_its_request_only(lab):
    native(lab)
    kind, message = failure(lab.invoke(event={"do": "exit", "status": 3}))
    assert (kind, message.partition("Error: ")[2]) == ("Runtime.ExitError", "Runtime exited with error: exit status 3")
    assert lab.invoke()["StatusCode"] == 200


def test_a_killed_process_fails_its_request_and_a_new_one_follows(lab):
    native(lab)
    pid = lab.invoke()["Payload"]["pid"]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        running = threads.submit(lab.invoke, event={"do": "sleep", "seconds": 20})
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        assert failure(running.result())[1].endswith("signal: killed")
    assert lab.invoke()["Payload"]["pid"] != pid


def test_an_answer_larger_than_lambda_allows(lab):
    native(lab)
    assert failure(lab.invoke(event={"do": "large"}))[0] == "Function.ResponseSizeTooLarge"
    assert lab.invoke()["StatusCode"] == 200


ARM64 = b"\x7fELF\x02\x01" + b"\0" * 12 + b"\xb7\0" + b"\0" * 40
GLIBC = "#!/bin/sh\necho 'GLIBC_2.38 not found' >&2\nexit 1\n"
ENTRY, EXIT = "Runtime.InvalidEntrypoint", "Runtime.ExitError"
INIT_ERRORS = {
    "not executable": ({"bootstrap": SHEBANG + "pass"}, 0o644, ENTRY, "permission denied"),
    "missing": ({"other": "x"}, 0o755, ENTRY, "Couldn't find valid bootstrap(s)"),
    "no format": ({"bootstrap": "print('no shebang')"}, 0o755, ENTRY, "exec format error"),
    "arm64": ({"bootstrap": ARM64}, 0o755, ENTRY, "exec format error"),
    "loader missing": ({"bootstrap": "#!/no/such/loader\n"}, 0o755, ENTRY, "no such file or directory"),
    "exits": ({"bootstrap": GLIBC}, 0o755, EXIT, "exit status 1"),
    "exits well": ({"bootstrap": "#!/bin/sh\nexit 0\n"}, 0o755, EXIT, "exited without providing a reason"),
    "outside": ({"../../bootstrap": "x"}, 0o755, ENTRY, "points outside"),
}


@pytest.mark.parametrize("case", INIT_ERRORS)
def test_init_errors(lab, case):
    files, mode, kind, words = INIT_ERRORS[case]
    lab.function(zipped(files, modes=dict.fromkeys(files, mode)), runtime=NATIVE)
    seen, message = failure(lab.invoke())
    assert seen == kind
    assert words in message
    log = "".join(lab.log())
    assert kind in log
    assert re.search(r"^REPORT RequestId: .*Status: error", log, re.MULTILINE)
    if case == "exits":
        assert "GLIBC_2.38 not found" in log


def test_what_a_failed_start_printed_is_in_the_requests_own_log(lab):
    """Lambda starts it once more within the request; the unfinished last line counts too."""
    script = "#!/bin/sh\necho 'no database'\nprintf 'giving up' >&2\nexit 1\n"
    lab.function(zipped({"bootstrap": script}, modes={"bootstrap": 0o755}), runtime=NATIVE)
    tail = base64.b64decode(lab.invoke(LogType="Tail")["LogResult"]).decode()
    assert tail.splitlines()[1:3] == ["no database", "giving up"]


def test_a_function_that_never_gets_ready(lab, limits):
    limits(init_timeout_s=0.5)
    lab.function(zipped({"bootstrap": "#!/bin/sh\necho starting\nsleep 60\n"}), runtime=NATIVE)
    kind, message = failure(lab.invoke())
    assert (kind, message.partition("Error: ")[2]) == ("Sandbox.Timedout", "Task timed out after 0.50 seconds")
    log = "".join(lab.log())
    assert "starting\n" in log
    assert re.search(r"INIT_REPORT .*Phase: init\tStatus: timeout", log)


def test_a_handler_that_cannot_be_imported(lab):
    lab.function(zipped({"other.py": ""}))
    kind, message = failure(lab.invoke())
    assert (kind, "No module named 'app'" in message) == ("Runtime.ImportModuleError", True)
    assert any("Runtime.ImportModuleError" in line for line in lab.log())


def test_an_app_that_fails_at_import(lab):
    lab.python("raise KeyError('DATABASE_URL')")
    assert failure(lab.invoke()) == ("KeyError", "'DATABASE_URL'")


def test_a_python_that_is_not_here_says_so(lab):
    absent = next((runtime for runtime in ("python3.14", "python3.9", "python3.10") if is_absent(runtime)), None)
    if absent is None:
        pytest.skip("python3.14, 3.9 and 3.10 are all on the PATH")
    lab.function(zipped({"app.py": PID}), runtime=absent)
    kind, message = failure(lab.invoke())
    assert kind == "Runtime.InvalidEntrypoint"
    assert f"no working {absent} on the PATH" in message


def is_absent(runtime):
    try:
        interpreter(runtime)
    except NoInterpreter:
        return True
    return False


def test_another_language_says_so(lab):
    lab.function(zipped({"index.js": ""}), runtime="nodejs22.x")
    assert failure(lab.invoke())[0] == "Runtime.InvalidRuntime"


# --- logs ---------------------------------------------------------------------------------------------------------


def test_the_log_has_lambdas_lines_and_what_was_printed(lab):
    native(lab)
    answer = lab.invoke(event={"do": "print", "text": "hello log"}, LogType="Tail")
    log = lab.log()
    assert [line.split(" ")[0].strip() for line in log] == ["INIT_START", "START", "hello", "on", "END", "REPORT"]
    assert re.fullmatch(
        r"REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: [1-9]\d* MB\tInit Duration: [\d.]+ ms\t\n",
        log[-1],
    )
    assert base64.b64decode(answer["LogResult"]).decode() == "".join(log[1:])
    lab.invoke()
    assert "Init Duration" not in lab.log()[-1]


def test_each_process_has_a_stream_named_as_on_lambda(lab):
    native(lab)
    lab.invoke()
    lab.log()
    streams = lab.aws("logs").describe_log_streams(logGroupName="/aws/lambda/f")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_a_role_without_the_right_to_log_leaves_no_log_group(lab):
    native(lab, role=lab.role(policy=None))
    answer = lab.invoke(event={"do": "print", "text": "unseen"}, LogType="Tail")
    assert b"unseen" in base64.b64decode(answer["LogResult"])
    assert lab.log() == []
    assert lab.aws("logs").describe_log_groups()["logGroups"] == []


def test_a_role_that_may_not_make_the_group_writes_into_an_existing_one(lab):
    arn = "arn:aws:logs:us-east-1:211234825975:log-group:/aws/lambda/f:*"
    statement = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": arn}
    native(lab, role=lab.role(policy=json.dumps({"Version": "2012-10-17", "Statement": statement})))
    lab.invoke()
    assert lab.log() == []
    lab.aws("logs").create_log_group(logGroupName="/aws/lambda/f")
    lab.invoke()
    assert len(lab.log()) == 3


# --- invoking -----------------------------------------------------------------------------------------------------


def test_event_and_dry_run_do_not_wait(lab):
    native(lab)
    assert lab.invoke(InvocationType="DryRun")["StatusCode"] == 204
    assert lab.log() == []
    assert lab.invoke(InvocationType="Event", event={"do": "print", "text": "later"})["StatusCode"] == 202
    deadline = time.monotonic() + 10
    while "later\n" not in lab.log():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_unknown_functions_and_bad_payloads_are_refused(lab):
    native(lab)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lab.invoke("nobody")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lab.invoke(Qualifier="7")
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        lab.aws("lambda").invoke(FunctionName="f", Payload=b"{not json")


# --- ends ---------------------------------------------------------------------------------------------------------


def test_deleting_a_function_ends_its_processes(lab):
    native(lab)
    pid = lab.invoke()["Payload"]["pid"]
    lab.aws("lambda").delete_function(FunctionName="f")
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_without_work_is_ended(lab, limits):
    limits(idle_s=0.2)
    native(lab)
    pid = lab.invoke()["Payload"]["pid"]
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert lab.invoke()["Payload"]["pid"] != pid


def test_python_is_the_one_asked_for(lab):
    lab.python("import sys\ndef handler(e, c):\n    return sys.version_info[:2]", runtime=PYTHON)
    assert lab.invoke()["Payload"] == list(sys.version_info[:2])
