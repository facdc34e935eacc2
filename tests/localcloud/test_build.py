"""Packages built for real: pip on wheels made here, zips as they are; and what the embedded cloud makes of them.

Nothing is fetched: pip is kept to a folder of hand-made wheels.
"""

import base64
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.environment import FunctionSettings
from localcloud.cloud import Cloud
from tasks.bundling.bundle import Bundle, build_bundle, build_package, check_bundle
from tasks.bundling.leftovers import PACKAGES
from tasks.bundling.sources import parse_source
from tasks.errors import Permanent, Rejected
from tests.fixtures.packages import FAILING, REJECTED, BrokenKind, make_broken
from tests.localcloud.conftest import Client
from tests.localcloud.lambda_support import Deployer
from tests.support import make_environment, make_rollout
from tests.tools import needs_cargo

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
HERE = f"python3.{sys.version_info.minor}"
ELSEWHERE = "python3.12" if HERE != "python3.12" else "python3.13"
LOCAL = FunctionSettings(
    host_wheels=True,
    python_runtime=HERE,
    architecture="arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
)


def build(spec: str, work: Path, settings: FunctionSettings = LOCAL, root: Path = ROOT) -> Bundle:
    return build_bundle(parse_source(spec, root=root), settings, root=root, work=work)


def unpack(bundle: Bundle, folder: Path) -> Path:
    """The zip as Lambda unpacks it, modes included."""
    with zipfile.ZipFile(bundle.path) as archive:
        for info in archive.infolist():
            os.chmod(archive.extract(info, folder), info.external_attr >> 16)
    return folder


# --- Python -----------------------------------------------------------------------------------------------------------


