"""Investigate: is what an issue says of a repository true, and what is really left to do? Reads only.

A folder, or an address at a ref, is parsed (docs/investigate.md); with an environment AWS is asked as well, through a
door that cannot write. The report is an artifact and a file, beside all of it as JSON, in
`.miyabi/investigations/<name>/`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from flows.opening import WORK, reading
from flows.parameters import Shown
from tasks.agents.issue_source import Access, Issue, issue_of_file, issue_of_repository
from tasks.agents.keys import Keys
from tasks.agents.settings import agent_settings
from tasks.aliases import observe_alias
from tasks.changes import Rollout
from tasks.databases import observe_database
from tasks.errors import Permanent
from tasks.functions import observe_function
from tasks.gateway import observe_api
from tasks.investigating.cloud import look_at_cloud
from tasks.investigating.investigation import IssueRead
from tasks.investigating.leaving import leave
from tasks.investigating.repository import origin_of
from tasks.investigating.steps import investigate_repository
from tasks.logs import observe_log_group
from tasks.network import observe_vpc
from tasks.network_groups import SeenGroup, observe_groups
from tasks.roles import observe_role
from tasks.secrets import observe_secret, read_secret
from tasks.sites.bucket import observe_bucket
from tasks.sites.distribution import observe_distribution
from tasks.sites.search import hits_in

HOME = WORK.parent / "investigations"
Repository = Annotated[
    str, Field(min_length=1, max_length=500), Shown("What: a folder, or the address of a git repository.")
]
Ref = Annotated[str, Field(max_length=200), Shown("Which branch, tag or commit; empty for a folder as it is.")]
IssueSpec = Annotated[
    str, Field(max_length=500), Shown("Whose claims: a Markdown or JSON file, or a number at GitHub.")
]
Environment = Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{1,20})?$"), Shown("Ask AWS there; empty for not at all.")]

Build = Annotated[bool, Shown("Run `cargo build` on a copy, which runs the repository's own build scripts.")]


def run_name() -> str:
    given: dict[str, Any] = runtime.flow_run.parameters
    return f"investigate {str(given.get('repository', '')).rstrip('/').rpartition('/')[2] or '.'}"


@flow(name="investigate", flow_run_name=run_name)
async def investigate(
    repository: Repository = ".",
    ref: Ref = "",
    issue: IssueSpec = "",
    environment: Environment = "",
    build: Build = False,
) -> None:
    """Judge an issue's claims by what the repository and AWS really hold."""
    rollout = await reading(environment) if environment else None
    told = await issue_read(repository, issue, rollout)
    cloud = look_at_cloud(observers(rollout)) if rollout else None
    found = investigate_repository(repository, ref, told, addresses=hits_in, cloud=cloud, home=HOME, build=build)
    await leave(found, HOME, environment or "local")


def observers(rollout: Rollout) -> dict[tuple[str, str], Callable[[], Any]]:
    """Who looks at which resource, by kind and name."""
    aws, names = rollout.aws, rollout.environment.names
    return {
        ("database", names.database): lambda: observe_database(rollout),
        ("function", names.function): lambda: observe_function(aws("lambda"), names.function),
        ("alias", names.alias): lambda: observe_alias(aws("lambda"), names.function, names.alias),
        ("API", names.api): lambda: observe_api(rollout, names.api),
        ("bucket", names.site_bucket): lambda: observe_bucket(aws("s3"), names.site_bucket),
        ("distribution", names.site): lambda: observe_distribution(rollout),
        ("role", names.role): lambda: observe_role(rollout, names.role),
        ("security group", names.database_group): lambda: database_group(rollout),
        **{("secret", one): partial(observe_secret, rollout, one) for one in (names.database_secret, names.jwt_secret)},
        **{
            ("log group", one): partial(observe_log_group, rollout, one)
            for one in (names.function_logs, names.api_logs)
        },
    }


def database_group(rollout: Rollout) -> SeenGroup | None:
    """Who may reach the database."""
    vpc, name = observe_vpc(rollout), rollout.environment.names.database_group
    return observe_groups(rollout, vpc.id, [name]).get(name) if vpc else None


async def issue_read(repository: str, issue: str, rollout: Rollout | None) -> IssueRead | None:
    """The issue's text from its file, or from GitHub by its number. Raises Permanent if it cannot be read."""
    if not issue:
        return None
    if not issue.isdecimal():
        found = issue_of_file_there(issue)
        return IssueRead(found.title, found.body, found.source.rpartition("/")[2])
    name = origin_of(repository)
    if name is None:
        raise Permanent(f"issue {issue} is a number, and {repository!r} has no origin at GitHub: name the issue's file")
    settings = agent_settings(rollout.environment.agents if rollout else None)
    keys = Keys(partial(read_secret, rollout)) if rollout else Keys()
    found = await issue_of_repository(Access(settings, keys), name, int(issue))
    return IssueRead(found.title, found.body, f"#{issue}")


def issue_of_file_there(issue: str) -> Issue:
    file = Path(issue).expanduser()
    if not file.is_file():
        raise Permanent(f"there is no file {issue!r}: name an issue's Markdown or JSON file, or its number")
    return issue_of_file(file)
