"""What is ours on the server and no longer in the files: told, and removed on request.

A deployment is ours by its entrypoint and its pull step, an environment by the type of its block. Work pools stay: a
person's workers may poll them. What `local` is, belongs to the machine whose stack the server is: another one leaves it
out, and it is left over only where no such environment is.
"""

from collections.abc import Set
from typing import Any

from blocks.environment import Environment
from deployments.configuring.entries import observe
from deployments.configuring.server import LEFT_OVER, Report, Server, everything

OURS = "flows."
LOCAL = "local"


def tell_leftovers(
    server: Server, deployments: Set[str], environments: Set[str], report: Report, *, prune: bool
) -> None:
    there = saved_environments(server)
    kept = environments | ({LOCAL} & there.keys())
    for what, path in [
        *left_deployments(server, deployments, kept - environments),
        *((f"environment {name}", f"/block_documents/{there[name]}") for name in there.keys() - kept),
    ]:
        if prune:
            server.request("DELETE", path)
        report(f"{'removed' if prune else LEFT_OVER} {what}")


def left_deployments(server: Server, wanted: Set[str], others: Set[str]) -> list[tuple[str, str]]:
    """Those of `others`, environments of which nothing is known here, are not."""
    return [
        (f"deployment {name}", f"/deployments/{have['id']}")
        for name, have in sorted(observe(server).items())
        if name not in wanted and have["name"] not in others and is_ours(have)
    ]


def is_ours(deployment: dict[str, Any]) -> bool:
    steps = str(deployment.get("pull_steps") or "")
    entrypoint = str(deployment.get("entrypoint") or "")
    return entrypoint.startswith(OURS) and "set_working_directory" in steps


def saved_environments(server: Server) -> dict[str, str]:
    """The ids of the environments' blocks, by name."""
    body = {"block_types": {"slug": {"any_": [Environment.get_block_type_slug()]}}}
    return {one["name"]: one["id"] for one in everything(server, "/block_documents/filter", body)}