def test_a_python_package_runs_from_its_zip(tmp_path: Path) -> None:
    bundle = build("python:tests/fixtures/python-lambda", tmp_path / "work")
    assert check_bundle(bundle, LOCAL) == []
    assert (bundle.kind, bundle.runtime, bundle.handler) == ("python", HERE, "handler.handler")
    assert bundle.suite.quick[0].path == "/api/v1/health"
    assert base64.b64decode(bundle.code_sha256).hex() == bundle.sha256_hex == bundle.path.stem
    program = "import handler; print(handler.__cached__); print(handler.handler({'rawPath': '/api/v1/health'}, None))"
    folder = unpack(bundle, tmp_path / "task")
    ran = subprocess.run([sys.executable, "-S", "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    cached, answer = ran.stdout.splitlines()
    assert "'statusCode': 200" in answer
    assert (folder / Path(cached).relative_to(folder)).is_file()
    assert sorted(name for name in zipfile.ZipFile(bundle.path).namelist() if "pycache" not in name) == ["handler.py"]


def test_the_same_source_gives_the_same_zip_wherever_it_lies(tmp_path: Path) -> None:
    source = FIXTURES / "python-lambda"
    (tmp_path / "elsewhere").mkdir()
    for path in sorted(source.iterdir(), reverse=True):
        if path.is_file():
            shutil.copyfile(path, tmp_path / "elsewhere" / path.name)
            os.utime(tmp_path / "elsewhere" / path.name, (1, 1))
    (tmp_path / "elsewhere" / "handler.py").chmod(0o777)
    (tmp_path / "elsewhere" / "__pycache__").mkdir()
    (tmp_path / "elsewhere" / "__pycache__" / "handler.old.pyc").write_bytes(b"stale")
    old = os.umask(0o077)
    try:
        there = build(f"python:{tmp_path / 'elsewhere'}", tmp_path / "one")
    finally:
        os.umask(old)
    assert build(f"python:{source}", tmp_path / "two").sha256_hex == there.sha256_hex


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`wheels("name", requires=[…], tag=…)` puts a wheel where pip looks, and pip looks nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(name: str, version: str = "1.0", *, requires: tuple[str, ...] = (), tag: str = "py3-none-any") -> None:
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
            archive.writestr(f"{name}/__init__.py", f"VERSION = {version!r}\nKINDS = 'x' in {{'b', 'a', 'x', 'c'}}\n")
            archive.writestr(f"{name}/tests/test_it.py", "assert True\n")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            archive.writestr(f"{info}/RECORD", "")

    return make


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A Python source with requirements; `tmp_path` is the root of its project."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "main.py").write_text("import alpha\ndef handler(event, context): return alpha.VERSION\n")
    (folder / "miyabi.toml").write_text('[function]\nhandler = "app.main.handler"\npackages = ["../app"]\n')
    (folder / "requirements.txt").write_text("alpha\n")
    return folder


def names_in(bundle: Bundle) -> set[str]:
    """The files of a package, without its bytecode."""
    return {name for name in zipfile.ZipFile(bundle.path).namelist() if "__pycache__" not in name}


def test_dependencies_are_vendored_constrained_and_stripped(
    tmp_path: Path, app: Path, wheels: Callable[..., None]
) -> None:
    wheels("alpha", "1.0", requires=("beta>=1",))
    wheels("alpha", "2.0")
    wheels("beta")
    (tmp_path / "constraints.txt").write_text("alpha==1.0\n")
    bundle = build("python:app", tmp_path / "work", root=tmp_path)
    own = {"app/main.py"}
    vendored = {"alpha/__init__.py", "alpha-1.0.dist-info/METADATA", "beta/__init__.py", "beta-1.0.dist-info/METADATA"}
    assert names_in(bundle) == own | vendored
    assert check_bundle(bundle, LOCAL) == []


def test_unchanged_dependencies_are_not_installed_again(tmp_path: Path, app: Path, wheels: Callable[..., None]) -> None:
    wheels("alpha")
    first = build("python:app", tmp_path / "work", root=tmp_path)
    shutil.rmtree(tmp_path / "wheels")
    (app / "main.py").write_text("import alpha\ndef handler(event, context): return 'new'\n")
    second = build("python:app", tmp_path / "work", root=tmp_path)
    assert first.sha256_hex != second.sha256_hex
    assert names_in(first) == names_in(second)
    (app / "requirements.txt").write_text("alpha>=1\n")
    with pytest.raises(Permanent, match="no set of wheels"):
        build("python:app", tmp_path / "work", root=tmp_path)


def test_two_machines_vendor_the_same_bytes(tmp_path: Path, app: Path, wheels: Callable[..., None]) -> None:
    wheels("alpha")
    bundles = [build("python:app", tmp_path / name, root=tmp_path) for name in ("one", "two")]
    assert bundles[0].sha256_hex == bundles[1].sha256_hex


def test_wheels_and_markers_are_those_of_lambda_not_of_this_machine(
    tmp_path: Path, app: Path, wheels: Callable[..., None]
) -> None:
    version = ELSEWHERE.removeprefix("python")
    tag = f"cp{version.replace('.', '')}"
    wheels("alpha", requires=(
        f'there; python_version == "{version}" and platform_machine == "aarch64"',
        f'here; python_version == "{HERE.removeprefix("python")}"',
        'mac; sys_platform == "darwin"',
    ))  # fmt: skip
    wheels("there", tag=f"{tag}-{tag}-manylinux_2_28_aarch64")
    wheels("there", "2.0", tag=f"{tag}-{tag}-manylinux_2_39_aarch64")
    wheels("here")
    settings = FunctionSettings(python_runtime=ELSEWHERE, architecture="arm64")
    bundle = build("python:app", tmp_path / "work", settings, root=tmp_path)
    assert {name for name in names_in(bundle) if name.endswith("__init__.py")} == {
        "alpha/__init__.py",
        "there/__init__.py",
    }
    assert "there-1.0.dist-info/METADATA" in names_in(bundle)


def test_a_wheel_for_another_platform_only_is_a_clear_error(
    tmp_path: Path, app: Path, wheels: Callable[..., None]
) -> None:
    wheels("alpha", tag="cp39-cp39-win_amd64")
    with pytest.raises(Permanent, match=r"no set of wheels for .* fits"):
        build("python:app", tmp_path / "work", root=tmp_path)
    assert not list((tmp_path / "work" / "wheels").glob("*.zip"))


# --- In the embedded cloud ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [
    "python:tests/fixtures/python-lambda",
    pytest.param("rust:tests/fixtures/rust-lambda", marks=needs_cargo),
])  # fmt: skip
def test_the_embedded_cloud_runs_the_package(tmp_path: Path, cloud: Cloud, aws: Client, spec: str) -> None:
    bundle = build(spec, tmp_path / "work")
    lab = Deployer(cloud, aws)
    aws("lambda").create_function(
        FunctionName="f",
        Role=lab.role(),
        Runtime=bundle.runtime,
        Handler=bundle.handler,
        Architectures=[bundle.architecture],
        Code={"ZipFile": bundle.path.read_bytes()},
        Environment={"Variables": {"GREETING": "hello"}},
    )
    aws("lambda").get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.05})
    assert aws("lambda").get_function(FunctionName="f")["Configuration"]["CodeSha256"] == bundle.code_sha256
    answer = lab.invoke(event={"version": "2.0", "rawPath": bundle.suite.quick[0].path})
    assert answer["Payload"]["statusCode"] in bundle.suite.quick[0].status
    assert json.loads(answer["Payload"]["body"])["status"] == "ok"


