"""What a version of the function is made of: code, settings and variables, wanted and seen, in one comparable form.

AWS answers the same fields for `$LATEST` and for every published version, so "does a version hold what is wanted" is
one `==`. Variables take part in it by value and are never printed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tasks.changes import Change, Rollout
from tasks.uploads import Package
from tasks.variables import function_variables, plain_variables


@dataclass(frozen=True)
class Wiring:
    """What a function hangs on; provisioning made it. ARNs and ids, nothing secret."""

    role_arn: str
    database_secret_arn: str
    jwt_secret_arn: str
    subnet_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """Everything that makes a version what it is; two equal ones need no new version."""

    code: str
    architecture: str
    runtime: str
    handler: str
    role: str
    memory_mb: int
    timeout_s: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    log_group: str
    tracing: str
    """X-Ray's mode: `Active` or `PassThrough`."""
    variables: Mapping[str, str] = field(repr=False)
    """Some may be secrets: never printed."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Configuration":
        """From what Lambda answers for `$LATEST` or a version."""
        vpc = answer.get("VpcConfig") or {}
        logging = answer.get("LoggingConfig") or {}
        return cls(
            code=answer["CodeSha256"],
            architecture=answer.get("Architectures", ["x86_64"])[0],
            runtime=answer.get("Runtime", ""),
            handler=answer.get("Handler", ""),
            role=answer["Role"],
            memory_mb=answer["MemorySize"],
            timeout_s=answer["Timeout"],
            subnets=tuple(sorted(vpc.get("SubnetIds") or ())),
            security_groups=tuple(sorted(vpc.get("SecurityGroupIds") or ())),
            log_group=logging.get("LogGroup", f"/aws/lambda/{answer['FunctionName']}"),
            tracing=(answer.get("TracingConfig") or {}).get("Mode", "PassThrough"),
            variables=(answer.get("Environment") or {}).get("Variables") or {},
        )

    def parameters(self) -> dict[str, Any]:
        """For `update_function_configuration`: everything but the code. `Environment` replaces the whole map."""
        return {
            "Runtime": self.runtime,
            "Handler": self.handler,
            "Role": self.role,
            "MemorySize": self.memory_mb,
            "Timeout": self.timeout_s,
            "VpcConfig": {"SubnetIds": [*self.subnets], "SecurityGroupIds": [*self.security_groups]},
            "LoggingConfig": {"LogGroup": self.log_group},
            "TracingConfig": {"Mode": self.tracing},
            "Environment": {"Variables": dict(self.variables)},
        }

    def same_code(self, other: "Configuration") -> bool:
        return (self.code, self.architecture) == (other.code, other.architecture)

    def same_settings(self, other: "Configuration") -> bool:
        return self.parameters() == other.parameters()


@dataclass(frozen=True)
class Wanted:
    """A function as the environment and the package want it."""

    name: str
    configuration: Configuration
    tags: Mapping[str, str]
    reserved_concurrency: int | None
    shown: Mapping[str, str]
    """The variables whose values may be seen."""


def wanted_function(rollout: Rollout, package: Package, wiring: Wiring) -> Wanted:
    environment, settings = rollout.environment, rollout.environment.function
    secrets = (wiring.database_secret_arn, wiring.jwt_secret_arn)
    shown = plain_variables(environment, *secrets)
    configuration = Configuration(
        code=package.code_sha256,
        architecture=package.architecture,
        runtime=package.runtime,
        handler=package.handler,
        role=wiring.role_arn,
        memory_mb=settings.memory_mb,
        timeout_s=settings.timeout_s,
        subnets=tuple(sorted(wiring.subnet_ids)) if settings.in_vpc else (),
        security_groups=tuple(sorted(wiring.group_ids)) if settings.in_vpc else (),
        log_group=environment.names.function_logs,
        tracing="Active" if environment.monitoring.tracing else "PassThrough",
        variables=function_variables(rollout, *secrets),
    )
    return Wanted(environment.names.function, configuration, environment.tags, settings.reserved_concurrency, {
        name: value for name, value in shown.items() if name not in settings.plain_secrets
    })  # fmt: skip


def plan_settings(subject: str, to: Configuration, seen: Configuration) -> list[Change]:
    """Field by field, the variables left out."""
    changes = []
    for name in (item.name for item in fields(Configuration) if item.name != "variables"):
        before, after = getattr(seen, name), getattr(to, name)
        if before != after:
            why = "another package" if name == "code" else "differs from the environment"
            changes.append(Change("update", subject, name.replace("_", " "), show(before), show(after), why))
    return changes


def plan_variables(wanted: Wanted, before: Mapping[str, str]) -> list[Change]:
    """Which variables appear, change or go. What stood there before is never shown: it may have been a secret."""
    subject, after = f"function {wanted.name}", wanted.configuration.variables
    changed = [name for name in after if before.get(name) != after[name]]
    return [
        Change(
            "update",
            subject,
            f"variable {name}",
            "(set)" if name in before else "",
            wanted.shown.get(name, "(secret)"),
            "differs from the environment",
        )
        for name in changed
    ] + [
        Change("update", subject, f"variable {name}", "(set)", "(removed)", "not in the environment")
        for name in before
        if name not in after
    ]


def short(code_sha256: str) -> str:
    return code_sha256[:12]


def show(value: object) -> str:
    """A setting as the plan shows it."""
    return (", ".join(value) or "none") if isinstance(value, tuple) else str(value)
