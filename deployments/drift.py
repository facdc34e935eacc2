"""Whether an environment's file says something else than what Prefect has saved of it.

A run uses what is saved, so an edited file does nothing before `miyabi configure`: a person is told so. TOML is
compared with JSON, and defaults are those of the schema that Prefect keeps beside the block, so that nothing heavy is
imported.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from deployments.environment_files import FOLDER, BadEnvironment, read_file
from deployments.prefect_api import PrefectAway, PrefectRefused

MACHINES_OWN = {"endpoint_url", "database_address", "api_url", "site_url"}
"""What `miyabi up` says of `local`, whatever the file says (`LocalCloud.overlay`)."""
FILLED_IN = {"database.ca_bundle", "function.python_runtime", "function.architecture"}
"""What it says unless the file does."""
SHOWN = 6
"""Differences that are told; the rest is counted."""


class BlockSource(Protocol):
    """What is read of Prefect's API."""

    def request(self, method: str, path: str) -> Any: ...


def warning(prefect: BlockSource, name: str, folder: Path = FOLDER) -> str | None:
    """What to tell before a run in this environment; None when file and block agree, or there are not both."""
    if not (folder / f"{name}.toml").is_file():
        return None
    try:
        found = differences(read_file(name, folder), saved_block(prefect, name))
    except BadEnvironment as error:
        return f"{error}\nThis run uses what was saved before. Mend the file, then save it with `miyabi configure`."
    if not found:
        return None
    more = [f"  … and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    head = f"{name}.toml differs from what Prefect has saved, and this run uses what is saved:"
    return "\n".join([head, *(f"  {line}" for line in found[:SHOWN]), *more, "Save the file with `miyabi configure`."])


def saved_block(prefect: BlockSource, name: str) -> Mapping[str, Any] | None:
    """The block document of an environment, with its schema; None when there is none, which the run will say."""
    try:
        path = f"/block_types/slug/miyabi-environment/block_documents/name/{name}"
        return dict(prefect.request("GET", path))
    except PrefectAway:
        raise
    except PrefectRefused:
        return None


def differences(file: Mapping[str, Any], block: Mapping[str, Any] | None) -> list[str]:
    """`function.memory_mb: 1024, saved: 512`: a line for each setting that differs."""
    if block is None:
        return []
    data, properties = block["data"], block["block_schema"]["fields"]["properties"]
    said, saved = flat(file), flat(saved_settings(data))
    wanted = {**flat({key: schema.get("default") for key, schema in properties.items()}), **said}
    others = MACHINES_OWN | (FILLED_IN - set(said)) if data["name"] == "local" else set()
    if data["credentials"].get("aws_access_key_id"):
        others |= {"profile", "endpoint_url"}  # a person entered keys: the credentials are theirs
    return [
        f"{key}: {shown(wanted.get(key))}, saved: {shown(saved.get(key))}"
        for key in sorted({*wanted, *saved} - others)
        if wanted.get(key) != saved.get(key)
    ]


def saved_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """The block's data as a file would say it."""
    door = data["credentials"]
    return {key: value for key, value in data.items() if key not in {"name", "credentials"}} | {
        "region": door["region_name"],
        "profile": door["profile_name"],
        "endpoint_url": door["aws_client_parameters"]["endpoint_url"],
    }


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by path, `database.storage_gb`; what is None is not there."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[prefix + key] = value
    return found


def shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:60]
