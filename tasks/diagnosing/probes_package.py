"""The deployed package and its contract: what a start could trip over, seen without starting anything."""

import io
import re
import zipfile
from collections.abc import Iterator

import httpx

from blocks.environment import is_loopback
from tasks.bundling.binary_check import (
    binary_problems,
    bootstrap_problems,
    library_faults,
    loader_faults,
    python_faults,
    version_faults,
)
from tasks.bundling.contract import given_by_lambda, required_variables
from tasks.bundling.elf import read_elf
from tasks.bundling.handler_check import handler_problems
from tasks.bundling.package_check import UNREADABLE, Package, is_binary, mode_of, mode_problems
from tasks.bundling.platforms import Platform, host_platform, lambda_platform
from tasks.bundling.python_variables import required_in_python
from tasks.bundling.sources import load_manifest, parse_source
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_function import FunctionSeen
from tasks.diagnosing.facts_means import ContractSeen, PackageSeen, SecretsSeen
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.diagnosing.rights import allows, rights_of
from tasks.errors import MiyabiError, absent_as_none
from tasks.variables import variable_names

OWN_FILES = 500
"""Python files of the package that are read for variables, at most."""


def function_of(facts: Facts) -> FunctionSeen:
    if facts.function is None or not facts.function.exists:
        raise NothingToAsk("there is no function")
    return facts.function


def inspect(look: Look, facts: Facts) -> PackageSeen:
    """Look at what is deployed as the release's own check does; at the same content once."""
    function = function_of(facts)
    key = f"package {function.code} {function.runtime} {function.handler} {function.architecture}"
    if key not in look.kept or not function.code:
        look.kept[key] = inspected(look, function)
    found: PackageSeen = look.kept[key]
    return found


def inspected(look: Look, function: FunctionSeen) -> PackageSeen:
    """Download it, and open it."""
    named = {"FunctionName": function.name, **({"Qualifier": function.qualifier} if function.qualifier else {})}
    location = look.rollout.aws("lambda").get_function(**named)["Code"].get("Location")
    if not location:
        raise NothingToAsk("its package cannot be downloaded: it is a container image")
    if not function.runtime.startswith(("python3.", "provided")):
        raise NothingToAsk(f"packages for {function.runtime} are not looked into")
    answer = httpx.get(location, timeout=60.0, trust_env=not is_loopback(location))
    answer.raise_for_status()
    try:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            return seen_package(look, function, Package(archive, infos), len(answer.content))
    except UNREADABLE as error:
        return PackageSeen(f"it cannot be read as a zip: {error}", entry=(f"it is not a zip: {error}",))


def seen_package(look: Look, function: FunctionSeen, package: Package, size: int) -> PackageSeen:
    platform, names = platform_of(look, function), set(package.files)
    entry = (
        bootstrap_problems(names, package.read, mode_of(package, "bootstrap"), platform)
        if platform.python is None
        else handler_problems(names, package.read, function.handler, platform.python)
    )
    machine, libraries = list[str](), list[str]()
    for name in sorted(names):
        if is_binary(package, name):
            add_faults(name, package, platform, function.architecture, machine, libraries)
    wrong = [*entry, *machine, *libraries, *(other := mode_problems(package))]
    whole = f"{len(names)} files, {size / 1e6:.1f} MB for {function.runtime} on {function.architecture}"
    return PackageSeen(
        says=f"{whole}: {'; '.join(wrong) or 'nothing is wrong with it'}",
        entry=tuple(entry),
        machine=tuple(machine),
        libraries=tuple(libraries),
        other=tuple(other),
        reads=dict(variables_read(package)) if platform.python else {},
    )


def platform_of(look: Look, function: FunctionSeen) -> Platform:
    """Where it runs: Lambda's own platform, or this machine's under the embedded cloud."""
    if look.rollout.environment.function.host_wheels:
        return host_platform(function.runtime)
    return lambda_platform(function.runtime, "arm64" if function.architecture == "arm64" else "x86_64")


def add_faults(
    name: str, package: Package, platform: Platform, architecture: str, machine: list[str], libraries: list[str]
) -> None:
    """What is wrong with one program or library."""
    content, names = package.read(name), set(package.files)
    if not content.startswith(b"\x7fELF"):
        machine += binary_problems([name], names, package.read, platform)
        return
    try:
        elf = read_elf(content)
    except ValueError as error:
        machine.append(f"{name!r}: {error}")
        return
    if elf.machine != architecture:
        machine.append(f"{name!r} is built for {elf.machine}, the function runs on {architecture}")
        return
    faults = loader_faults(elf, platform) + version_faults(name, elf, platform)
    faults += library_faults(name, elf, names, platform) + python_faults(name, names, platform)
    libraries += [f"{name!r} {fault}" for fault in faults]


def variables_read(package: Package) -> Iterator[tuple[str, str]]:
    """(variable, `file:line`) of what the package's own Python code requires; what pip installed is not its own."""
    installed = {
        line.split(",")[0]
        for name in package.files
        if re.search(r"\.dist-info/RECORD$", name)
        for line in package.read(name).decode(errors="replace").splitlines()
    }
    own = [name for name in sorted(package.files) if name.endswith(".py") and name not in installed]
    for name in own[:OWN_FILES]:
        for variable, line in required_in_python(package.read(name).decode(errors="replace")):
            if not given_by_lambda(variable):
                yield variable, f"{name}:{line}"


def see_contract(look: Look, facts: Facts) -> ContractSeen:
    """Which variables the code requires, by its source and by what is deployed; which of them are not set."""
    function, subject = function_of(facts), facts.subject
    required, known = required_by_source(look, subject.source if subject else "")
    required = {**(facts.package.reads if facts.package else {}), **required}
    wanted = variable_names(look.rollout.environment) if subject and subject.ours else frozenset()
    return ContractSeen(
        required=required,
        absent=tuple(sorted(set(required) - function.variables)),
        unset=tuple(sorted(wanted - function.variables - set(required))),
        known=wanted,
        source=known,
    )


def required_by_source(look: Look, text: str) -> tuple[dict[str, str], str]:
    """What the manifest and the code require; nothing where the source is not on this machine."""
    if not text or look.root is None:
        return {}, ""
    try:
        source = parse_source(text, root=look.root)
        return {one.name: one.evidence for one in required_variables(source, load_manifest(source))}, text
    except MiyabiError:
        return {}, ""


def see_secrets(look: Look, facts: Facts) -> SecretsSeen:
    """The secrets that the function is given by ARN: are they there, and may its role read them?"""
    function = function_of(facts)
    if not function.secrets:
        raise NothingToAsk("no variable of it names a secret")
    client, rights = look.rollout.aws("secretsmanager"), rights_of(look, function.role.rpartition("/")[2])
    gone = dict[str, str]()
    for variable, arn in function.secrets.items():
        found = absent_as_none(lambda arn=arn: client.describe_secret(SecretId=arn))  # type: ignore[misc]
        if found is None:
            gone[variable] = f"there is no secret {short_name(arn)!r}"
        elif "DeletedDate" in found:
            gone[variable] = f"the secret {short_name(arn)!r} is deleted, and can still be restored"
    unreadable = [
        variable
        for variable, arn in function.secrets.items()
        if variable not in gone and not allows(rights.statements, "secretsmanager:GetSecretValue", arn)
    ]
    return SecretsSeen(gone, tuple(unreadable), len(function.secrets))


def short_name(arn: str) -> str:
    """The secret's name, without the six random characters that AWS adds."""
    return re.sub(r"-[A-Za-z0-9]{6}$", "", arn.rpartition(":secret:")[2])
