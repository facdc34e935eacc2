"""Work pools as files: `deployments/work_pools/<pool>.yaml`, laid over the base job template of the worker's own type.

A file says what differs, and no more, so that a new version of a worker brings its new fields. A variable that the
type does not have, or of a wrong kind, is refused: Prefect would take it and not use it.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Literal

import prefect
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.environment_files import ROOT

FOLDER = ROOT / "deployments" / "work_pools"
SHIPPED = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
"""The templates of Prefect's own integrations, for one that is not installed here."""
Kind = Literal["process", "docker", "ecs"]


class BadPool(Exception):
    """A file of a work pool is wrong; the message lists every problem."""


class PoolFile(BaseModel):
    """What a file says. `extends` names the pool whose variables it takes where it has none of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Kind
    extends: str | None = None
    description: str
    concurrency_limit: int | None = None
    variables: dict[str, Any]


def pool_names(folder: Path = FOLDER) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_pool(name: str, folder: Path = FOLDER) -> PoolFile:
    """The file, with the variables that it takes from another one."""
    try:
        pool = PoolFile.model_validate(yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise BadPool(f"work_pools/{name}.yaml: {error}") from error
    if pool.extends is None:
        return pool
    return pool.model_copy(update={"variables": read_pool(pool.extends, folder).variables | pool.variables})


def work_pool(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The body of Prefect's request that makes this pool. Raises BadPool."""
    pool = read_pool(name, folder)
    template = deepcopy(base_template(pool.type))
    if found := problems(pool, template):
        raise BadPool("\n".join([f"work_pools/{name}.yaml:", *(f"  - {problem}" for problem in found)]))
    for variable, value in pool.variables.items():
        template["variables"]["properties"][variable]["default"] = value
    said = pool.model_dump(include={"type", "description", "concurrency_limit"})
    return {"name": name, **said, "base_job_template": template}


def check_pools(names: Iterable[str], folder: Path = FOLDER) -> list[str]:
    """Those of these that have a file; one without is of plain processes. Raises BadPool with all that is wrong."""
    checked, wrong = sorted(set(names) & set(pool_names(folder))), []
    for name in checked:
        try:
            work_pool(name, folder)
        except BadPool as error:
            wrong.append(str(error))
    if wrong:
        raise BadPool("\n".join(wrong))
    return checked


def problems(pool: PoolFile, template: dict[str, Any]) -> list[str]:
    """Variables that the type does not have, and values of a wrong kind."""
    variables = template["variables"]
    known = variables["properties"]
    found = [f"a worker of type {pool.type!r} has no {name!r}" for name in sorted(set(pool.variables) - set(known))]
    for name in sorted(set(pool.variables) & set(known)):
        schema = {**known[name], **{key: variables[key] for key in ("definitions", "$defs") if key in variables}}
        found += [
            f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(pool.variables[name])
        ]
    return found


@cache
def base_template(kind: Kind) -> dict[str, Any]:
    """That of the installed worker, else the one that Prefect ships of its integration."""
    if kind == "process":
        from prefect.workers.process import ProcessWorker

        return ProcessWorker.get_default_base_job_template()
    if kind == "ecs":
        from prefect_aws.workers.ecs_worker import ECSWorker

        return ECSWorker.get_default_base_job_template()
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return dict(shipped[f"prefect-{kind}"][kind]["default_base_job_configuration"])
