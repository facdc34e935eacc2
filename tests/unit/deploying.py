"""What the tests of deploying share: a package, its wiring, a role, and a run that dies at its n-th AWS call."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto import mock_aws

from blocks.environment import Environment
from tasks.aliases import ensure_alias, shift_traffic
from tasks.changes import Rollout
from tasks.configuration import Wiring
from tasks.functions import FunctionVersion, ensure_function
from tests.support import make_rollout

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass(frozen=True)
class Built:
    """A package as tasks/bundle.py gives it."""

    path: Path
    sha256_hex: str
    code_sha256: str
    size: int
    runtime: str = "python3.12"
    architecture: str = "x86_64"
    handler: str = "api.handler.handler"


def build(folder: Path, text: str = "one") -> Built:
    """A zip with one small file."""
    return pack(folder / f"{text}.zip", {"bootstrap": text})


def pack(path: Path, files: Mapping[str, str], **fields: str) -> Built:
    """A zip of these files, all of them executable, written to `path`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    data = buffer.getvalue()
    path.write_bytes(data)
    digest = hashlib.sha256(data)
    return Built(path, digest.hexdigest(), base64.b64encode(digest.digest()).decode(), len(data), **fields)


def wire(rollout: Rollout) -> Wiring:
    """A role that exists, and ids as provisioning would give them."""
    iam, name = rollout.aws("iam"), rollout.environment.names.role
    if not any(role["RoleName"] == name for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return Wiring(
        role_arn=iam.get_role(RoleName=name)["Role"]["Arn"],
        database_secret_arn=rollout.aws.arn("secretsmanager", "secret:miyabi/testing/database-AbCdEf"),
        jwt_secret_arn=rollout.aws.arn("secretsmanager", "secret:miyabi/testing/jwt-AbCdEf"),
        subnet_ids=("subnet-1", "subnet-2"),
        group_ids=("sg-1",),
    )


def deploy(environment: Environment, package: Built, **options: Any) -> tuple[Rollout, FunctionVersion]:
    """A version of the package on a rollout of its own; both."""
    rollout = make_rollout(environment, **options)
    return rollout, ensure_function.fn(rollout, package, wire(rollout))


def release(rollout: Rollout, package: Built) -> None:
    """The part of a release that this capability has: a version, and traffic on it."""
    made = ensure_function.fn(rollout, package, wire(rollout))
    ensure_alias.fn(rollout, made.version)
    shift_traffic.fn(rollout, made.version)


@contextmanager
def aws() -> Iterator[None]:
    """Moto in this process: IAM, Lambda, API Gateway, S3, Secrets Manager."""
    with mock_aws():
        yield


@contextmanager
def killed_at(rollout: Rollout, call: int, *, after: bool, services: tuple[str, ...]) -> Iterator[list[bool]]:
    """Let the process die at the rollout's n-th call to these services: before it is sent, or after AWS has done it.

    Gives a list that is not empty once it has died.
    """
    count, died = iter(range(call)), list[bool]()

    def die(**_: Any) -> None:
        if next(count, None) is None:
            raise Killed

    for service in services:
        rollout.aws(service).meta.events.register("after-call" if after else "before-call", die)
    try:
        yield died
    except Killed:
        died.append(True)
