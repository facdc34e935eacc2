"""`miyabi backup`, `restore` and `verify-backup`: thin fronts to the flows of those names."""

import click

from deployments.cli import environment_option, json_option, run_flow


@click.command()
@environment_option
@click.option("--list", "only_list", is_flag=True, help="Only list what there is; takes none.")
@json_option
def backup(environment: str, only_list: bool, as_json: bool) -> None:
    """Take a backup of the database: a dump in S3, and a snapshot."""
    run_flow("backup", environment, {"environment": environment, "only_list": only_list}, as_json=as_json,
             artifact="backup", label="backups")  # fmt: skip


@click.command("verify-backup")
@click.argument("backup", default="")
@environment_option
@json_option
def verify_backup(backup: str, environment: str, as_json: bool) -> None:
    """Restore a backup beside the database, prove that it is whole, and measure RPO and RTO.

    BACKUP is an id that `miyabi backup --list` shows; without it, the newest.
    """
    run_flow("verify-backup", environment, {"environment": environment, "backup": backup}, as_json=as_json,
             artifact="backup-verified", label="verification")  # fmt: skip


@click.command()
@click.argument("backup", default="")
@environment_option
@click.option("--snapshot", default="", metavar="NAME", help="A snapshot of RDS, instead of a backup.")
@click.option("--to-time", default="", metavar="TIME", help="`latest`, or 2026-11-27T03:15:00Z, instead of a backup.")
@click.option("--into", default="", metavar="NAME", help="The new instance.  [default: follows from what is restored]")
@click.option("--dry-run", is_flag=True, help="Only show what would be made.")
@json_option
def restore(
    backup: str, environment: str, snapshot: str, to_time: str, into: str, dry_run: bool, as_json: bool
) -> None:
    """Restore a backup into a new instance beside the database, and say how to go over to it.

    BACKUP is an id that `miyabi backup --list` shows; without it, the newest.
    """
    parameters = {
        "environment": environment, "backup": backup, "snapshot": snapshot, "to_time": to_time, "into": into,
        "plan_only": dry_run,
    }  # fmt: skip
    artifact = "planned-changes" if dry_run else "restore"
    run_flow("restore", environment, parameters, as_json=as_json, artifact=artifact, label="restored")
