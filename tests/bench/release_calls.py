"""The client side of the release bench: a process that does a release's AWS work, in a flow or with bare boto3.

`python -m tests.bench.release_calls AWS_ENDPOINT API_ENDPOINT POSTGRES` reads a word a line: `flow` does the work as a
release does, `boto3` makes the same calls again with warm clients. It answers seconds and the number of calls.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.context import SyncClientContext
from prefect.testing.utilities import prefect_test_harness

from blocks.environment import Environment
from deployments.settings import LocalCloud, build_environment
from flows.opening import ROOT
from flows.provision import lay_foundation
from tasks.aliases import ensure_alias, shift_traffic
from tasks.bundling.bundle import Bundle, build_bundle
from tasks.bundling.sources import parse_source
from tasks.changes import Rollout
from tasks.functions import ensure_function
from tasks.gateway import ensure_api

SERVICES = ("ec2", "rds", "secretsmanager", "iam", "logs", "lambda", "apigatewayv2", "sts")


@dataclass
class Call:
    """One AWS call of a release: enough to make it again."""

    service: str
    operation: str
    parameters: dict[str, Any]
    answer: Any = None


@dataclass
class Recorder:
    """The calls of a rollout, in their order."""

    calls: list[Call] = field(default_factory=list)

    def attach(self, rollout: Rollout) -> None:
        for service in SERVICES:
            events = rollout.aws(service).meta.events
            events.register("provide-client-params", self.asked, unique_id="bench-asked")
            events.register("after-call", self.answered, unique_id="bench-answered")

    def asked(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append(Call(model.service_model.service_name, model.name, dict(params)))

    def answered(self, parsed: Any, model: Any, **_: Any) -> None:
        next(call for call in reversed(self.calls) if call.operation == model.name).answer = parsed


def in_a_flow(rollout: Rollout, bundle: Bundle) -> float:
    """What a release does at AWS, as steps of a flow; the seconds from its first line to its last."""

    @flow(name="aws-work")
    async def aws_work() -> float:
        with SyncClientContext.get_or_create():  # as flows/opening.py does
            return work(rollout, bundle)

    return asyncio.run(aws_work())


def work(rollout: Rollout, bundle: Bundle) -> float:
    began = time.perf_counter()
    foundation = lay_foundation(rollout)
    version = ensure_function(rollout, bundle, foundation.wiring)
    alias = ensure_alias(rollout, version.version)
    ensure_api(rollout, alias.arn)
    shift_traffic(rollout, version.version)
    return time.perf_counter() - began


def replay(rollout: Rollout, calls: list[Call]) -> float:
    """The same calls with warm clients, ids exchanged for those that this account gives; the seconds."""
    methods = {(c.service, c.operation): method_of(rollout, c) for c in calls}
    ids: dict[str, str] = {}
    began = time.perf_counter()
    for call in calls:
        answer = methods[call.service, call.operation](**exchanged(call.parameters, ids))
        while database_status(answer) != database_status(call.answer):  # a script waits for its database, too
            time.sleep(0.02)
            answer = methods[call.service, call.operation](**exchanged(call.parameters, ids))
        learn(call.answer, answer, ids)
    return time.perf_counter() - began


def database_status(answer: Any) -> str:
    """`available` where that is the answer; '' for any other answer."""
    instances = answer.get("DBInstances") if isinstance(answer, dict) else None
    return "available" if instances and instances[0]["DBInstanceStatus"] == "available" else ""


def method_of(rollout: Rollout, call: Call) -> Any:
    client = rollout.aws(call.service)
    name = next(m for m, operation in client.meta.method_to_api_mapping.items() if operation == call.operation)
    method = getattr(client, name)

    def tolerant(**parameters: Any) -> Any:
        try:
            return method(**parameters)
        except client.exceptions.ClientError as error:
            return error.response  # a release asks for what is not there yet, too

    return tolerant


def learn(before: Any, now: Any, ids: dict[str, str]) -> None:
    """Remember which text of the recorded answer stands where in the new one."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before.keys() & now.keys() - {"ResponseMetadata"}:
            learn(before[key], now[key], ids)
    elif isinstance(before, list) and isinstance(now, list):
        for old, new in zip(before, now, strict=False):
            learn(old, new, ids)
    elif isinstance(before, str) and isinstance(now, str) and before != now:
        ids[before] = now


def exchanged(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: exchanged(item, ids) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exchanged(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def main() -> None:
    environment = local(LocalCloud(*sys.argv[1:3]))
    source = parse_source("python:tests/fixtures/python-lambda", root=ROOT)
    bundle = build_bundle(source, environment.function, root=ROOT, work=Path(sys.argv[4]))
    recorder, door = Recorder(), environment.aws()
    with prefect_test_harness(server_startup_timeout=120):
        recorder.attach(Rollout(environment, door))
        print("ready", flush=True)
        for word in sys.stdin:
            rollout = Rollout(environment, door)
            if word.strip() == "flow":
                recorder.calls.clear()
                seconds = in_a_flow(rollout, bundle)
            else:
                seconds = replay(rollout, list(recorder.calls))
            print(seconds, len(recorder.calls), flush=True)


def local(cloud: LocalCloud) -> Environment:
    """Environment `local` on this cloud, with the smallest function."""
    settings = {"account_id": "211234825975", "region": "us-east-1", "database": {"sslmode": "prefer"}}
    return build_environment("local", cloud.overlay({**settings, "function": {"host_wheels": True}}))


if __name__ == "__main__":
    main()
