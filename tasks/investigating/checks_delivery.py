"""Checks of what is around the code: the frontend's address, variables, build, Docker, CI, the cloud."""

import re
from itertools import chain

from database.investigation_models import Problem
from tasks.investigating.claims import Claim
from tasks.investigating.linking import aside
from tasks.investigating.looking import Looked, Seen, count, listed
from tasks.investigating.model import Address, Facts, Place, Resource, Setting, Variable

EXAMPLES = re.compile(r"\.env\.(example|sample|template|dist)$")
PROVIDED = re.compile(r"^(AWS_|LAMBDA_|CARGO_|GITHUB_ACTIONS$|CI$|HOME$|PATH$|PORT$|NODE_ENV$|TZ$|_)")
"""Variables that a machine or the build gives."""
NO_ENVIRONMENT = "no environment was given: `--environment NAME` asks AWS, and only reads"


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
    places = [setting for file in facts.by_file.values() for setting in file.settings]
    if not required:
        return Looked("working", "the code starts without any environment variable")
    deployed = [one for one in places if not EXAMPLES.search(one.place.file)]
    there = {name for resource in facts.cloud or () for name in resource.variables}
    there |= {one.name for one in deployed if one.filled}
    lacking = [name for name in required if name not in there]
    if not lacking:
        return Looked(
            "working", f"all {len(required)} required variables are set somewhere", seen_settings(deployed, required)
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
    """Never run here, since it runs the repository's code; parsing shows whether it can be right at all."""
    manifests = named(facts, r"(Cargo|pyproject)\.toml|package\.json|setup\.py")
    wrong = [file.broken[0] for file in facts.by_file.values() if file.broken and file.file.endswith(".rs")]
    if not manifests:
        return Looked("absent", "there is no Cargo.toml, package.json or pyproject.toml")
    seen = [Seen(Place(path), "a manifest") for path in manifests[:6]]
    how = "cargo build" if any(path.endswith("Cargo.toml") for path in manifests) else "its own build"
    if wrong:
        return Looked(
            "unknown",
            f"{len(wrong)} Rust files do not parse here, the first at {wrong[0]}: run `{how}`",
            [Seen(place, "not understood") for place in wrong[:6]],
        )
    return Looked(
        "unknown",
        f"all code parses; whether it compiles only `{how}` tells, which runs the repository's"
        " build scripts and is not done here",
        seen,
    )


def local_database(facts: Facts, _claim: Claim | None) -> Looked:
    """Can a developer start a database with one command?"""
    files = named(facts, r"(docker-)?compose[\w.-]*\.ya?ml")
    if files:
        return Looked("working", "a compose file is there", [Seen(Place(path), "compose file") for path in files])
    problem = Problem(
        title="No database for development",
        impact="low",
        why="developers cannot test locally",
        evidence=[],
        fix=["a compose file with PostgreSQL, and .env.example with its address"],
        hours=(1, 1),
    )
    return Looked("absent", "no compose file starts a database", [], [problem])


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


def cloud_database(facts: Facts, _claim: Claim | None) -> Looked:
    return in_cloud(facts, "database", "no API can store anything", (2, 4), "$24/month (db.t3.small)")


def cloud_function(facts: Facts, _claim: Claim | None) -> Looked:
    return in_cloud(facts, "function", "the backend is not reachable from the internet", (4, 6), "about $0 (free tier)")


def cloud_api(facts: Facts, _claim: Claim | None) -> Looked:
    return in_cloud(facts, "api", "the backend has no address", (0.5, 1), "$1/month")


def in_cloud(facts: Facts, kind: str, why: str, hours: tuple[float, float], cost: str) -> Looked:
    """What AWS answered of one kind of resource."""
    found: Resource | None = next((one for one in facts.cloud or () if one.kind == kind), None)
    if found is None or found.present is None:
        return Looked("unknown", found.detail if found else NO_ENVIRONMENT)
    seen = [Seen(None, f"AWS: {kind} {found.name}: {found.detail}")]
    if found.present:
        return Looked("working", f"{found.name}: {found.detail}", seen)
    problem = Problem(
        title=f"There is no {kind} {found.name}",
        impact="critical",
        why=why,
        evidence=[f"AWS: {found.detail}"],
        fix=["`miyabi plan` shows what a release would make, `miyabi release` makes it"],
        hours=hours,
        cost=cost,
    )
    return Looked("absent", f"there is no {kind} {found.name}", seen, [problem])
