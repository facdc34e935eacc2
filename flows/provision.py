"""Provision: network, secrets, database, role and log groups. Run by hand, or as the first part of a release.

The database takes ten minutes on AWS, so it comes after all that may be refused at once. Everything converges: a run
that died is run again. There is no undo: what is provisioned stays until `teardown`.
"""

from dataclasses import dataclass
from typing import Annotated

from prefect import flow

from flows.opening import opened, run_name, turns
from flows.parameters import Adopt, EnvironmentName, PlanOnly, Shown
from tasks.certificates import trusted_authorities
from tasks.changes import Rollout
from tasks.configuration import Wiring
from tasks.database_engine import choose_engine
from tasks.database_groups import ensure_database_groups
from tasks.databases import Database, ensure_database
from tasks.logs import ensure_log_group
from tasks.network import Network, ensure_network
from tasks.roles import Role, ensure_role
from tasks.secrets import Secrets, ensure_database_address, ensure_secrets

ResetPassword = Annotated[bool, Shown("Give the database the password that is in its secret.")]


@dataclass(frozen=True)
class Foundation:
    """What a backend stands on."""

    network: Network
    secrets: Secrets
    database: Database
    role: Role

    @property
    def wiring(self) -> Wiring:
        """What of it a function is wired to."""
        group = self.network.function_group_id
        return Wiring(
            role_arn=self.role.arn,
            database_secret_arn=self.secrets.database.arn,
            jwt_secret_arn=self.secrets.jwt.arn,
            subnet_ids=self.network.function_subnet_ids if group else (),
            group_ids=(group,) if group else (),
        )


@flow(name="provision", flow_run_name=run_name)
async def provision(
    environment: EnvironmentName = "local",
    plan_only: PlanOnly = False,
    adopt: Adopt = False,
    reset_password: ResetPassword = False,
) -> None:
    """Have what a backend stands on: network, secrets, database, role, log groups."""
    async with opened(environment, plan_only=plan_only, adopt=adopt) as rollout:
        async for turn in turns(rollout):
            lay_foundation(turn, reset_password=reset_password)


def lay_foundation(rollout: Rollout, *, reset_password: bool = False) -> Foundation:
    """The steps of provisioning, in the order in which each finds what it needs."""
    trusted_authorities(rollout.environment)  # a missing file is refused before the first write
    names = rollout.environment.names
    network = ensure_network(rollout)
    secrets = ensure_secrets(rollout, reset_password=reset_password)
    role = ensure_role(rollout, (secrets.database.arn, secrets.jwt.arn))
    for group in (names.function_logs, names.api_logs):
        ensure_log_group(rollout, group)
    engine = choose_engine(rollout)
    ensure_database_groups(rollout, network, engine)
    database = ensure_database(rollout, network, engine, reset_password=reset_password)
    ensure_database_address(rollout, address=database.address, port=database.port)
    return Foundation(network, secrets, database, role)
