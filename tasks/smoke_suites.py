"""Whole suites: ask for the API's health, sign in once per role, then one task for each check.

An API that is not healthy is asked nothing more, and what goes through it, a visit say, is not tried either. Checks
that share a captured value are asked in the order of the file, all others side by side, a few at a time. Another check
that failed stops nothing but those that need what it would have captured, so what a chain has made is also taken away
again. What is not asked stands in the table, with the reason. What may be well in a moment is tried again as long as
the whole test has patience.
"""

import contextvars
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tasks.changes import Change, Rollout
from tasks.smoke import conclude
from tasks.smoke_answers import Result, tally
from tasks.smoke_asking import (
    NO_BROWSER,
    NO_WAY_IN,
    Caller,
    Conversation,
    Patience,
    Perform,
    as_task,
    exclusion,
    sign_in,
)
from tasks.smoke_browser import visit
from tasks.smoke_sockets import hear_socket
from tasks.smoke_throttle import BURST, exercise_throttle, inspect_throttle
from tasks.steps import step
from tasks.suite_checks import Check
from tasks.suites import Suite, chains

logger = logging.getLogger(__name__)
AT_ONCE = 4
"""Chains of checks at a time."""
TOLD_EACH = 40
"""Results between two lines of the log."""
Job = Callable[[], list[Result]]


@dataclass(frozen=True)
class Target:
    """A suite, and where it is asked: `url` is the API's or the site's, `api_url` where its roles sign in."""

    name: str
    suite: Suite
    url: str
    api_url: str


@step("Smoke suites", run_name="Smoke suites of {environment}")
def smoke_suites(
    rollout: Rollout,
    environment: str,
    targets: Sequence[Target],
    *,
    suspects: Sequence[Change] = (),
    shots: Path | None = None,
    perform: Perform = as_task,
) -> tuple[Result, ...]:
    """Ask all suites, publish one table. Raises SmokeFailed, which names the `suspects`: what a release would mend.

    Screenshots of visits are kept in the folder `shots`.
    """
    if rollout.planning:
        return ()
    results, patience, down = list[Result](), Patience(), ""
    for target in targets:
        of_api = target.url == target.api_url
        caller = Caller(
            rollout, target.suite, target.api_url, shots=shots, perform=perform, of_api=of_api, patience=patience,
            down=down,
        )  # fmt: skip
        asked = ask_suite(caller, target)
        logger.info("%s: %s", target.name, tally(asked))
        results, down = results + asked, caller.down
    where = " and ".join(f"{target.name} at {target.url}" for target in targets)
    return conclude(rollout, where, results, suspects)


def ask_suite(caller: Caller, target: Target) -> list[Result]:
    """Everything that a suite holds. The burst comes last: others would feel it."""
    suite, health = caller.suite, health_check(caller)
    with caller.api, caller.client(target.url) as client:
        results = ask_health(caller, client, health) if health else []
        results += side_by_side(partial(enter, caller, role) for role in roles_used(caller))
        checks = [one for one in suite.checks if one is not health]
        total = 0 if caller.down else len(checks) + len(suite.sockets) + len(suite.pages)
        results += side_by_side(jobs_of(caller, target, client, checks), total)
        return results + (ask_throttle(caller, suite.throttle) if suite.throttle else [])


def health_check(caller: Caller) -> Check | None:
    """The first check of the health path, which stands for all of the API; a site has none."""
    path = caller.rollout.environment.api.health_path
    plain = (check for check in caller.suite.checks if check.path == path and not check.uses and not check.capture)
    return next(plain, None) if caller.of_api else None


def ask_health(caller: Caller, client: httpx.Client, check: Check) -> list[Result]:
    result = Conversation(caller, client).go_on(check)
    if result.failed:
        caller.down = f"{result.check} failed"
    return [result]


def enter(caller: Caller, role: str) -> list[Result]:
    """Sign in, unless the API is not well."""
    if caller.down:
        return [Result(f"sign in as {role}", None, 0.0, None, caller.down)]
    return [caller.outcome(sign_in, caller, role)]


def side_by_side(jobs: Iterable[Job], total: int = 0) -> list[Result]:
    """The results in the order of the jobs; where a total is given, people see how far it is."""
    results = list[Result]()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="smoke") as pool:
        running = [pool.submit(contextvars.copy_context().run, job) for job in jobs]
        for job in running:
            before = len(results)
            results += job.result()
            if total and before // TOLD_EACH < len(results) // TOLD_EACH:
                logger.info("%d of %d asked", len(results), total)
    return results


def roles_used(caller: Caller) -> list[str]:
    """The roles that this environment's checks ask as. One that nobody can sign in as is a finding."""
    suite, environment = caller.suite, caller.rollout.environment
    parts = [*suite.checks, *suite.sockets, *(check for page in suite.pages for check in (*page.before, *page.after))]
    wanted = {part.role for part in parts if not exclusion(environment, part)}
    for role in (role for role in suite.roles if role in wanted and not caller.may_sign_in(role)):
        caller.rollout.find("smoke test", f"nothing was asked as {role!r}: {NO_WAY_IN.format(role=role)}")
    if suite.pages and not environment.smoke.browser:
        caller.rollout.find("smoke test", f"no page was visited: {NO_BROWSER}")
    return [role for role in suite.roles if role in wanted and caller.may_sign_in(role)]


def jobs_of(caller: Caller, target: Target, client: httpx.Client, checks: Sequence[Check]) -> Iterator[Job]:
    """What can be done side by side: visits, chains of checks, sockets. The longest first."""
    for page in caller.suite.pages:
        yield partial(one, caller.attempt, visit, page, target.url)
    for chain in chains(checks):
        yield partial(ask_chain, Conversation(caller, client), chain)
    for socket in caller.suite.sockets:
        yield partial(one, caller.attempt, hear_socket, socket, target.url)


def ask_chain(conversation: Conversation, chain: Sequence[Check]) -> list[Result]:
    return [conversation.go_on(check) for check in chain]


def one(ask: Callable[..., Result], *arguments: object) -> list[Result]:
    return [ask(*arguments)]


def ask_throttle(caller: Caller, path: str) -> list[Result]:
    """Its setting; and the burst, where the environment allows it."""
    setting = caller.outcome(inspect_throttle, caller)
    reason = caller.down or ("" if caller.rollout.environment.smoke.exercise else "smoke.exercise is off here")
    if reason:
        return [setting, Result(BURST.format(path=path), None, 0.0, None, reason)]
    return [setting, caller.outcome(exercise_throttle, caller, path)]
