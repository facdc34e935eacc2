"""What is ours on the server and no longer in the files: told, and removed on request.

A deployment is ours by its entrypoint and its pull step, an environment by the type of its block. Work pools stay: a
person's workers may poll them.
"""

from collections.abc import Set
from typing import Any

from blocks.environment import Environment
from deployments.configuring.entries import observe
from deployments.configuring.server import LEFT_OVER, Report, Server, everything

OURS = "flows."
LOCAL = "local"
"""Belongs to one machine's stack: on another server it is left out, not left over."""


def tell_leftovers(
    server: Server, deployments: Set[str], environments: Set[str], report: Report, *, prune: bool
) -> None:
    for what, path in [
        *left_deployments(server, deployments),
        *left_environments(server, environments),
    ]:
        if prune:
            server.request("DELETE", path)
        report(f"{'removed' if prune else LEFT_OVER} {what}")


def left_deployments(server: Server, wanted: Set[str]) -> list[tuple[str, str]]:
    return [
        (f"deployment {name}", f"/deployments/{have['id']}")
        for name, have in sorted(observe(server).items())
        if name not in wanted and is_ours(have)
    ]


def is_ours(deployment: dict[str, Any]) -> bool:
    steps = str(deployment.get("pull_steps") or "")
    entrypoint = str(deployment.get("entrypoint") or "")
    return entrypoint.startswith(OURS) and "set_working_directory" in steps


def left_environments(server: Server, environments: Set[str]) -> list[tuple[str, str]]:
    body = {"block_types": {"slug": {"any_": [Environment.get_block_type_slug()]}}}
    found = everything(server, "/block_documents/filter", body)
    return [
        (f"environment {one['name']}", f"/block_documents/{one['id']}")
        for one in found
        if one["name"] not in environments | {LOCAL}
    ]
