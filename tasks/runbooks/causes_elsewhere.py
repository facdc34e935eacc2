"""What a cold start is made of, why ECS tasks do not run, why DynamoDB throttles."""

import re
from collections.abc import Sequence

from blocks.commands import log_command
from tasks.diagnosing.judging import not_seen
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out
from tasks.runbooks.facts import RunbookFacts

LARGE_MB, FULL = 20.0, 0.8
"""A package of this size takes long to load; a table at this share of its capacity is about to throttle."""
IMAGE = re.compile(r"CannotPull|pull image|manifest unknown|ImageNotFound|repository does not exist", re.IGNORECASE)
RIGHTS = re.compile(r"AccessDenied|not authorized|unable to assume|is not allowed to", re.IGNORECASE)
ROOM = re.compile(r"OutOfMemory|unable to place a task|insufficient (cpu|memory)|RESOURCE:|capacity is unavail", re.I)
WAY = re.compile(
    r"i/o timeout|context deadline|dial tcp|no route to host|unable to (reach|retrieve .* from .*manager)", re.I
)
HEALTH = re.compile(r"health ?check", re.IGNORECASE)


def slow_start(facts: RunbookFacts) -> Judgement:
    """Starts take so long that callers notice, by the log of the last day."""
    seen = facts.starts
    if seen is None:
        return not_seen(facts, "starts")
    if not seen.starts_ms or not seen.odd:
        return ruled_out(seen.says)
    fixes = []
    if seen.package_mb > LARGE_MB:
        fixes.append(Fix(f"a smaller package: {seen.package_mb:.0f} MB are loaded before anything runs"))
    if seen.memory_mb < 1024:
        fixes.append(Fix(f"more function.memory_mb than {seen.memory_mb}: it is also more processor, up to 1769 MB"))
    if not seen.provisioned:
        fixes.append(Fix("function.provisioned_concurrency = 2 in the environment, then release",
                         "miyabi plan -e {environment}"))  # fmt: skip
    fixes.append(Fix("connect and load at the first use, not at the start (SnapStart is not for provided.* runtimes)"))
    return certain(seen.times, seen.means, fixes=fixes)


def unwarmed(facts: RunbookFacts) -> Judgement:
    """Provisioned processes, and starts all the same: there are too few."""
    seen = facts.starts
    if seen is None:
        return not_seen(facts, "starts")
    if not seen.provisioned or not seen.starts_ms:
        return ruled_out(seen.says)
    fix = Fix("raise function.provisioned_concurrency to the concurrency that is usual")
    return possible(f"{len(seen.starts_ms)} starts beside {seen.provisioned} provisioned processes", fixes=(fix,))


def said_by(facts: RunbookFacts, pattern: re.Pattern[str]) -> list[str]:
    """What ECS said of stopped tasks and services that fits."""
    tasks = facts.stopped.tasks if facts.stopped else ()
    services = facts.services.services if facts.services else ()
    lines = [str(one) for one in tasks if pattern.search(" ".join(one.reasons))]
    lines += [f"service {one.name}: {event}" for one in services for event in one.events if pattern.search(event)]
    return list(dict.fromkeys(lines))[:4]


def by_ecs(facts: RunbookFacts, pattern: re.Pattern[str], sure: Sequence[str], fixes: Sequence[Fix]) -> Judgement:
    """`sure` is what was seen itself; what ECS said speaks for the same."""
    if facts.services is None:
        return not_seen(facts, "services")
    said = said_by(facts, pattern)
    if sure:
        return certain(*sure, *said, fixes=fixes)
    if not said:
        return ruled_out("nothing that ECS said points there")
    if not facts.services.odd:
        return possible(*said, against=(f"by now all runs: {facts.services.says}",), fixes=fixes)
    return likely(*said, fixes=fixes)


def image(facts: RunbookFacts) -> Judgement:
    """The image is not there, or cannot be pulled."""
    seen = facts.definitions
    lacking = [f"{name}: {why}" for name, why in seen.images.items()] if seen else []
    names = [name for name in (seen.images if seen else ())]
    fix = Fix("push it, or name one that is there in the task definition",
              f"aws ecr describe-images --repository-name {repository(names)}" if names else "")  # fmt: skip
    return by_ecs(facts, IMAGE, lacking, (fix,))


def repository(names: Sequence[str]) -> str:
    return names[0].partition("/")[2].partition(":")[0].partition("@")[0]


def rights(facts: RunbookFacts) -> Judgement:
    """A role is gone, or may not do what starting the task needs."""
    seen = facts.definitions
    lacking = [f"{name}: {why}" for name, why in seen.roles.items()] if seen else []
    fix = Fix("give the execution role AmazonECSTaskExecutionRolePolicy, and the secrets that the definition names")
    return by_ecs(facts, RIGHTS, lacking, (fix,))


