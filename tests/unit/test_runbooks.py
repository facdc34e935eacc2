"""Runbooks: the list and its page, verdicts of every own cause from facts, ECS and DynamoDB by recorded answers."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from deployments.cli_runbook import runbook as command
from tasks.changes import Rollout
from tasks.diagnosing.facts_function import FunctionSeen
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import Diagnosis, Verdict
from tasks.runbooks.facts import BackupsSeen, EngineSeen, LedgerSeen, RunbookFacts, StartsSeen, TermsSeen
from tasks.runbooks.facts_elsewhere import (
    DefinitionsSeen,
    Load,
    Service,
    ServicesSeen,
    Stopped,
    StoppedSeen,
    Table,
    TablesSeen,
    ThrottlesSeen,
)
from tasks.runbooks.known import KNOWN_CAUSES, OWN_CAUSES, OWN_PROBES, causes_of, probes_of
from tasks.runbooks.probes_starts import see_starts
from tasks.runbooks.runbooks import NAMES, RUNBOOKS
from tasks.runbooks.steps import follow
from tests.aws_answers import Answer, Answers, Refusal

DOCS = Path(__file__).parents[2] / "docs" / "runbooks.md"
IMAGE = "211234825975.dkr.ecr.us-east-1.amazonaws.com/miyabi-agent-worker:latest"


def test_every_runbook_names_what_there_is_and_nothing_is_left_over() -> None:
    assert all(probes_of(one) and causes_of(one) for one in RUNBOOKS)
    named = " ".join(f"{one.facts} {one.causes}" for one in RUNBOOKS).split()
    assert {one.fact for one in OWN_PROBES} | {one.key for one in OWN_CAUSES} <= {*named}
    assert len(KNOWN_CAUSES) == len({*KNOWN_CAUSES.values()})


def test_the_page_lists_every_runbook() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \| (.+?) \|", DOCS.read_text(), re.MULTILINE)
    assert rows == [(one.name, one.symptom, one.source) for one in RUNBOOKS]


def test_the_command_lists_them_and_refuses_others() -> None:
    listed = json.loads(CliRunner().invoke(command, ["--json"]).output)["runbooks"]
    assert [one["name"] for one in listed] == [*NAMES]
    assert "ecs-task" in CliRunner().invoke(command, []).output
    for arguments, words in ((["nothing"], "there is no runbook 'nothing'"), (["cold-start", "x"], "takes none")):
        refused = CliRunner().invoke(command, arguments)
        assert refused.exit_code == 2
        assert words in refused.output


STARTS = StartsSeen(24, (300.0, 400.0, 4200.0), 512, 110, 32.0, 0)
ENGINE = EngineSeen("15.15", ("15.12", "15.15"), "15.15")
TERMS = TermsSeen("require", True, "rds-ca-rsa2048-g1", 900, "", False, "no pg_hba.conf entry, no encryption", "")
LEDGER = LedgerSeen("migrations", 7, 7)
WORKER = Service("main", "worker", 2, 0, 1, "arn:definition")
BACKUPS = BackupsSeen("available", "2026-11-27T03:15:00Z", "20261127T012000Z", "db-backup-daily-1", 3600.0, 26.0)
SERVICES = ServicesSeen((WORKER,))
DEFINITIONS = DefinitionsSeen(1)
TABLE = Table("tasks", "ACTIVE", 5, 5)
CALM = Load("tasks", 0, 0, 1.0, 1.0)


def ended(*reasons: str, codes: tuple[int, ...] = ()) -> Mapping[str, Any]:
    return {"services": SERVICES, "definitions": DEFINITIONS,
            "stopped": StoppedSeen((Stopped("0123456789abcdef", "service:worker", reasons, codes),))}  # fmt: skip


def tables(*loads: Load, table: Table = TABLE) -> Mapping[str, Any]:
    return {"tables": TablesSeen((table,)), "throttles": ThrottlesSeen(3, loads or (CALM,))}


CASES: list[tuple[str, Verdict, Mapping[str, Any]]] = [
    ("slow-start", "ruled out", {"starts": replace(STARTS, starts_ms=(300.0, 400.0))}),
    ("slow-start", "ruled out", {"starts": replace(STARTS, starts_ms=())}),
    ("slow-start", "certain", {"starts": replace(STARTS, starts_ms=(3000.0, 4000.0, 5000.0))}),
    ("unwarmed", "possible", {"starts": replace(STARTS, provisioned=2)}),
    ("unwarmed", "ruled out", {"starts": STARTS}),
    ("version-not-offered", "certain", {"engine": replace(ENGINE, wanted="15.4", runs="")}),
    ("version-not-offered", "possible", {"engine": replace(ENGINE, wanted="15.4")}),
    ("version-not-offered", "certain", {"engine": EngineSeen("9.6", ())}),
    ("version-not-offered", "ruled out", {"engine": replace(ENGINE, wanted="15")}),
    ("no-way-up", "certain", {"engine": replace(ENGINE, wanted="16.4", targets=("15.16", "16.4"))}),
    ("no-way-up", "ruled out", {"engine": ENGINE}),
    ("old-minor", "possible", {"engine": replace(ENGINE, targets=("15.16", "16.4"))}),
    ("old-minor", "ruled out", {"engine": replace(ENGINE, targets=("16.4",))}),
    ("tls-broken", "likely", {"terms": replace(TERMS, with_tls="certificate verify failed")}),
    ("tls-broken", "ruled out", {"terms": TERMS}),
    ("authority", "certain", {"terms": replace(TERMS, sslmode="verify-full", bundle="a.pem")}),
    ("authority", "ruled out", {"terms": replace(TERMS, sslmode="verify-full", bundle="a.pem", bundle_there=True)}),
    ("authority", "likely", {"terms": replace(TERMS, authority_days=20)}),
    ("authority", "certain", {"terms": replace(TERMS, authority_days=-1)}),
    ("plain-refused", "likely", {"terms": TERMS}),
    ("plain-refused", "ruled out", {"terms": replace(TERMS, without_tls="")}),
    ("plain-refused", "ruled out", {"terms": replace(TERMS, with_tls="timeout")}),
    ("ledger-files", "certain", {"ledger": replace(LEDGER, bad=("two of a version",))}),
    ("ledger-dirty", "certain", {"ledger": replace(LEDGER, dirty=("7 is partially applied",))}),
    ("ledger-changed", "certain", {"ledger": replace(LEDGER, changed=("7 was changed",))}),
    ("ledger-missing", "certain", {"ledger": replace(LEDGER, missing=("8 is missing",))}),
    ("ledger-held", "likely", {"ledger": replace(LEDGER, holder="process 12 (me, psql), quiet for 9 s")}),
    ("ledger-waiting", "likely", {"ledger": replace(LEDGER, pending=("8 more",))}),
    *((f"ledger-{name}", cast(Verdict, "ruled out"), {"ledger": LEDGER})
      for name in ("files", "dirty", "changed", "missing", "held", "waiting")),
    ("ecs-image", "certain", {**ended(), "definitions": DefinitionsSeen(1, {IMAGE: "the repository has no image"})}),
    ("ecs-image", "likely", ended("CannotPullContainerError: pull image manifest has been retried 5 time(s)")),
    ("ecs-rights", "certain", {**ended(), "definitions": DefinitionsSeen(1, {}, {"arn:role": "no such role"})}),
    ("ecs-rights", "likely", ended("ResourceInitializationError: AccessDeniedException: not authorized to perform")),
    ("ecs-log-group", "certain", {**ended(), "definitions": DefinitionsSeen(1, {}, {}, {"/aws/ecs/x": "is not"})}),
    ("ecs-way-out", "likely", ended("ResourceInitializationError: unable to pull secrets: dial tcp: i/o timeout")),
    ("ecs-room", "likely", ended("OutOfMemoryError: Container killed due to memory usage", codes=(137,))),
    ("ecs-room", "possible", ended("Scaling activity", codes=(137,))),
    ("ecs-health", "likely", ended("Task failed ELB health checks in (target-group x)")),
    ("ecs-exits", "likely", ended("Essential container in task exited", codes=(1,))),
    *((f"ecs-{name}", cast(Verdict, "ruled out"), ended("Scaling activity initiated by deployment"))
      for name in ("image", "rights", "log-group", "way-out", "room", "health", "exits")),
    ("no-table", "certain", {"tables": TablesSeen((), "tasks")}),
    ("no-table", "likely", tables(table=replace(TABLE, status="CREATING"))),
    ("no-table", "ruled out", tables()),
    ("throttled", "certain", tables(Load("tasks", 0, 12, 1.0, 5.0))),
    ("throttled", "ruled out", tables()),
    ("database-gone", "certain", {"backups": replace(BACKUPS, status="")}),
    ("database-gone", "certain", {"backups": replace(BACKUPS, status="storage-full", dump="")}),
    ("database-gone", "ruled out", {"backups": BACKUPS}),
    ("data-wrong", "possible", {"backups": BACKUPS}),
    ("data-wrong", "ruled out", {"backups": replace(BACKUPS, status="")}),
    ("backup-unproven", "likely", {"backups": replace(BACKUPS, rpo_s=None, dump="")}),
    ("backup-unproven", "likely", {"backups": replace(BACKUPS, rpo_s=27 * 3600.0)}),
    ("backup-unproven", "ruled out", {"backups": BACKUPS}),
    ("nearly-throttled", "possible", tables(Load("tasks", 0, 0, 4.5, 1.0))),
    ("nearly-throttled", "ruled out", tables()),
    ("nearly-throttled", "ruled out", tables(table=replace(TABLE, reads=None, writes=None))),
]  # fmt: skip


@pytest.mark.parametrize(("key", "verdict", "facts"), CASES)
def test_each_cause(key: str, verdict: Verdict, facts: Mapping[str, Any]) -> None:
    judgement = KNOWN_CAUSES[key].judge(RunbookFacts(**facts))
    assert judgement.verdict == verdict, judgement
    assert bool(judgement.evidence) == (verdict != "ruled out")
    assert bool(judgement.fixes) == (verdict != "ruled out")
    assert judgement.evidence or judgement.against


def test_every_own_cause_is_found_somewhere_and_without_facts_is_unknown() -> None:
    found = {key for key, verdict, _ in CASES if verdict in ("certain", "likely", "possible")}
    assert {one.key for one in OWN_CAUSES} == found
    why = {one.fact: "nobody could ask" for one in OWN_PROBES}
    assert {one.judge(RunbookFacts(why_not=why)).verdict for one in OWN_CAUSES} == {"unknown"}


def test_fixes_follow_from_what_a_start_is_made_of() -> None:
    slow = replace(STARTS, starts_ms=(3000.0,) * 3)
    says = [fix.says for fix in KNOWN_CAUSES["slow-start"].judge(RunbookFacts(starts=slow)).fixes]
    assert [one.split(":")[0] for one in says[:2]] == ["a smaller package", "more function.memory_mb than 512"]
    light = replace(slow, package_mb=1.0, memory_mb=1769, provisioned=2)
    assert len(KNOWN_CAUSES["slow-start"].judge(RunbookFacts(starts=light)).fixes) == 1


def followed(name: str, answers: Mapping[str, Answer], target: str = "") -> Diagnosis:
    environment = SimpleNamespace(name="production")
    rollout = cast(Rollout, SimpleNamespace(aws=Answers(answers), environment=environment))
    return follow.fn(NAMES[name], Look(rollout, target))


CLUSTER = "arn:aws:ecs:us-east-1:211234825975:cluster/miyabi"
ROLE = "arn:aws:iam::211234825975:role/worker"


def ecs(**changes: Answer) -> Mapping[str, Answer]:
    """A service that wants two tasks and has none, whose image is not in its repository."""
    service = {
        "serviceName": "agent-worker", "desiredCount": 2, "runningCount": 0, "pendingCount": 2,
        "taskDefinition": "agent-worker:42", "events": [{"message": "(service agent-worker) has started 2 tasks"}],
    }  # fmt: skip
    task = {
        "taskArn": f"{CLUSTER}/0123456789abcdef", "group": "service:agent-worker", "stoppedAt": datetime.now(UTC),
        "stoppedReason": f"CannotPullContainerError: {IMAGE}: not found", "containers": [{"name": "worker"}],
    }  # fmt: skip
    definition = {
        "executionRoleArn": ROLE,
        "containerDefinitions": [{"name": "worker", "image": IMAGE}],
    }
    return {
        "ecs.ListClusters": {"clusterArns": [CLUSTER]},
        "ecs.ListServices": {"serviceArns": ["arn:service"]},
        "ecs.DescribeServices": {"services": [service]},
        "ecs.ListTasks": {"taskArns": ["arn:task"]},
        "ecs.DescribeTasks": {"tasks": [task, {**task, "group": "service:another"}]},
        "ecs.DescribeTaskDefinition": {"taskDefinition": definition},
        "ecr.DescribeImages": Refusal("ImageNotFoundException"),
        "iam.GetRole": Refusal("NoSuchEntity"),
        **changes,
    }


def test_ecs_names_what_is_not_there() -> None:
    found = followed("ecs-task", ecs())
    assert [one.cause.key for one in found.having("certain")] == ["ecs-image", "ecs-rights"]
    evidence = found.judged[0].judgement.evidence
    assert evidence[0] == f"{IMAGE}: the repository has no image 'latest'"
    assert evidence[1].startswith("task 0123456789ab of service:agent-worker: CannotPullContainerError")
    assert found.judged[0].judgement.fixes[0].command.endswith("--repository-name miyabi-agent-worker")
    assert found.probed[0].says == "agent-worker 0 of 2 running, 2 pending"
    assert "1 tasks stopped lately" in found.probed[1].says


def test_ecs_that_is_well_says_so() -> None:
    role = {"RoleName": "worker", "Arn": ROLE, "Path": "/", "RoleId": "AROA1234567890123", "CreateDate": datetime.now()}
    well = ecs(**{
        "ecs.ListTasks": {"taskArns": []}, "ecr.DescribeImages": {"imageDetails": []}, "iam.GetRole": {"Role": role},
        "ecs.DescribeServices": {"services": [{"serviceName": "a", "desiredCount": 1, "runningCount": 1,
                                               "pendingCount": 0, "taskDefinition": "a:1"}]},
    })  # fmt: skip
    found = followed("ecs-task", well)
    assert {one.verdict for one in found.judged} == {"ruled out"}
    assert found.headline.startswith("Nothing of the kind: 0 tasks stopped lately")


@pytest.mark.parametrize(
    ("name", "answers", "target", "says"),
    [
        ("ecs-task", {"ecs.ListClusters": {"clusterArns": []}}, "", "no such resource here: there is no ECS service"),
        ("ecs-task", {"ecs.ListServices": Refusal("ClusterNotFoundException")}, "a/b", "no ECS service in a/b"),
        ("ecs-task", {"ecs.ListClusters": Refusal("SimulatorGap")}, "", "the embedded cloud has no ECS"),
        (
            "ecs-task",
            {"ecs.ListClusters": Refusal("AccessDeniedException")},
            "",
            "not be told: AccessDeniedException",
        ),
        ("dynamodb-throttling", {"dynamodb.ListTables": {"TableNames": []}}, "", "there is no DynamoDB table"),
        ("dynamodb-throttling", {"dynamodb.ListTables": Refusal("SimulatorGap")}, "", "has no DynamoDB"),
        ("dynamodb-throttling", {"dynamodb.ListTables": {"TableNames": ["tasks"]}}, "b", "there is no table 'b'"),
    ],
)
def test_where_there_is_no_such_resource(name: str, answers: Mapping[str, Answer], target: str, says: str) -> None:
    assert says in followed(name, answers, target).headline


def figures(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"MetricDataResults": [
        {"Id": "throttled_writes", "Values": [7.0, 5.0]}, {"Id": "writes", "Values": [60.0, 300.0]},
        {"Id": "throttled_reads", "Values": []}, {"Id": "reads", "Values": []},
    ]}  # fmt: skip


@pytest.mark.parametrize(
    ("billing", "fix"), [({}, "--billing-mode PAY_PER_REQUEST"), ({"BillingMode": "PAY_PER_REQUEST"}, "insights")]
)
def test_a_throttled_table(billing: dict[str, str], fix: str) -> None:
    table = {"TableName": "tasks", "TableStatus": "ACTIVE", "BillingModeSummary": billing,
             "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}  # fmt: skip
    found = followed(
        "dynamodb-throttling",
        {"dynamodb.ListTables": {"TableNames": ["tasks"]}, "dynamodb.DescribeTable": {"Table": table},
         "cloudwatch.GetMetricData": figures},
    )  # fmt: skip
    first = found.judged[0]
    assert (first.cause.key, first.verdict) == ("throttled", "certain")
    assert first.judgement.evidence == ("tasks: 0 reads and 12 writes were throttled",)
    assert fix in first.judgement.fixes[0].command
    assert "at most 0.0 reads/s and 5.0 writes/s" in found.probed[1].says


def test_starts_are_read_from_the_log() -> None:
    line = (
        "REPORT RequestId: 1\tDuration: 9.00 ms\tMemory Size: 512 MB\tMax Memory Used: 96 MB\tInit Duration: {} ms\t\n"
    )
    events = [{"message": line.format(ms)} for ms in ("812.50", "300.00")] + [{"message": "Init Duration is a word"}]
    answers: Mapping[str, Answer] = {
        "logs.FilterLogEvents": {"events": events},
        "lambda.GetFunctionConfiguration": {"CodeSize": 4_800_000},
        "lambda.ListProvisionedConcurrencyConfigs": {
            "ProvisionedConcurrencyConfigs": [{"FunctionArn": "arn:f:1", "RequestedProvisionedConcurrentExecutions": 2,
                                               "Status": "READY"}],
        },
    }  # fmt: skip
    look = Look(cast(Rollout, SimpleNamespace(aws=Answers(answers))))
    function = FunctionSeen("f", "live", True, memory_mb=512, log_group="/aws/lambda/f")
    seen = see_starts(look, RunbookFacts(function=function))
    assert seen == StartsSeen(24, (300.0, 812.5), 512, 96, 4.8, 2)


@pytest.mark.parametrize(("starts", "median", "p95"), [((5.0, 9.0), 5.0, 9.0), ((7.0,), 7.0, 7.0), ((), 0.0, 0.0)])
def test_of_few_starts_95_percent_are_not_faster_than_half(
    starts: tuple[float, ...], median: float, p95: float
) -> None:
    seen = replace(STARTS, starts_ms=starts)
    assert (seen.median_ms, seen.p95_ms) == (median, p95)
