"""What the Lambda runtime has to know of a function, read from moto.

`Function` holds everything that decides how one version runs: two equal ones may share processes. `Target` is a
function as a caller named it (name, version or alias): which versions answer, with what weights, under which limit.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

LATEST = "$LATEST"


@dataclass(frozen=True)
class Function:
    """One version of a function, as it runs."""

    account_id: str
    region: str
    name: str
    version: str
    runtime: str
    handler: str
    role: str
    memory_mb: int
    timeout_s: int
    architecture: str
    log_group: str
    kms_key: str
    """With which the variables are encrypted; '' for AWS's own."""
    code_sha256: str
    """Of the zip, in hex."""
    variables: tuple[tuple[str, str], ...] = field(repr=False)
    code: bytes = field(repr=False, compare=False)
    """The zip as it was uploaded."""

    @property
    def arn(self) -> str:
        """The ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"


@dataclass(frozen=True)
class Target:
    """A function as it was named: its versions with their shares of the traffic, which add up to 1."""

    arn: str
    """With the qualifier, if one was given: what the function sees as its `invoked_function_arn`."""
    shares: tuple[tuple[float, Function], ...]
    state: str
    reserved: int | None
    """Reserved concurrency; None: the account's."""

    @cached_property
    def name(self) -> str:
        return self.shares[0][1].name

    @property
    def qualifier(self) -> str:
        return split_arn(self.arn)[1]

    def pick(self, draw: float) -> Function:
        """The version that takes a request, by a random number in [0, 1)."""
        for share, function in self.shares:
            draw -= share
            if draw < 0:
                return function
        return self.shares[0][1]


def split_arn(name_or_arn: str) -> tuple[str, str]:
    """Name and qualifier ('' if none) of `name`, `name:qualifier` or an ARN."""
    name, _, qualifier = name_or_arn.rpartition(":function:")[2].partition(":")
    return name, qualifier


def resolve(cloud: "Cloud", name: str, qualifier: str = "") -> Target:
    """The target of a name and a version or alias. Raises moto's `ResourceNotFoundException` where there is none."""
    backend = cloud.backend("lambda")
    latest = backend.get_function(name)
    shares = tuple(
        (share, read(backend.get_function(name, version))) for version, share in _versions(backend, name, qualifier)
    )
    arn = shares[0][1].arn + (f":{qualifier}" if qualifier else "")
    return Target(arn, shares, latest.state, _number(latest.reserved_concurrency))


def _versions(backend: Any, name: str, qualifier: str) -> list[tuple[str, float]]:
    """Version → share of the traffic."""
    if not qualifier or qualifier == LATEST or qualifier.isdecimal():
        return [(qualifier or LATEST, 1.0)]
    alias = backend.get_alias(qualifier, name)
    routing = alias.routing_config or {}
    others = {version: float(share) for version, share in (routing.get("AdditionalVersionWeights") or {}).items()}
    return [*others.items(), (alias.function_version, 1.0 - sum(others.values()))][::-1]


def read(function: Any) -> Function:
    """The facts of one version, from moto's object."""
    logging_config = getattr(function, "logging_config", None) or {}
    return Function(
        account_id=function.account_id,
        region=function.region,
        name=function.function_name,
        version=str(function.version),
        runtime=function.run_time or "",
        handler=function.handler or "",
        role=function.role,
        memory_mb=int(function.memory_size),
        timeout_s=int(function.timeout),
        architecture=function.architectures[0],
        log_group=logging_config.get("LogGroup") or function.logs_group_name,
        kms_key=function.kms_key_arn or "",
        code_sha256=getattr(function, "code_digest", ""),
        variables=tuple(sorted((function.environment_vars or {}).items())),
        code=getattr(function, "code_bytes", b""),
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
