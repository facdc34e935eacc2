"""Checks of what is around the code: the frontend's address, variables, build, Docker, CI."""

import re
from itertools import chain

from database.investigation_models import Problem
from tasks.investigating.claims import Claim
from tasks.investigating.linking import aside
from tasks.investigating.looking import Looked, Seen, count, listed
from tasks.investigating.model import Address, Built, Facts, Place, Setting, Variable

EXAMPLES = re.compile(r"\.env\.(example|sample|template|dist)$")
PROVIDED = re.compile(r"^(AWS_|LAMBDA_|CARGO_|GITHUB_ACTIONS$|CI$|HOME$|PATH$|PORT$|NODE_ENV$|TZ$|_)")
"""Variables that a machine or the build gives."""

POSTGRES = re.compile(r"postgres|postgis|timescale|pgvector", re.IGNORECASE)
"""An image that is a PostgreSQL."""


def frontend_address(facts: Facts, _claim: Claim | None) -> Looked:
    """Does a frontend ask this machine, which no visitor's browser can mean?"""
    found = [address for file in facts.by_file.values() for address in file.addresses if not sample(address)]
    local = [address for address in found if address.local]
    if not found:
        return Looked("unknown", "nothing in the frontends says what the API's address is")
    if not local:
        says = listed([f"{one.name} = {one.value!r}" for one in found], 3)
        return Looked("working", says, [seen_address(one) for one in found])
    first = local[0]
    problem = Problem(
        title=f"{first.name} is {first.value}",
        impact="high",
        why="a browser asks its own machine; the page cannot reach the API",
        evidence=[str(one.place) for one in local],
        fix=[
            "publish it with `deploy-frontend`, which points it at the environment's API",
            "or put the API's address there, rebuild, copy to S3, invalidate CloudFront",
        ],
        hours=(1, 2),
    )
    return Looked(
        "absent", f"{first.name} = {first.value!r}: localhost", [seen_address(one) for one in local], [problem]
    )


def sample(address: Address) -> bool:
    return bool(EXAMPLES.search(address.place.file))


def seen_address(address: Address) -> Seen:
    return Seen(address.place, f"{address.name} = {address.value!r}")


def environment(facts: Facts, _claim: Claim | None) -> Looked:
    """Is every variable that the code cannot start without set by some file that deploys it?"""
    required = required_variables(facts)
    places = [setting for file in facts.by_file.values() if not aside(file.file) for setting in file.settings]
    if not facts.by_file:
        return Looked("unknown", "there is no code that could be read")
    if not required:
        return Looked("working", "the code starts without any environment variable")
    deployed = [one for one in places if not EXAMPLES.search(one.place.file)]
    there = {name for resource in facts.cloud or () for name in resource.variables}
    there |= {one.name for one in deployed if one.filled}
    lacking = [name for name in required if name not in there]
    if not lacking:
        return Looked(
            "working",
            f"every required variable is set somewhere: {listed(list(required))}",
            seen_settings(deployed, required),
        )
    problem = Problem(
        title=f"{count(len(lacking), 'required variable')} set nowhere",
        impact="critical",
        why=f"the program ends at its start without {listed(lacking)}; on Lambda that is HTTP 500 with an empty log",
        evidence=[str(required[name].place) for name in lacking],
        fix=[
            "put secrets into Secrets Manager and name them in the environment, others into `[function] variables`",
            *half_set(lacking, places),
        ],
        hours=(0.5, 1),
    )
    says = f"{listed(lacking)} of {count(len(required), 'required variable')} set nowhere"
    seen = [Seen(required[name].place, f"{name} is required{examples(name, places)}") for name in lacking]
    return Looked("partly" if len(lacking) < len(required) else "absent", says, seen, [problem])


def required_variables(facts: Facts) -> dict[str, Variable]:
    """By name, where each is read first."""
    read = chain.from_iterable(file.variables for file in facts.by_file.values() if not aside(file.file))
    found: dict[str, Variable] = {}
    for one in read:
        if one.required and not PROVIDED.match(one.name):
            found.setdefault(one.name, one)
    return found


def half_set(names: list[str], settings: list[Setting]) -> list[str]:
    empty = sorted({str(one.place) for one in settings if one.name in names})
    return [f"fill {listed(empty, 4)}"] if empty else []


def examples(name: str, settings: list[Setting]) -> str:
    named = [str(one.place) for one in settings if one.name == name]
    return f"; {listed(named, 3)} names it without a value" if named else ""


