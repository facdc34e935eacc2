"""The bucket of backups: private, encrypted, versioned; S3 itself takes away what is too old.

A backup that has expired, was overwritten or deleted stays an earlier version for another month, which is the way back
from a mistake. A teardown leaves the bucket alone: its backups are what is left afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.backup import BackupSettings
from tasks.backups.manifest import KINDS, kept_for
from tasks.buckets import PRIVATE, SeenBucket, apply_bucket, observe_bucket
from tasks.changes import Change, Rollout, adoption, differences
from tasks.steps import step

EARLIER_DAYS = 30
"""How long deleted and expired backups can be brought back."""
PROOFS, PROOFS_DAYS = "verifications/", 400
"""What verifications found, for more than a year of history."""
NAME = "kept {}"


def lifecycle(settings: BackupSettings) -> dict[str, Any]:
    """The rules: one for each kind of backup and one for what verifications found."""
    days = {f"{kind}/": kept_for(settings, kind).days for kind in KINDS} | {PROOFS: PROOFS_DAYS}
    return {
        "Rules": [
            {
                "ID": f"miyabi-{prefix.rstrip('/')}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": kept},
                "NoncurrentVersionExpiration": {"NoncurrentDays": EARLIER_DAYS},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
            for prefix, kept in days.items()
        ]
    }


def lifetimes(rules: Sequence[Mapping[str, Any]]) -> Mapping[str, object]:
    """What the rules say, a line for each of ours."""
    said = {}
    for rule in rules:
        if str(rule.get("ID", "")).startswith("miyabi-") and rule.get("Status") == "Enabled":
            days = rule.get("Expiration", {}).get("Days")
            earlier = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
            said[NAME.format(rule["ID"].removeprefix("miyabi-"))] = f"{days} days, then {earlier} more"
    return said


def plan_backup_bucket(rollout: Rollout, bucket: str, seen: SeenBucket | None) -> list[Change]:
    subject, rules = f"bucket {bucket}", lifecycle(rollout.environment.backup)["Rules"]
    if seen is None:
        return [Change("create", subject, "", "", "private, encrypted, versioned", "does not exist")]
    wanted = {**PRIVATE, **lifetimes(rules)}
    return adoption(subject, rollout.environment, dict(seen.tags)) + differences(subject, wanted, seen.settings)


@step("Ensure the bucket of backups")
def ensure_backup_bucket(rollout: Rollout) -> str:
    """The bucket, as it has to be; its name."""
    s3, bucket = rollout.aws("s3"), rollout.environment.names.backups_bucket
    seen = observe_bucket(s3, bucket, lifetimes)
    if seen:
        rollout.require_ours(f"bucket {bucket!r}", dict(seen.tags))
    changes = plan_backup_bucket(rollout, bucket, seen)
    return rollout.converge(
        f"bucket {bucket}",
        changes,
        apply=lambda: apply_bucket(rollout, bucket, changes, lifecycle(rollout.environment.backup)),
        planned=lambda: bucket,
    )
