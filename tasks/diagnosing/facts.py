"""What the probes find out. Each fact says itself in a line, and whether it is odd; none holds a secret.

A fact that is None was not found out: AWS could not be asked, or there was nothing to ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.diagnosing.facts_function import AliasSeen, FiguresSeen, FunctionSeen, Invoked, LogsSeen
from tasks.diagnosing.facts_means import ContractSeen, DatabaseSeen, PackageSeen, SecretsSeen, WarmthSeen
from tasks.diagnosing.facts_request import AccessSeen, Answered, GatewaySeen, PolicySeen, Subject, TargetSeen


@dataclass(frozen=True)
class Facts:
    """All that was found out."""

    subject: Subject | None = None
    answer: Answered | None = None
    function: FunctionSeen | None = None
    alias: AliasSeen | None = None
    gateway: GatewaySeen | None = None
    target: TargetSeen | None = None
    policy: PolicySeen | None = None
    figures: FiguresSeen | None = None
    invoked: Invoked | None = None
    access: AccessSeen | None = None
    logs: LogsSeen | None = None
    package: PackageSeen | None = None
    contract: ContractSeen | None = None
    secrets: SecretsSeen | None = None
    database: DatabaseSeen | None = None
    warmth: WarmthSeen | None = None
    why_not: Mapping[str, str] = field(default_factory=dict)
    """By the fact's name: why it is not there."""
