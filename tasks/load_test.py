"""A load test of the running API: planned and refused beforehand, run beside Prefect, judged, compared, shown.

`plan_load` says all at once why a load cannot be asked: beyond the gateway's limit, in production without its name. The
engine is a process of its own (tasks/loading/). The report comes first, then the verdict: a missed threshold is an
error, which in a release puts traffic back.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import runtime

from blocks.environment import Environment
from database.load_runs import LoadRun
from tasks.changes import Rollout
from tasks.errors import MiyabiError, Permanent, Rejected
from tasks.load_history import compared_and_kept
from tasks.load_requests import Mix, default_mix, lift_limit, ready_requests, tidy_up
from tasks.load_surroundings import Surroundings, watched
from tasks.loading import process
from tasks.loading.apart import beside
from tasks.loading.comparison import Compared
from tasks.loading.job import Closed, Job, Load, Open
from tasks.loading.profiles import PROFILES, Profile, Wish, below_limit, in_range, wished, words
from tasks.loading.report import Told, render
from tasks.loading.samples import Table, latency_of
from tasks.loading.verdicts import Thresholds, Verdict, judge
from tasks.reports import publish_load
from tasks.steps import step
from tasks.waiting import progress_of

logger = logging.getLogger(__name__)

LOGGED_EVERY_S = 5.0
WARM_UP = Closed(((0.0, 8.0), (2.0, 8.0)), rate_cap=100.0)
"""Before the test, not counted: processes of the function start, and none of this is in the figures."""
HOPELESS_AFTER_S, HOPELESS = 10.0, 0.5
"""A run of whose last requests more than this share failed is ended, after so many seconds."""
CONNECTIONS = (100, 1000)
"""An open load has at least, and at most, so many; else one for each request a second."""
KEPT_RUNS = 20
SAMPLES, FIGURES, PICTURE, PAGE = "samples.npz", "figures.json", "latency.png", "report.md"


@dataclass(frozen=True)
class LoadPlan:
    """A load that may be asked. Holds nothing secret."""

    profile: str
    load: Load
    mix: Mix
    limits: Thresholds

    @property
    def words(self) -> str:
        return words(self.load)

    @property
    def asked(self) -> float | None:
        return self.load.rate if isinstance(self.load, Open) else None


@dataclass(frozen=True)
class Measured:
    """What a run came to; the lines of its requests are in the folder."""

    url: str
    folder: Path
    figures: Mapping[str, Any]
    warm_up: Mapping[str, Any]
    seen: Surroundings = field(repr=False)
    cut_short: str = ""


class LoadFailed(Permanent):
    """A threshold was missed, or the run could not be done."""


def plan_load(
    environment: Environment,
    profile: str,
    mixes: Mapping[str, Mix],
    *,
    wish: Wish = Wish(),  # noqa: B008 - frozen
    confirm: str = "",
    slack: float = 1.0,
) -> LoadPlan:
    """The load as it will be asked. `slack` widens the latencies. Raises Rejected with all that forbids it."""
    chosen, limit, settings = PROFILES[profile], float(environment.api.rate_limit), environment.load_test
    problems = in_range(chosen, wish, limit)
    if environment.approval and confirm != environment.name:
        problems.append(f"to load {environment.name!r}, where people work, give its name as `confirm`")
    mix = mix_of(chosen, mixes, environment, problems)
    if problems:
        raise Rejected(f"load test {profile!r} of {environment.name}", problems)
    load = below_limit(wished(chosen.load, wish), limit)
    limits = settings.model_dump(include={"p50_ms", "p95_ms", "p99_ms", "per_second", "errors_percent"})
    return LoadPlan(profile, load, mix, Thresholds(**limits).wider(slack))


def plan_after_release(environment: Environment, mixes: Mapping[str, Mix]) -> LoadPlan | None:
    """The load that ends a release of this environment; None if none is wanted. Its approval is the release's."""
    settings = environment.load_test
    if settings.after_release == "none":
        return None
    return plan_load(
        environment, settings.after_release, mixes, confirm=environment.name, slack=settings.after_release_slack
    )


def mix_of(profile: Profile, mixes: Mapping[str, Mix], environment: Environment, problems: list[str]) -> Mix:
    if profile.mix == "reads":
        return mixes.get("reads") or default_mix(environment.api.health_path)
    if profile.mix not in mixes:
        problems.append(f"the source's miyabi.toml names no [[load.{profile.mix}]] requests")
    return mixes.get(profile.mix, ())


