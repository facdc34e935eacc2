"""Whole suites: sign in once per role, then one task for each check.

Checks that share a captured value are asked in the order of the file, all others side by side, a few at a time. A
check that failed stops nothing but those that need what it would have captured, so what a chain has made is also taken
away again. What is not asked in this environment stands in the table, with the reason.
"""

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tasks.changes import Change, Rollout
from tasks.smoke import conclude
from tasks.smoke_answers import Result
from tasks.smoke_asking import NO_BROWSER, NO_WAY_IN, Caller, Conversation, Perform, as_task, exclusion, sign_in
from tasks.smoke_browser import visit
from tasks.smoke_sockets import hear_socket
from tasks.smoke_throttle import BURST, exercise_throttle, inspect_throttle
from tasks.steps import step
from tasks.suite_checks import Check
from tasks.suites import Suite, chains

AT_ONCE = 4
"""Chains of checks at a time."""
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
    results = [result for target in targets for result in ask_suite(rollout, target, shots, perform)]
    where = " and ".join(f"{target.name} at {target.url}" for target in targets)
    return conclude(rollout, where, results, suspects)


def ask_suite(rollout: Rollout, target: Target, shots: Path | None, perform: Perform) -> list[Result]:
    """Everything that a suite holds. The burst comes last: others would feel it."""
    caller = Caller(rollout, target.suite, target.api_url, shots=shots, perform=perform)
    with caller.api, caller.client(target.url) as client:
        signed = [caller.outcome(sign_in, caller, role) for role in roles_used(caller)]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="smoke") as pool:
            jobs = jobs_of(caller, target, client)
            running = [pool.submit(contextvars.copy_context().run, job) for job in jobs]
            results = [result for job in running for result in job.result()]
        return signed + results + (ask_throttle(caller, target.suite.throttle) if target.suite.throttle else [])


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


def jobs_of(caller: Caller, target: Target, client: httpx.Client) -> Iterator[Job]:
    """What can be done side by side: visits, chains of checks, sockets. The longest first."""
    for page in caller.suite.pages:
        yield partial(one, caller.attempt, visit, page, target.url)
    for chain in chains(caller.suite.checks):
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
    if caller.rollout.environment.smoke.exercise:
        return [setting, caller.outcome(exercise_throttle, caller, path)]
    return [setting, Result(BURST.format(path=path), None, 0.0, None, "smoke.exercise is off here")]
