"""Security findings: small named checks in one list. Each looks at what was seen, and says where, why, and the mending.

A new check is a function that yields Flaws, and a line in CHECKS with the kinds that it looks at; where one of those
could not be looked at, the check says so and does not pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from blocks.commands import typed
from tasks.reporting import security_access, security_ages, security_keeping, security_serving
from tasks.reporting.drift import subject
from tasks.reporting.flaws import SEVERITIES, Flaw
from tasks.reporting.model import Component, Scene
from tasks.reporting.wording import plural

GRAVE = ("critical", "high")


@dataclass(frozen=True)
class Check:
    name: str
    needs: Sequence[str]
    """The kinds that it looks at."""
    look: Callable[[Scene, date], Iterator[Flaw]]


CHECKS = (
    Check("open ports", ("network", "database"), security_access.open_ports),
    Check("wide ranges", ("network",), security_access.wide_ranges),
    Check("public database", ("database",), security_access.public_database),
    Check("broad policies", ("role",), security_access.broad_policies),
    Check("further policies", ("role",), security_access.further_policies),
    Check("open trust", ("role",), security_access.open_trust),
    Check("open invocation", ("API",), security_access.open_invocation),
    Check("plain secrets", ("function",), security_keeping.plain_secrets),
    Check("deleted secrets", ("secrets",), security_keeping.deleted_secrets),
    Check("unencrypted storage", ("database",), security_keeping.unencrypted_storage),
    Check("no backups", ("database",), security_keeping.no_backups),
    Check("unproven backup", ("database", "backups"), security_keeping.unproven_backup),
    Check("unprotected database", ("database",), security_keeping.unprotected_database),
    Check("unverified database", (), security_keeping.unverified_database),
    Check("endless logs", ("log groups",), security_keeping.endless_logs),
    Check("public bucket", ("bucket",), security_keeping.public_bucket),
    Check("unencrypted bucket", ("bucket",), security_keeping.unencrypted_bucket),
    Check("old runtime", ("function",), security_ages.old_runtime),
    Check("old engine", ("database",), security_ages.old_engine),
    Check("retired engine version", ("database",), security_ages.retired_minor),
    Check("no minor upgrades", ("database",), security_ages.no_minor_upgrades),
    Check("old certificate", ("database",), security_ages.old_certificate),
    Check("plain HTTP", ("distribution",), security_serving.plain_http),
    Check("old TLS", ("distribution",), security_serving.old_tls),
    Check("any origin", ("API",), security_serving.any_origin),
    Check("no throttle", ("API",), security_serving.no_throttle),
    Check("no access log", ("API",), security_serving.no_access_log),
    Check("nobody is told", ("topic", "alarms"), security_serving.nobody_is_told),
    Check("mute alarms", ("alarms",), security_serving.mute_alarms),
)


@dataclass(frozen=True)
class Found:
    """A flaw, and the check that found it."""

    check: str
    flaw: Flaw

    def row(self) -> dict[str, str]:
        flaw = self.flaw
        return {
            "severity": flaw.severity,
            "check": self.check,
            "where": flaw.subject,
            "evidence": flaw.evidence,
            "fix": flaw.fix,
        }


@dataclass(frozen=True)
class Findings:
    found: Sequence[Found]
    unchecked: Sequence[str]
    """What could not be looked at, check by check."""

    def of(self, severity: str) -> int:
        return sum(one.flaw.severity == severity for one in self.found)

    @property
    def headline(self) -> str:
        """`2 findings: 1 high, 1 low`."""
        counted = [f"{self.of(severity)} {severity}" for severity in SEVERITIES if self.of(severity)]
        return f"{plural(len(self.found), 'finding')}{': ' if counted else ''}{', '.join(counted)}"


def weighed(components: Sequence[Component], findings: Findings) -> list[Component]:
    """The components with what is grave: one with a critical or high finding is not as it should be."""
    return [with_flaws(one, findings) for one in components]


def with_flaws(component: Component, findings: Findings) -> Component:
    grave = [one for one in findings.found if one.flaw.severity in GRAVE and one.flaw.subject == subject(component)]
    if not grave:
        return component
    said = ", ".join(dict.fromkeys(f"{one.flaw.severity}: {one.check}" for one in grave))
    return replace(component, standing="attention", says=f"{said}; {component.says}")


def findings_of(scene: Scene, today: date) -> Findings:
    """The worst first."""
    flaws = [(check.name, flaw) for check in CHECKS for flaw in check.look(scene, today)]
    found = [Found(name, replace(flaw, fix=typed(flaw.fix, scene.environment))) for name, flaw in flaws]
    found.sort(key=lambda one: SEVERITIES.index(one.flaw.severity))
    reasons = {
        check.name: [f"{kind}: {why}" for kind in check.needs if (why := scene.why_unseen(kind))] for check in CHECKS
    }
    return Findings(found, [f"**{name}**: {'; '.join(why)}" for name, why in reasons.items() if why])
