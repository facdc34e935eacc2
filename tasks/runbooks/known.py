"""The probes and causes that a runbook can name: those of tasks/diagnosing, and those that they lack."""

from tasks.diagnosing.causes import CAUSES
from tasks.diagnosing.looking import Probe
from tasks.diagnosing.model import Cause
from tasks.diagnosing.probes import PROBES
from tasks.runbooks import causes_backups as backups
from tasks.runbooks import causes_database as database
from tasks.runbooks import causes_elsewhere as elsewhere
from tasks.runbooks.probes_backups import see_backups
from tasks.runbooks.probes_database import see_engine, see_ledger, see_terms
from tasks.runbooks.probes_ecs import see_definitions, see_services, see_stopped
from tasks.runbooks.probes_starts import see_starts
from tasks.runbooks.probes_tables import see_tables, see_throttles
from tasks.runbooks.runbooks import Runbook

OWN_PROBES = (
    Probe("starts in the log", "starts", see_starts),
    Probe("versions that RDS offers", "engine", see_engine),
    Probe("TLS and without", "terms", see_terms, asks="the database"),
    Probe("the migrations' ledger", "ledger", see_ledger, asks="the database"),
    Probe("ECS services", "services", see_services),
    Probe("stopped tasks", "stopped", see_stopped),
    Probe("task definitions", "definitions", see_definitions),
    Probe("DynamoDB tables", "tables", see_tables),
    Probe("throttled requests", "throttles", see_throttles),
    Probe("backups", "backups", see_backups),
)
OWN_CAUSES = (
    Cause("slow-start", "Starts of the function take long", elsewhere.slow_start, hinders="speed"),
    Cause("unwarmed", "More starts than the provisioned processes spare", elsewhere.unwarmed, hinders="speed"),
    Cause("version-not-offered", "RDS does not offer the wanted version", database.version_not_offered,
          hinders="releases"),
    Cause("no-way-up", "The running version is not upgraded to the wanted one by a release", database.no_way_up,
          hinders="releases"),
    Cause("old-minor", "The running version lacks later fixes", database.old_minor),
    Cause("tls-broken", "The database does not answer with TLS", database.tls_broken, follows=("authority",)),
    Cause("authority", "The certificate cannot be checked, or ends soon", database.authority),
    Cause("plain-refused", "The database refuses clients without TLS, as it should", database.plain_refused),
    Cause("ledger-files", "The files are not what a runner takes", database.files, hinders="releases"),
    Cause("ledger-dirty", "A migration was applied in part", database.dirty, hinders="releases"),
    Cause("ledger-changed", "A file was changed after it was applied", database.changed, hinders="releases"),
    Cause("ledger-missing", "A migration was applied whose file is not here", database.missing, hinders="releases"),
    Cause("ledger-held", "Another run holds the migrations' lock", database.held, hinders="releases"),
    Cause("ledger-waiting", "Migrations were not applied", database.waiting, hinders="releases",
          follows=("ledger-dirty", "ledger-changed", "ledger-missing")),
    Cause("ecs-image", "The image is not there, or cannot be pulled", elsewhere.image),
    Cause("ecs-rights", "A role is missing, or may not do what a start needs", elsewhere.rights),
    Cause("ecs-log-group", "The log group of the task is not there", elsewhere.log_group),
    Cause("ecs-way-out", "The task's subnets have no way to AWS", elsewhere.way_out, follows=("ecs-image",)),
    Cause("ecs-room", "Too little memory or processor", elsewhere.room),
    Cause("ecs-health", "The health check takes the task away", elsewhere.unhealthy),
    Cause("ecs-exits", "The program itself ends", elsewhere.exits),
    Cause("no-table", "The table is not there, or not ready", elsewhere.no_table),
    Cause("throttled", "DynamoDB refuses more than the table is paid for", elsewhere.throttled),
    Cause("database-gone", "The database is not there any more, or broken for good", backups.database_gone),
    Cause("data-wrong", "What is in it is not what it should be", backups.data_wrong, hinders="releases"),
    Cause("backup-unproven", "No backup is known to be restorable, or only an old one", backups.unproven,
          hinders="releases"),
    Cause("nearly-throttled", "The table is used nearly to its capacity", elsewhere.nearly, hinders="speed"),
)  # fmt: skip
KNOWN_PROBES = {one.fact: one for one in (*PROBES, *OWN_PROBES)}
KNOWN_CAUSES = {one.key: one for one in (*CAUSES, *OWN_CAUSES)}


def probes_of(runbook: Runbook) -> tuple[Probe, ...]:
    return tuple(KNOWN_PROBES[fact] for fact in runbook.facts.split())


def causes_of(runbook: Runbook) -> tuple[Cause, ...]:
    """`requests` is every cause that breaks them."""
    if runbook.causes == "requests":
        return tuple(one for one in CAUSES if one.hinders == "requests")
    return tuple(KNOWN_CAUSES[key] for key in runbook.causes.split())
