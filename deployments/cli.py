"""The `miyabi` command: thin fronts to the flows of the same names. All else is Prefect's own CLI.

Nothing heavy is imported at the top: `miyabi --help` and `miyabi status` answer in a fraction of a second.
Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

DONE, FAILED, USAGE = 0, 1, 2
ROOT = Path(__file__).resolve().parent.parent

environment_option = click.option(
    "--environment",
    "-e",
    envvar="MIYABI_ENVIRONMENT",
    default="local",
    show_default=True,
    help="Where: the name of a file in deployments/environments.",
)


def checked_source(_context: click.Context, _option: click.Parameter, source: str | None) -> str | None:
    """A source of a known kind; a path that is there from here is sent as a whole path."""
    if source is None:
        return None
    kind, _, where = source.partition(":")
    if kind not in ("python", "rust", "zip") or not where:
        raise click.BadParameter("write it as python:FOLDER, rust:FOLDER or zip:FILE")
    return f"{kind}:{whole_path(where)}"


def whole_path(where: str) -> str:
    """A path that is there from here as a whole path, since a flow counts from the repository; any other as it is."""
    here = Path(where).expanduser()
    return str(here.resolve()) if here.exists() and Path.cwd() != ROOT else where


source_option = click.option(
    "--source",
    "-s",
    default=None,
    callback=checked_source,
    help="What: python:PATH, rust:PATH or zip:PATH.  [default: the deployment's, python:api]",
)
site_option = click.option(
    "--site",
    default=None,
    callback=lambda _context, _option, site: site and f"site:{whole_path(site.removeprefix('site:'))}",
    help="The site: a folder; '' for none.  [default: the deployment's, dashboard]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object on standard output.")


ELSEWHERE = {
    **{name: name for name in ("agents", "backup", "diagnose", "investigate", "report", "runbook")},
    "restore": "backup",
    "verify-backup": "backup",
}
"""Commands, and the file `cli_<name>.py` that each is in."""


class Commands(click.Group):
    """The commands of this file, and those in files of their own, which are read when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *ELSEWHERE])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in ELSEWHERE:
            file = import_module(f"deployments.cli_{ELSEWHERE[name]}")
            found: click.Command = getattr(file, name.replace("-", "_"))
            return found
        return super().get_command(context, name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="miyabi-pipelines", message="%(version)s")
def main() -> None:
    """Take a backend from its repository to a running system, and keep it healthy."""


@main.command()
@click.option("--ha", is_flag=True, help="Two of everything, Redis, and Prefect behind a password.")
def up(ha: bool) -> None:
    """Start the embedded cloud: PostgreSQL, AWS, Prefect and a worker."""
    from deployments import stack
    from deployments.prefect_api import PrefectRefused
    from deployments.register import BadFiles, RegistrationFailed, make_ready

    try:
        status = (stack.up_scaled_out if ha else stack.up)(click.echo, after_ready=make_ready)
    except BadFiles as error:
        fail(f"the stack is up, with what was saved before:\n{error}", USAGE)
    except (stack.StackError, RegistrationFailed, PrefectRefused) as error:
        fail(str(error), FAILED)
    click.echo(f"ready: {status.prefect_ui}")


@main.command()
def down() -> None:
    """Stop it. The data stays."""
    from deployments import stack

    try:
        stack.down(click.echo)
    except stack.StackError as error:
        fail(str(error), FAILED)


@main.command()
@json_option
def status(as_json: bool) -> None:
    """What runs, and where. Exit code 1 when nothing does, or something is not well."""
    from deployments import stack

    facts = stack.status_json()
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        show_status(facts)
    services = facts["services"].values()
    sys.exit(DONE if services and all(services) else FAILED)


def show_status(facts: Mapping[str, Any]) -> None:
    for name, healthy in facts["services"].items():
        click.echo(f"  {'✓' if healthy else '✗'} {name}")
    if not any(facts["services"].values()):
        click.echo("nothing runs; start it with `miyabi up`")
    for key in ("prefect_ui", "prefect_auth", "aws_endpoint", "api_url", "site_url", "state"):
        if facts[key]:
            click.echo(f"{key:<14}{facts[key]}")
    if facts["prefect_api"]:
        click.echo(f"for `prefect`: export PREFECT_API_URL={facts['prefect_api']}")
    if facts["prefect_auth"]:
        click.echo(
            f"  and          export PREFECT_API_AUTH_STRING=$(cat {facts['prefect_auth']})  # the UI asks for it, too"
        )


@main.command()
@click.option("--prune", is_flag=True, help="Remove what is ours there and no longer in the files.")
def configure(prune: bool) -> None:
    """Bring Prefect to what the files say: environments, work pools, deployments, automations. Says what changed."""
    from deployments import stack
    from deployments.register import BadFiles, RegistrationFailed, register_anyway

    prefect_address()
    now = stack.status()
    try:
        register_anyway(click.echo, (now.home, now.ports) if now.prefect_api else None, prune=prune)
    except BadFiles as error:
        fail(f"nothing was saved:\n{error}", USAGE)
    except RegistrationFailed as error:
        fail(str(error), FAILED)


