"""What is meant: a URL, a function's name, a release, or what is deployed in the environment."""

import re
from collections.abc import Mapping
from typing import Any

from database import release_history, releases
from tasks.changes import Rollout
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_request import Subject
from tasks.diagnosing.looking import Look
from tasks.diagnosing.probes_request import function_arn, path_of, split_arn
from tasks.errors import MiyabiError, Permanent
from tasks.gateway import list_all, named_apis, url_of
from tasks.releases import Store

RELEASE = re.compile(r"[0-9a-f]{8}(-?[0-9a-f-]*)?")
"""An id of a release, or its beginning."""


def see_subject(look: Look, facts: Facts) -> Subject:
    """What to look at. Raises Permanent for a release that there is not."""
    target = look.target
    if re.match(r"https?://", target):
        return of_url(look, target)
    if target and RELEASE.fullmatch(target):
        return of_release(look, target)
    if target and target != look.rollout.environment.names.function:
        return of_function(look, target)
    return of_environment(look)


def unasked(look: Look) -> Subject | None:
    """What is known of the target without asking AWS: a URL, or the API's own address where that is configured."""
    environment, url = look.rollout.environment, look.target
    if not url and environment.api_url and "{api_id}" not in environment.api_url:
        url = environment.api_url.rstrip("/") + environment.api.health_path
    if not re.match(r"https?://", url):
        return None
    api_id, path = path_of(url)
    return Subject(url, path, api_id, "", "", f"{url}, of which AWS could not be asked")


def of_environment(look: Look, *, qualifier: str = "", source: str = "", says: str = "") -> Subject:
    environment, names = look.rollout.environment, look.rollout.environment.names
    api = ours(look)
    url, path = "", environment.api.health_path
    if api:
        url = url_of(look.rollout, api["ApiId"], api["ApiEndpoint"]) + path
        path = path_of(url)[1]
    return Subject(
        url=url,
        path=path,
        api_id=api["ApiId"] if api else "",
        function=names.function,
        qualifier=qualifier or names.alias,
        says=says
        or (f"what is deployed in {environment.name}: {url}" if url else f"{names.function}, which has no API"),
        source=source or source_of(look),
    )


def ours(look: Look) -> Mapping[str, Any] | None:
    """The environment's API; the first, if there are several of its name."""
    return next(iter(named_apis(look.rollout, look.rollout.environment.names.api)), None)


def of_url(look: Look, url: str) -> Subject:
    """A URL of the environment's API, of another API of the account, or of something else."""
    names = look.rollout.environment.names
    api_id, path = path_of(url)
    api = ours(look)
    if api and (api_id == api["ApiId"] or url.startswith(url_of(look.rollout, api["ApiId"], api["ApiEndpoint"]))):
        return Subject(url, path, api["ApiId"], names.function, names.alias, url, source_of(look))
    called = called_by(look, api_id) if api_id else ("", "")
    says = f"{url}, which is not the API of {look.rollout.environment.name}"
    return Subject(url, path, api_id, *called, says, ours=called[0] == names.function)


def called_by(look: Look, api_id: str) -> tuple[str, str]:
    """Function and qualifier that an API calls, by its first integration."""
    found = list_all(look.rollout.aws("apigatewayv2"), "get_integrations", api_id)
    uris = [str(one.get("IntegrationUri") or "") for one in found]
    return next((split_arn(function_arn(uri)) for uri in uris if ":function:" in uri), ("", ""))


def of_function(look: Look, target: str) -> Subject:
    """A function by name, `name:qualifier` or ARN. It is asked past any API."""
    environment = look.rollout.environment
    name, _, qualifier = (target if ":function:" not in target else ":".join(split_arn(target))).partition(":")
    ours = name == environment.names.function
    return Subject(
        url="",
        path=environment.api.health_path if ours else "/",
        api_id="",
        function=name,
        qualifier=qualifier,
        says=f"function {name}{f':{qualifier}' if qualifier else ''}, past any API",
        source=source_of(look) if ours else "",
        ours=ours,
        past_api=True,
    )


def of_release(look: Look, prefix: str) -> Subject:
    """The version that a release made."""
    environment = look.rollout.environment
    with Store(look.rollout, patience=5.0).connection() as connection:
        found = releases.releases_like(connection, environment.name, prefix)
    if len(found) != 1:
        many = "more than one release" if found else "no release"
        raise Permanent(
            f"{environment.name!r} has {many} whose id begins with {prefix!r}: `miyabi releases` lists them"
        )
    (release,) = found
    if not release.version:
        raise Permanent(f"release {release.id} ended before there was a version: {release.error or release.status}")
    says = f"release {str(release.id)[:8]} of {release.source}: version {release.version}, {release.status}"
    return of_environment(look, qualifier=release.version, source=release.source or "", says=says)


def source_of(look: Look) -> str:
    """The source of what serves: the one that was given, else what the last release of a backend noted; '' if nobody
    says. A release of a site alone says nothing of it."""
    if look.source:
        return look.source
    try:
        with Store(look.rollout, patience=2.0).connection() as connection:
            listed = release_history.page(connection, look.rollout.environment.name, limit=20)
    except MiyabiError:
        return ""
    return next((one.source for one in listed if one.source and re.match("(python|rust|zip):", one.source)), "")


def last_good_version(rollout: Rollout) -> str:
    """The newest version of a good release that is still there; '' if nobody knows one."""
    pages = rollout.aws("lambda").get_paginator("list_versions_by_function")
    listed = pages.paginate(FunctionName=rollout.environment.names.function)
    there = {entry["Version"] for page in listed for entry in page["Versions"]}
    try:
        with Store(rollout, patience=2.0).connection() as connection:
            good = releases.good_versions(connection, rollout.environment.name, 20)
    except MiyabiError:
        return ""
    return next((version for version in good if version in there), "")
