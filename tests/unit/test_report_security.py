"""Security findings: each check finds its flaw, names it with a way to mend it, and is silent on a system in order."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from blocks.environment import DatabaseSettings, Environment
from tasks.alarms import SeenAlarm
from tasks.backups.proof import Standing
from tasks.logs import SeenLogGroup
from tasks.network_groups import tcp
from tasks.reporting.model import Scene, Unseen
from tasks.reporting.security import CHECKS, findings_of
from tasks.roles import SeenRole
from tasks.secrets import SeenSecret
from tasks.sites.bucket import WANTED, SeenBucket
from tasks.topics import SeenTopic
from tests.support import make_environment
from tests.unit.reporting import api, database, distribution, function, network, scene

TODAY = date(2026, 11, 27)
SOON = datetime(2027, 1, 31, tzinfo=UTC)
VERIFIED = make_environment(database=DatabaseSettings(sslmode="verify-full"))
NAMES = VERIFIED.names
URL = "https://api.example"


def role(**changed: Any) -> SeenRole:
    return replace(scene(VERIFIED).get("role"), **changed)


def policy(**statement: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", **statement}]})


def flaws(seen: Scene) -> list[tuple[str, str, str]]:
    return [(one.check, one.flaw.severity, one.flaw.evidence) for one in findings_of(seen, TODAY).found]


def test_a_system_in_order_has_no_findings() -> None:
    assert flaws(scene(VERIFIED)) == []


BROKEN: list[tuple[str, str, dict[str, Any], str]] = [
    ("open ports", "high", {"network": network(VERIFIED, tcp(5432, "0.0.0.0/0"))}, "tcp 5432 from 0.0.0.0/0"),
    ("wide ranges", "medium", {"network": network(VERIFIED, tcp(5432, "52.0.0.0/8"))}, "16,777,216 addresses"),
    ("public database", "medium", {"database": database(PubliclyAccessible=True)}, "public address"),
    ("broad policies", "critical", {"role": role(inline={"p": policy(Action="*", Resource="*")})}, "allows *"),
    ("broad policies", "high", {"role": role(inline={"p": policy(Action="s3:*", Resource="arn:x")})}, "allows s3:*"),
    ("broad policies", "high", {"role": role(inline={"p": policy(Action="s3:GetObject", Resource="*")})}, "everything"),
    ("further policies", "high", {"role": role(attached=("arn:aws:iam::aws:policy/AdministratorAccess",))}, "attached"),
    ("further policies", "medium", {"role": role(attached=("arn:aws:iam::aws:policy/ReadOnlyAccess",))}, "attached"),
    ("open trust", "high", {"role": role(trust=policy(Principal={"AWS": "*"}))}, '{"AWS": "*"}'),
    ("open trust", "low", {"role": role(trust=policy(Principal={"Service": "lambda.amazonaws.com"}))}, "any account"),
    ("open invocation", "critical", {"API": (api(other_statements=[{"Principal": "*", "Sid": "s"}]), URL)}, "anybody"),
    ("open invocation", "medium", {"API": (api(statements=[{"Principal": {"Service": "x"}}]), URL)}, "whichever API"),
    ("plain secrets", "high", {"function": function(variables={"JWT_SECRET": "hush"})}, "variable JWT_SECRET"),
    ("plain secrets", "high", {"function": function(variables={"URL": "postgres://me:hush@db/x"})}, "variable URL"),
    ("deleted secrets", "high", {"secrets": {NAMES.jwt_secret: SeenSecret("arn", {}, True)}}, "gone for good"),
    ("unencrypted storage", "high", {"database": database(encrypted=False)}, "not encrypted"),
    ("unproven backup", "medium", {"backups": Standing(None)}, "no backup is proven"),
    ("unproven backup", "medium", {"backups": Standing(30 * 3600.0)}, "30 hours old; backup.rpo_hours is 26"),
    ("no backups", "high", {"database": database(BackupRetentionPeriod=0)}, "no automatic backups"),
    ("no backups", "low", {"database": database(BackupRetentionPeriod=1)}, "1 day"),
    ("unprotected database", "low", {"database": database(DeletionProtection=False)}, "one call"),
    ("endless logs", "medium", {"log_groups": {NAMES.api_logs: SeenLogGroup("arn", None, {})}}, "for ever"),
    ("public bucket", "high", {"bucket": ("b", SeenBucket({}, {**WANTED, "public access": "open"}))}, "not blocked"),
    ("unencrypted bucket", "low", {"bucket": ("b", SeenBucket({}, {**WANTED, "encryption": "off"}))}, "no encryption"),
    ("old runtime", "high", {"function": function(runtime="provided.al2")}, "was on 2026-07-31"),
    ("old engine", "high", {"database": database(EngineVersion="13.20")}, "was on 2026-02-28"),
    ("old engine", "low", {"database": database(EngineVersion="14.20")}, "in 93 days"),
    ("retired engine version", "medium", {"database": database(EngineVersion="15.4")}, "15.4 is retired"),
    ("no minor upgrades", "low", {"database": database(AutoMinorVersionUpgrade=False)}, "do not come"),
    ("old certificate", "low", {"database": database(authority="rds-ca-2019", certified_until=SOON)}, "rds-ca-2019"),
    ("plain HTTP", "medium",
     {"distribution": distribution(DefaultCacheBehavior={"ViewerProtocolPolicy": "allow-all"})}, "plain HTTP"),
    ("old TLS", "low",
     {"distribution": distribution(ViewerCertificate={"CloudFrontDefaultCertificate": True})}, "TLS from TLSv1"),
    ("any origin", "low", {"API": (api(cors={"AllowOrigins": ["*"]}), URL)}, "any origin"),
    ("no throttle", "medium", {"API": (api(stage={"AccessLogSettings": {"DestinationArn": "x"}}), URL)}, "how often"),
    ("no access log", "medium",
     {"API": (api(stage={"DefaultRouteSettings": {"ThrottlingRateLimit": 5}}), URL)}, "why it answered 500"),
    ("nobody is told", "medium", {"topic": SeenTopic({}, {"ops@example.com": False})}, "ops@example.com has not"),
    ("mute alarms", "medium", {"alarms": {"a": SeenAlarm("arn", {"AlarmActions": []})}}, "tells nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "severity", "changed", "evidence"), BROKEN)
def test_each_check_finds_its_flaw_and_only_that(
    check: str, severity: str, changed: dict[str, Any], evidence: str
) -> None:
    (found,) = flaws(scene(VERIFIED, **changed))
    assert found[:2] == (check, severity)
    assert evidence in found[2]


@pytest.mark.parametrize(("mode", "severity"), [("prefer", "medium"), ("require", "low")])
def test_unverified_database(mode: Any, severity: str) -> None:
    loose: Environment = make_environment(database=DatabaseSettings(sslmode=mode))
    assert [one[:2] for one in flaws(scene(loose))] == [("unverified database", severity)]


def test_every_check_has_a_case_here() -> None:
    tested = {case[0] for case in BROKEN} | {"unverified database"}
    assert tested == {check.name for check in CHECKS}


def test_an_open_port_of_a_public_database_is_critical_and_first() -> None:
    hole = network(VERIFIED, tcp(5432, "0.0.0.0/0"))
    found = flaws(scene(VERIFIED, network=hole, database=database(PubliclyAccessible=True)))
    assert [one[:2] for one in found] == [("open ports", "critical"), ("public database", "medium")]


def test_every_fix_is_said_and_no_secret_is() -> None:
    for _, _, changed, _ in BROKEN:
        for one in findings_of(scene(VERIFIED, **changed), TODAY).found:
            assert one.flaw.fix
            assert "hush" not in json.dumps(one.row())


def test_secrets_by_arn_and_switches_are_none_and_old_versions_are_named() -> None:
    harmless = {"JWT_SECRET_ARN": "arn:aws:x", "TOKEN_SECONDS": "3600", "PASSWORD_LOGIN": "false"}
    assert flaws(scene(VERIFIED, function=function(variables=harmless))) == []
    ((_, _, evidence),) = flaws(scene(VERIFIED, function=function(variables={"API_KEY": "hush"})))
    assert "also in version 3" in evidence


def test_what_could_not_be_looked_at_is_no_pass() -> None:
    findings = findings_of(scene(VERIFIED, database=Unseen("no access")), TODAY)
    assert findings.found == []
    assert "**unencrypted storage**: database: no access" in findings.unchecked
    assert len(findings.unchecked) == sum("database" in check.needs for check in CHECKS)