# --- Zips, git and the step -------------------------------------------------------------------------------------------


def test_a_zip_is_taken_as_it_is(tmp_path: Path) -> None:
    package = make_broken("exits-at-start", tmp_path)
    bundle = build(f"zip:{package}", tmp_path / "work")
    assert bundle.path.read_bytes() == package.read_bytes()
    assert (bundle.kind, bundle.handler, bundle.runtime) == ("native", "bootstrap", "provided.al2023")
    assert bundle.version == f"unversioned-{bundle.sha256_hex[:12]}"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"])
def test_what_is_no_zip_is_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "package.zip").write_bytes(content)
    with pytest.raises(Rejected, match="cannot be read as a zip"):
        build("zip:package.zip", tmp_path / "work", root=tmp_path)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_commit_and_what_is_in_none(tmp_path: Path) -> None:
    source = shutil.copytree(
        FIXTURES / "python-lambda", tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__")
    )
    assert build(f"python:{source}", tmp_path / "work").version.startswith("unversioned-")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    clean = build(f"python:{source}", tmp_path / "work")
    assert (len(clean.git_sha), clean.dirty, clean.version) == (40, False, clean.git_sha[:7])
    (source / "new.py").write_text("")
    assert build(f"python:{source}", tmp_path / "work").version == f"{clean.git_sha[:7]}-dirty"


@pytest.mark.parametrize("kind", [*REJECTED, *FAILING])
def test_the_step_rejects_what_is_broken_before_any_write(tmp_path: Path, kind: BrokenKind) -> None:
    rollout = make_rollout(make_environment(function=LOCAL), planning=True)
    package = make_broken(kind, tmp_path)

    def step() -> Bundle:
        return build_package.fn(
            rollout, f"zip:{package}", root=tmp_path, work=tmp_path / "work", provided={"LOG_LEVEL"}
        )

    if kind in FAILING:
        assert step().size == package.stat().st_size
        return
    with pytest.raises(Rejected, match=REJECTED[kind]) as caught:
        step()
    assert len(caught.value.problems) == 1


def test_old_packages_are_forgotten_and_new_ones_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(PACKAGES + 2):
        (source / "lambda_function.py").write_text(f"def lambda_handler(event, context): return {number}\n")
        bundle = build(f"python:{source}", tmp_path / "work")
    assert bundle.path.is_file()
    assert len(list((tmp_path / "work").glob("*.zip"))) == PACKAGES