@step("Load test", retries=0)
def run_load(rollout: Rollout, url: str, plan: LoadPlan, *, folder: Path) -> Measured | None:
    """Ask the load and watch what is around it. None on a planning run. Raises LoadFailed if it cannot begin."""
    if rollout.planning:
        return None
    logger.info("load test %s: %s, at %s", plan.profile, plan.words, url)
    place = new_folder(folder)
    requests = ready_requests(rollout, url, plan.mix)
    if any(request.headers for request in requests):
        lift_limit(rollout)
    connections = int(min(max(CONNECTIONS[0], plan.asked or 0), CONNECTIONS[1]))
    job = Job(url, requests, plan.load, connections=connections, samples=str(place / SAMPLES))
    follower = Follower(plan.load)
    try:
        warm_up = process.run(Job(url, reads_of(requests), WARM_UP))
        with watched(rollout) as seen, progress_of(f"load test {plan.profile}") as advance:
            figures = process.run(job, follower.hears(advance))
    except process.EngineFailed as error:
        raise LoadFailed(f"load test {plan.profile}: {error}") from error
    finally:
        if any(request.method != "GET" for request in requests):
            tidy_up(rollout)
    return Measured(url, place, figures, warm_up, seen, follower.why if figures["partial"] else "")


def reads_of(requests: Sequence[Any]) -> tuple[Any, ...]:
    """What a warm-up may ask: it makes nothing."""
    return tuple(request for request in requests if request.method == "GET") or tuple(requests)


class Follower:
    """Hears of progress and tells people; ends a run that is hopeless."""

    def __init__(self, load: Load) -> None:
        self.load, self.logged_at = load, 0.0
        self.why = "it was stopped"

    def hears(self, advance: Callable[[float], None]) -> process.Progress:
        def heard(progress: Mapping[str, Any]) -> bool:
            if progress["seconds"] - self.logged_at >= LOGGED_EVERY_S:
                self.logged_at = progress["seconds"]
                logger.info("%s", progress_line(progress))
                advance(self.percent(progress))
            return self.hopeless(progress)

        return heard

    def percent(self, progress: Mapping[str, Any]) -> float:
        of_time = progress["seconds"] / self.load.duration_s
        wanted = None if isinstance(self.load, Open) else self.load.requests
        return float(min(99.0, 100 * max(of_time, progress["requests"] / wanted if wanted else 0.0)))

    def hopeless(self, progress: Mapping[str, Any]) -> bool:
        failed, recent = progress["recent_failed"], progress["recent"]
        if progress["seconds"] < HOPELESS_AFTER_S or failed <= HOPELESS * max(recent, 50):
            return False
        self.why = f"{failed} of the last {recent} requests had failed"
        logger.error("the load test ends early: %s", self.why)
        return True


def progress_line(progress: Mapping[str, Any]) -> str:
    return (
        "{seconds:.0f} s: {requests:,} requests; of the last {recent:,}: {recent_failed:,} failed, p50 {p50_ms:.1f} ms,"
        " p95 {p95_ms:.1f} ms; {under_way} under way"
    ).format(**progress)


@step("Judge the load test", retries=0)
def judge_load(rollout: Rollout, plan: LoadPlan, measured: Measured | None, *, version: str = "") -> None:
    """Compare with the last runs, publish the report, keep the figures; then say what was missed. Raises LoadFailed."""
    if measured is None:
        return
    verdicts = judge(measured.figures, plan.limits, asked=plan.asked)
    compared, no_history = history(rollout, plan, measured, verdicts, version)
    for one in compared:
        if one.worse:
            rollout.find(
                f"load test {plan.profile}",
                f"{one.figure} is {one.now:.1f}; usual are {one.usual:.1f} ± {one.allowed:.1f} (last {one.runs} runs)",
            )
    told = page(rollout, plan, measured, verdicts, compared, no_history)
    text = render(told)
    (measured.folder / PAGE).write_text(text, encoding="utf-8")
    publish_load(rollout.environment.name, text, f"{plan.profile}: {told.outcome}")
    if not told.passed:
        missed = [f"  - {v.name}: {v.measured}, wanted {v.wanted}" for v in verdicts if not v.ok]
        cut = [f"  - it was cut short: {measured.cut_short}"] if measured.figures["partial"] else []
        raise LoadFailed("\n".join([f"load test {plan.profile} of {measured.url} failed:", *missed, *cut]))
    logger.info("load test %s passed: %s", plan.profile, "; ".join(f"{v.name} {v.measured}" for v in verdicts))