def log_group(facts: RunbookFacts) -> Judgement:
    """The log driver's group is not there: the task ends before it starts."""
    seen = facts.definitions
    lacking = [f"{name}: {why}" for name, why in seen.groups.items()] if seen else []
    group = next(iter(seen.groups), "") if seen else ""
    fix = Fix("make it, or set awslogs-create-group", f"aws logs create-log-group --log-group-name {group}")
    return by_ecs(facts, re.compile("ResourceNotFoundException: The specified log group"), lacking, (fix,))


def room(facts: RunbookFacts) -> Judgement:
    """Too little memory or processor, in the task or in the cluster."""
    tasks = facts.stopped.tasks if facts.stopped else ()
    killed = [str(one) for one in tasks if 137 in one.codes][:3]
    fix = Fix("raise cpu and memory in the task definition, or the cluster's capacity")
    found = by_ecs(facts, ROOM, (), (fix,))
    if killed and found.verdict == "ruled out":
        return possible(*killed, against=("137 is also what a stop by hand leaves",), fixes=(fix,))
    return found


def way_out(facts: RunbookFacts) -> Judgement:
    """The subnets have no way to ECR, Secrets Manager or CloudWatch."""
    fix = Fix("a route to a NAT gateway, `assignPublicIp`, or VPC endpoints for ecr.api, ecr.dkr, s3, logs",
              "aws ec2 describe-route-tables --filters Name=association.subnet-id,Values=SUBNET")  # fmt: skip
    return by_ecs(facts, WAY, (), (fix,))


def unhealthy(facts: RunbookFacts) -> Judgement:
    """It starts, and the load balancer or its own check takes it away."""
    fix = Fix("ask the check's path in the container; raise healthCheckGracePeriodSeconds for a slow start")
    return by_ecs(facts, HEALTH, (), (fix,))


def exits(facts: RunbookFacts) -> Judgement:
    """The program itself ends."""
    if facts.stopped is None:
        return not_seen(facts, "stopped")
    ended = [str(one) for one in facts.stopped.tasks if any(code not in (0, 137, 143) for code in one.codes)][:3]
    if not ended:
        return ruled_out("no container ended by itself with an error")
    group = ended[0].partition(" of ")[2].partition(":")[2].partition(":")[0]
    return likely(*ended, fixes=(Fix("read what it printed", f"aws {log_command(f'/aws/ecs/{group}', 60)}"),))


def no_table(facts: RunbookFacts) -> Judgement:
    """The table that was asked for is not there, or not ready."""
    seen = facts.tables
    if seen is None:
        return not_seen(facts, "tables")
    if seen.absent:
        return certain(seen.says, fixes=(Fix("look at its name and region", "aws dynamodb list-tables"),))
    other = [f"{one.name} is {one.status}" for one in seen.tables if one.status != "ACTIVE"]
    return likely(*other, fixes=(Fix("wait until it is ACTIVE"),)) if other else ruled_out(seen.says)


def throttled(facts: RunbookFacts) -> Judgement:
    """Requests were refused: more was asked for than the table is paid for."""
    if facts.tables is None or facts.throttles is None:
        return not_seen(facts, "tables", "throttles")
    by_name = {one.name: one for one in facts.tables.tables}
    hit = [one for one in facts.throttles.loads if one.throttled_reads or one.throttled_writes]
    if not hit:
        return ruled_out(facts.throttles.says)
    fixes, evidence = [], []
    for load in hit:
        table = by_name[load.table]
        evidence.append(f"{load.table}: {load.throttled_reads} reads and {load.throttled_writes} writes were throttled")
        fixes.append(paid(load.table) if table.reads is not None else hot(load.table))
    return certain(*evidence, fixes=fixes)


def paid(table: str) -> Fix:
    return Fix(f"pay {table} by request, or let its capacity scale",
               f"aws dynamodb update-table --table-name {table} --billing-mode PAY_PER_REQUEST")  # fmt: skip


def hot(table: str) -> Fix:
    return Fix(f"{table} is paid by request: spread the key that gets too much (1000 writes/s or 3000 reads/s each)",
               f"aws dynamodb update-contributor-insights --table-name {table} "
               "--contributor-insights-action ENABLE")  # fmt: skip


def nearly(facts: RunbookFacts) -> Judgement:
    """Not throttled yet, and close to it."""
    if facts.tables is None or facts.throttles is None:
        return not_seen(facts, "tables", "throttles")
    loads = {one.table: one for one in facts.throttles.loads}
    close = [
        f"{one.name}: at most {loads[one.name].reads:.1f} of {one.reads} reads/s and {loads[one.name].writes:.1f} of "
        f"{one.writes} writes/s"
        for one in facts.tables.tables
        if one.reads is not None and one.writes is not None and one.name in loads
        and (loads[one.name].reads >= FULL * one.reads or loads[one.name].writes >= FULL * one.writes)
    ]  # fmt: skip
    if not close:
        return ruled_out(facts.throttles.says)
    return possible(*close, fixes=tuple(paid(line.partition(":")[0]) for line in close))
