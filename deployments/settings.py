"""Environment files: `deployments/environments/<name>.toml` → `Environment`.

A file holds what a person decides. What only the machine knows, the ports of the embedded cloud and the Python that
will run a function there, is laid over `local` when it is configured.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_aws import AwsCredentials
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import ValidationError

from blocks.environment import Environment
from deployments.environment_files import FOLDER, BadEnvironment, read_file
from deployments.stack import state_folder
from localcloud.postgres import certificate_of


@dataclass(frozen=True)
class LocalCloud:
    """Where the embedded cloud listens. Its databases are where RDS says."""

    aws_endpoint: str
    api_endpoint: str
    site_endpoint: str = ""

    def overlay(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The file's settings with what this machine knows."""
        function = {
            "python_runtime": f"python3.{sys.version_info.minor}",
            "architecture": "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64",
            **settings.get("function", {}),
        }
        return {
            **settings,
            "endpoint_url": self.aws_endpoint,
            "database": {"ca_bundle": str(certificate_of(state_folder())), **settings.get("database", {})},
            "api_url": f"{self.api_endpoint}/_api/{{api_id}}",
            **({"site_url": self.site_endpoint} if self.site_endpoint else {}),
            "function": function,
        }


def read_environment(name: str, cloud: LocalCloud | None = None, folder: Path = FOLDER) -> Environment:
    """The environment a file describes. Raises BadEnvironment with all problems at once."""
    settings = read_file(name, folder)
    if name == "local" and "endpoint_url" in settings:
        raise BadEnvironment("local.toml: take `endpoint_url` out; `miyabi up` says where the embedded cloud is")
    if name == "local" and cloud is not None:
        settings = cloud.overlay(settings)
    return build_environment(name, settings)


def read_environments(names: Sequence[str], cloud: LocalCloud | None, folder: Path = FOLDER) -> list[Environment]:
    """All of them. Raises BadEnvironment with the problems of every file, so that none is saved unless all can be."""
    found: list[Environment] = []
    problems: list[str] = []
    for name in names:
        try:
            found.append(read_environment(name, cloud, folder))
        except BadEnvironment as error:
            problems.append(str(error))
    if problems:
        raise BadEnvironment("\n".join(problems))
    return found


def build_environment(name: str, settings: Mapping[str, Any]) -> Environment:
    """An Environment from plain settings: the fields of the block, plus `region`, `profile`, `endpoint_url`."""
    fields = dict(settings)
    try:
        unknown = sorted(set(fields) - set(Environment.model_fields) - {"region", "profile", "endpoint_url"})
        if unknown:
            raise BadEnvironment(f"{name}.toml: unknown setting(s) {', '.join(map(repr, unknown))}")
        credentials = credentials_for(name, fields)
        return Environment(name=name, credentials=credentials, **fields)
    except ValidationError as error:
        problems = [f"  - {'.'.join(map(str, e['loc'])) or 'environment'}: {e['msg']}" for e in error.errors()]
        raise BadEnvironment("\n".join([f"{name}.toml has {len(problems)} problem(s):", *problems])) from error


def credentials_for(name: str, fields: dict[str, Any]) -> AwsCredentials:
    """Credentials without secrets: a profile, the machine's own role, or the embedded cloud's dummy keys.

    Takes `region`, `profile` and `endpoint_url` out of the fields.
    """
    region, profile, endpoint = (
        fields.pop("region", None),
        fields.pop("profile", None),
        fields.pop("endpoint_url", None),
    )
    if region is None:
        raise BadEnvironment(f"{name}.toml: `region` is missing")
    dummy = {"aws_access_key_id": "embedded", "aws_secret_access_key": "embedded"} if name == "local" else {}
    return AwsCredentials(
        region_name=region,
        profile_name=profile,
        aws_client_parameters=AwsClientParameters(endpoint_url=endpoint),
        **dummy,
    )
