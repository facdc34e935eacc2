"""Tear down: destroy what releases made in an environment, in the reverse order. Run by hand, for good.

Only what carries our tags is destroyed. The database goes last of what holds data, with a final snapshot unless told
otherwise. It is all planned first, so that what forbids it (the database's deletion protection) forbids it while
everything stands. Every step tolerates that its thing is gone already.
"""

from typing import Annotated

from prefect import flow

from flows.opening import opened, run_name, turns
from flows.parameters import EnvironmentName, PlanOnly, Shown
from tasks.alarms import destroy_alarms
from tasks.changes import Rollout
from tasks.dashboards import destroy_dashboard
from tasks.database_groups import destroy_database_groups
from tasks.databases import destroy_database
from tasks.errors import Rejected
from tasks.functions import destroy_function
from tasks.gateway import destroy_api
from tasks.logs import destroy_log_group
from tasks.network import destroy_network
from tasks.roles import destroy_role
from tasks.secrets import destroy_secrets
from tasks.sites.bucket import destroy_site_bucket
from tasks.sites.distribution import destroy_distribution
from tasks.topics import destroy_topic
from tasks.uploads import destroy_uploads

Confirm = Annotated[str, Shown("The environment's name again, to show that you mean it.")]
FinalSnapshot = Annotated[bool, Shown("Keep the data as a last snapshot.")]


@flow(name="teardown", flow_run_name=run_name)
async def teardown(
    environment: EnvironmentName = "local",
    confirm: Confirm = "",
    final_snapshot: FinalSnapshot = True,
    plan_only: PlanOnly = False,
) -> None:
    """Destroy what releases made in an environment."""
    if confirm != environment and not plan_only:
        raise Rejected("teardown", [f"to destroy {environment!r}, give its name as `confirm`; nothing was destroyed"])
    async with opened(environment, plan_only=plan_only) as rollout:
        async for turn in turns(rollout, plan_first=True):
            destroy_all(turn, final_snapshot=final_snapshot)


def destroy_all(rollout: Rollout, *, final_snapshot: bool) -> None:
    """In the reverse order of making."""
    names = rollout.environment.names
    destroy_dashboard(rollout)
    destroy_alarms(rollout)
    destroy_topic(rollout)
    destroy_distribution(rollout)
    destroy_site_bucket(rollout)
    destroy_api(rollout)
    destroy_function(rollout)
    destroy_database(rollout, final_snapshot=final_snapshot)
    destroy_database_groups(rollout)
    destroy_network(rollout)
    destroy_role(rollout)
    for group in (names.function_logs, names.api_logs):
        destroy_log_group(rollout, group)
    destroy_secrets(rollout)
    destroy_uploads(rollout)