def seen_settings(settings: list[Setting], names: dict[str, Variable]) -> list[Seen]:
    return [Seen(one.place, f"{one.name} is set") for one in settings if one.filled and one.name in names][:12]


def build(facts: Facts, _claim: Claim | None) -> Looked:
    """Run only when it was asked for, since it runs the repository's code; parsing shows whether it can be right."""
    if facts.built and not facts.built.untried:
        return looked_at_build(facts.built)
    manifests = named(facts, r"(Cargo|pyproject)\.toml|package\.json") + [x for x in facts.paths if x == "setup.py"]
    wrong = [file.broken[0] for file in facts.by_file.values() if file.broken and file.file.endswith(".rs")]
    if not manifests:
        return Looked("absent", "there is no Cargo.toml, package.json or pyproject.toml")
    seen = [Seen(Place(path), "a manifest") for path in manifests[:6]]
    how = "`cargo build`" if any(path.endswith("Cargo.toml") for path in manifests) else "its own build"
    if wrong:
        return Looked(
            "unknown",
            f"{len(wrong)} Rust files do not parse here, the first at {wrong[0]}: run {how}",
            [Seen(place, "not understood") for place in wrong[:6]],
        )
    if facts.built:
        return Looked("unknown", facts.built.says, seen)
    says = f"all code parses; whether it compiles only {how} tells, which runs code of the repository"
    return Looked("unknown", f"{says}{' and is done with `--build`' if 'cargo' in how else ''}", seen)


def looked_at_build(built: Built) -> Looked:
    """What the build said, with its last lines, and the lines that it complained about."""
    seen = [Seen(None, f"`{built.command}`", built.output), *(Seen(place, text) for place, text in built.errors)]
    if built.ok:
        return Looked("working", built.says, seen)
    problem = Problem(
        title="It does not build",
        impact="critical",
        why=f"nothing can be deployed: {built.says}",
        evidence=[str(place) for place, _ in built.errors[:12]] or [f"`{built.command}`"],
        fix=["mend what the compiler names", f"`{built.command}` tells whether that was all"],
        hours=(1, 8),
    )
    return Looked("absent", built.says, seen, [problem])


def local_database(facts: Facts, _claim: Claim | None) -> Looked:
    """Can a developer start a database with one command?"""
    services = [one for file in facts.by_file.values() if not aside(file.file) for one in file.services]
    files = named(facts, r"(docker-)?compose[\w.-]*\.ya?ml")
    if databases := [one for one in services if POSTGRES.search(one.value or "")]:
        says = f"{databases[0].place.file} starts {databases[0].value}"
        return Looked("working", says, [Seen(one.place, f"{one.name}: {one.value}") for one in databases])
    if files and not services:
        return Looked(
            "unknown", "no service can be read from the compose files", [Seen(Place(one), "") for one in files]
        )
    problem = Problem(
        title="No database for development",
        impact="low",
        why="developers cannot test locally",
        evidence=[],
        fix=["a compose file with PostgreSQL, and .env.example with its address"],
        hours=(1, 1),
    )
    seen = [Seen(one.place, f"{one.name}: {one.value or 'built here'}") for one in services]
    return Looked("absent", "no compose file starts PostgreSQL", seen, [problem] if facts.has_code else [])


def docker(facts: Facts, _claim: Claim | None) -> Looked:
    files = named(facts, r"(.*\.)?Dockerfile(\..*)?|Containerfile")
    return present(files, "Dockerfile") if files else Looked("absent", "there is no Dockerfile")


def ci(facts: Facts, _claim: Claim | None) -> Looked:
    files = [
        path
        for path in facts.paths
        if re.search(
            r"^\.github/workflows/.+\.ya?ml$|^\.gitlab-ci\.yml$|^Jenkinsfile$"
            r"|^\.circleci/config\.yml$|(^|/)buildspec\.ya?ml$",
            path,
        )
    ]
    return present(files, "CI file") if files else Looked("absent", "there is no CI file")


def present(files: list[str], what: str) -> Looked:
    return Looked(
        "ready", f"{count(len(files), what)}: {listed(files, 4)}", [Seen(Place(path), what) for path in files[:6]]
    )


def named(facts: Facts, pattern: str) -> list[str]:
    return [path for path in facts.paths if re.fullmatch(pattern, path.rsplit("/", 1)[-1]) and not aside(path)]
