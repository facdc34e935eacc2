"""The Lambda runtime's parts by themselves: unpacking, interpreters, exits, the guard, a whole cloud's end."""

import io
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from localcloud.lambda_code import BadPackage, forget_unfinished, remove_unused, unpacked
from localcloud.lambda_guard import Guard
from localcloud.lambda_process import describe_exit
from localcloud.lambda_python import PORTABLE_CLIENT, NoInterpreter, interpreter, provided_packages
from tests.localcloud.lambda_support import zipped


def wait_until(condition, *, patience=10.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


# --- unpacking ----------------------------------------------------------------------------------------------------


def test_modes_are_kept_and_files_are_read_only(tmp_path):
    folder = unpacked(tmp_path, "a" * 64, zipped({"bootstrap": "x", "lib/data": "y"}))
    assert stat.S_IMODE((folder / "bootstrap").stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "lib" / "data").stat().st_mode) == 0o444
    assert unpacked(tmp_path, "a" * 64, b"not even a zip") == folder


def test_folders_and_links_inside_are_unpacked(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lib/", "")
        archive.writestr("lib/real", "content")
        link = zipfile.ZipInfo("lib/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "real")
    assert (unpacked(tmp_path, "b" * 64, buffer.getvalue()) / "lib" / "link").read_text() == "content"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_entries_that_point_outside_are_refused(tmp_path, name):
    with pytest.raises(BadPackage, match="points outside"):
        unpacked(tmp_path, "c" * 64, zipped({name: "x"}))
    assert [path.name for path in (tmp_path / "lambda" / "code").iterdir()] == []


def test_a_link_that_points_outside_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../../../etc/passwd")
    with pytest.raises(BadPackage, match="'link'"):
        unpacked(tmp_path, "d" * 64, buffer.getvalue())


def test_what_is_no_zip_says_so(tmp_path):
    with pytest.raises(BadPackage, match="not a zip"):
        unpacked(tmp_path, "e" * 64, b"no")


def test_a_damaged_zip_says_so(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bootstrap", "x" * 10_000)
    damaged = buffer.getvalue().replace(buffer.getvalue()[45:55], b"0123456789")
    with pytest.raises(BadPackage, match="not a zip that can be unpacked"):
        unpacked(tmp_path, "f" * 64, damaged)
    assert list((tmp_path / "lambda" / "code").iterdir()) == []


def test_a_half_unpacked_zip_is_forgotten(tmp_path):
    half = tmp_path / "lambda" / "code" / ".unpacking-x"
    half.mkdir(parents=True)
    (half / "file").write_text("x")
    forget_unfinished(tmp_path)
    assert not half.exists()


def test_what_no_version_has_is_removed_once_it_has_rested(tmp_path):
    used, unused = (unpacked(tmp_path, name * 64, zipped({"bootstrap": "x"})) for name in "ab")
    making = tmp_path / "lambda" / "code" / ".unpacking-x"
    making.mkdir()
    remove_unused(tmp_path, {used.name})
    assert unused.is_dir()
    later = time.time() + 61
    remove_unused(tmp_path, {used.name}, clock=lambda: later)
    assert sorted(path.name for path in making.parent.iterdir()) == [making.name, used.name]
    os.utime(used, (0, 0))
    assert unpacked(tmp_path, used.name, b"") == used
    remove_unused(tmp_path, set())
    assert used.is_dir()


# --- Python -------------------------------------------------------------------------------------------------------


def test_our_own_python_is_used_if_it_is_the_version(tmp_path):
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert Path(os.path.realpath(interpreter(version))) == Path(os.path.realpath(sys.executable))
    folder = provided_packages(tmp_path, version)
    assert (folder / "boto3").resolve().is_dir()
    assert not (folder / "prefect").exists()
    assert provided_packages(tmp_path, version) == folder


def test_a_python_that_is_not_on_the_path(tmp_path):
    with pytest.raises(NoInterpreter, match=r"no working python3\.99"):
        interpreter("python3.99", search_path=str(tmp_path))


def test_a_python_that_is_not_what_its_name_says(tmp_path):
    fake = tmp_path / "python3.99"
    fake.symlink_to(sys.executable)
    with pytest.raises(NoInterpreter):
        interpreter("python3.99", search_path=str(tmp_path))
    fake.unlink()
    fake.write_text("#!/bin/sh\nexit 127\n")
    fake.chmod(0o755)
    with pytest.raises(NoInterpreter):
        interpreter("python3.99", search_path=str(tmp_path))


def test_another_python_gets_the_portable_client(tmp_path):
    folder = provided_packages(tmp_path, "python3.99")
    assert (folder / "runtime_client.py").read_text() == PORTABLE_CLIENT
    compile(PORTABLE_CLIENT, "runtime_client.py", "exec")


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "exit status 1"), (126, "exit status 126"), (-9, "signal: killed"), (-11, "signal: segmentation fault")],
)
def test_exits_are_described_in_gos_words(code, words):
    assert describe_exit(code) == words


def sleeper():
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def test_the_guard_kills_what_is_left_when_its_owner_is_gone():
    guard, kept, done = Guard(), sleeper(), sleeper()
    guard.add(kept.pid)
    guard.add(done.pid)
    guard.remove(done.pid)
    guard.stop()
    assert kept.wait(5) == -signal.SIGKILL
    assert done.poll() is None
    done.kill()
    done.wait()


CLOUD = """
import sys, threading, time
from pathlib import Path
from localcloud.cloud import Cloud
from tests.localcloud.conftest import clients_of
from tests.localcloud.lambda_support import Deployer

if __name__ == "__main__":
    cloud = Cloud(Path(sys.argv[1]))
    cloud.start()
    lab = Deployer(cloud, clients_of(cloud))
    lab.native(Timeout=60)
    pids = [lab.invoke()["Payload"]["pid"]]
    threading.Thread(target=lab.invoke, kwargs={"event": {"do": "sleep", "seconds": 50}}, daemon=True).start()
    time.sleep(0.3)
    pids.append(lab.invoke()["Payload"]["pid"])
    print(*pids, flush=True)
    if sys.argv[2] == "stop":
        cloud.stop()
    else:
        time.sleep(60)
"""


@pytest.mark.parametrize("end", ["stop", "kill -9"])
def test_no_process_is_left_when_the_cloud_ends(tmp_path, end):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(CLOUD))
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "home"), end],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)},
    ) as cloud:  # fmt: skip
        idle_or_busy = [int(pid) for pid in cloud.stdout.readline().split()]
        assert len(set(idle_or_busy)) == 2
        if end == "kill -9":
            assert all(psutil.pid_exists(pid) for pid in idle_or_busy)
            cloud.kill()
        wait_until(lambda: not any(map(psutil.pid_exists, idle_or_busy)))
        cloud.wait(20)