@main.command()
@environment_option
@source_option
@site_option
@click.option("--adopt", is_flag=True, help="Take over resources of the right names that we did not make.")
@json_option
def release(environment: str, source: str | None, site: str | None, adopt: bool, as_json: bool) -> None:
    """Release: build, check, provision, migrate, deploy, smoke-test, shift traffic, publish the site."""
    parameters = {"environment": environment, "adopt": adopt} | given(source=source, site=site)
    run_flow("release", environment, parameters, as_json=as_json, artifact="release", label="release")


@main.command()
@environment_option
@source_option
@site_option
@json_option
def plan(environment: str, source: str | None, site: str | None, as_json: bool) -> None:
    """Show what a release would change. Cannot write."""
    parameters = {"environment": environment} | given(source=source, site=site)
    run_flow("plan", environment, parameters, as_json=as_json, artifact="planned-changes", label="changes")


@main.command()
@environment_option
@click.option("--directory", "--source", default=None, help="Folder of migrations.  [default: migrations]")
@click.option("--target-version", type=int, default=None, help="Stop at this version.")
@click.option("--dry-run", is_flag=True, help="List what would be applied.")
@click.option("--info", is_flag=True, help="List all migrations with their state.")
@click.option("--ignore-missing", is_flag=True, help="Pass over applied migrations whose files are not there.")
def migrate(
    environment: str,
    directory: str | None,
    target_version: int | None,
    dry_run: bool,
    info: bool,
    ignore_missing: bool,
) -> None:
    """Apply migrations, by sqlx's contract, to the environment's database or to DATABASE_URL."""
    from database import migrate_cli
    from database.migration_errors import MigrationError

    if dsn := os.environ.get("DATABASE_URL"):
        folder = directory or "migrations"
        sys.exit(migrate_cli.main(folder, dsn, target_version, dry_run, info, ignore_missing=ignore_missing))
    folder = whole_path(directory) if directory else "migrations"
    try:
        migrate_cli.read(ROOT / folder, target_version)
    except MigrationError as error:
        fail(f"error: {error}", migrate_cli.exit_code(error))
    parameters = {
        "environment": environment,
        "directory": folder,
        "target_version": target_version,
        "plan_only": dry_run,
        "info": info,
        "ignore_missing": ignore_missing,
    }
    run_flow("migrate", environment, parameters, as_json=False, artifact=None)


@main.command()
@environment_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--approvals", is_flag=True, help="Which plans waited for a person, and what came of them.")
@json_option
def releases(environment: str, limit: int, approvals: bool, as_json: bool) -> None:
    """What was released, newest first; `rollback` takes the id."""
    from deployments.environment_files import BadEnvironment
    from deployments.releases import NoRecord, approval_lines, approvals_of, facts, lines, list_releases

    try:
        if approvals:
            for line in approval_lines(approvals_of(environment, limit)):
                click.echo(line)
            return
        found = list_releases(environment, limit)
    except BadEnvironment as error:
        fail(str(error), USAGE)
    except NoRecord as error:
        fail(str(error), FAILED)
    if as_json:
        click.echo(json.dumps({"releases": facts(found)}, indent=2))
    else:
        for line in lines(found):
            click.echo(line)


@main.command()
@environment_option
@click.argument("release_id", required=False)
@json_option
def rollback(environment: str, release_id: str | None, as_json: bool) -> None:
    """Put traffic back to before the last release, or to RELEASE_ID's version.

    RELEASE_ID is an id of `miyabi releases` or its beginning, a version's number, or `previous`.
    """
    parameters = {"environment": environment, "release_id": release_id}
    run_flow("rollback", environment, parameters, as_json=as_json, artifact="changes", label="changes")


def given(**parameters: str | None) -> dict[str, Any]:
    """The parameters that were given; the deployment has the others."""
    return {name: value for name, value in parameters.items() if value is not None}


def run_flow(
    flow: str,
    environment: str,
    parameters: dict[str, Any],
    *,
    as_json: bool,
    artifact: str | None,
    label: str = "",
    others: Sequence[str] = (),
) -> NoReturn:
    """Run a deployment, show its progress, print its artifact (as JSON under `label`, beside `others` that it left),
    exit by its outcome."""
    from deployments.prefect_api import PrefectApi, PrefectAway, PrefectRefused
    from deployments.runs import run_deployment

    show: Callable[[str], None] = (lambda line: click.echo(line, err=True)) if as_json else click.echo
    prefect = PrefectApi(*prefect_address())
    try:
        ended = run_deployment(
            prefect, flow, environment, parameters, artifact=artifact, others=others, show=show, gone=stopped
        )
    except PrefectAway as error:
        fail(str(error), FAILED)
    except PrefectRefused as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt:
        fail("\nno longer watching; the run goes on in Prefect", FAILED)
    if as_json:
        click.echo(json.dumps(ended.facts(label)))
    else:
        for line in ended.lines():
            show(line)
    sys.exit(DONE if ended.done else FAILED)


def prefect_address() -> tuple[str, str]:
    """PREFECT_API_URL, or the embedded cloud's server, and what it asks of its clients."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url, ""
    from deployments import stack

    now = stack.status()
    if not now.prefect_api:
        fail("Prefect is not running here and PREFECT_API_URL is not set; start it with `miyabi up`", USAGE)
    return now.prefect_api, stack.prefect_auth(now)


def stopped() -> bool:
    """True when Prefect is the embedded cloud's and that was stopped."""
    from deployments import stack

    return not os.environ.get("PREFECT_API_URL") and not stack.status().running


def fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
