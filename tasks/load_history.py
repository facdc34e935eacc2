"""The history of load tests, in the environment's own database: this run beside the last ones, then among them."""

from collections.abc import Mapping

import psycopg
from pydantic import SecretStr

from database.load_runs import LoadRun, keep_run, last_runs
from database.migration_connect import PATIENCE, connect
from database.migration_errors import MigrationError
from tasks.changes import Rollout
from tasks.errors import Permanent, Temporary
from tasks.loading.comparison import FLOORS, KEPT, Compared, compare
from tasks.secrets import database_dsn


def compared_and_kept(
    rollout: Rollout, run: LoadRun, *, dsn: SecretStr | None = None, patience: float = PATIENCE
) -> list[Compared]:
    """This run beside the last ones of its load; then it is one of them. One that was cut short is only kept."""
    dsn = dsn or database_dsn(rollout)
    try:
        with connect(dsn.get_secret_value(), patience=patience) as connection:
            past = last_runs(connection, run.environment, run.profile, run.load, most=KEPT)
            keep_run(connection, run)
    except psycopg.errors.UndefinedTable as error:
        raise Permanent("this database has no history of load tests yet; run migrate first") from error
    except (psycopg.Error, MigrationError) as error:
        raise Temporary(f"the history of load tests cannot be reached: {error}") from error
    return [] if run.partial else compare(numbers(run), [numbers(one) for one in past])


def numbers(run: LoadRun) -> Mapping[str, float]:
    """The figures that are compared; without those that the run does not have."""
    return {name: value for name in FLOORS if (value := getattr(run, name)) is not None}