def history(
    rollout: Rollout, plan: LoadPlan, measured: Measured, verdicts: Sequence[Verdict], version: str
) -> tuple[list[Compared], str]:
    """(this run beside the last ones, or why there are none). A run that was cut short is kept and not compared."""
    run_id, figures = runtime.flow_run.id, measured.figures
    run = LoadRun(
        environment=rollout.environment.name,
        profile=plan.profile,
        load=plan.words,
        passed=all(verdict.ok for verdict in verdicts) and not figures["partial"],
        requests=figures["requests"],
        errors=figures["errors"],
        per_second=figures["per_second"],
        **{name: figures["latency"].get(name) for name in ("p50_ms", "p95_ms", "p99_ms")},
        started_at=datetime.fromtimestamp(figures["began_at"], UTC),
        partial=figures["partial"],
        lambda_version=version or None,
        flow_run_id=UUID(run_id) if run_id else None,
        figures=dict(figures),
    )
    try:
        return compared_and_kept(rollout, run), ""
    except MiyabiError as error:
        logger.warning("%s", error)
        return [], f"Not compared, and not kept: {error}"


def page(
    rollout: Rollout,
    plan: LoadPlan,
    measured: Measured,
    verdicts: Sequence[Verdict],
    compared: Sequence[Compared],
    no_history: str,
) -> Told:
    """The report, with its picture drawn and its files written."""
    seen, figures, folder = measured.seen, measured.figures, measured.folder
    table, starts = Table.load(folder / SAMPLES), [*seen.starts.values()]
    picture = drawn(plan, measured, table, f"{rollout.environment.name}, {plan.profile}: {plan.words}")
    (folder / PICTURE).write_bytes(picture)
    (folder / FIGURES).write_text(json.dumps(
        {"environment": rollout.environment.name, "profile": plan.profile, "load": plan.words, "url": measured.url,
         "figures": dict(figures), "warm_up": dict(measured.warm_up), "cold_starts": [asdict(one) for one in starts],
         "verdicts": [asdict(verdict) for verdict in verdicts], "connections": seen.connections}, indent=1
    ), encoding="utf-8")  # fmt: skip
    return Told(
        environment=rollout.environment.name, profile=plan.profile, load=plan.words, url=measured.url, figures=figures,
        verdicts=verdicts, compared=compared, no_history=no_history, starts=starts,
        warm=latency_of(table.only(~beside(table, starts, figures["began_at"]))) or None, warm_up=measured.warm_up,
        connections=connection_words(seen), cut_short=measured.cut_short, picture=picture, files=str(folder),
    )  # fmt: skip


def drawn(plan: LoadPlan, measured: Measured, table: Table, title: str) -> bytes:
    from tasks.loading.plot import Seen, draw  # matplotlib, half a second that a plan need not pay

    seen, figures = measured.seen, measured.figures
    began_at, seconds = figures["began_at"], max(figures["seconds"], 0.1)
    inside = [(at - began_at, every, here) for at, every, here in seen.connections if 0 <= at - began_at <= seconds]
    return draw(
        Seen(
            title=title, table=table, limits=plan.limits, seconds=seconds, asked=plan.asked, connections=inside,
            most_connections=seen.most, starts=[*seen.starts.values()], began_at=began_at,
        )
    )  # fmt: skip


def connection_words(seen: Surroundings) -> str:
    if not seen.connections:
        return f"not watched ({seen.trouble.get('connections', 'the run was too short')})"
    everyone, here = max(every for _, every, _ in seen.connections), max(own for _, _, own in seen.connections)
    return f"{here} to this database at most, {everyone} of {seen.most} in all"


def new_folder(folder: Path, *, clock: Callable[[], float] = time.time) -> Path:
    """A folder for this run, named for the moment; the oldest beyond `KEPT_RUNS` go."""
    now = clock()
    place = folder / (time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{int(now * 1000) % 1000:03d}")
    place.mkdir(parents=True)
    for old in sorted(path for path in folder.iterdir() if path.is_dir())[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    return place
