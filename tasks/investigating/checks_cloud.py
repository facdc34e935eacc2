"""Checks of the cloud: which of the resources there are, in which state, and whether the function has its variables."""

from collections.abc import Sequence
from dataclasses import dataclass

from database.investigation_models import Impact, Problem, Standing
from tasks.investigating.checks_delivery import required_variables
from tasks.investigating.claims import Claim
from tasks.investigating.looking import Looked, Seen, count, listed
from tasks.investigating.model import Facts, Resource

NO_ENVIRONMENT = "no environment was given: `--environment NAME` asks AWS, and only reads"
RELEASE = "`miyabi plan` shows what a release would make, `miyabi release` makes it"


@dataclass(frozen=True)
class Part:
    """A part of the cloud as a check asks for it: which kinds it consists of, and what its absence means and costs."""

    kinds: Sequence[str]
    why: str
    hours: tuple[float, float]
    cost: str = "$0"
    impact: Impact = "critical"

    def __call__(self, facts: Facts, _claim: Claim | None) -> Looked:
        if facts.cloud is None:
            return Looked("unknown", NO_ENVIRONMENT)
        found = [one for one in facts.cloud if one.kind in self.kinds]
        if away := [one for one in found if one.present is None]:
            return Looked("unknown", away[0].detail)
        lacking, wrong = [one for one in found if not one.present], [one for one in found if one.wrong]
        seen = [seen_resource(one) for one in found]
        problems = [*([self.absent(lacking)] if lacking else []), *(self.broken(one) for one in wrong)]
        return Looked(standing(found, lacking, wrong), says(found, lacking, wrong), seen, problems)

    def absent(self, lacking: Sequence[Resource]) -> Problem:
        return Problem(
            title=f"There is no {listed([f'{one.kind} {one.name}' for one in lacking])}",
            impact=self.impact,
            why=self.why,
            evidence=[f"AWS: {one.detail}" for one in lacking],
            fix=[RELEASE],
            hours=self.hours,
            cost=self.cost,
        )

    def broken(self, one: Resource) -> Problem:
        return Problem(
            title=f"{one.kind[0].upper()}{one.kind[1:]} {one.name}: {one.wrong[0]}",
            impact="high",
            why="; ".join(one.wrong),
            evidence=[f"AWS: {one.kind} {one.name}: {one.detail}"],
            fix=["`miyabi plan` shows what differs from the environment's file, `miyabi release` puts it right"],
            hours=(0.5, 2),
        )


def standing(found: Sequence[Resource], lacking: Sequence[Resource], wrong: Sequence[Resource]) -> Standing:
    if not found:
        return "unknown"
    if len(lacking) == len(found):
        return "absent"
    return "partly" if lacking or wrong else "working"


def says(found: Sequence[Resource], lacking: Sequence[Resource], wrong: Sequence[Resource]) -> str:
    if not found:
        return "nobody asked AWS about this"
    if lacking:
        return f"there is no {listed([f'{one.kind} {one.name}' for one in lacking])}"
    return "; ".join(f"{one.name}: {one.wrong[0] if one in wrong else one.detail}" for one in found)


def seen_resource(one: Resource) -> Seen:
    return Seen(None, f"AWS: {one.kind} {one.name}: {'; '.join([one.detail, *one.wrong])}")


database = Part(("database",), "no API can store anything", (2, 4), "$24/month (db.t3.small)")
function = Part(("function", "alias"), "the backend is not reachable from the internet", (4, 6), "about $0 (free tier)")
api = Part(("API",), "the backend has no address", (0.5, 1), "$1/month")
site = Part(("bucket", "distribution"), "no visitor sees the frontend", (1, 2), "about $0 (free tier)", "high")
secrets = Part(("secret",), "nothing can sign tokens or open the database", (0.5, 1), "$0.40/month each")
role = Part(("role",), "the function cannot start", (0.5, 1))
logs = Part(("log group",), "nobody can see why something fails", (0.5, 0.5), "$0.50/GB", "medium")
network = Part(("security group",), "the function cannot reach the database", (0.5, 1))


def variables(facts: Facts, _claim: Claim | None) -> Looked:
    """Does the deployed function have every variable that the code cannot start without?"""
    deployed = next((one for one in facts.cloud or () if one.kind == "function"), None)
    if deployed is None or not deployed.present:
        return Looked("unknown", deployed.detail if deployed else NO_ENVIRONMENT)
    required = required_variables(facts)
    there, lacking = sorted(required.keys() & {*deployed.variables}), sorted(required.keys() - {*deployed.variables})
    has = Seen(None, f"AWS: function {deployed.name} has {listed(deployed.variables, 20) or 'no variable'}")
    if not lacking:
        return Looked("working", f"{deployed.name} has all of {count(len(required), 'required variable')}", [has])
    problem = Problem(
        title=f"The deployed function lacks {listed(lacking)}",
        impact="critical",
        why="this code ends at its start there: HTTP 500, and the reason is in the log at best",
        evidence=[str(required[name].place) for name in lacking],
        fix=["name them in `[function] variables` or as secrets in the environment's file, then `miyabi release`"],
        hours=(0.5, 1),
    )
    seen = [*(Seen(required[name].place, f"{name} is required") for name in lacking), has]
    return Looked("partly" if there else "absent", f"{deployed.name} lacks {listed(lacking)}", seen, [problem])
