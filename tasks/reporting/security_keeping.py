"""Checks: how secrets, data and logs are kept."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tasks.reporting.flaws import Flaw
from tasks.reporting.model import Scene

SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSW|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY", re.IGNORECASE)
SECRET_VALUE = re.compile(r"://[^\s/:@]+:[^\s/@]+@|^AKIA[0-9A-Z]{16}$|^gh[pousr]_\w{20,}|BEGIN [A-Z ]*PRIVATE KEY")
"""A URL with a password, keys of AWS and GitHub, a private key."""


def plain_secrets(scene: Scene, today: date) -> Iterator[Flaw]:
    """Secrets among the function's variables, which everybody sees who may look at the function; names only."""
    function = scene.get("function")
    if function is None:
        return
    subject = f"function {scene.environment.names.function}"
    for name in secrets_among(function.latest.variables):
        also = [version for version, one in function.versions.items() if name in secrets_among(one.variables)]
        where = f"; also in version {', '.join(also)}, which never change" if also else ""
        fix = (
            "keep it in Secrets Manager and give the function its ARN: take it out of [function] plain_secrets, release"
        )
        yield Flaw("high", subject, f"variable {name} holds a secret in plain text{where}", fix)


def secrets_among(variables: Mapping[str, str]) -> list[str]:
    """By name, if it holds no ARN, number or switch; or by what the value looks like."""
    return [
        name
        for name, value in variables.items()
        if SECRET_VALUE.search(value) or (SECRET_NAME.search(name) and not is_harmless(value))
    ]


def is_harmless(value: str) -> bool:
    return value.startswith("arn:") or value.isdecimal() or value.lower() in {"", "true", "false", "none"}


def deleted_secrets(scene: Scene, today: date) -> Iterator[Flaw]:
    for name, secret in (scene.get("secrets") or {}).items():
        if secret is not None and secret.deleted:
            fix = f"`miyabi release`, or at once: aws secretsmanager restore-secret --secret-id {name}"
            yield Flaw("high", f"secret {name}", "is deleted, and gone for good when its window ends", fix)


def unencrypted_storage(scene: Scene, today: date) -> Iterator[Flaw]:
    if (found := database_of(scene)) and not found[1].encrypted:
        name = found[0]
        fix = (
            f"copy a snapshot encrypted (aws rds copy-db-snapshot --kms-key-id alias/aws/rds …) and restore {name} from"
            " it: an instance cannot be encrypted later"
        )
        yield Flaw("high", f"database {name}", "its storage is not encrypted", fix)


def no_backups(scene: Scene, today: date) -> Iterator[Flaw]:
    if not (found := database_of(scene)):
        return
    name, kept = found[0], found[1].settings["BackupRetentionPeriod"] or 0
    fix = "`backup_days = 7` in [database], and release"
    if kept == 0:
        yield Flaw("high", f"database {name}", "there are no automatic backups", fix)
    elif kept < 7:
        yield Flaw("low", f"database {name}", f"backups go back {kept} day(s)", fix)


def unproven_backup(scene: Scene, today: date) -> Iterator[Flaw]:
    """What a disaster would cost, by the newest backup that was restored and found whole."""
    backups, wanted = scene.get("backups"), scene.environment.backup.rpo_hours
    if not database_of(scene) or backups is None:
        return
    fix = "`miyabi backup`, then `miyabi verify-backup`: both have a schedule, paused until the first release"
    subject = f"database {scene.environment.names.database}"
    if backups.rpo_s is None:
        yield Flaw("medium", subject, "no backup is proven to be restorable", fix)
    elif backups.rpo_s > wanted * 3600:
        evidence = f"the newest proven backup is {backups.rpo_s / 3600:.0f} hours old; backup.rpo_hours is {wanted:g}"
        yield Flaw("medium", subject, evidence, fix)


def unprotected_database(scene: Scene, today: date) -> Iterator[Flaw]:
    if (found := database_of(scene)) and not found[1].settings["DeletionProtection"]:
        fix = "`deletion_protection = true` in [database], and release"
        yield Flaw("low", f"database {found[0]}", "one call deletes it", fix)


def unverified_database(scene: Scene, today: date) -> Iterator[Flaw]:
    """How the environment has everybody connect."""
    mode, name = scene.environment.database.sslmode, scene.environment.names.database
    fix = '`sslmode = "verify-full"` and `ca_bundle` in [database], and release'
    if mode == "prefer":
        yield Flaw("medium", f"database {name}", "connections may be unencrypted (sslmode prefer)", fix)
    elif mode == "require":
        yield Flaw("low", f"database {name}", "connections are encrypted, but nobody checks who answers", fix)


def endless_logs(scene: Scene, today: date) -> Iterator[Flaw]:
    for name, group in (scene.get("log groups") or {}).items():
        if group is not None and group.retention_days is None:
            kept = scene.environment.log_retention_days
            fix = f"aws logs put-retention-policy --log-group-name {name} --retention-in-days {kept}"
            yield Flaw("medium", f"log group {name}", "what is in it is kept, and paid for, for ever", fix)


def public_bucket(scene: Scene, today: date) -> Iterator[Flaw]:
    name, bucket = scene.get("bucket") or ("", None)
    if bucket is not None and bucket.settings["public access"] != "blocked":
        blocked = ",".join(f"{key}=true" for key in PUBLIC_ACCESS)
        fix = f"aws s3api put-public-access-block --bucket {name} --public-access-block-configuration {blocked}"
        yield Flaw("high", f"bucket {name}", "public access is not blocked", fix)


def unencrypted_bucket(scene: Scene, today: date) -> Iterator[Flaw]:
    name, bucket = scene.get("bucket") or ("", None)
    if bucket is not None and bucket.settings["encryption"] != "on":
        fix = "`miyabi release` turns it on, in a bucket that it made"
        yield Flaw("low", f"bucket {name}", "has no encryption set (AWS encrypts what is new by itself)", fix)


def database_of(scene: Scene) -> tuple[str, Any] | None:
    """Its name and what was seen."""
    seen = scene.get("database")
    return (scene.environment.names.database, seen) if seen is not None else None


PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
