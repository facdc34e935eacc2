"""`miyabi releases`: what was released where, newest first, so that a person can pick what to go back to."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg

from database.approvals import Approval, list_approvals
from database.release_history import ListedRelease, page

NO_RECORD = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)


class NoRecord(Exception):
    """The record of releases cannot be read; the message says what to do."""


def list_releases(environment: str, limit: int) -> list[ListedRelease]:
    """The newest releases of an environment. Raises NoRecord, BadEnvironment."""
    with answering(environment) as connection:
        return page(connection, environment, limit=limit)


def approvals_of(environment: str, limit: int) -> list[Approval]:
    """Who let which plan be carried out, newest first. Raises NoRecord, BadEnvironment."""
    with answering(environment) as connection:
        return list_approvals(connection, environment, limit)


@contextmanager
def answering(environment: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.connect(dsn_of(environment), connect_timeout=5, autocommit=True) as connection:
            yield connection
    except NO_RECORD:
        raise NoRecord("this database has no such record of releases yet; run `miyabi release` first") from None
    except psycopg.OperationalError as error:
        raise NoRecord(f"the database of {environment!r} cannot be reached: {str(error).splitlines()[0]}") from None


def dsn_of(environment: str) -> str:
    """DATABASE_URL, else the embedded cloud's, else by the environment's file and its secret."""
    if given := os.environ.get("DATABASE_URL"):
        return given
    if environment == "local":
        from deployments.stack import database_url, status

        now = status()
        found = database_url(now.home) if now.services.get("postgres") else None
        if found is None:
            raise NoRecord("nothing is released here, or PostgreSQL does not run; `miyabi up`, then `miyabi release`")
        return found
    return dsn_on_aws(environment)


def dsn_on_aws(environment: str) -> str:
    from deployments.settings import read_environment
    from tasks.changes import Rollout
    from tasks.errors import MiyabiError
    from tasks.secrets import database_dsn

    settings = read_environment(environment)
    try:
        return database_dsn(Rollout(settings, settings.aws(planning=True))).get_secret_value()
    except MiyabiError as error:
        raise NoRecord(str(error)) from error


def facts(found: Sequence[ListedRelease]) -> list[dict[str, Any]]:
    """For machines."""
    return [
        {**asdict(release), "id": str(release.id), "started_at": release.started_at.isoformat(),
         "finished_at": release.finished_at and release.finished_at.isoformat()}
        for release in found
    ]  # fmt: skip


def approval_lines(found: Sequence[Approval]) -> Iterator[str]:
    """For people: which plan of which run, who decided what, and why."""
    if not found:
        yield "no plan has waited for a person here"
    for one in found:
        who = f"by {one.approver or 'somebody'}: {one.reason}" if one.decided_at else ""
        yield (
            f"{one.plan_digest}  {one.asked_at.astimezone():%Y-%m-%d %H:%M:%S}  {one.flow:<15}  {one.outcome:<9}  "
            f"{str(one.release_id or '')[:8]:<8}  {who}"
        ).rstrip()


def commit_of(git_sha: str) -> str:
    """`1f3c2ab`; of a source in no repository the beginning of what it holds: `unversioned-0123456`."""
    kind, _, digest = git_sha.rpartition("-")
    return f"{kind}-{digest[:7]}" if kind == "unversioned" else git_sha[:7]


def lines(found: Sequence[ListedRelease]) -> Iterator[str]:
    """For people: a line each, and why it failed."""
    commits = [commit_of(release.git_sha or "") for release in found]
    width = max(map(len, commits), default=0)
    for release, commit in zip(found, commits, strict=True):
        version = f"{release.lambda_version_before or '-'} → {release.lambda_version_after or '-'}"
        yield (
            f"{str(release.id)[:8]}  {release.started_at.astimezone():%Y-%m-%d %H:%M:%S}  {release.kind:<8}  "
            f"{release.status:<11}  {version:<10}  {commit:<{width}}  {release.source or ''}"
        ).rstrip()
        if release.error:
            yield f"          {release.error.splitlines()[0][:160]}"
