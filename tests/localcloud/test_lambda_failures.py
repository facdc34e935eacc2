"""What can go wrong with a function: errors of its own, timeouts, memory, exits, and every way not to start."""

import base64
import concurrent.futures
import os
import re
import signal
import time

import psutil
import pytest

from localcloud.lambda_python import NoInterpreter, interpreter
from tests.localcloud.lambda_support import NATIVE, SHEBANG, Deployer, failure, limited, zipped


@pytest.fixture
def lab(cloud, aws):
    """A deployer in an empty account. No process of an earlier test is left."""
    made = Deployer(cloud, aws)
    yield made
    made.clear()


def test_an_error_of_the_function_is_passed_on(lab):
    lab.native()
    assert failure(lab.invoke(event={"do": "raise"})) == ("Mine", "as asked")
    assert "FunctionError" not in lab.invoke()


def test_a_python_exception_is_an_unhandled_error_with_a_stack_trace(lab):
    lab.python("def handler(event, context):\n    raise ValueError('no good')")
    answer = lab.invoke()
    assert failure(answer) == ("ValueError", "no good")
    assert "raise ValueError" in answer["Payload"]["stackTrace"][0]
    assert any(line.startswith("[ERROR] ValueError: no good") for line in lab.log())


def test_a_timeout_kills_the_process(lab):
    lab.native(Timeout=1)
    pid = lab.invoke()["Payload"]["pid"]
    kind, message = failure(lab.invoke(event={"do": "sleep", "seconds": 30}))
    assert kind == "Sandbox.Timedout"
    assert message.endswith("Error: Task timed out after 1.00 seconds")
    assert lab.invoke()["Payload"]["pid"] != pid
    assert not psutil.pid_exists(pid)
    assert any("Task timed out after 1.00 seconds" in line for line in lab.log())
    assert any("Status: timeout" in line for line in lab.log())


def test_more_memory_than_configured_kills_the_process(lab):
    lab.native(MemorySize=128)
    kind, message = failure(lab.invoke(event={"do": "grow"}))
    assert kind == "Runtime.ExitError"
    assert message.endswith("Error: Runtime exited with error: signal: killed")
    assert any("Memory Size: 128 MB\tMax Memory Used: 128 MB" in line for line in lab.log())


def test_a_process_that_exits_fails_its_request_only(lab):
    lab.native()
    kind, message = failure(lab.invoke(event={"do": "exit", "status": 3}))
    assert (kind, message.partition("Error: ")[2]) == ("Runtime.ExitError", "Runtime exited with error: exit status 3")
    assert lab.invoke()["StatusCode"] == 200


def test_a_killed_process_fails_its_request_and_a_new_one_follows(lab):
    lab.native()
    pid = lab.invoke()["Payload"]["pid"]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        running = threads.submit(lab.invoke, event={"do": "sleep", "seconds": 20})
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        assert failure(running.result())[1].endswith("signal: killed")
    assert lab.invoke()["Payload"]["pid"] != pid


def test_an_answer_larger_than_lambda_allows(lab):
    lab.native()
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


def test_a_function_that_never_gets_ready(lab):
    lab.function(zipped({"bootstrap": "#!/bin/sh\necho starting\nsleep 60\n"}), runtime=NATIVE)
    with limited(lab.cloud, init_timeout_s=0.5):
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
    lab.function(zipped({"app.py": ""}), runtime=absent)
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
